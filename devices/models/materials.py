"""Material specifications: what a device may be made of. Lots of a material are printing's."""

from __future__ import annotations

from django.db import models
from django.db.models.functions import Now

from devices.choices import DEFINITION_PAIRS, DefinitionStatus
from mes.choices import Meaning
from mes.models import Person, Signature
from mes.tables import Signed, StageGuard, table

FIELDS = (
    "code",
    "name",
    "process",
    "minimum_wall_mm",
    "density_g_per_ml",
    "contact_category",
    "status",
    "author_id",
    "approval_id",
)


@table(
    "working",
    root="devices.material",
    digest={1: FIELDS, 2: (*FIELDS, "required_results")},
    stage=StageGuard("status", ("draft", "effective"), DEFINITION_PAIRS),
    signed={
        "approval": Signed(
            (Meaning.APPROVED,),
            fixed={"record": "material specification"},
            says={
                name: name
                for name in (
                    "code",
                    "name",
                    "process",
                    "minimum_wall_mm",
                    "density_g_per_ml",
                    "contact_category",
                )
            },
            later={"required_results": "required_results"},
        )
    },
)
class Material(models.Model):
    """A specified material with the process it is qualified for and the thinnest wall that process can make.

    `contact_category` is the strictest ISO 10993-1 contact it is qualified for, one of `devices.catalog.base.CONTACTS`.
    `required_results`: what the certificate of each lot must carry, [{"characteristic", "unit", "minimum", "maximum"}],
    a limit null where there is none; no lot is released without (G-MAT-03).
    """

    code = models.CharField(max_length=40, unique=True)
    name = models.CharField(max_length=120)
    process = models.CharField(max_length=40)
    minimum_wall_mm = models.FloatField()
    density_g_per_ml = models.FloatField()
    contact_category = models.CharField(max_length=40)
    required_results = models.JSONField(default=list)
    status = models.CharField(max_length=12, choices=DefinitionStatus, default=DefinitionStatus.DRAFT)
    author = models.ForeignKey(Person, on_delete=models.PROTECT, related_name="+", null=True)
    approval = models.ForeignKey(Signature, on_delete=models.PROTECT, related_name="+", null=True)
    created_at = models.DateTimeField(db_default=Now())

    class Meta:
        db_table = "devices_material"
        constraints = [
            models.CheckConstraint(
                condition=models.Q(status__in=DefinitionStatus.values), name="material_status"
            ),
            models.CheckConstraint(
                condition=models.Q(minimum_wall_mm__gt=0, density_g_per_ml__gt=0), name="material_positive"
            ),
        ]

    def __str__(self) -> str:
        return self.code
