"""Exports of records: who asked for which, how far it is, and the bundles that came of it (21 CFR 11.10(b), EV-10)."""

from __future__ import annotations

from django.db import models
from django.db.models.functions import Now

from mes.models import Artefact
from mes.tables import StageGuard, table
from quality.choices import EXPORT_PAIRS, ExportKind, ExportStage


@table(
    "working",
    root="quality.export",
    digest={1: ("kind", "subject", "mode", "devices", "stage", "done", "refusal", "requested_by")},
    stage=StageGuard("stage", ("requested",), EXPORT_PAIRS),
)
class Export(models.Model):
    """A request for the records of some devices. It stands beside the records and changes none of them.

    `devices` are fixed when it is asked for (none: the order or lot itself); `refusal` holds the reasons where it could not be done.
    """

    kind = models.CharField(max_length=10, choices=ExportKind)
    subject = models.CharField(max_length=40, help_text="A public code, or two dates with a slash (ISO 8601)")
    mode = models.CharField(max_length=20)
    devices = models.JSONField(help_text="Keys, in the order in which they are written")
    stage = models.CharField(max_length=10, choices=ExportStage, default=ExportStage.REQUESTED)
    done = models.PositiveIntegerField(default=0)
    refusal = models.JSONField(default=list)
    requested_by = models.CharField(max_length=80)
    requested_at = models.DateTimeField(db_default=Now())

    class Meta:
        db_table = "quality_export"
        constraints = [
            models.CheckConstraint(condition=models.Q(stage__in=ExportStage.values), name="export_stage"),
            models.CheckConstraint(condition=models.Q(kind__in=ExportKind.values), name="export_kind"),
        ]

    def __str__(self) -> str:
        return f"{self.code} of {self.kind} {self.subject}"

    @property
    def code(self) -> str:
        return f"X{self.pk:07d}"

    @property
    def total(self) -> int:
        """Bundles: of its devices, or the one of an order or a lot without any."""
        return len(self.devices) or 1

    @property
    def is_open(self) -> bool:
        return self.stage in (ExportStage.REQUESTED, ExportStage.RUNNING)


@table("record", spoken={"quality.export": "export"})
class ExportedRecord(models.Model):
    """The bundle of one device, or of an order or a lot without one, as an export wrote it."""

    export = models.ForeignKey(Export, on_delete=models.PROTECT, related_name="records")
    device = models.ForeignKey(
        "devices.Device",
        on_delete=models.PROTECT,
        null=True,
        related_name="+",
        help_text="None: of the order or lot that the export names, of which no device came",
    )
    bundle = models.ForeignKey(Artefact, on_delete=models.PROTECT, related_name="+")
    record_sha256 = models.CharField(max_length=64)
    name = models.CharField(max_length=120)
    events = models.PositiveIntegerField()
    written_at = models.DateTimeField(db_default=Now())

    class Meta:
        db_table = "quality_exported_record"
        ordering = ["pk"]
        constraints = [
            models.UniqueConstraint(fields=["export", "device"], name="exported_once", nulls_distinct=False)
        ]

    def __str__(self) -> str:
        return f"{self.name} of export {self.export_id}"
