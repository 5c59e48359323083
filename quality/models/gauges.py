"""Measuring equipment and its calibrations (21 CFR 11.10(h) and 820.72, ISO 13485 7.6)."""

from __future__ import annotations

from django.db import models
from django.db.models.functions import Now

from mes.choices import Meaning
from mes.models import Artefact, Person, Signature
from mes.tables import Signed, StageGuard, table
from quality.choices import GAUGE_PAIRS, AsFound, GaugeKind, GaugeStage


@table(
    "working",
    root="quality.gauge",
    digest={1: ("kind", "maker", "model", "serial", "accuracy_mm", "location", "stage")},
    stage=StageGuard("stage", ("registered",), GAUGE_PAIRS),
)
class Gauge(models.Model):
    """A piece of measuring equipment. `accuracy_mm` is the largest error that its maker states, in mm."""

    kind = models.CharField(max_length=20, choices=GaugeKind)
    maker = models.CharField(max_length=80)
    model = models.CharField(max_length=80)
    serial = models.CharField(max_length=60)
    accuracy_mm = models.DecimalField(max_digits=8, decimal_places=4)
    location = models.CharField(max_length=80)
    stage = models.CharField(max_length=20, choices=GaugeStage, default=GaugeStage.REGISTERED)
    registered_by = models.ForeignKey(Person, on_delete=models.PROTECT, null=True, related_name="+")
    registered_at = models.DateTimeField(db_default=Now())

    class Meta:
        db_table = "quality_gauge"
        ordering = ["pk"]
        constraints = [
            models.CheckConstraint(condition=models.Q(stage__in=GaugeStage.values), name="gauge_stage"),
            models.CheckConstraint(condition=models.Q(kind__in=GaugeKind.values), name="gauge_kind"),
            models.CheckConstraint(condition=models.Q(accuracy_mm__gt=0), name="gauge_accuracy"),
            models.UniqueConstraint(fields=["maker", "serial"], name="gauge_serial_once"),
        ]

    def __str__(self) -> str:
        return f"{self.code} {self.maker} {self.model}"

    @property
    def code(self) -> str:
        return f"G{self.pk:07d}"


@table(
    "record",
    spoken={"quality.gauge": "gauge"},
    signed={
        "signature": Signed(
            (Meaning.PERFORMED,),
            root="quality.gauge",
            key="gauge_id",
            by="recorded_by_id",
            says={
                **{name: name for name in ("number", "calibrated_on", "due_on", "as_found", "laboratory")},
                "certificate_sha256": "certificate_id",
            },
        )
    },
)
class Calibration(models.Model):
    """One calibration, as its certificate tells it. `as_found` is what it found before anything was adjusted."""

    gauge = models.ForeignKey(Gauge, on_delete=models.PROTECT, related_name="calibrations")
    number = models.PositiveIntegerField(help_text="1 for the gauge's first")
    calibrated_on = models.DateField()
    due_on = models.DateField(help_text="The last day on which it counts")
    as_found = models.CharField(max_length=20, choices=AsFound)
    laboratory = models.CharField(max_length=120, help_text="Who calibrated")
    certificate = models.ForeignKey(Artefact, on_delete=models.PROTECT, related_name="+")
    recorded_by = models.ForeignKey(Person, on_delete=models.PROTECT, related_name="+")
    recorded_at = models.DateTimeField(db_default=Now())
    signature = models.OneToOneField(Signature, on_delete=models.PROTECT, related_name="+")

    class Meta:
        db_table = "quality_calibration"
        ordering = ["pk"]
        constraints = [
            models.UniqueConstraint(fields=["gauge", "number"], name="calibration_number_once"),
            models.CheckConstraint(
                condition=models.Q(as_found__in=AsFound.values), name="calibration_as_found"
            ),
            models.CheckConstraint(
                condition=models.Q(due_on__gt=models.F("calibrated_on")), name="calibration_due_later"
            ),
        ]

    def __str__(self) -> str:
        return f"calibration {self.number} of {self.gauge.code}"
