"""Designs: what is to be printed, in revisions."""

from __future__ import annotations

from django.db import models
from django.db.models.functions import Now

from devices.choices import DESIGN_PAIRS, DesignStatus
from devices.models.devices import Device
from devices.models.plans import Plan
from devices.models.segmentations import Segmentation
from mes.choices import Meaning
from mes.models import Artefact, Person, Signature
from mes.tables import Signed, StageGuard, table

DESIGN = {"revision": "revision", "mesh": "mesh_id", "values": "values", "measures": "measures"}
"""What is signed of a design."""


@table(
    "working",
    stage=StageGuard("status", ("requested",), DESIGN_PAIRS),
    spoken={"devices.device": "device"},
    signed={
        "review": Signed(
            (Meaning.REVIEWED,), root="devices.device", key="device_id", by="reviewer_id", says=DESIGN
        ),
        "approval": Signed((Meaning.DESIGN_APPROVED,), root="devices.device", key="device_id", says=DESIGN),
    },
)
class Design(models.Model):
    """One revision of a device's design.

    plan: what it was made from, where its master asks for one.  origin: of one that was drawn in another program, what its designer
    says of it and what its file is; null for a generated one.  source: that file as it was sent.  values: what the generator was given, canonical.  measures: measured on the mesh, the unit in each name.  review and
    approval: signatures over the digest of the mesh and everything it stands for (G-DES-02).
    """

    device = models.ForeignKey(Device, on_delete=models.PROTECT, related_name="designs")
    segmentation = models.ForeignKey(Segmentation, on_delete=models.PROTECT, related_name="designs")
    plan = models.ForeignKey(Plan, on_delete=models.PROTECT, related_name="designs", null=True)
    revision = models.IntegerField()
    status = models.CharField(max_length=10, choices=DesignStatus, default=DesignStatus.REQUESTED)
    generator = models.CharField(max_length=60)
    generator_version = models.CharField(max_length=20)
    validation_status = models.CharField(max_length=20)
    values = models.JSONField()
    author = models.ForeignKey(Person, on_delete=models.PROTECT, related_name="+")
    origin = models.JSONField(
        null=True, help_text="tool, tool_version, unit, axes, sha256, and what reading its file showed"
    )
    source = models.ForeignKey(Artefact, on_delete=models.PROTECT, related_name="+", null=True)
    requested_at = models.DateTimeField(db_default=Now())
    mesh = models.ForeignKey(Artefact, on_delete=models.PROTECT, related_name="+", null=True)
    measures = models.JSONField(default=dict)
    features = models.JSONField(default=list)
    warnings = models.JSONField(default=list)
    reasons = models.JSONField(default=list, help_text="Why it was not made, or was voided")
    reviewer = models.ForeignKey(Person, on_delete=models.PROTECT, related_name="+", null=True)
    review = models.ForeignKey(Signature, on_delete=models.PROTECT, related_name="+", null=True)
    approval = models.ForeignKey(Signature, on_delete=models.PROTECT, related_name="+", null=True)

    class Meta:
        db_table = "devices_design"
        constraints = [
            models.UniqueConstraint(fields=["device", "revision"], name="design_revision"),
            models.CheckConstraint(condition=models.Q(status__in=DesignStatus.values), name="design_status"),
            models.CheckConstraint(
                condition=~models.Q(status__in=["generated", "reviewed", "approved"])
                | models.Q(mesh__isnull=False),
                name="design_made_has_mesh",
            ),
            models.CheckConstraint(
                condition=~models.Q(status__in=["generated", "reviewed", "approved"])
                | models.Q(origin__isnull=True, source__isnull=True)
                | models.Q(origin__isnull=False, source__isnull=False),
                name="design_drawn_has_source",
            ),
            models.CheckConstraint(
                condition=~models.Q(status="approved")
                | models.Q(review__isnull=False, approval__isnull=False),
                name="design_approved_is_signed",
            ),
        ]

    def __str__(self) -> str:
        return f"design {self.revision} of {self.device_id}"

    @property
    def tool(self) -> tuple[str, str]:
        """What gave it its shape, by name and version: its generator, or the program that its designer says."""
        if self.origin is None:
            return self.generator, self.generator_version
        return str(self.origin["tool"]), str(self.origin["tool_version"])
