"""Print jobs and the commands sent to machines."""

from __future__ import annotations

from uuid import uuid4

from django.db import models
from django.db.models import Q
from django.db.models.functions import Now

from mes.tables import StageGuard, table
from printing.choices import COMMAND_PAIRS, JOB_PAIRS, CommandKind, CommandState, JobState

OPEN_COMMAND_VALUES = ("requested", "sent", "acknowledged", "uncertain")
OPEN_JOB_VALUES = ("claimed", "starting", "printing", "paused", "uncertain")


FIELDS = (
    "build_id",
    "printer_id",
    "container_id",
    "state",
    "claim",
    "started_at",
    "ended_at",
    "reason",
    "layers_done",
    "file_digest_seen",
    "observed_late",
    "interruptions",
    "gaps",
    "plate_cleared_at",
    "plate_cleared_by_id",
)
HOLDING = Q(plate_cleared_at__isnull=True, withdrawn_at__isnull=True)
"""The jobs that hold their printer."""


@table(
    "working",
    root="printing.job",
    digest={
        1: FIELDS,
        2: (*FIELDS, "withdrawn_at"),
        3: (*FIELDS, "withdrawn_at", "machine"),
    },
    stage=StageGuard("state", (JobState.CLAIMED,), JOB_PAIRS),
)
class PrintJob(models.Model):
    """One attempt to print a build. `claim` is the run's unique name on the machine.

    It holds its printer until a person has cleared the plate, or its claim is withdrawn before anything was sent to the
    machine (`withdrawn_at`, G-PRN-06): the database allows one such job per printer.
    `machine`: what stood about the printer when the job was started (`printing.selectors.jobs.machine_now`); empty before.
    `interruptions`: {"since", "until", "layer", "text", "by_machine", "decided", "decision"?, "resumed"?}; `gaps`: {"since", "until"} without telemetry, and
    {"within_limit"} of one in which the print ended; one beyond the limit needs a decision.
    """

    build = models.ForeignKey("printing.Build", on_delete=models.PROTECT, related_name="jobs")
    printer = models.ForeignKey("printing.Printer", on_delete=models.PROTECT, related_name="jobs")
    container = models.ForeignKey("printing.Container", on_delete=models.PROTECT, related_name="jobs")
    state = models.CharField(max_length=10, choices=JobState, default=JobState.CLAIMED)
    claim = models.UUIDField(default=uuid4, unique=True)
    claimed_at = models.DateTimeField(db_default=Now())
    started_at = models.DateTimeField(null=True)
    ended_at = models.DateTimeField(null=True)
    reason = models.TextField(blank=True)
    layers_done = models.IntegerField(default=0)
    file_digest_seen = models.CharField(max_length=64, blank=True, help_text="Digest the machine reported")
    observed_late = models.BooleanField(default=False, help_text="The end was seen only afterwards")
    machine = models.JSONField(default=dict, help_text="The printer as it was when the job was started")
    interruptions = models.JSONField(default=list)
    gaps = models.JSONField(default=list)
    plate_cleared_at = models.DateTimeField(null=True)
    withdrawn_at = models.DateTimeField(
        null=True, help_text="The claim was withdrawn and the machine untouched"
    )
    plate_cleared_by = models.ForeignKey("mes.Person", on_delete=models.PROTECT, null=True, related_name="+")

    class Meta:
        db_table = "printing_job"
        constraints = [
            models.UniqueConstraint(fields=["printer"], condition=HOLDING, name="job_holds_printer"),
            models.UniqueConstraint(
                fields=["build"], condition=Q(state__in=OPEN_JOB_VALUES), name="job_holds_build"
            ),
            models.CheckConstraint(condition=Q(state__in=JobState.values), name="job_state"),
        ]

    def __str__(self) -> str:
        return self.code

    @property
    def code(self) -> str:
        return f"J{self.pk:07d}"


@table(
    "working",
    root="printing.command",
    digest={1: ("uid", "printer_id", "job_id", "kind", "state", "sent_at", "answer", "evidence")},
    stage=StageGuard("state", (CommandState.REQUESTED,), COMMAND_PAIRS),
)
class PrinterCommand(models.Model):
    """A physical command: written before it is sent, sent at most once, and never repeated by a machine.

    `evidence` is what the printer was read back as, while the outcome is uncertain.
    """

    uid = models.UUIDField(default=uuid4, unique=True)
    printer = models.ForeignKey("printing.Printer", on_delete=models.PROTECT, related_name="commands")
    job = models.ForeignKey(PrintJob, on_delete=models.PROTECT, related_name="commands")
    kind = models.CharField(max_length=6, choices=CommandKind)
    state = models.CharField(max_length=12, choices=CommandState, default=CommandState.REQUESTED)
    requested_by = models.CharField(max_length=80)
    requested_at = models.DateTimeField(db_default=Now())
    sent_at = models.DateTimeField(null=True)
    answer = models.TextField(blank=True)
    evidence = models.JSONField(default=dict)

    class Meta:
        db_table = "printing_command"
        constraints = [
            models.UniqueConstraint(
                fields=["printer"], condition=Q(state__in=OPEN_COMMAND_VALUES), name="one_open_command"
            ),
            models.CheckConstraint(condition=Q(state__in=CommandState.values), name="command_state"),
        ]

    def __str__(self) -> str:
        return f"{self.kind} {self.uid}"
