"""Stages and literal transition pairs of quality's own things."""

from __future__ import annotations

from django.db import models


class Outcome(models.TextChoices):
    """What a measurement said."""

    MEASURED = "measured", "Measured"
    REFUSED = "refused", "Refused"


class Decision(models.TextChoices):
    """What a person decided about a measurement. Every measurement is kept, and every one is answered."""

    PASSED = "passed", "Passed"
    FAILED = "failed", "Failed"
    SET_ASIDE = "set_aside", "Set aside with a reason"


class NonconformanceStage(models.TextChoices):
    """SM-nonconformance: from the finding to the closed file."""

    OPEN = "open", "Open"
    CONTAINED = "contained", "Contained"
    UNDER_EVALUATION = "under_evaluation", "Under evaluation"
    INVESTIGATION = "investigation", "Under investigation"
    DISPOSITION_PROPOSED = "disposition_proposed", "Disposition proposed"
    DISPOSITION_APPROVED = "disposition_approved", "Disposition approved"
    EXECUTING = "executing", "Executing"
    VERIFYING = "verifying", "Verifying"
    CLOSED = "closed", "Closed"
    VOID = "void", "Void"


NONCONFORMANCE_PAIRS = (
    ("open", "contained"),
    ("contained", "under_evaluation"),
    ("under_evaluation", "investigation"),
    ("under_evaluation", "disposition_proposed"),
    ("investigation", "disposition_proposed"),
    ("disposition_proposed", "under_evaluation"),
    ("disposition_proposed", "disposition_approved"),
    ("disposition_approved", "executing"),
    ("executing", "verifying"),
    ("verifying", "executing"),
    ("verifying", "closed"),
    ("open", "void"),
    ("contained", "void"),
    ("under_evaluation", "void"),
)

ENDED_STAGES = (NonconformanceStage.CLOSED, NonconformanceStage.VOID)


class Disposition(models.TextChoices):
    """What happens to a nonconforming device."""

    NONE = "", "Not decided"
    SCRAP = "scrap", "Scrap"


class Severity(models.TextChoices):
    MINOR = "minor", "Minor"
    MAJOR = "major", "Major"
    CRITICAL = "critical", "Critical"


class Source(models.TextChoices):
    """What found the nonconformance."""

    POST_PROCESSING = "post_processing", "Post-processing step out of its limits"
    INSPECTION = "inspection", "Inspection"
    PRINTING = "printing", "Printing"
    GAUGE = "gauge", "Gauge found out of tolerance"
    PERSON = "person", "Reported by a person"


class ExportKind(models.TextChoices):
    """Whose records are asked for."""

    DEVICE = "device", "One device"
    ORDER = "order", "The devices of an order"
    LOT = "lot", "Every device with material of a lot"
    RANGE = "range", "Every device that something happened to between two days"


class ExportStage(models.TextChoices):
    """How far an export is."""

    REQUESTED = "requested", "Requested"
    RUNNING = "running", "Running"
    FINISHED = "finished", "Finished"
    CANCELLED = "cancelled", "Cancelled"
    FAILED = "failed", "Failed"


EXPORT_PAIRS = (
    ("requested", "running"),
    ("requested", "finished"),
    ("requested", "cancelled"),
    ("requested", "failed"),
    ("running", "finished"),
    ("running", "cancelled"),
    ("running", "failed"),
)


class GaugeKind(models.TextChoices):
    """What measures."""

    SURFACE_SCANNER = "surface_scanner", "3D scanner"
    CT_SCANNER = "ct_scanner", "CT scanner for parts"
    COORDINATE = "coordinate", "Coordinate measuring machine"
    CALIPER = "caliper", "Caliper"
    MICROMETER = "micrometer", "Micrometer"
    OTHER = "other", "Other"


class GaugeStage(models.TextChoices):
    """SM-gauge: whether a piece of measuring equipment may be used at all."""

    REGISTERED = "registered", "Registered"
    IN_SERVICE = "in_service", "In service"
    OUT_OF_SERVICE = "out_of_service", "Out of service"


GAUGE_PAIRS = (
    ("registered", "in_service"),
    ("registered", "out_of_service"),
    ("in_service", "out_of_service"),
    ("out_of_service", "in_service"),
)


class AsFound(models.TextChoices):
    """How a calibration found a gauge, before anything was adjusted."""

    IN_TOLERANCE = "in_tolerance", "In tolerance"
    OUT_OF_TOLERANCE = "out_of_tolerance", "Out of tolerance"


class PackageLevel(models.TextChoices):
    """How far out a package is (K-12): each lies next to the device, a carton is what is shipped."""

    EACH = "each", "Each"
    POUCH = "pouch", "Pouch"
    CARTON = "carton", "Carton"


class PackageStage(models.TextChoices):
    """The life of a package."""

    PACKING = "packing", "Being packed"
    CLOSED = "closed", "Closed"
    VOID = "void", "Given up, empty"


PACKAGE_PAIRS = (("packing", "closed"), ("closed", "packing"), ("packing", "void"))
