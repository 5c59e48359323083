"""Segmentations: the bone found in a volume, and its surface."""

from __future__ import annotations

from django.db import models
from django.db.models.functions import Now

from devices.choices import SEGMENTATION_PAIRS, SegmentationStatus
from devices.models.devices import Device
from devices.models.studies import Study
from mes.choices import Meaning
from mes.models import Artefact, Person, Signature
from mes.tables import Signed, StageGuard, table


@table(
    "working",
    stage=StageGuard("status", ("recorded",), SEGMENTATION_PAIRS),
    spoken={"devices.device": "device"},
    signed={
        "approval": Signed(
            (Meaning.APPROVED,),
            root="devices.device",
            key="device_id",
            by="reviewer_id",
            fixed={"record": "segmentation"},
            says={
                "mask": "mask_id",
                "surface": "surface_id",
                "volume_ml": "volume_ml",
                "parameters": "parameters",
            },
            later={"labels": "labels_id"},
        )
    },
)
class Segmentation(models.Model):
    """A mask and its surface mesh with the tool and parameters that made them. LPS mm, volumes in mL.

    Of a surface scan there is no mask, and no volume where it is open; `labels` say which of its vertices is which tooth, where that is known.
    author: the person whose upload or retry started it; the reviewer is somebody else (G-SEG-01, G-SOD-01).
    overlays: {"axial": sha256, "coronal": sha256, "sagittal": sha256}.  steps: operations on the mesh, each with its
    measured deviation.  bounds_mm: [[x, y, z] low, [x, y, z] high] of the surface.
    """

    device = models.ForeignKey(Device, on_delete=models.PROTECT, related_name="segmentations")
    study = models.ForeignKey(Study, on_delete=models.PROTECT, related_name="segmentations")
    status = models.CharField(max_length=12, choices=SegmentationStatus, default=SegmentationStatus.RECORDED)
    tool = models.CharField(max_length=60)
    tool_version = models.CharField(max_length=20)
    validation_status = models.CharField(max_length=20)
    parameters = models.JSONField()
    author = models.ForeignKey(Person, on_delete=models.PROTECT, related_name="+")
    recorded_at = models.DateTimeField(db_default=Now())
    mask = models.ForeignKey(Artefact, on_delete=models.PROTECT, related_name="+", null=True)
    labels = models.ForeignKey(Artefact, on_delete=models.PROTECT, related_name="+", null=True)
    surface = models.ForeignKey(Artefact, on_delete=models.PROTECT, related_name="+")
    overlays = models.JSONField(default=dict)
    volume_ml = models.FloatField()
    surface_volume_ml = models.FloatField()
    components = models.IntegerField()
    triangles = models.IntegerField()
    watertight = models.BooleanField()
    distance_mean_mm = models.FloatField(help_text="Mesh against the mask's surface, or the scan's")
    distance_p95_mm = models.FloatField()
    distance_max_mm = models.FloatField()
    bounds_mm = models.JSONField()
    steps = models.JSONField(default=list)
    reviewer = models.ForeignKey(Person, on_delete=models.PROTECT, related_name="+", null=True)
    approval = models.ForeignKey(Signature, on_delete=models.PROTECT, related_name="+", null=True)
    reason = models.TextField(default="")

    class Meta:
        db_table = "devices_segmentation"
        constraints = [
            models.CheckConstraint(
                condition=models.Q(status__in=SegmentationStatus.values), name="segmentation_status"
            ),
            models.CheckConstraint(
                condition=~models.Q(status="approved") | models.Q(approval__isnull=False),
                name="segmentation_approved_is_signed",
            ),
        ]

    def __str__(self) -> str:
        return f"segmentation {self.pk} of {self.device_id}"
