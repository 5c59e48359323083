"""Clinical plans: what is decided on the images before anything is designed, in revisions."""

from __future__ import annotations

from django.db import models
from django.db.models.functions import Now

from devices.choices import PLAN_PAIRS, PlanStatus
from devices.models.devices import Device
from devices.models.segmentations import Segmentation
from mes.choices import Meaning
from mes.models import Person, Signature
from mes.tables import Signed, StageGuard, table


@table(
    "working",
    stage=StageGuard("status", ("drafted",), PLAN_PAIRS),
    spoken={"devices.device": "device"},
    signed={
        "approval": Signed(
            (Meaning.APPROVED,),
            root="devices.device",
            key="device_id",
            by="reader_id",
            fixed={"record": "plan"},
            says={"revision": "revision", "kind": "kind", "content": "content", "author": "author_id"},
        )
    },
)
class Plan(models.Model):
    """One revision of a device's clinical plan. Written by `devices.services.plans` alone.

    kind: one of `devices.planning`, which says what `content` holds; that is canonical, LPS mm.  segmentation: whose
    surface it was picked on.  author: who planned it.  reader: who was named to read the images as well, counts the level
    again and approves it; never the author (G-SOD-01).
    """

    device = models.ForeignKey(Device, on_delete=models.PROTECT, related_name="plans")
    segmentation = models.ForeignKey(Segmentation, on_delete=models.PROTECT, related_name="plans")
    revision = models.IntegerField()
    status = models.CharField(max_length=10, choices=PlanStatus, default=PlanStatus.DRAFTED)
    kind = models.CharField(max_length=40)
    content = models.JSONField()
    author = models.ForeignKey(Person, on_delete=models.PROTECT, related_name="+")
    reader = models.ForeignKey(Person, on_delete=models.PROTECT, related_name="+")
    drafted_at = models.DateTimeField(db_default=Now())
    approval = models.ForeignKey(Signature, on_delete=models.PROTECT, related_name="+", null=True)
    reason = models.TextField(default="", help_text="Why it was rejected")

    class Meta:
        db_table = "devices_plan"
        constraints = [
            models.UniqueConstraint(fields=["device", "revision"], name="plan_revision"),
            models.CheckConstraint(condition=models.Q(status__in=PlanStatus.values), name="plan_status"),
            models.CheckConstraint(
                condition=~models.Q(status="approved") | models.Q(approval__isnull=False),
                name="plan_approved_is_signed",
            ),
            models.CheckConstraint(
                condition=~models.Q(author=models.F("reader")), name="plan_reader_is_not_author"
            ),
        ]

    def __str__(self) -> str:
        return f"plan {self.revision} of {self.device_id}"
