"""Builds: several devices on one plate, cut into layers, as one file for one kind of printer."""

from __future__ import annotations

from django.db import models
from django.db.models import Q
from django.db.models.functions import Now

from mes.choices import Meaning
from mes.tables import Signed, StageGuard, table
from printing.choices import BUILD_PAIRS, BuildState


@table(
    "working",
    root="printing.build",
    digest={
        1: (
            "printer_kind",
            "parameters_id",
            "parameters_digest",
            "material_id",
            "state",
            "items_digest",
            "file_id",
            "plate_digest",
            "layer_count",
            "areas_mm2",
            "volume_ml",
            "material_ml",
            "print_seconds",
            "problems",
            "prepared_with",
            "created_by_id",
            "verified_by_id",
            "verify_signature_id",
            "decision",
        )
    },
    stage=StageGuard("state", (BuildState.DRAFT,), BUILD_PAIRS),
    signed={
        "verify_signature": Signed(
            (Meaning.VERIFIED,),
            by="verified_by_id",
            says={
                "printer_kind": "printer_kind",
                "parameters": "parameters_digest",
                "material": "material__code",
                "file": "file_id",
                "plate_digest": "plate_digest",
                "layer_count": "layer_count",
            },
        )
    },
)
class Build(models.Model):
    """One plate or vat load. `areas_mm2` is the cured area of each layer; `plate_digest` covers all layers.

    `items_digest` covers every item with its frozen mesh and its place, so the items stand under this row's digest.
    `problems`: why the preparation failed, as {"text", "cure", "rule"}.
    """

    printer_kind = models.CharField(max_length=60)
    parameters = models.ForeignKey("printing.ParameterSet", on_delete=models.PROTECT, related_name="builds")
    parameters_digest = models.CharField(max_length=64)
    material = models.ForeignKey("devices.Material", on_delete=models.PROTECT, related_name="builds")
    state = models.CharField(max_length=12, choices=BuildState, default=BuildState.DRAFT)
    items_digest = models.CharField(max_length=64)
    file = models.ForeignKey("mes.Artefact", on_delete=models.PROTECT, null=True, related_name="+")
    plate_digest = models.CharField(max_length=64, blank=True)
    layer_count = models.IntegerField(null=True)
    areas_mm2 = models.JSONField(default=list)
    volume_ml = models.FloatField(null=True)
    material_ml = models.FloatField(null=True)
    print_seconds = models.FloatField(null=True)
    problems = models.JSONField(default=list)
    prepared_with = models.CharField(max_length=80, blank=True, help_text="Slicer and version")
    created_by = models.ForeignKey("mes.Person", on_delete=models.PROTECT, related_name="+")
    created_at = models.DateTimeField(db_default=Now())
    verified_by = models.ForeignKey("mes.Person", on_delete=models.PROTECT, null=True, related_name="+")
    verify_signature = models.ForeignKey(
        "mes.Signature", on_delete=models.PROTECT, null=True, related_name="+"
    )
    decision = models.TextField(blank=True, help_text="How an interruption was decided")

    class Meta:
        db_table = "printing_build"
        constraints = [models.CheckConstraint(condition=Q(state__in=BuildState.values), name="build_state")]

    def __str__(self) -> str:
        return self.code

    @property
    def code(self) -> str:
        return f"B{self.pk:07d}"


@table("working", spoken={"printing.build": "build"})
class BuildItem(models.Model):
    """A device on the plate: the frozen mesh it is made from, and where it lies (4x4, row by row; mm), each unit of a
    lot after the other."""

    build = models.ForeignKey(Build, on_delete=models.PROTECT, related_name="items")
    device = models.ForeignKey("devices.Device", on_delete=models.PROTECT, related_name="build_items")
    design_id = models.BigIntegerField(help_text="The design whose approval the device was frozen with")
    mesh_sha256 = models.CharField(max_length=64)
    transform = models.JSONField(null=True)
    active = models.BooleanField(default=True, help_text="False once the build failed or was given up")

    class Meta:
        db_table = "printing_build_item"
        constraints = [
            models.UniqueConstraint(fields=["build", "device"], name="item_once"),
            models.UniqueConstraint(fields=["device"], condition=Q(active=True), name="device_in_one_build"),
        ]

    def __str__(self) -> str:
        return f"{self.device_id} in {self.build_id}"


@table("working", no_history="a hint for the screen, overwritten as it goes")
class Preparation(models.Model):
    """How far the slicing is. A hint for the screen, overwritten as it goes; no part of the record."""

    build = models.OneToOneField(
        Build, on_delete=models.PROTECT, primary_key=True, related_name="preparation"
    )
    done = models.IntegerField(default=0)
    total = models.IntegerField(default=0)
    at = models.DateTimeField(db_default=Now())

    class Meta:
        db_table = "printing_preparation"

    def __str__(self) -> str:
        return f"{self.done}/{self.total}"
