"""What the API says about post-processing, inspection, nonconformance and reports."""

from __future__ import annotations

from typing import Any

from rest_framework import serializers

from devices.models import Device
from mes.models import Person
from quality.models import (
    Calibration,
    Gauge,
    Inspection,
    Measurement,
    Nonconformance,
    PostProcessStep,
    Report,
)


class StepOutput(serializers.ModelSerializer[PostProcessStep]):
    performed_by = serializers.StringRelatedField[Person]()

    class Meta:
        model = PostProcessStep
        fields = (
            "id", "step", "title", "position", "attempt", "values", "in_limits", "equipment", "started_at", "ended_at",
            "performed_by",
        )  # fmt: skip
        read_only_fields = fields


class MeasurementOutput(serializers.ModelSerializer[Measurement]):
    class Meta:
        model = Measurement
        fields = (
            "outcome", "reasons", "figures", "limits", "characteristics", "passed", "pose", "nominal_id",
            "deviation_map_id", "picture_id", "tool", "measured_at",
        )  # fmt: skip
        read_only_fields = fields


class CalibrationOutput(serializers.ModelSerializer[Calibration]):
    recorded_by = serializers.StringRelatedField[Person]()

    class Meta:
        model = Calibration
        fields = (
            "number", "calibrated_on", "due_on", "as_found", "laboratory", "certificate_id", "recorded_by", "recorded_at",
            "signature_id",
        )  # fmt: skip
        read_only_fields = fields


class GaugeOutput(serializers.ModelSerializer[Gauge]):
    """`due`: the last day of its last calibration."""

    due = serializers.DateField(read_only=True)
    calibrations = CalibrationOutput(many=True, read_only=True)

    class Meta:
        model = Gauge
        fields = (
            "code", "kind", "maker", "model", "serial", "accuracy_mm", "location", "stage", "due", "calibrations",
        )  # fmt: skip
        read_only_fields = fields


class InspectionOutput(serializers.ModelSerializer[Inspection]):
    device = serializers.StringRelatedField[Device]()
    status = serializers.CharField(read_only=True)
    measurement = MeasurementOutput(read_only=True, required=False)
    gauge = serializers.CharField(source="gauge.code", read_only=True, default=None, allow_null=True)
    calibration = serializers.IntegerField(
        source="calibration.number", read_only=True, default=None, allow_null=True
    )

    class Meta:
        model = Inspection
        fields = (
            "id", "device", "number", "unit", "scan_id", "gauge", "calibration", "measured_on", "received_at", "status",
            "measurement",
        )  # fmt: skip
        read_only_fields = fields


class NonconformanceOutput(serializers.ModelSerializer[Nonconformance]):
    device = serializers.StringRelatedField[Device]()
    proposed_by = serializers.StringRelatedField[Person]()
    approved_by = serializers.StringRelatedField[Person]()

    class Meta:
        model = Nonconformance
        fields = (
            "code", "device", "source", "found_at_stage", "requirement", "description", "severity", "evidence", "units", "stage",
            "disposition", "justification", "opened_at", "proposed_by", "approved_by",
        )  # fmt: skip
        read_only_fields = fields


class ReportOutput(serializers.ModelSerializer[Report]):
    class Meta:
        model = Report
        fields = ("id", "name", "json_id", "pdf_id", "last_pos", "rendered_at")
        read_only_fields = fields


class GateOutput(serializers.Serializer[Any]):
    gate = serializers.CharField()
    title = serializers.CharField()
    outcome = serializers.CharField()
    reason = serializers.CharField()
    cure = serializers.CharField()
    evidence = serializers.DictField()


class ChecklistOutput(serializers.Serializer[Any]):
    """`digest` is what the signature covers: hand it back with the signature to sign exactly this."""

    ready = serializers.BooleanField()
    record_sha256 = serializers.CharField()
    digest = serializers.CharField(allow_blank=True)
    gates = GateOutput(many=True)


class StageOutput(serializers.Serializer[Any]):
    device = serializers.CharField()
    stage = serializers.CharField()
    signature_id = serializers.IntegerField()
