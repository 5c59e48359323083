"""Enumerations of the kernel."""

from __future__ import annotations

from django.db import models


class Role(models.TextChoices):
    """Roles as data; what each may do is declared in the packages' `permissions`."""

    PRE = "PRE", "Prescriber"
    CLR = "CLR", "Clinical reviewer"
    ORD = "ORD", "Order coordinator"
    IMG = "IMG", "Imaging technologist"
    SEG = "SEG", "Segmentation engineer"
    DSN = "DSN", "Design engineer"
    PHY = "PHY", "Medical physicist"
    BLD = "BLD", "Build programmer"
    MAT = "MAT", "Material controller"
    OPR = "OPR", "Machine operator"
    PST = "PST", "Post-processing technician"
    INS = "INS", "Inspector"
    LBL = "LBL", "Label controller"
    QCM = "QCM", "Quality control"
    QAR = "QAR", "Quality reviewer"
    QAX = "QAX", "Quality releaser"
    RA = "RA", "Regulatory affairs"
    CAL = "CAL", "Calibration"
    SEC = "SEC", "Security administrator"
    SYS = "SYS", "System administrator"
    AUD = "AUD", "Auditor"
    PRV = "PRV", "Privacy officer"
    REC = "REC", "Records manager"


class Meaning(models.TextChoices):
    """What a signature says (21 CFR 11.50(a)(3))."""

    PRESCRIBED = "prescribed", "I prescribe this device"
    AUTHORED = "authored", "I am the author of this"
    PERFORMED = "performed", "I performed this"
    REVIEWED = "reviewed", "I reviewed this"
    VERIFIED = "verified", "I verified this"
    APPROVED = "approved", "I approve this"
    DESIGN_APPROVED = "design_approved", "I approve this design for my patient"
    REJECTED = "rejected", "I reject this"
    RELEASED = "released", "I release this"
    WITHDRAWN = "withdrawn", "I withdraw this signature"
    ACCEPTED = "accepted", "I accept this statement"


class EmergencyStage(models.TextChoices):
    """The life of an access in an emergency: it ends by itself, and is not over before it was reviewed."""

    OPEN = "open", "Open"
    ENDED = "ended", "Ended, not reviewed"
    REVIEWED = "reviewed", "Reviewed"

    @classmethod
    def starts(cls) -> tuple[str, ...]:
        return (cls.OPEN.value,)

    @classmethod
    def pairs(cls) -> tuple[tuple[str, str], ...]:
        return ((cls.OPEN.value, cls.ENDED.value), (cls.ENDED.value, cls.REVIEWED.value))


class ErasureStage(models.TextChoices):
    """The life of a request for erasure."""

    REQUESTED = "requested", "Waits for its decision"
    REFUSED = "refused", "Refused"
    ERASED = "erased", "Erased"

    @classmethod
    def starts(cls) -> tuple[str, ...]:
        return (cls.REQUESTED.value,)

    @classmethod
    def pairs(cls) -> tuple[tuple[str, str], ...]:
        return ((cls.REQUESTED.value, cls.REFUSED.value), (cls.REQUESTED.value, cls.ERASED.value))


class PasskeyState(models.TextChoices):
    """Where a passkey is in its life (21 CFR 11.300(c))."""

    ISSUED = "issued", "Issued"
    LOST = "lost", "Reported lost"
    REVOKED = "revoked", "Revoked"
    REPLACED = "replaced", "Replaced"


class ResetState(models.TextChoices):
    """Where a reset of a secret is (ES-14)."""

    REQUESTED = "requested", "Waits for a second approver"
    APPROVED = "approved", "Link sent"
    USED = "used", "Used"
    REFUSED = "refused", "Refused"


class RightState(models.TextChoices):
    """Whether a person's right to sign stands (ES-13 to ES-15)."""

    ACTIVE = "active", "May sign"
    SUSPENDED = "suspended", "Suspended"


class DocumentStage(models.TextChoices):
    """How far a revision of a controlled document is. When it is in force follows from its dates (P11-10k)."""

    DRAFT = "draft", "Draft"
    APPROVED = "approved", "Approved"
    WITHDRAWN = "withdrawn", "Withdrawn"


DOCUMENT_PAIRS = (("draft", "approved"), ("draft", "withdrawn"), ("approved", "withdrawn"))


class TrainingMethod(models.TextChoices):
    """How somebody learned what a document says."""

    READ = "read", "Read and understood"
    SHOWN = "shown", "Shown at the machine"
    CLASS = "class", "Class"
    TESTED = "tested", "Tested"


class TrainingResult(models.TextChoices):
    PASSED = "passed", "Passed"
    FAILED = "failed", "Failed"


class HoldScope(models.TextChoices):
    """What a legal hold reaches."""

    ORDER = "order", "One order and what was made for it"
    LOT = "lot", "One material lot and what was made of it"
    PATIENT = "patient", "Everything of one patient"
    DATES = "dates", "Everything of a range of dates"


class HoldStage(models.TextChoices):
    """A legal hold holds until the second signature of its release."""

    ACTIVE = "active", "Holds"
    RELEASE_PROPOSED = "release_proposed", "Release proposed"
    RELEASED = "released", "Released"


class DisposalStage(models.TextChoices):
    """Destroying what a record no longer has to keep: two signatures, then a command of the machine's owner."""

    PROPOSED = "proposed", "Proposed"
    APPROVED = "approved", "Approved"
    CARRIED_OUT = "carried_out", "Carried out"
    WITHDRAWN = "withdrawn", "Withdrawn"


HOLD_PAIRS: tuple[tuple[str, str], ...] = (
    ("active", "release_proposed"),
    ("release_proposed", "active"),
    ("release_proposed", "released"),
)
DISPOSAL_PAIRS: tuple[tuple[str, str], ...] = (
    ("proposed", "approved"),
    ("proposed", "withdrawn"),
    ("approved", "withdrawn"),
    ("approved", "carried_out"),
)


class StationStage(models.TextChoices):
    """Whether a computer counts as a station."""

    ACTIVE = "active", "Active"
    REVOKED = "revoked", "Revoked"


STATION_PAIRS = (("active", "revoked"),)
