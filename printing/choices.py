"""Stages of everything in printing, and the literal moves between them that the database itself allows (K-06)."""

from __future__ import annotations

from django.db import models


class Unit(models.TextChoices):
    ML = "ml", "mL"
    G = "g", "g"


class Precision(models.TextChoices):
    """How exact an expiry date is (K-10). A month means its last day."""

    DAY = "day", "day"
    MONTH = "month", "month"


class LotState(models.TextChoices):
    QUARANTINE = "quarantine", "in quarantine"
    RELEASED = "released", "released"
    IN_USE = "in_use", "in use"
    ON_HOLD = "on_hold", "on hold"
    REJECTED = "rejected", "rejected"
    EXPIRED = "expired", "expired"
    DEPLETED = "depleted", "used up"


USABLE_LOTS = frozenset({LotState.RELEASED, LotState.IN_USE})
USED_UP = frozenset({LotState.REJECTED, LotState.EXPIRED, LotState.DEPLETED})
LOT_PAIRS = (
    ("quarantine", "released"),
    ("quarantine", "rejected"),
    ("quarantine", "on_hold"),
    ("quarantine", "expired"),
    ("released", "in_use"),
    ("released", "quarantine"),
    ("released", "on_hold"),
    ("released", "expired"),
    ("released", "depleted"),
    ("in_use", "on_hold"),
    ("in_use", "quarantine"),
    ("in_use", "expired"),
    ("in_use", "depleted"),
    ("on_hold", "quarantine"),
    ("on_hold", "released"),
    ("on_hold", "in_use"),
    ("on_hold", "rejected"),
    ("on_hold", "expired"),
)


class ContainerState(models.TextChoices):
    SEALED = "sealed", "sealed"
    OPEN = "open", "open"
    EMPTY = "empty", "empty"


CONTAINER_PAIRS = (("sealed", "open"), ("sealed", "empty"), ("open", "empty"))


class Withdrawal(models.TextChoices):
    """Material that leaves a container without going into a build."""

    SAMPLED = "sampled", "taken as a sample"
    WASTED = "wasted", "thrown away"


class ParametersState(models.TextChoices):
    DRAFT = "draft", "draft"
    APPROVED = "approved", "approved"
    RETIRED = "retired", "retired"


PARAMETERS_PAIRS = (("draft", "approved"), ("draft", "retired"), ("approved", "retired"))


class Qualification(models.TextChoices):
    """May it? (regulatory.md 4.3). Says nothing about what the machine does."""

    COMMISSIONING = "commissioning", "being commissioned"
    IQ_APPROVED = "iq_approved", "installation qualified"
    OQ_APPROVED = "oq_approved", "operation qualified"
    QUALIFIED = "qualified", "qualified"
    REQUAL_REQUIRED = "requal_required", "needs requalification"
    SUSPENDED = "suspended", "suspended"
    RETIRED = "retired", "retired"


QUALIFICATION_PAIRS = (
    ("commissioning", "iq_approved"),
    ("iq_approved", "oq_approved"),
    ("oq_approved", "qualified"),
    ("qualified", "requal_required"),
    ("requal_required", "qualified"),
    ("qualified", "suspended"),
    ("requal_required", "suspended"),
    ("suspended", "requal_required"),
    ("commissioning", "retired"),
    ("iq_approved", "retired"),
    ("oq_approved", "retired"),
    ("qualified", "retired"),
    ("requal_required", "retired"),
    ("suspended", "retired"),
)


class Link(models.TextChoices):
    """Do we hear it?"""

    UP = "up", "connected"
    DOWN = "down", "not reachable"
    UNKNOWN = "unknown", "unknown"


class Machine(models.TextChoices):
    """How is the machine itself, whatever it prints?"""

    UNKNOWN = "unknown", "unknown"
    OK = "ok", "in order"
    BUSY = "busy", "busy with itself"
    FAULT = "fault", "faulty"
    MAINTENANCE = "maintenance", "in maintenance"


class Run(models.TextChoices):
    """What does it say about the print?"""

    UNKNOWN = "unknown", "unknown"
    NONE = "none", "no print"
    PREPARING = "preparing", "preparing"
    PRINTING = "printing", "printing"
    PAUSING = "pausing", "pausing"
    PAUSED = "paused", "paused"
    CANCELLING = "cancelling", "cancelling"
    FINISHED = "finished", "finished"
    CANCELLED = "cancelled", "cancelled"
    FAILED = "failed", "failed"


class Operation(models.TextChoices):
    """What a person sees (printers.md 5.3). READY is given by Lamina alone, after the plate was cleared."""

    OFFLINE = "offline", "offline"
    UNKNOWN = "unknown", "unknown"
    IDLE = "idle", "idle"
    READY = "ready", "ready"
    PREPARING = "preparing", "preparing"
    PRINTING = "printing", "printing"
    PAUSING = "pausing", "pausing"
    PAUSED = "paused", "paused"
    ATTENTION = "attention", "needs attention"
    CANCELLING = "cancelling", "cancelling"
    FINISHED = "finished", "finished"
    CANCELLED = "cancelled", "cancelled"
    ERROR = "error", "error"
    BUSY = "busy", "busy"
    MAINTENANCE = "maintenance", "maintenance"


class BuildState(models.TextChoices):
    DRAFT = "draft", "being prepared"
    UNPREPARED = "unprepared", "could not be prepared"
    PREPARED = "prepared", "prepared"
    VERIFIED = "verified", "verified"
    SCHEDULED = "scheduled", "scheduled"
    STARTED = "started", "started"
    INTERRUPTED = "interrupted", "waits for a decision"
    COMPLETED = "completed", "completed"
    FAILED = "failed", "failed"
    CANCELLED = "cancelled", "cancelled"


ENDED_BUILDS = frozenset({BuildState.COMPLETED, BuildState.FAILED, BuildState.CANCELLED})
BUILD_PAIRS = (
    ("draft", "prepared"),
    ("draft", "unprepared"),
    ("unprepared", "draft"),
    ("prepared", "verified"),
    ("verified", "scheduled"),
    ("scheduled", "verified"),
    ("scheduled", "started"),
    ("started", "interrupted"),
    ("started", "completed"),
    ("started", "failed"),
    ("interrupted", "completed"),
    ("interrupted", "failed"),
    ("draft", "cancelled"),
    ("unprepared", "cancelled"),
    ("prepared", "cancelled"),
    ("verified", "cancelled"),
)


class JobState(models.TextChoices):
    CLAIMED = "claimed", "claimed"
    STARTING = "starting", "starting"
    PRINTING = "printing", "printing"
    PAUSED = "paused", "paused"
    UNCERTAIN = "uncertain", "uncertain"
    FINISHED = "finished", "finished"
    FAILED = "failed", "failed"
    CANCELLED = "cancelled", "cancelled"


ENDED_JOBS = frozenset({JobState.FINISHED, JobState.FAILED, JobState.CANCELLED})
RUNNING_JOBS = frozenset({JobState.STARTING, JobState.PRINTING, JobState.PAUSED, JobState.UNCERTAIN})
JOB_PAIRS = (
    ("claimed", "starting"),
    ("claimed", "cancelled"),
    ("starting", "claimed"),
    ("starting", "printing"),
    ("starting", "uncertain"),
    ("printing", "paused"),
    ("printing", "uncertain"),
    ("printing", "finished"),
    ("printing", "failed"),
    ("printing", "cancelled"),
    ("paused", "printing"),
    ("paused", "uncertain"),
    ("paused", "finished"),
    ("paused", "failed"),
    ("paused", "cancelled"),
    ("uncertain", "claimed"),
    ("uncertain", "starting"),
    ("uncertain", "printing"),
    ("uncertain", "paused"),
    ("uncertain", "finished"),
    ("uncertain", "failed"),
    ("uncertain", "cancelled"),
)


class CommandKind(models.TextChoices):
    """Absolute commands: sent twice, each would mean the same. They are sent once all the same."""

    START = "start", "start"
    PAUSE = "pause", "pause"
    RESUME = "resume", "resume"
    CANCEL = "cancel", "cancel"
    CLEAR = "clear", "confirm that the plate is clear"


class CommandState(models.TextChoices):
    REQUESTED = "requested", "requested"
    SENT = "sent", "sent"
    ACKNOWLEDGED = "acknowledged", "acknowledged"
    CONFIRMED = "confirmed", "confirmed"
    REFUSED = "refused", "refused"
    UNCERTAIN = "uncertain", "uncertain"
    WITHDRAWN = "withdrawn", "withdrawn"


OPEN_COMMANDS = frozenset(
    {CommandState.REQUESTED, CommandState.SENT, CommandState.ACKNOWLEDGED, CommandState.UNCERTAIN}
)
COMMAND_PAIRS = (
    ("requested", "sent"),
    ("requested", "withdrawn"),
    ("sent", "acknowledged"),
    ("sent", "confirmed"),
    ("sent", "refused"),
    ("sent", "uncertain"),
    ("acknowledged", "confirmed"),
    ("acknowledged", "uncertain"),
    ("uncertain", "confirmed"),
    ("uncertain", "refused"),
)


class ConsumptionBasis(models.TextChoices):
    """Where a quantity comes from."""

    REPORTED = "reported", "reported by the machine"
    ESTIMATED = "estimated", "estimated from the layers"
    WEIGHED = "weighed", "measured by a person"
