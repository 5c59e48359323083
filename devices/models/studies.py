"""Studies: the images a device is made from."""

from __future__ import annotations

from django.db import models
from django.db.models.functions import Now

from devices.choices import STUDY_PAIRS, StudyStatus
from devices.models.devices import Device
from mes.models import Artefact, Person
from mes.tables import StageGuard, table


@table("working", stage=StageGuard("status", ("received",), STUDY_PAIRS), spoken={"devices.device": "device"})
class Study(models.Model):
    """One upload of images for a device, and what was found in it. Written by `devices.services.studies` alone.

    findings: [{code, severity, message, cure}].  matched: names of the identifiers that agreed with the vault, never values
    (G-ORD-05).  spacing_mm: [column, row, slice].  series, volume: de-identified, in the artefact store.
    declared: what the sender of a surface scan said of it {unit, axes, scanned_on}; null for images.  surface: the scan in mm, with
    no volume beside it; how it came to lie as it does stands in `acquisition`.
    received_by: who sent them in; where a part of the system did, who wrote the order.
    """

    device = models.ForeignKey(Device, on_delete=models.PROTECT, related_name="studies")
    status = models.CharField(max_length=10, choices=StudyStatus, default=StudyStatus.RECEIVED)
    quarantine = models.UUIDField(unique=True, help_text="Name of the upload in the quarantine folder")
    link_confirmed = models.BooleanField(
        default=False,
        help_text="The receiver confirmed by signature that images without identifiers are this patient's",
    )
    received_by = models.ForeignKey(Person, on_delete=models.PROTECT, related_name="+")
    received_at = models.DateTimeField(db_default=Now())
    findings = models.JSONField(default=list)
    matched = models.JSONField(default=list)
    source_format = models.CharField(max_length=12, default="")
    modality = models.CharField(max_length=8, default="")
    acquired_on = models.DateField(null=True)
    slices = models.IntegerField(null=True)
    rows = models.IntegerField(null=True)
    columns = models.IntegerField(null=True)
    spacing_mm = models.JSONField(null=True)
    widest_slice_step_mm = models.FloatField(null=True)
    tilt_degrees = models.FloatField(null=True)
    acquisition = models.JSONField(default=dict)
    source_digest = models.CharField(max_length=64, help_text="SHA-256 over the files of the upload")
    deidentification = models.JSONField(default=dict)
    series = models.ForeignKey(Artefact, on_delete=models.PROTECT, related_name="+", null=True)
    volume = models.ForeignKey(Artefact, on_delete=models.PROTECT, related_name="+", null=True)
    declared = models.JSONField(null=True)
    surface = models.ForeignKey(Artefact, on_delete=models.PROTECT, related_name="+", null=True)

    class Meta:
        db_table = "devices_study"
        verbose_name_plural = "studies"
        constraints = [
            models.CheckConstraint(condition=models.Q(status__in=StudyStatus.values), name="study_status"),
            models.CheckConstraint(
                condition=~models.Q(status="accepted")
                | models.Q(volume__isnull=False, surface__isnull=True, declared__isnull=True)
                | models.Q(volume__isnull=True, surface__isnull=False, declared__isnull=False),
                name="study_accepted_has_source",
            ),
        ]

    def __str__(self) -> str:
        return f"study {self.pk} of {self.device_id}"
