"""Inspections: a scan, what it measured, and what a person decided. Each is written once and stays."""

from __future__ import annotations

from django.db import models
from django.db.models.functions import Now

from mes.choices import Meaning
from mes.models import Artefact, Person, Signature
from mes.tables import Signed, table
from quality.choices import Decision, Outcome
from quality.models.gauges import Calibration, Gauge


@table("record", spoken={"devices.device": "device"})
class Inspection(models.Model):
    """A scan of a part, as it arrived."""

    device = models.ForeignKey("devices.Device", on_delete=models.PROTECT, related_name="inspections")
    number = models.PositiveIntegerField(help_text="1 for the device's first scan; repetitions are all kept")
    unit = models.PositiveSmallIntegerField(default=1, help_text="Which unit of a lot was scanned, from 1")
    scan = models.ForeignKey(Artefact, on_delete=models.PROTECT, related_name="+")
    gauge = models.ForeignKey(
        Gauge, on_delete=models.PROTECT, null=True, related_name="inspections",
        help_text="What measured; null only where it came before gauges were registered, and then it is not accepted",
    )  # fmt: skip
    calibration = models.ForeignKey(
        Calibration, on_delete=models.PROTECT, null=True, related_name="inspections",
        help_text="In force on the day of measuring",
    )  # fmt: skip
    measured_on = models.DateField(
        null=True, help_text="The day, at the site, on which the part was measured"
    )
    received_by = models.ForeignKey(Person, on_delete=models.PROTECT, null=True, related_name="+")
    received_at = models.DateTimeField(db_default=Now())

    class Meta:
        db_table = "quality_inspection"
        ordering = ["pk"]
        constraints = [
            models.UniqueConstraint(fields=["device", "number"], name="inspection_number_once"),
            models.CheckConstraint(condition=models.Q(unit__gte=1), name="inspection_unit"),
        ]

    def __str__(self) -> str:
        return f"inspection {self.number} of device {self.device_id}"

    @property
    def status(self) -> str:
        """received, refused, measured, or what was decided: passed, failed, set_aside."""
        if hasattr(self, "verdict"):
            return self.verdict.decision
        return self.measurement.outcome if hasattr(self, "measurement") else "received"


@table("record", spoken={"devices.device": "inspection__device"})
class Measurement(models.Model):
    """What a scan said: figures in mm and shares (0..1) against the master's limits, or why it says nothing."""

    inspection = models.OneToOneField(Inspection, on_delete=models.PROTECT, related_name="measurement")
    outcome = models.CharField(max_length=10, choices=Outcome)
    reasons = models.JSONField(default=list, help_text="Of a refusal: rule, text, cure")
    figures = models.JSONField(
        default=dict, help_text="mean_mm, rms_mm, p95_mm, maximum_mm, share_in_tolerance, coverage, …"
    )
    limits = models.JSONField(default=dict)
    characteristics = models.JSONField(
        default=list, help_text="Each: code, title, value, limit, unit, passed"
    )
    passed = models.BooleanField(default=False)
    pose = models.JSONField(default=list, help_text="4x4, from the scan's frame to the nominal one")
    nominal = models.ForeignKey(Artefact, on_delete=models.PROTECT, null=True, related_name="+")
    deviation_map = models.ForeignKey(Artefact, on_delete=models.PROTECT, null=True, related_name="+")
    picture = models.ForeignKey(Artefact, on_delete=models.PROTECT, null=True, related_name="+")
    tool = models.JSONField(default=dict, help_text="name, version, parameters, validation")
    measured_at = models.DateTimeField(db_default=Now())

    class Meta:
        db_table = "quality_measurement"
        constraints = [
            models.CheckConstraint(
                condition=models.Q(outcome__in=Outcome.values), name="measurement_outcome"
            ),
            models.CheckConstraint(
                condition=models.Q(outcome="measured") | models.Q(passed=False), name="refused_never_passes"
            ),
        ]

    def __str__(self) -> str:
        return f"{self.outcome} of inspection {self.inspection_id}"


@table(
    "record",
    spoken={"devices.device": "inspection__device"},
    signed={
        "signature": Signed(
            (Meaning.PERFORMED, Meaning.REVIEWED),
            root="devices.device",
            key="inspection__device_id",
            by="decided_by_id",
            says={"decision": "decision", "scan_sha256": "inspection__scan_id"},
            later={"justification": "justification"},
        )
    },
)
class Verdict(models.Model):
    """What a person decided about a measurement, by signature."""

    inspection = models.OneToOneField(Inspection, on_delete=models.PROTECT, related_name="verdict")
    decision = models.CharField(max_length=10, choices=Decision)
    justification = models.TextField(blank=True)
    decided_by = models.ForeignKey(Person, on_delete=models.PROTECT, related_name="+")
    decided_at = models.DateTimeField(db_default=Now())
    signature = models.OneToOneField(Signature, on_delete=models.PROTECT, related_name="+")

    class Meta:
        db_table = "quality_verdict"
        constraints = [
            models.CheckConstraint(condition=models.Q(decision__in=Decision.values), name="verdict_decision")
        ]

    def __str__(self) -> str:
        return f"{self.decision} inspection {self.inspection_id}"
