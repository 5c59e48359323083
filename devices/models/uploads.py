"""Uploads that come in by parts."""

from __future__ import annotations

from django.db import models
from django.db.models.functions import Now

from devices.choices import UPLOAD_PAIRS, UploadStage
from devices.models.devices import Device
from mes.models import Person
from mes.tables import StageGuard, table


@table(
    "working",
    root="devices.upload",
    digest={1: ("device_id", "sender_id", "files", "size_bytes", "stage")},
    stage=StageGuard("stage", ("open",), UPLOAD_PAIRS),
)
class Upload(models.Model):
    """Files on their way in, part by part. How much of them is there, their folder in quarantine says.

    sizes: of each file in bytes, in the order in which they are sent. Names are not sent. Written by
    `devices.services.parcels` alone.
    """

    device = models.ForeignKey(Device, on_delete=models.PROTECT, related_name="uploads")
    sender = models.ForeignKey(Person, on_delete=models.PROTECT, related_name="+")
    stage = models.CharField(max_length=10, choices=UploadStage, default=UploadStage.OPEN)
    quarantine = models.UUIDField(unique=True, help_text="Name of its folder in quarantine")
    sizes = models.JSONField()
    files = models.IntegerField()
    size_bytes = models.BigIntegerField()
    begun_at = models.DateTimeField(db_default=Now())

    class Meta:
        db_table = "devices_upload"
        constraints = [
            models.CheckConstraint(condition=models.Q(stage__in=UploadStage.values), name="upload_stage"),
            models.CheckConstraint(
                condition=models.Q(size_bytes__gt=0, files__gt=0), name="upload_holds_something"
            ),
        ]

    def __str__(self) -> str:
        return f"upload {self.pk} for {self.device_id}"
