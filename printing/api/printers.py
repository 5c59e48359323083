"""Parameter sets and printers over HTTP."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar

from django.db.models import QuerySet
from drf_spectacular.utils import extend_schema
from rest_framework import serializers
from rest_framework.decorators import action
from rest_framework.request import Request
from rest_framework.response import Response

from mes.api.base import (
    CodeViewSet,
    LiftInput,
    NoInput,
    ReasonInput,
    SigningInput,
    ValuesField,
    credentials_in,
    given,
    row_of,
)
from mes.api.secrets import SecretInput
from printing.api.outputs import ContainerOutput, ParametersOutput, PrinterOutput
from printing.models import ParameterSet, Printer
from printing.selectors.builds import parameter_sets
from printing.selectors.fleet import fleet_state, printers
from printing.services.holds import hold_printer, release_printer_hold
from printing.services.jobs import confirm_plate_clear
from printing.services.loading import load_container, unload_container
from printing.services.parameters import approve_parameters, define_parameters
from printing.services.printers import (
    approve_printer_step,
    qualify_printer,
    record_calibration,
    register_printer,
    require_requalification,
    suspend_printer,
)


class ParametersInput(serializers.Serializer[Any]):
    name = serializers.CharField(max_length=60)
    printer_kind = serializers.CharField(max_length=60)
    material = serializers.CharField(max_length=40)
    values = ValuesField()


class ParametersViewSet(CodeViewSet):
    """Parameter sets. POST writes one down; another person approves it."""

    permits: ClassVar[Mapping[str, str]] = {
        "create": "printing.define_parameters",
        "approve": "printing.approve_parameters",
    }
    letter = "S"
    serializer_class = ParametersOutput
    filterset_fields = ("state", "printer_kind", "material__code")
    queryset = ParameterSet.objects.none()

    def rows(self) -> QuerySet[ParameterSet]:
        return parameter_sets()

    @extend_schema(request=ParametersInput, responses={201: ParametersOutput})
    def create(self, request: Request) -> Response:
        made = define_parameters(**given(ParametersInput, request), actor=self.actor)
        return Response(ParametersOutput(made).data, status=201)

    @extend_schema(request=SigningInput, responses=ParametersOutput)
    @action(detail=True, methods=["post"])
    def approve(self, request: Request, code: str) -> Response:
        row = self.get_object()
        typed = credentials_in(given(SigningInput, request))
        approve_parameters(parameters_id=row.pk, actor=self.actor, credentials=typed)
        return Response(ParametersOutput(self.get_object()).data)


class PrinterInput(SecretInput):
    name = serializers.CharField(max_length=60)
    kind = serializers.CharField(max_length=60)
    serial = serializers.CharField(max_length=60)
    driver = serializers.CharField(max_length=30)
    connection = ValuesField(required=False, default=dict)
    firmware = serializers.CharField(max_length=60, required=False, default="", allow_blank=True)


class PrinterStepInput(SigningInput):
    step = serializers.ChoiceField(["installation", "operation"])


class QualifyInput(SigningInput):
    parameters = serializers.ListField(child=serializers.CharField(max_length=20), max_length=50)
    valid_until = serializers.DateField()


class CalibrationInput(serializers.Serializer[Any]):
    valid_until = serializers.DateField()
    reason = serializers.CharField(max_length=2000, required=False, default="")


class LabelInput(serializers.Serializer[Any]):
    label = serializers.CharField(max_length=40)  # type: ignore[assignment]


class ReleaseHoldInput(LiftInput, SigningInput):
    """Which hold is released, why, and the signature."""


class PrinterViewSet(CodeViewSet):
    """Printers. POST registers one."""

    permits: ClassVar[Mapping[str, str]] = {
        "create": "printing.register_printer",
        "approve_step": "printing.qualify_printer",
        "qualify": "printing.qualify_printer",
        "calibrate": "printing.calibrate_printer",
        "require_requalification": "printing.suspend_printer",
        "suspend": "printing.suspend_printer",
        "hold": "printing.hold_printer",
        "release_hold": "printing.release_printer_hold",
        "load": "printing.load_container",
        "unload": "printing.load_container",
        "confirm_plate_clear": "printing.clear_plate",
    }
    letter = "M"
    serializer_class = PrinterOutput
    filterset_fields = ("kind", "qualification", "operation", "held")
    queryset = Printer.objects.none()

    def rows(self) -> QuerySet[Printer]:
        return printers()

    @extend_schema(request=PrinterInput, responses={201: PrinterOutput})
    def create(self, request: Request) -> Response:
        printer = register_printer(**given(PrinterInput, request), actor=self.actor)
        return Response(PrinterOutput(printer).data, status=201)

    @extend_schema(responses=dict[str, Any])
    @action(detail=True, methods=["get"])
    def live(self, request: Request, code: str) -> Response:
        """What it does now, as the socket tells it."""
        return Response(fleet_state([self.get_object().pk])[0])

    @extend_schema(request=PrinterStepInput, responses=PrinterOutput)
    @action(detail=True, methods=["post"], url_path="approve-step")
    def approve_step(self, request: Request, code: str) -> Response:
        values = given(PrinterStepInput, request)
        approve_printer_step(
            printer_id=self._id(),
            step=values["step"],
            actor=self.actor,
            credentials=credentials_in(values),
        )
        return self._said()

    @extend_schema(request=QualifyInput, responses=PrinterOutput)
    @action(detail=True, methods=["post"])
    def qualify(self, request: Request, code: str) -> Response:
        values = given(QualifyInput, request)
        qualify_printer(
            printer_id=self._id(),
            parameters=[row_of(parameter_sets(), one, "S").pk for one in values["parameters"]],
            valid_until=values["valid_until"],
            actor=self.actor,
            credentials=credentials_in(values),
        )
        return self._said()

    @extend_schema(request=CalibrationInput, responses=PrinterOutput)
    @action(detail=True, methods=["post"])
    def calibrate(self, request: Request, code: str) -> Response:
        record_calibration(printer_id=self._id(), actor=self.actor, **given(CalibrationInput, request))
        return self._said()

    @extend_schema(request=ReasonInput, responses=PrinterOutput)
    @action(detail=True, methods=["post"], url_path="require-requalification")
    def require_requalification(self, request: Request, code: str) -> Response:
        require_requalification(printer_id=self._id(), actor=self.actor, **given(ReasonInput, request))
        return self._said()

    @extend_schema(request=ReasonInput, responses=PrinterOutput)
    @action(detail=True, methods=["post"])
    def suspend(self, request: Request, code: str) -> Response:
        suspend_printer(printer_id=self._id(), actor=self.actor, **given(ReasonInput, request))
        return self._said()

    @extend_schema(request=ReasonInput, responses=PrinterOutput)
    @action(detail=True, methods=["post"])
    def hold(self, request: Request, code: str) -> Response:
        hold_printer(printer_id=self._id(), actor=self.actor, **given(ReasonInput, request))
        return self._said()

    @extend_schema(request=ReleaseHoldInput, responses=PrinterOutput)
    @action(detail=True, methods=["post"], url_path="release-hold")
    def release_hold(self, request: Request, code: str) -> Response:
        """Release one hold by signature; `hold` is its id, needed where several are open."""
        values = given(ReleaseHoldInput, request)
        release_printer_hold(
            printer_id=self._id(),
            actor=self.actor,
            credentials=credentials_in(values),
            reason=values["reason"],
            hold=values.get("hold"),
        )
        return self._said()

    @extend_schema(request=LabelInput, responses=ContainerOutput)
    @action(detail=True, methods=["post"])
    def load(self, request: Request, code: str) -> Response:
        """Load a container by the label that was scanned or typed."""
        label = given(LabelInput, request)["label"]
        loaded = load_container(printer_id=self._id(), scanned_code=label, actor=self.actor)
        return Response(ContainerOutput(loaded).data)

    @extend_schema(request=NoInput, responses=PrinterOutput)
    @action(detail=True, methods=["post"])
    def unload(self, request: Request, code: str) -> Response:
        unload_container(printer_id=self._id(), actor=self.actor)
        return self._said()

    @extend_schema(request=NoInput, responses=PrinterOutput)
    @action(detail=True, methods=["post"], url_path="confirm-plate-clear")
    def confirm_plate_clear(self, request: Request, code: str) -> Response:
        confirm_plate_clear(printer_id=self._id(), actor=self.actor)
        return self._said()

    def _id(self) -> int:
        return int(self.get_object().pk)

    def _said(self) -> Response:
        return Response(PrinterOutput(self.get_object()).data)
