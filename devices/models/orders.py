"""Orders: what a prescriber asks for."""

from __future__ import annotations

from django.db import models
from django.db.models.functions import Now

from devices.choices import ORDER_PAIRS, OrderStage, Side
from devices.models.masters import DeviceMaster
from devices.models.materials import Material
from mes.choices import Meaning
from mes.models import Patient, Person, Signature
from mes.tables import Signed, StageGuard, table

FIELDS = (
    "patient_id",
    "prescriber_id",
    "master_id",
    "material_id",
    "side",
    "need_by",
    "quantity",
    "characteristics",
    "stage",
    "reason",
    "prescription_id",
    "created_by_id",
)


@table(
    "working",
    root="devices.order",
    digest={1: FIELDS},
    stage=StageGuard("stage", ("draft",), ORDER_PAIRS),
    signed={
        "prescription": Signed(
            (Meaning.PRESCRIBED,),
            by="prescriber_id",
            fixed={"record": "order"},
            says={
                "patient": "patient__token",
                "prescriber": "prescriber_id",
                "side": "side",
                "quantity": "quantity",
                "characteristics": "characteristics",
            },
        )
    },
)
class Order(models.Model):
    """A prescriber's request for a device for one patient.

    characteristics: what makes the device specific to the patient, [{attribute, value, unit, author}] (G-ORD-02).
    """

    patient = models.ForeignKey(Patient, on_delete=models.PROTECT, related_name="+")
    prescriber = models.ForeignKey(Person, on_delete=models.PROTECT, related_name="+")
    master = models.ForeignKey(DeviceMaster, on_delete=models.PROTECT, related_name="orders")
    material = models.ForeignKey(Material, on_delete=models.PROTECT, related_name="+")
    side = models.CharField(max_length=10, choices=Side)
    need_by = models.DateField()
    quantity = models.IntegerField(default=1)
    characteristics = models.JSONField(default=list)
    stage = models.CharField(max_length=30, choices=OrderStage, default=OrderStage.DRAFT)
    reason = models.TextField(default="", help_text="Why it was rejected, or what is missing")
    prescription = models.ForeignKey(Signature, on_delete=models.PROTECT, related_name="+", null=True)
    created_by = models.ForeignKey(Person, on_delete=models.PROTECT, related_name="+")
    created_at = models.DateTimeField(db_default=Now())

    class Meta:
        db_table = "devices_order"
        constraints = [
            models.CheckConstraint(condition=models.Q(stage__in=OrderStage.values), name="order_stage"),
            models.CheckConstraint(condition=models.Q(side__in=Side.values), name="order_side"),
            models.CheckConstraint(
                condition=models.Q(quantity__gte=1, quantity__lte=20), name="order_quantity"
            ),
        ]
        indexes = [models.Index(fields=["stage", "need_by"], name="order_stage_need")]

    def __str__(self) -> str:
        return self.code

    @property
    def code(self) -> str:
        return f"O{self.pk:07d}"
