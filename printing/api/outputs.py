"""What the API says about the rows of printing. Codes instead of keys, and words beside values."""

from __future__ import annotations

from typing import Any

from rest_framework import serializers

from printing.models import (
    Build,
    BuildItem,
    Container,
    MaterialLot,
    ParameterSet,
    Printer,
    PrinterCommand,
    PrintJob,
)


class ContainerOutput(serializers.ModelSerializer[Container]):
    lot = serializers.CharField(source="lot.code")
    unit = serializers.CharField(source="lot.unit")
    printer = serializers.SerializerMethodField()

    class Meta:
        model = Container
        fields = ("id", "label", "lot", "filled", "remaining", "unit", "state", "opened_at", "printer")

    def get_printer(self, container: Container) -> str | None:
        printer = getattr(container, "printer", None)
        return printer.code if printer else None


class LotOutput(serializers.ModelSerializer[MaterialLot]):
    material = serializers.CharField(source="material.code")
    state_label = serializers.CharField(source="get_state_display")
    received_by = serializers.CharField(source="received_by.full_name")
    released_by = serializers.CharField(source="released_by.full_name", default=None)
    last_day = serializers.DateField()

    class Meta:
        model = MaterialLot
        fields: tuple[str, ...] = (
            "code",
            "material",
            "supplier",
            "supplier_lot",
            "state",
            "state_label",
            "unit",
            "received",
            "consumed",
            "sampled",
            "wasted",
            "remaining",
            "expires_on",
            "expires_precision",
            "last_day",
            "hold_reason",
            "certificate",
            "certificate_file",
            "received_by",
            "received_at",
            "released_by",
        )


class LotDetail(LotOutput):
    containers = ContainerOutput(many=True)

    class Meta(LotOutput.Meta):
        fields = (*LotOutput.Meta.fields, "containers")


class TraceRow(serializers.Serializer[Any]):
    """One job that used the lot."""

    job = serializers.CharField(source="job.code")
    job_state = serializers.CharField(source="job.state")
    build = serializers.CharField(source="build.code")
    printer = serializers.CharField(source="printer.code")
    quantity = serializers.DecimalField(
        max_digits=12, decimal_places=3, source="consumption.quantity", default=None
    )
    devices = serializers.SerializerMethodField()

    def get_devices(self, row: dict[str, Any]) -> list[str]:
        return [device.code for device in row["devices"]]


class ParametersOutput(serializers.ModelSerializer[ParameterSet]):
    material = serializers.CharField(source="material.code")

    class Meta:
        model = ParameterSet
        fields = ("id", "code", "name", "revision", "printer_kind", "material", "values", "digest", "state")


class PrinterOutput(serializers.ModelSerializer[Printer]):
    """The record of a printer. What it does now is `live`, as the socket tells it."""

    class Meta:
        model = Printer
        fields = (
            "code",
            "name",
            "kind",
            "serial",
            "driver",
            "firmware",
            "reported",
            "qualification",
            "qualified_until",
            "calibrated_until",
            "held",
            "hold_reason",
            "holds",
            "clearance_needed",
            "link",
            "operation",
            "foreign_run",
        )


class ItemOutput(serializers.ModelSerializer[BuildItem]):
    device = serializers.CharField(source="device.code")

    class Meta:
        model = BuildItem
        fields = ("device", "mesh_sha256", "transform", "active")


class BuildOutput(serializers.ModelSerializer[Build]):
    parameters = serializers.CharField(source="parameters.__str__")
    material = serializers.CharField(source="material.code")
    state_label = serializers.CharField(source="get_state_display")
    items = ItemOutput(many=True)
    progress = serializers.SerializerMethodField()

    class Meta:
        model = Build
        fields: tuple[str, ...] = (
            "code",
            "printer_kind",
            "parameters",
            "material",
            "state",
            "state_label",
            "items",
            "progress",
            "file",
            "plate_digest",
            "layer_count",
            "volume_ml",
            "material_ml",
            "print_seconds",
            "problems",
            "decision",
            "created_at",
        )

    def get_progress(self, build: Build) -> dict[str, int] | None:
        preparation = getattr(build, "preparation", None)
        return {"done": preparation.done, "total": preparation.total} if preparation else None


class BuildDetail(BuildOutput):
    class Meta(BuildOutput.Meta):
        fields = (*BuildOutput.Meta.fields, "areas_mm2")


class JobOutput(serializers.ModelSerializer[PrintJob]):
    build = serializers.CharField(source="build.code")
    printer = serializers.CharField(source="printer.code")
    container = serializers.CharField(source="container.label")
    lot = serializers.CharField(source="container.lot.code")
    state_label = serializers.CharField(source="get_state_display")
    devices = serializers.SerializerMethodField()

    class Meta:
        model = PrintJob
        fields = (
            "code",
            "build",
            "printer",
            "container",
            "lot",
            "devices",
            "state",
            "state_label",
            "reason",
            "claimed_at",
            "started_at",
            "ended_at",
            "layers_done",
            "file_digest_seen",
            "machine",
            "observed_late",
            "interruptions",
            "gaps",
            "plate_cleared_at",
        )

    def get_devices(self, job: PrintJob) -> list[str]:
        return [item.device.code for item in job.build.items.all()]


class CommandOutput(serializers.ModelSerializer[PrinterCommand]):
    printer = serializers.CharField(source="printer.code")
    job = serializers.CharField(source="job.code")

    class Meta:
        model = PrinterCommand
        fields = (
            "id",
            "uid",
            "printer",
            "job",
            "kind",
            "state",
            "requested_by",
            "requested_at",
            "sent_at",
            "answer",
            "evidence",
        )


class ContentOutput(serializers.Serializer[Any]):
    """What a signature will cover, and its digest."""

    content = serializers.JSONField()
    digest = serializers.CharField()
