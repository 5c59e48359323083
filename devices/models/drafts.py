"""Drafts: editing sessions in which a person makes a segmentation step by step."""

from __future__ import annotations

from django.db import models
from django.db.models import Q
from django.db.models.functions import Now

from devices.choices import DRAFT_PAIRS, DraftPurpose, DraftStatus
from devices.models.devices import Device
from devices.models.segmentations import Segmentation
from devices.models.studies import Study
from mes.models import Person
from mes.tables import StageGuard, table


@table("working", stage=StageGuard("status", ("open",), DRAFT_PAIRS), spoken={"devices.device": "device"})
class SegmentationDraft(models.Model):
    """A recipe while it is being made. Written by `devices.services.drafts` alone.

    steps: [{operation, version, parameters}], as the finished recipe will have them.  revision: grows with every change of the
    steps, so that a result of older ones is known as such, and so is what somebody decides who saw older ones.  masks, volumes_ml: of each step that was computed, in the same order;
    masks are digests of the artefact store.  reasons: why the last step was refused.
    segmentation: what a second reading is compared with; agreement: the measures of that comparison.
    """

    device = models.ForeignKey(Device, on_delete=models.PROTECT, related_name="drafts")
    study = models.ForeignKey(Study, on_delete=models.PROTECT, related_name="drafts")
    author = models.ForeignKey(Person, on_delete=models.PROTECT, related_name="+")
    purpose = models.CharField(max_length=12, choices=DraftPurpose, default=DraftPurpose.SEGMENTATION)
    status = models.CharField(max_length=10, choices=DraftStatus, default=DraftStatus.OPEN)
    opened_at = models.DateTimeField(db_default=Now())
    revision = models.IntegerField(default=0)
    steps = models.JSONField(default=list)
    masks = models.JSONField(default=list)
    volumes_ml = models.JSONField(default=list)
    reasons = models.JSONField(default=list)
    segmentation = models.ForeignKey(
        Segmentation, on_delete=models.PROTECT, related_name="readings", null=True
    )
    agreement = models.JSONField(null=True)

    class Meta:
        db_table = "devices_segmentation_draft"
        constraints = [
            models.CheckConstraint(condition=Q(status__in=DraftStatus.values), name="draft_status"),
            models.CheckConstraint(condition=Q(purpose__in=DraftPurpose.values), name="draft_purpose"),
            models.UniqueConstraint(
                fields=["device", "author"], condition=Q(status="open"), name="draft_once_open"
            ),
            models.CheckConstraint(
                condition=Q(purpose="segmentation") | Q(segmentation__isnull=False),
                name="draft_reading_of_segmentation",
            ),
        ]

    def __str__(self) -> str:
        return f"draft {self.pk} of {self.device_id}"

    @property
    def computed(self) -> int:
        """How many of the steps have their mask."""
        return len(self.masks)

    @property
    def waiting(self) -> bool:
        return self.computed < len(self.steps)

    @property
    def replaced(self) -> bool:
        """Whether the device has other images by now: nothing can come of it."""
        return self.study_id != self.device.current_study_id


@table("working", no_history="a hint for the screen, overwritten as it goes")
class DraftProgress(models.Model):
    """How far the computing of a draft's steps is. A hint for the screen; no part of the record."""

    draft = models.OneToOneField(
        SegmentationDraft, on_delete=models.PROTECT, primary_key=True, related_name="progress"
    )
    revision = models.IntegerField(default=0)
    done = models.IntegerField(default=0)
    total = models.IntegerField(default=0)
    at = models.DateTimeField(db_default=Now())

    class Meta:
        db_table = "devices_draft_progress"

    def __str__(self) -> str:
        return f"{self.done}/{self.total}"
