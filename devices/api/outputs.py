"""What the API says about devices and what they stand on."""

from __future__ import annotations

from typing import Any

from drf_spectacular.utils import extend_schema_field
from rest_framework import serializers

from devices.models import (
    Arrival,
    ChangeRequest,
    Design,
    Device,
    DeviceMaster,
    DicomPeer,
    Material,
    Plan,
    Segmentation,
    Study,
)
from devices.selectors.plans import current_plan
from devices.selectors.progress import phase_line, waits_for
from mes.api.actors import viewer_behind
from mes.models import Person


class StudyOutput(serializers.ModelSerializer[Study]):
    class Meta:
        model = Study
        fields = (
            "id",
            "status",
            "received_at",
            "link_confirmed",
            "findings",
            "matched",
            "source_format",
            "modality",
            "acquired_on",
            "slices",
            "rows",
            "columns",
            "spacing_mm",
            "widest_slice_step_mm",
            "tilt_degrees",
            "acquisition",
            "deidentification",
            "source_digest",
            "series_id",
            "volume_id",
            "declared",
            "surface_id",
        )
        read_only_fields = fields


class SegmentationOutput(serializers.ModelSerializer[Segmentation]):
    author = serializers.StringRelatedField[Person]()
    reviewer = serializers.StringRelatedField[Person]()

    class Meta:
        model = Segmentation
        fields = (
            "id",
            "status",
            "tool",
            "tool_version",
            "validation_status",
            "parameters",
            "author",
            "reviewer",
            "recorded_at",
            "mask_id",
            "labels_id",
            "surface_id",
            "overlays",
            "volume_ml",
            "surface_volume_ml",
            "components",
            "triangles",
            "watertight",
            "distance_mean_mm",
            "distance_p95_mm",
            "distance_max_mm",
            "bounds_mm",
            "reason",
        )
        read_only_fields = fields


class ChangeRequestOutput(serializers.ModelSerializer[ChangeRequest]):
    asked_by = serializers.StringRelatedField[Person]()

    class Meta:
        model = ChangeRequest
        fields = ("asked_by", "asked_at", "comment", "places")
        read_only_fields = fields


class DesignOutput(serializers.ModelSerializer[Design]):
    author = serializers.StringRelatedField[Person]()
    reviewer = serializers.StringRelatedField[Person]()
    change_request = ChangeRequestOutput(read_only=True)

    class Meta:
        model = Design
        fields = (
            "id",
            "revision",
            "status",
            "generator",
            "generator_version",
            "validation_status",
            "values",
            "measures",
            "features",
            "warnings",
            "reasons",
            "author",
            "reviewer",
            "requested_at",
            "mesh_id",
            "origin",
            "source_id",
            "change_request",
        )
        read_only_fields = fields


class PlanOutput(serializers.ModelSerializer[Plan]):
    author = serializers.StringRelatedField[Person]()
    reader = serializers.StringRelatedField[Person]()

    class Meta:
        model = Plan
        fields = (
            "id",
            "revision",
            "status",
            "kind",
            "content",
            "author",
            "reader",
            "drafted_at",
            "segmentation_id",
            "reason",
        )
        read_only_fields = fields


class DeviceOutput(serializers.ModelSerializer[Device]):
    code = serializers.CharField(read_only=True)
    order = serializers.CharField(source="order.code", read_only=True)
    patient = serializers.CharField(source="order.patient.token", read_only=True)
    master = serializers.StringRelatedField[DeviceMaster]()
    intended_use = serializers.CharField(source="master.intended_use", read_only=True)
    material = serializers.CharField(source="material.code", read_only=True)
    waits_for = serializers.SerializerMethodField()

    class Meta:
        model = Device
        fields: tuple[str, ...] = (
            "code",
            "order",
            "patient",
            "serial",
            "tracked_as",
            "quantity",
            "accepted",
            "scrapped",
            "released",
            "master",
            "intended_use",
            "material",
            "stage",
            "phase",
            "held",
            "hold_reason",
            "holds",
            "need_by",
            "changed_at",
            "waits_for",
        )
        read_only_fields = fields

    def get_waits_for(self, device: Device) -> str:
        return waits_for(device)


class DeviceDetail(DeviceOutput):
    study = StudyOutput(source="current_study", read_only=True)
    segmentation = SegmentationOutput(source="current_segmentation", read_only=True)
    plan = serializers.SerializerMethodField()
    design = DesignOutput(source="current_design", read_only=True)
    line = serializers.SerializerMethodField()

    class Meta(DeviceOutput.Meta):
        fields = (*DeviceOutput.Meta.fields, "study", "segmentation", "plan", "design", "line")
        read_only_fields = fields

    @extend_schema_field(PlanOutput(allow_null=True))
    def get_plan(self, device: Device) -> dict[str, Any] | None:
        plan = current_plan(device)
        return dict(PlanOutput(plan).data) if plan else None

    def get_line(self, device: Device) -> list[dict[str, str]]:
        return [{"phase": step.phase.value, "state": step.state} for step in phase_line(device)]


class PeerOutput(serializers.ModelSerializer[DicomPeer]):
    class Meta:
        model = DicomPeer
        fields = ("id", "title", "address", "description", "stage", "revoked_because", "registered_at")
        read_only_fields = fields


class ArrivalOutput(serializers.ModelSerializer[Arrival]):
    peer = serializers.CharField(source="peer.title", read_only=True, default=None)
    device = serializers.CharField(source="device.code", read_only=True, default=None)

    class Meta:
        model = Arrival
        fields = (
            "code",
            "door",
            "peer",
            "stage",
            "files",
            "size_bytes",
            "unreadable",
            "modalities",
            "arrived_at",
            "device",
            "study",
            "discarded_because",
        )
        read_only_fields = fields


class MaterialOutput(serializers.ModelSerializer[Material]):
    class Meta:
        model = Material
        fields = (
            "id",
            "code",
            "name",
            "process",
            "minimum_wall_mm",
            "density_g_per_ml",
            "contact_category",
            "required_results",
            "status",
        )
        read_only_fields = fields


class MasterOutput(serializers.ModelSerializer[DeviceMaster]):
    author = serializers.SerializerMethodField(help_text="Its name is told within this company alone")

    def get_author(self, master: DeviceMaster) -> str:
        request = self.context.get("request")
        outside = request is not None and viewer_behind(request).external
        return "a design engineer" if outside else str(master.author)

    class Meta:
        model = DeviceMaster
        fields = (
            "id",
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
            "tracked_as",
            "packaging",
            "status",
            "author",
            "effective_at",
        )
        read_only_fields = fields
