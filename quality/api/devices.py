"""What quality does with one device: steps, scans, review, release, reports."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import replace
from typing import Any, ClassVar

from django.http import FileResponse
from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import extend_schema
from rest_framework import serializers
from rest_framework.parsers import MultiPartParser
from rest_framework.request import Request
from rest_framework.response import Response

from devices.choices import Stage
from devices.models import Device
from devices.models.devices import OUT
from mes import files
from mes.api.base import SigningInput, ValuesField, credentials_in, given
from mes.exceptions import NotKnown
from mes.permissions import require
from quality.api.base import DeviceView
from quality.api.outputs import (
    ChecklistOutput,
    InspectionOutput,
    NonconformanceOutput,
    ReportOutput,
    StageOutput,
    StepOutput,
)
from quality.choices import Severity, Source
from quality.selectors.gauges import gauge_id_of
from quality.selectors.making import inspections_of
from quality.selectors.record import latest_report
from quality.services.inspection import pass_lot
from quality.services.nonconformance import open_nonconformance
from quality.services.postprocessing import record_post_process_step
from quality.services.release import (
    release_checklist,
    release_content,
    release_device,
    release_digest,
    review_record,
    shown_record,
)
from quality.services.scans import receive_scan


class StepInput(SigningInput):
    step = serializers.CharField(max_length=40)
    values = ValuesField(help_text="The duration may be left out where both times are given")
    equipment = serializers.CharField(max_length=80, required=False, default="", allow_blank=True)
    started_at = serializers.DateTimeField(required=False, default=None)
    ended_at = serializers.DateTimeField(required=False, default=None)


class ScanInput(serializers.Serializer[Any]):
    """`gauge`: the code of what measured, G0000001. `measured_on`: the day at the site, by default today."""

    scan = serializers.FileField(allow_empty_file=True)
    gauge = serializers.CharField(max_length=20, required=False, default="", allow_blank=True)
    measured_on = serializers.DateField(required=False, default=None)
    unit = serializers.IntegerField(
        min_value=1, max_value=1000, default=1, help_text="Which unit of a lot was scanned"
    )


class ReviewInput(SigningInput):
    findings = serializers.CharField(max_length=4000, required=False, default="", allow_blank=True)


class FindingInput(serializers.Serializer[Any]):
    requirement = serializers.CharField(max_length=200)
    description = serializers.CharField(max_length=4000)
    severity = serializers.ChoiceField(Severity.choices, default=Severity.MAJOR)
    units = serializers.ListField(
        child=serializers.IntegerField(min_value=1, max_value=1000),
        required=False,
        default=list,
        max_length=1000,
    )


class StepsView(DeviceView):
    """Post-processing steps of a device."""

    permits: ClassVar[Mapping[str, str]] = {
        "post": "quality.record_post_process_step",
    }
    serializer_class = StepOutput

    @extend_schema(responses=StepOutput(many=True))
    def get(self, request: Request, code: str) -> Response:
        rows = self.device().post_process_steps.select_related("performed_by").order_by("pk")
        return Response(StepOutput(rows, many=True).data)

    @extend_schema(request=StepInput, responses={201: StepOutput})
    def post(self, request: Request, code: str) -> Response:
        """Record the step that is due, by signature."""
        device, values = self.device(), given(StepInput, request)
        row = record_post_process_step(
            device_id=device.pk,
            step=values["step"],
            values=values["values"],
            equipment=values["equipment"],
            started_at=values["started_at"],
            ended_at=values["ended_at"],
            actor=self.actor,
            credentials=credentials_in(values),
        )
        return Response(StepOutput(row).data, status=201)


class ScansView(DeviceView):
    """Scans of a device's part, each with what it measured."""

    permits: ClassVar[Mapping[str, str]] = {
        "post": "quality.receive_scan",
    }
    serializer_class = InspectionOutput
    parser_classes = (MultiPartParser,)

    @extend_schema(responses=InspectionOutput(many=True))
    def get(self, request: Request, code: str) -> Response:
        return Response(InspectionOutput(inspections_of(self.device()), many=True).data)

    @extend_schema(request={"multipart/form-data": ScanInput}, responses={202: InspectionOutput})
    def post(self, request: Request, code: str) -> Response:
        """Send a scan, STL or PLY. The answer comes before it is measured; the file's name is never used."""
        device, values = self.device(), given(ScanInput, request)
        row = receive_scan(
            device_id=device.pk,
            upload=values["scan"].file,
            gauge_id=gauge_id_of(values["gauge"]),
            unit=values["unit"],
            measured_on=values["measured_on"],
            actor=self.actor,
        )
        return Response(InspectionOutput(row).data, status=202)


class LotView(DeviceView):
    """The inspection of a lot, once every unit of it is decided."""

    permits: ClassVar[Mapping[str, str]] = {
        "post": "quality.sign_inspection",
    }
    serializer_class = SigningInput

    @extend_schema(request=SigningInput, responses=StageOutput)
    def post(self, request: Request, code: str) -> Response:
        """Sign that every unit was inspected, and what became of it; the accepted ones go on."""
        device, values = self.device(), given(SigningInput, request)
        move = pass_lot(device_id=device.pk, actor=self.actor, credentials=credentials_in(values))
        signature_id = move.signature.pk if move.signature else None
        return Response({"device": device.code, "stage": move.device.stage, "signature_id": signature_id})


class FindingsView(DeviceView):
    """Nonconformances of a device."""

    permits: ClassVar[Mapping[str, str]] = {
        "post": "quality.open_nonconformance",
    }
    serializer_class = NonconformanceOutput

    @extend_schema(responses=NonconformanceOutput(many=True))
    def get(self, request: Request, code: str) -> Response:
        rows = self.device().nonconformances.select_related("device", "proposed_by", "approved_by")
        return Response(NonconformanceOutput(rows.order_by("pk"), many=True).data)

    @extend_schema(request=FindingInput, responses={201: NonconformanceOutput})
    def post(self, request: Request, code: str) -> Response:
        """Report that something is not as required. The device is held."""
        device, values = self.device(), given(FindingInput, request)
        row = open_nonconformance(
            device_id=device.pk,
            source=Source.PERSON,
            requirement=values["requirement"],
            description=values["description"],
            severity=Severity(values["severity"]),
            units=values["units"],
            actor=self.actor,
        )
        return Response(NonconformanceOutput(row).data, status=201)


class ReviewView(DeviceView):
    """The review of a device's record."""

    permits: ClassVar[Mapping[str, str]] = {
        "post": "quality.review_record",
    }
    serializer_class = ReviewInput

    @extend_schema(request=ReviewInput, responses=StageOutput)
    def post(self, request: Request, code: str) -> Response:
        """Sign that the audit trail was read."""
        device, values = self.device(), given(ReviewInput, request)
        review = review_record(
            device_id=device.pk,
            actor=self.actor,
            credentials=credentials_in(values),
            findings=values["findings"],
        )
        return Response({"device": device.code, "stage": Stage.REVIEWED, "signature_id": review.signature_id})


class ReleaseView(DeviceView):
    """The release of a device: its checklist, and the signature."""

    permits: ClassVar[Mapping[str, str]] = {
        "get": "devices.read_artefact",
        "post": "quality.release_device",
    }
    serializer_class = ChecklistOutput

    @extend_schema(responses=ChecklistOutput)
    def get(self, request: Request, code: str) -> Response:
        """Every gate of the release, asked now for who asks, and the digest that a signature would cover."""
        require(self.actor, "devices.read_artefact")
        device = self.device()
        gates = release_checklist(device, self.actor)
        record_sha256 = hashlib.sha256(shown_record(device)).hexdigest()
        at_release = device.stage == Stage.REVIEWED
        content = release_content(device, gates, record_sha256)
        checklist = {
            "ready": at_release and all(gate.passed for gate in gates),
            "record_sha256": record_sha256,
            "digest": release_digest(device, content) if at_release else "",
            "gates": [gate.as_payload() for gate in gates],
        }
        return Response(checklist)

    @extend_schema(request=SigningInput, responses=StageOutput)
    def post(self, request: Request, code: str) -> Response:
        """Release the device by signature."""
        device, values = self.device(), given(SigningInput, request)
        decision = release_device(device_id=device.pk, actor=self.actor, credentials=credentials_in(values))
        return Response(
            {"device": device.code, "stage": Stage.RELEASED, "signature_id": decision.signature_id}
        )


class ReportsView(DeviceView):
    """Reports written about a device."""

    serializer_class = ReportOutput

    @extend_schema(responses=ReportOutput(many=True))
    def get(self, request: Request, code: str) -> Response:
        return Response(ReportOutput(self.device().reports.order_by("pk"), many=True).data)


def not_written(device: Device) -> NotKnown:
    """The answer in place of a production record that is not there."""
    if device.stage in OUT:
        return NotKnown(
            f"The production record of {device.code} is still being written.",
            cure="Ask again in a minute; where none comes, the system's operator looks at what was given up.",
        )
    return NotKnown(
        f"{device.code} has no production record yet.", cure="It is written when the device is released."
    )


class RecordView(DeviceView):
    """The production record as a file."""

    permits: ClassVar[Mapping[str, str]] = {
        "get": "devices.read_artefact",
    }
    serializer_class = ReportOutput

    @extend_schema(responses={(200, "application/pdf"): OpenApiTypes.BINARY})
    def get(self, request: Request, code: str, ending: str) -> FileResponse:
        """The newest production record: `record.pdf` or `record.json`, checked against its digest as it leaves."""
        device = self.device()
        report = latest_report(device)
        if report is None:
            raise not_written(device)
        sha256 = report.pdf_id if ending == "pdf" else report.json_id
        file = files.file_of("device", device, sha256, self.actor)
        named = replace(file, name=f"{device.code}-production-record.{ending}")
        return files.taken(named, subject=device, actor=self.actor)
