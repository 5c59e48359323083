"""Material: lots with their certificate, the containers on the shelf, and what went into a build."""

from __future__ import annotations

from datetime import date, timedelta

from django.db import models
from django.db.models import F, Q
from django.db.models.functions import Now

from mes.choices import Meaning
from mes.tables import Signed, StageGuard, table
from printing.choices import (
    CONTAINER_PAIRS,
    LOT_PAIRS,
    USABLE_LOTS,
    ConsumptionBasis,
    ContainerState,
    LotState,
    Precision,
    Unit,
    Withdrawal,
)


@table(
    "working",
    root="printing.lot",
    digest={
        1: (
            "material_id",
            "supplier",
            "supplier_lot",
            "unit",
            "received",
            "consumed",
            "sampled",
            "wasted",
            "remaining",
            "expires_on",
            "expires_precision",
            "state",
            "held_from",
            "hold_reason",
            "certificate",
            "certificate_file_id",
            "received_by_id",
            "released_by_id",
            "release_signature_id",
        )
    },
    stage=StageGuard("state", (LotState.QUARANTINE,), LOT_PAIRS),
    signed={
        "release_signature": Signed(
            (Meaning.APPROVED,),
            by="released_by_id",
            says={
                "material": "material__code",
                "supplier": "supplier",
                "supplier_lot": "supplier_lot",
                "certificate": "certificate",
                "certificate_file": "certificate_file_id",
            },
        )
    },
)
class MaterialLot(models.Model):
    """A supplier's lot as it was received. Quantities in `unit`; received = consumed + sampled + wasted + remaining.

    `certificate`: list of {"characteristic", "value", "unit", "minimum", "maximum"}, limits null where there is none.
    """

    material = models.ForeignKey("devices.Material", on_delete=models.PROTECT, related_name="lots")
    supplier = models.CharField(max_length=120)
    supplier_lot = models.CharField(max_length=60)
    unit = models.CharField(max_length=2, choices=Unit)
    received = models.DecimalField(max_digits=12, decimal_places=3)
    consumed = models.DecimalField(max_digits=12, decimal_places=3, default=0)
    sampled = models.DecimalField(max_digits=12, decimal_places=3, default=0)
    wasted = models.DecimalField(max_digits=12, decimal_places=3, default=0)
    remaining = models.DecimalField(max_digits=12, decimal_places=3)
    expires_on = models.DateField(help_text="For precision 'month': any day of it; the last one counts")
    expires_precision = models.CharField(max_length=5, choices=Precision)
    state = models.CharField(max_length=10, choices=LotState, default=LotState.QUARANTINE)
    held_from = models.CharField(max_length=10, choices=LotState, blank=True)
    hold_reason = models.TextField(blank=True)
    certificate = models.JSONField(default=list)
    certificate_file = models.ForeignKey(
        "mes.Artefact", on_delete=models.PROTECT, null=True, related_name="+"
    )
    received_by = models.ForeignKey("mes.Person", on_delete=models.PROTECT, related_name="+")
    received_at = models.DateTimeField(db_default=Now())
    released_by = models.ForeignKey("mes.Person", on_delete=models.PROTECT, null=True, related_name="+")
    release_signature = models.ForeignKey(
        "mes.Signature", on_delete=models.PROTECT, null=True, related_name="+"
    )

    class Meta:
        db_table = "printing_lot"
        constraints = [
            models.UniqueConstraint(fields=["material", "supplier", "supplier_lot"], name="lot_once"),
            models.CheckConstraint(
                condition=Q(received=F("consumed") + F("sampled") + F("wasted") + F("remaining")),
                name="lot_balance",
            ),
            models.CheckConstraint(
                condition=Q(received__gt=0, consumed__gte=0, sampled__gte=0, wasted__gte=0, remaining__gte=0),
                name="lot_quantities",
            ),
            models.CheckConstraint(condition=Q(state__in=LotState.values), name="lot_state"),
        ]

    def __str__(self) -> str:
        return f"{self.code} {self.supplier} {self.supplier_lot}"

    @property
    def code(self) -> str:
        return f"L{self.pk:07d}"

    @property
    def last_day(self) -> date:
        """The last day on which it may be used (K-10: a month without a day means its last day)."""
        if self.expires_precision == Precision.DAY:
            return self.expires_on
        next_month = self.expires_on.replace(day=28) + timedelta(days=4)
        return next_month - timedelta(days=next_month.day)

    @property
    def usable(self) -> bool:
        return self.state in USABLE_LOTS


@table(
    "working",
    root="printing.container",
    digest={1: ("lot_id", "label", "filled", "remaining", "state", "opened_at")},
    stage=StageGuard("state", (ContainerState.SEALED,), CONTAINER_PAIRS),
)
class Container(models.Model):
    """A bottle, cartridge or spool of a lot. `label` is what its barcode says: letters and digits, with a check digit."""

    lot = models.ForeignKey(MaterialLot, on_delete=models.PROTECT, related_name="containers")
    label = models.CharField(max_length=18, unique=True)
    filled = models.DecimalField(max_digits=12, decimal_places=3)
    remaining = models.DecimalField(max_digits=12, decimal_places=3)
    state = models.CharField(max_length=6, choices=ContainerState, default=ContainerState.SEALED)
    opened_at = models.DateTimeField(null=True)

    class Meta:
        db_table = "printing_container"
        constraints = [
            models.CheckConstraint(
                condition=Q(remaining__gte=0, remaining__lte=F("filled"), filled__gt=0),
                name="container_quantities",
            ),
            models.CheckConstraint(condition=Q(state__in=ContainerState.values), name="container_state"),
        ]

    def __str__(self) -> str:
        return self.label


@table("record", spoken={"printing.lot": "lot"})
class Consumption(models.Model):
    """Material that left a container: into a build, as a sample, or as waste. Written once, in the lot's unit."""

    container = models.ForeignKey(Container, on_delete=models.PROTECT, related_name="consumptions")
    lot = models.ForeignKey(MaterialLot, on_delete=models.PROTECT, related_name="consumptions")
    job = models.ForeignKey(
        "printing.PrintJob", on_delete=models.PROTECT, null=True, related_name="consumptions"
    )
    quantity = models.DecimalField(max_digits=12, decimal_places=3)
    basis = models.CharField(max_length=10, choices=ConsumptionBasis)
    withdrawal = models.CharField(max_length=8, choices=Withdrawal, blank=True)
    at = models.DateTimeField(db_default=Now())

    class Meta:
        db_table = "printing_consumption"
        constraints = [
            models.CheckConstraint(condition=Q(quantity__gt=0), name="consumption_quantity"),
            models.CheckConstraint(
                condition=Q(job__isnull=False, withdrawal="") | (Q(job__isnull=True) & ~Q(withdrawal="")),
                name="consumption_purpose",
            ),
            models.UniqueConstraint(
                fields=["job", "container"], condition=Q(job__isnull=False), name="consumption_once"
            ),
        ]

    def __str__(self) -> str:
        return f"{self.quantity} of {self.container_id}"
