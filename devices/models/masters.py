"""Device masters: the controlled specification of a device type, revisioned and approved by signature."""

from __future__ import annotations

from django.db import models
from django.db.models.functions import Now

from devices.choices import (
    DEFINITION_PAIRS,
    ROUTES,
    DefinitionStatus,
    DeviceField,
    IntendedUse,
    Route,
    TrackedAs,
)
from mes.choices import Meaning, Role
from mes.models import Person, Signature
from mes.tables import Signed, StageGuard, table

FIRST_SPECIFICATION = (
    "code",
    "revision",
    "title",
    "field",
    "intended_use",
    "pathway",
    "contact_category",
    "imaging",
    "segmentation",
    "design",
    "materials",
    "process",
    "routing",
    "inspection",
    "label",
)
SPECIFICATION = (*FIRST_SPECIFICATION, "tracked_as", "packaging")
"""What a master says: the fields that its approval signs."""
APPROVAL = ("status", "author_id", "approval_id")


@table(
    "working",
    root="devices.master",
    digest={
        1: (*FIRST_SPECIFICATION, *APPROVAL),
        2: (*SPECIFICATION, *APPROVAL),
        3: (*SPECIFICATION, *APPROVAL, "effective_at"),
    },
    stage=StageGuard("status", ("draft",), DEFINITION_PAIRS),
    signed={
        "approval": Signed(
            (Meaning.APPROVED,),
            fixed={"record": "device master"},
            says={name: name for name in FIRST_SPECIFICATION},
            later={name: name for name in SPECIFICATION},
        )
    },
)
class DeviceMaster(models.Model):
    """One revision of a device type.

    imaging {max_slice_spacing_mm, max_slice_thickness_mm, max_pixel_spacing_mm, max_tilt_degrees, max_image_age_days,
    min_field_of_view_mm [across, down, along], sources ["volume", "surface"], surface {min_extent_mm [longest, middle, shortest],
    max_extent_mm, max_edge_mm, patient_axes}};
    segmentation {segmenter, parameters, surface, limits, scan {segmenter, parameters, limits}};
    design {generator, defaults, envelope {name: [min, max]}, limits {measure: [min, max]}, reviewer, prescriber_approves, diagnostic_use,
    external_cad {values [name], bores, limits {measure: [min, max]}, validated {program and version: status}}, without which no part
    that was drawn in another program is admitted}; materials [code]; routing [step]; inspection
    {tolerance_mm, minimum_share, maximum_p95_mm}; label {text, notice}; packaging {scheme, levels, shelf_life_days,
    use_by_precision}, or nothing where none is planned (`quality.catalog.packaging`).
    """

    code = models.CharField(max_length=40)
    revision = models.IntegerField()
    title = models.CharField(max_length=120)
    field = models.CharField(max_length=20, choices=DeviceField)
    intended_use = models.CharField(max_length=10, choices=IntendedUse)
    pathway = models.CharField(max_length=300, help_text="Regulatory pathway and its reason (G-ORD-03)")
    contact_category = models.CharField(max_length=40)
    imaging = models.JSONField()
    segmentation = models.JSONField()
    design = models.JSONField()
    materials = models.JSONField()
    process = models.CharField(max_length=40)
    routing = models.JSONField()
    inspection = models.JSONField()
    label = models.JSONField()
    tracked_as = models.CharField(max_length=4, choices=TrackedAs, default=TrackedAs.UNIT)
    packaging = models.JSONField(default=dict)
    status = models.CharField(max_length=12, choices=DefinitionStatus, default=DefinitionStatus.DRAFT)
    author = models.ForeignKey(Person, on_delete=models.PROTECT, related_name="+")
    approval = models.ForeignKey(Signature, on_delete=models.PROTECT, related_name="+", null=True)
    effective_at = models.DateTimeField(null=True)
    created_at = models.DateTimeField(db_default=Now())

    class Meta:
        db_table = "devices_master"
        constraints = [
            models.UniqueConstraint(fields=["code", "revision"], name="master_revision"),
            models.UniqueConstraint(
                fields=["code"], condition=models.Q(status="effective"), name="master_one_effective"
            ),
            models.CheckConstraint(
                condition=models.Q(status__in=DefinitionStatus.values), name="master_status"
            ),
            models.CheckConstraint(
                condition=models.Q(intended_use__in=IntendedUse.values), name="master_intended_use"
            ),
            models.CheckConstraint(condition=models.Q(field__in=DeviceField.values), name="master_field"),
            models.CheckConstraint(
                condition=models.Q(tracked_as__in=TrackedAs.values), name="master_tracked_as"
            ),
        ]

    def __str__(self) -> str:
        return f"{self.code} rev {self.revision}"

    @property
    def clinical(self) -> bool:
        return self.intended_use == IntendedUse.CLINICAL

    @property
    def route(self) -> Route:
        """What the intended use asks for and spares."""
        return ROUTES[IntendedUse(self.intended_use)]

    @property
    def needs_validated_tools(self) -> bool:
        """For clinical use, and for a model that a diagnosis may rest on (G-SW-01)."""
        return self.route.validated_tools or bool(self.design.get("diagnostic_use"))

    @property
    def prescriber_approves(self) -> bool:
        """Whether the prescriber signs the design, or a clinical reviewer does (G-DES-02)."""
        return self.route.prescriber_approves or bool(self.design.get("prescriber_approves"))

    @property
    def reviewer(self) -> Role:
        """Who signs the design first: a second design engineer, or whom the master names instead (G-SIG-01)."""
        return Role(self.design.get("reviewer", Role.DSN))

    @property
    def approver(self) -> Role:
        """Who signs the design last."""
        return Role.PRE if self.prescriber_approves else Role.CLR
