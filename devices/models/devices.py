"""The device: one tracked unit, or one lot of identical units, with its own production record (K-08)."""

from __future__ import annotations

from django.db import models
from django.db.models.functions import Now

from devices.choices import DEVICE_PAIRS, Phase, Stage, TrackedAs
from devices.models.masters import DeviceMaster
from devices.models.materials import Material
from devices.models.orders import Order
from mes.tables import StageGuard, table

FIELDS = (
    "order_id",
    "master_id",
    "material_id",
    "serial",
    "stage",
    "phase",
    "held",
    "hold_reason",
    "resume_to",
    "need_by",
    "current_study_id",
    "current_segmentation_id",
    "current_design_id",
    "evidence_digest",
)
COUNTS = ("accepted", "scrapped", "released")
PASSED = (Stage.INSPECTED_PASS, Stage.LABELLED, Stage.READY_FOR_REVIEW, Stage.REVIEWED)
OUT = (Stage.RELEASED, Stage.SHIPPED, Stage.DELIVERED)


@table(
    "working",
    root="devices.device",
    digest={
        1: FIELDS,
        2: (*FIELDS, "holds"),
        3: (*FIELDS, "holds", "tracked_as", "quantity", *COUNTS),
        4: (*FIELDS, "holds", "tracked_as", "quantity", *COUNTS, "changed_at"),
    },
    stage=StageGuard("stage", ("planned",), DEVICE_PAIRS),
)
class Device(models.Model):
    """A unit, or a lot of units, on its way. Only `devices.services.lifecycle.advance_device` writes `stage`.

    serial: the serial number of a unit, or the number of a lot (K-09).  quantity: how many units it began as; it never
    changes. accepted, scrapped, released: what became of them; those that are neither accepted nor scrapped are still being
    made, and no unit disappears (ISO 13485 7.5.1).
    master, material: frozen when the device is planned.  phase: projection of stage and progress for the board.
    holds: every hold there was, see `mes.holds`; held, hold_reason: projection of the open ones.
    resume_to: the stage that the first open hold began at.  evidence_digest: SHA-256 over the rows of its studies, segmentations and
    designs, so that the log covers them too (see `devices.selectors.evidence.evidence_digest`).
    """

    order = models.ForeignKey(Order, on_delete=models.PROTECT, related_name="devices")
    master = models.ForeignKey(DeviceMaster, on_delete=models.PROTECT, related_name="devices")
    material = models.ForeignKey(Material, on_delete=models.PROTECT, related_name="+")
    serial = models.CharField(max_length=18, unique=True)
    tracked_as = models.CharField(max_length=4, choices=TrackedAs, default=TrackedAs.UNIT)
    quantity = models.PositiveSmallIntegerField(default=1)
    accepted = models.PositiveSmallIntegerField(default=0)
    scrapped = models.PositiveSmallIntegerField(default=0)
    released = models.PositiveSmallIntegerField(default=0)
    stage = models.CharField(max_length=30, choices=Stage, default=Stage.PLANNED)
    phase = models.CharField(max_length=20, choices=Phase, default=Phase.IMAGING)
    held = models.BooleanField(default=False)
    hold_reason = models.TextField(default="")
    holds = models.JSONField(default=list)
    resume_to = models.CharField(max_length=30, default="")
    need_by = models.DateField()
    current_study = models.ForeignKey("devices.Study", on_delete=models.PROTECT, related_name="+", null=True)
    current_segmentation = models.ForeignKey(
        "devices.Segmentation", on_delete=models.PROTECT, related_name="+", null=True
    )
    current_design = models.ForeignKey(
        "devices.Design", on_delete=models.PROTECT, related_name="+", null=True
    )
    evidence_digest = models.CharField(max_length=64, default="")
    created_at = models.DateTimeField(db_default=Now())
    changed_at = models.DateTimeField(db_default=Now(), help_text="When the stage or phase last changed")

    class Meta:
        db_table = "devices_device"
        constraints = [
            models.CheckConstraint(condition=models.Q(stage__in=Stage.values), name="device_stage"),
            models.CheckConstraint(condition=models.Q(phase__in=Phase.values), name="device_phase"),
            models.CheckConstraint(
                condition=models.Q(serial__regex=r"^[0-9A-Z]{1,18}$"), name="device_serial_characters"
            ),
            models.CheckConstraint(
                condition=models.Q(held=False) | ~models.Q(hold_reason=""), name="device_hold_has_reason"
            ),
            models.CheckConstraint(
                condition=models.Q(tracked_as=TrackedAs.LOT, quantity__gte=1)
                | models.Q(tracked_as=TrackedAs.UNIT, quantity=1),
                name="device_tracked_as",
            ),
            models.CheckConstraint(
                condition=models.Q(quantity__gte=models.F("accepted") + models.F("scrapped"))
                & models.Q(released__lte=models.F("accepted")),
                name="device_units_add_up",
            ),
            models.CheckConstraint(
                condition=~models.Q(stage__in=(*PASSED, *OUT))
                | models.Q(accepted__gte=1, quantity=models.F("accepted") + models.F("scrapped")),
                name="device_units_all_decided",
            ),
            models.CheckConstraint(
                condition=(models.Q(stage__in=OUT) & models.Q(released=models.F("accepted")))
                | (~models.Q(stage__in=OUT) & models.Q(released=0)),
                name="device_units_released",
            ),
            models.CheckConstraint(
                condition=~models.Q(stage=Stage.SCRAPPED) | models.Q(scrapped=models.F("quantity")),
                name="device_units_scrapped",
            ),
        ]
        indexes = [
            models.Index(fields=["phase", "need_by"], name="device_phase_need"),
            models.Index(fields=["stage", "need_by"], name="device_stage_need"),
        ]

    def __str__(self) -> str:
        return self.code

    @property
    def code(self) -> str:
        return f"D{self.pk:07d}"

    @property
    def is_lot(self) -> bool:
        return self.tracked_as == TrackedAs.LOT

    @property
    def units_open(self) -> int:
        """Units that are neither accepted nor scrapped."""
        return self.quantity - self.accepted - self.scrapped
