"""Printers, the parameter sets they run, and which material, printer and parameters were qualified together."""

from __future__ import annotations

from django.db import models
from django.db.models import Q
from django.db.models.functions import Now

from mes.choices import Meaning
from mes.tables import Signed, StageGuard, table
from printing.choices import (
    PARAMETERS_PAIRS,
    QUALIFICATION_PAIRS,
    Link,
    Machine,
    Operation,
    ParametersState,
    Qualification,
    Run,
)


@table(
    "working",
    root="printing.parameter_set",
    digest={
        1: ("name", "revision", "printer_kind", "material_id", "values", "digest", "state", "signature_id")
    },
    stage=StageGuard("state", (ParametersState.DRAFT,), PARAMETERS_PAIRS),
    signed={
        "signature": Signed(
            (Meaning.APPROVED,),
            says={
                **{name: name for name in ("name", "revision", "printer_kind", "values", "digest")},
                "material": "material__code",
            },
        )
    },
)
class ParameterSet(models.Model):
    """How a material is printed on one kind of printer. A change is a new revision.

    `values`: layer_height_mm, pixel_mm, plate_size_mm [x, y, z], exposure_s, bottom_exposure_s, bottom_layers,
    lift_s, loss_share, spacing_mm (the least between two parts; 3 where a set says nothing). `digest` is the SHA-256 of their canonical text.
    """

    name = models.CharField(max_length=60)
    revision = models.IntegerField(default=1)
    printer_kind = models.CharField(max_length=60)
    material = models.ForeignKey("devices.Material", on_delete=models.PROTECT, related_name="parameter_sets")
    values = models.JSONField()
    digest = models.CharField(max_length=64)
    state = models.CharField(max_length=8, choices=ParametersState, default=ParametersState.DRAFT)
    authored_by = models.ForeignKey("mes.Person", on_delete=models.PROTECT, related_name="+")
    signature = models.ForeignKey("mes.Signature", on_delete=models.PROTECT, null=True, related_name="+")
    created_at = models.DateTimeField(db_default=Now())

    class Meta:
        db_table = "printing_parameter_set"
        constraints = [models.UniqueConstraint(fields=["name", "revision"], name="parameters_once")]

    def __str__(self) -> str:
        return f"{self.name} rev {self.revision}"

    @property
    def code(self) -> str:
        return f"S{self.pk:07d}"


FIELDS = (
    "name",
    "kind",
    "serial",
    "driver",
    "connection",
    "firmware",
    "qualification",
    "qualified_until",
    "calibrated_until",
    "held",
    "hold_reason",
    "clearance_needed",
    "container_id",
    "last_material_id",
    "link",
    "machine",
    "run",
    "operation",
    "foreign_run",
)


@table(
    "working",
    root="printing.printer",
    digest={
        1: FIELDS,
        2: (*FIELDS, "holds"),
        3: (*FIELDS, "holds", "operation_since"),
        4: (*FIELDS, "holds", "operation_since", "reported"),
    },
    stage=StageGuard("qualification", (Qualification.COMMISSIONING,), QUALIFICATION_PAIRS),
)
class Printer(models.Model):
    """A machine. Qualification (may it?) and operation (what does it do?) are two separate things.

    `link`, `machine`, `run` and `operation` are the last words the fleet recorded; how old they are stands on
    `PrinterContact`. A word that is too old counts as unknown, never as idle (`selectors.shown_operation`).
    `reported`: the serial, model and firmware that the machine itself named last; empty until it did.
    `holds`: every hold there was, see `mes.holds`; `held`, `hold_reason`: projection of the open ones.
    """

    name = models.CharField(max_length=60, unique=True)
    kind = models.CharField(max_length=60, help_text="Model; parameter sets are made for it")
    serial = models.CharField(max_length=60)
    driver = models.CharField(max_length=30)
    connection = models.JSONField(default=dict, help_text="What the driver needs to reach it; no secrets")
    firmware = models.CharField(max_length=60, blank=True)
    reported = models.JSONField(default=dict, help_text="What the machine says that it is")
    qualification = models.CharField(
        max_length=16, choices=Qualification, default=Qualification.COMMISSIONING
    )
    qualified_until = models.DateField(null=True)
    calibrated_until = models.DateField(null=True)
    held = models.BooleanField(default=False)
    hold_reason = models.TextField(blank=True)
    holds = models.JSONField(default=list)
    clearance_needed = models.CharField(
        max_length=200, blank=True, help_text="Why the plate must be cleared, empty where it is"
    )
    container = models.OneToOneField(
        "printing.Container", on_delete=models.PROTECT, null=True, related_name="printer"
    )
    last_material = models.ForeignKey(
        "devices.Material", on_delete=models.PROTECT, null=True, related_name="+"
    )
    registered_by = models.ForeignKey("mes.Person", on_delete=models.PROTECT, null=True, related_name="+")
    link = models.CharField(max_length=8, choices=Link, default=Link.UNKNOWN)
    machine = models.CharField(max_length=12, choices=Machine, default=Machine.UNKNOWN)
    run = models.CharField(max_length=12, choices=Run, default=Run.UNKNOWN)
    operation = models.CharField(max_length=12, choices=Operation, default=Operation.UNKNOWN)
    operation_since = models.DateTimeField(db_default=Now())
    foreign_run = models.CharField(max_length=120, blank=True, help_text="A print that Lamina did not start")

    class Meta:
        db_table = "printing_printer"
        constraints = [
            models.UniqueConstraint(fields=["kind", "serial"], name="printer_serial"),
            models.CheckConstraint(condition=Q(operation__in=Operation.values), name="printer_operation"),
        ]

    def __str__(self) -> str:
        return f"{self.code} {self.name}"

    @property
    def code(self) -> str:
        return f"M{self.pk:07d}"


@table(
    "record",
    spoken={"printing.printer": "printer"},
    signed={
        "signature": Signed(
            (Meaning.APPROVED,),
            root="printing.printer",
            key="printer_id",
            says={"parameters[]": "parameters_digest", "firmware": "firmware", "valid_until": "valid_until"},
        )
    },
)
class QualifiedTriple(models.Model):
    """G-PRN-04: this material, on this printer, with this parameter set and firmware, was shown to work until a date, or
    until the printer's next qualification (`printing.selectors.machines.standing_triples`)."""

    printer = models.ForeignKey(Printer, on_delete=models.PROTECT, related_name="triples")
    material = models.ForeignKey("devices.Material", on_delete=models.PROTECT, related_name="+")
    parameters = models.ForeignKey(ParameterSet, on_delete=models.PROTECT, related_name="triples")
    parameters_digest = models.CharField(max_length=64)
    firmware = models.CharField(max_length=60, blank=True)
    valid_until = models.DateField()
    signature = models.ForeignKey("mes.Signature", on_delete=models.PROTECT, related_name="+")
    qualified_at = models.DateTimeField(db_default=Now())

    class Meta:
        db_table = "printing_qualified_triple"
        indexes = [models.Index(fields=["printer", "material", "parameters"], name="triple_lookup")]

    def __str__(self) -> str:
        return f"{self.printer_id} {self.material_id} {self.parameters_id} until {self.valid_until}"
