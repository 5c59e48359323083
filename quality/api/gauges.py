"""Measuring equipment over HTTP."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar

from django.db.models import QuerySet
from drf_spectacular.utils import extend_schema
from rest_framework import serializers
from rest_framework.decorators import action
from rest_framework.parsers import MultiPartParser
from rest_framework.request import Request
from rest_framework.response import Response

from mes.api.base import NoInput, ReasonInput, SigningInput, credentials_in, given
from mes.api.files import FilesViewSet
from mes.api.parsers import ShallowJSONParser
from quality.api.outputs import CalibrationOutput, GaugeOutput
from quality.choices import AsFound, GaugeKind
from quality.models import Gauge
from quality.selectors import gauges
from quality.services.gauges import (
    Certified,
    calibrate_gauge,
    put_gauge_in_service,
    register_gauge,
    store_calibration_certificate,
    take_gauge_out_of_service,
)


class GaugeInput(serializers.Serializer[Any]):
    """`accuracy_mm`: the largest error that the maker states."""

    kind = serializers.ChoiceField(GaugeKind.choices)
    maker = serializers.CharField(max_length=80)
    model = serializers.CharField(max_length=80)
    serial = serializers.CharField(max_length=60)
    accuracy_mm = serializers.DecimalField(max_digits=8, decimal_places=4)
    location = serializers.CharField(max_length=80)


class GaugeCalibrationInput(SigningInput):
    calibrated_on = serializers.DateField()
    due_on = serializers.DateField(help_text="The last day on which it counts")
    as_found = serializers.ChoiceField(AsFound.choices)
    laboratory = serializers.CharField(max_length=120)
    certificate = serializers.FileField(allow_empty_file=True)


class GaugeViewSet(FilesViewSet):
    """Measuring equipment. POST registers a gauge, which then waits for its calibration."""

    permits: ClassVar[Mapping[str, str]] = {
        "list": "quality.read_gauges",
        "retrieve": "quality.read_gauges",
        "create": "quality.register_gauge",
        "calibrate": "quality.calibrate_gauge",
        "put_in_service": "quality.move_gauge",
        "take_out_of_service": "quality.move_gauge",
    }
    letter = "G"
    page = "gauge"
    serializer_class = GaugeOutput
    filterset_fields = ("stage", "kind")
    parser_classes = (ShallowJSONParser, MultiPartParser)
    queryset = Gauge.objects.none()

    def rows(self) -> QuerySet[Gauge]:
        return gauges()

    @extend_schema(request=GaugeInput, responses={201: GaugeOutput})
    def create(self, request: Request) -> Response:
        gauge = register_gauge(**given(GaugeInput, request), actor=self.actor)
        return Response(GaugeOutput(gauges().get(pk=gauge.pk)).data, status=201)

    @extend_schema(request={"multipart/form-data": GaugeCalibrationInput}, responses={201: CalibrationOutput})
    @action(detail=True, methods=["post"])
    def calibrate(self, request: Request, code: str) -> Response:
        """Record a calibration with its certificate, by signature. Found out of tolerance, it reaches back."""
        gauge, values = self.get_object(), given(GaugeCalibrationInput, request)
        certificate = store_calibration_certificate(file=values["certificate"].file, actor=self.actor)
        row = calibrate_gauge(
            gauge_id=gauge.pk,
            certified=Certified(
                values["calibrated_on"], values["due_on"], AsFound(values["as_found"]), values["laboratory"]
            ),
            certificate=certificate.sha256,
            actor=self.actor,
            credentials=credentials_in(values),
        )
        return Response(CalibrationOutput(row).data, status=201)

    @extend_schema(request=NoInput, responses=GaugeOutput)
    @action(detail=True, methods=["post"], url_path="put-in-service")
    def put_in_service(self, request: Request, code: str) -> Response:
        """It may measure from now on."""
        put_gauge_in_service(gauge_id=self.get_object().pk, actor=self.actor)
        return Response(GaugeOutput(self.get_object()).data)

    @extend_schema(request=ReasonInput, responses=GaugeOutput)
    @action(detail=True, methods=["post"], url_path="take-out-of-service")
    def take_out_of_service(self, request: Request, code: str) -> Response:
        """It measures nothing from now on."""
        values = given(ReasonInput, request)
        take_gauge_out_of_service(gauge_id=self.get_object().pk, reason=values["reason"], actor=self.actor)
        return Response(GaugeOutput(self.get_object()).data)
