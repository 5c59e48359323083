"""Packages: what lies in which, at which level, under which label (K-12, 21 CFR 830.50, 820.45)."""

from __future__ import annotations

from django.db import models
from django.db.models.functions import Now

from mes.choices import Meaning
from mes.models import Person, Signature
from mes.tables import Signed, StageGuard, table
from printing.choices import Precision
from quality.choices import PACKAGE_PAIRS, PackageLevel, PackageStage

FIELDS = (
    "order_id", "level", "sterile_barrier", "di", "parent_id", "stage", "station", "opened_by_id", "contents_digest", "label",
    "label_sha256", "use_by", "use_by_precision", "issued", "applied", "destroyed", "applied_by_id", "application_id", "closing_id",
)  # fmt: skip


@table(
    "working",
    root="quality.package",
    digest={1: FIELDS},
    stage=StageGuard("stage", ("packing",), PACKAGE_PAIRS),
    signed={
        "application": Signed(
            (Meaning.PERFORMED,), by="applied_by_id", says={"label": "label", "label_sha256": "label_sha256"}
        ),
        "closing": Signed(
            (Meaning.VERIFIED,), says={"label": "label", "label_sha256": "label_sha256", "level": "level"}
        ),
    },
)
class Package(models.Model):
    """One package of one order, at one level, with one label.

    di: the device identifier of the level; a sterile barrier is no level of its own and has none (GS1, 830.50).
    opened_by: who confirmed that the station was clear (820.45).  contents_digest: SHA-256 over the rows of its contents.
    label: what the label says, as issued; label_sha256: of its canonical text.  use_by with its precision (K-10).
    issued, applied, destroyed: labels; a closed package has none left over (G-LBL-02).
    """

    order = models.ForeignKey("devices.Order", on_delete=models.PROTECT, related_name="packages")
    level = models.CharField(max_length=8, choices=PackageLevel)
    sterile_barrier = models.BooleanField(default=False)
    di = models.CharField(max_length=30, default="")
    parent = models.ForeignKey("self", on_delete=models.PROTECT, null=True, related_name="inner")
    stage = models.CharField(max_length=8, choices=PackageStage, default=PackageStage.PACKING, db_index=True)
    station = models.CharField(max_length=40)
    opened_by = models.ForeignKey(Person, on_delete=models.PROTECT, related_name="+")
    opened_at = models.DateTimeField(db_default=Now())
    contents_digest = models.CharField(max_length=64)
    label = models.JSONField(default=dict)
    label_sha256 = models.CharField(max_length=64, default="")
    use_by = models.DateField(null=True)
    use_by_precision = models.CharField(max_length=5, choices=Precision, default="", blank=True)
    issued = models.PositiveIntegerField(default=0)
    applied = models.PositiveIntegerField(default=0)
    destroyed = models.PositiveIntegerField(default=0)
    applied_by = models.ForeignKey(Person, on_delete=models.PROTECT, null=True, related_name="+")
    application = models.ForeignKey(Signature, on_delete=models.PROTECT, null=True, related_name="+")
    closing = models.ForeignKey(Signature, on_delete=models.PROTECT, null=True, related_name="+")

    class Meta:
        db_table = "quality_package"
        ordering = ["pk"]
        constraints = [
            models.CheckConstraint(condition=models.Q(stage__in=PackageStage.values), name="package_stage"),
            models.CheckConstraint(condition=models.Q(level__in=PackageLevel.values), name="package_level"),
            models.CheckConstraint(
                condition=models.Q(sterile_barrier=False) | models.Q(di=""), name="package_barrier_has_no_di"
            ),
            models.CheckConstraint(
                condition=models.Q(use_by__isnull=True, use_by_precision="")
                | models.Q(use_by__isnull=False, use_by_precision__in=Precision.values),
                name="package_use_by_has_precision",
            ),
            models.CheckConstraint(
                condition=models.Q(issued__gte=models.F("applied") + models.F("destroyed")),
                name="package_labels_issued",
            ),
            models.CheckConstraint(
                condition=models.Q(stage=PackageStage.PACKING)
                | models.Q(issued=models.F("applied") + models.F("destroyed")),
                name="package_labels_reconciled",
            ),
            models.CheckConstraint(
                condition=~models.Q(stage=PackageStage.CLOSED) | models.Q(closing__isnull=False),
                name="package_closed_by_signature",
            ),
            models.CheckConstraint(condition=~models.Q(parent=models.F("pk")), name="package_not_in_itself"),
        ]
        indexes = [models.Index(fields=["order", "stage"], name="package_order_stage")]

    def __str__(self) -> str:
        return self.code

    @property
    def code(self) -> str:
        return f"K{self.pk:07d}"

    @property
    def labels_left(self) -> int:
        return self.issued - self.applied - self.destroyed


@table("working", spoken={"quality.package": "package"})
class PackageContent(models.Model):
    """How many units of a device lie directly in a package; 0 where they were taken out again."""

    package = models.ForeignKey(Package, on_delete=models.PROTECT, related_name="contents")
    device = models.ForeignKey("devices.Device", on_delete=models.PROTECT, related_name="packed")
    quantity = models.PositiveSmallIntegerField()

    class Meta:
        db_table = "quality_package_content"
        ordering = ["device_id"]
        constraints = [models.UniqueConstraint(fields=["package", "device"], name="package_content_once")]

    def __str__(self) -> str:
        return f"{self.quantity} of device {self.device_id} in {self.package_id}"
