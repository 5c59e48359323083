"""Review of the record, the decision to release, and the reports written from it."""

from __future__ import annotations

from django.db import models
from django.db.models.functions import Now

from mes.choices import Meaning
from mes.models import Artefact, Person, Signature
from mes.tables import Signed, table


@table(
    "record",
    spoken={"devices.device": "device"},
    signed={
        "signature": Signed(
            (Meaning.REVIEWED,),
            root="devices.device",
            key="device_id",
            by="reviewed_by_id",
            says={name: name for name in ("events", "last_pos", "trail_digest", "findings")},
        )
    },
)
class RecordReview(models.Model):
    """A reviewer read the audit trail: how many events, up to which position, and the digest of their list."""

    device = models.ForeignKey("devices.Device", on_delete=models.PROTECT, related_name="record_reviews")
    events = models.PositiveIntegerField()
    last_pos = models.BigIntegerField()
    trail_digest = models.CharField(max_length=64)
    findings = models.TextField(blank=True)
    reviewed_by = models.ForeignKey(Person, on_delete=models.PROTECT, related_name="+")
    reviewed_at = models.DateTimeField(db_default=Now())
    signature = models.OneToOneField(Signature, on_delete=models.PROTECT, related_name="+")

    class Meta:
        db_table = "quality_record_review"
        ordering = ["pk"]

    def __str__(self) -> str:
        return f"review of device {self.device_id} up to {self.last_pos}"


@table(
    "record",
    spoken={"devices.device": "device"},
    signed={
        "signature": Signed(
            (Meaning.RELEASED,),
            root="devices.device",
            key="device_id",
            by="released_by_id",
            says={"record_sha256": "record_id", "quantity": "quantity", "checklist": "checklist"},
        )
    },
)
class ReleaseDecision(models.Model):
    """A device was released: once, with the checklist as it stood and the record as it was shown."""

    device = models.OneToOneField("devices.Device", on_delete=models.PROTECT, related_name="release_decision")
    checklist = models.JSONField()
    quantity = models.PositiveSmallIntegerField(default=1, help_text="How many units were released")
    record = models.ForeignKey(
        Artefact, on_delete=models.PROTECT, related_name="+", help_text="The record as signed"
    )
    released_by = models.ForeignKey(Person, on_delete=models.PROTECT, related_name="+")
    released_at = models.DateTimeField(db_default=Now())
    signature = models.OneToOneField(Signature, on_delete=models.PROTECT, related_name="+")

    class Meta:
        db_table = "quality_release_decision"

    def __str__(self) -> str:
        return f"release of device {self.device_id}"


@table("record", spoken={"devices.device": "device"})
class Report(models.Model):
    """A report as it was written: canonical JSON and the PDF that shows it."""

    device = models.ForeignKey("devices.Device", on_delete=models.PROTECT, related_name="reports")
    name = models.CharField(max_length=40, help_text="As registered in quality.reports")
    json = models.ForeignKey(Artefact, on_delete=models.PROTECT, related_name="+")
    pdf = models.ForeignKey(Artefact, on_delete=models.PROTECT, related_name="+")
    last_pos = models.BigIntegerField(help_text="Position of the last event that it tells")
    rendered_at = models.DateTimeField(db_default=Now())

    class Meta:
        db_table = "quality_report"
        ordering = ["pk"]

    def __str__(self) -> str:
        return f"{self.name} of device {self.device_id}"
