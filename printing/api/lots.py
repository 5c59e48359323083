"""Material over HTTP."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, ClassVar

from django.db.models import QuerySet
from django.http import FileResponse, Http404
from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import extend_schema
from rest_framework import serializers
from rest_framework.decorators import action
from rest_framework.parsers import MultiPartParser
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.viewsets import ReadOnlyModelViewSet

from mes.api.base import (
    JSONTextField,
    ReasonInput,
    Scoped,
    SignedReasonInput,
    SigningInput,
    credentials_in,
    given,
)
from mes.api.files import FilesViewSet
from mes.api.parsers import ShallowJSONParser
from mes.exceptions import InvalidInput
from mes.files import files_of, taken
from mes.services.signatures import content_digest
from printing.api.outputs import ContainerOutput, ContentOutput, LotDetail, LotOutput, TraceRow
from printing.choices import Precision, Unit, Withdrawal
from printing.models import Container, MaterialLot
from printing.selectors.material import containers, devices_made_from, lot_content, lot_trace, lots
from printing.services.consumption import withdraw_material
from printing.services.lots import hold_lot, receive_lot, reject_lot, release_lot, release_lot_hold

AMOUNT: dict[str, Any] = {"max_digits": 12, "decimal_places": 3}


class LotInput(serializers.Serializer[Any]):
    """`certificate`: list of {characteristic, value, unit, minimum, maximum}; as JSON text in a multipart request."""

    material = serializers.CharField(max_length=40)
    supplier = serializers.CharField(max_length=120)
    supplier_lot = serializers.CharField(max_length=60)
    quantity = serializers.DecimalField(**AMOUNT)
    unit = serializers.ChoiceField(Unit.choices)
    expires_on = serializers.DateField()
    expires_precision = serializers.ChoiceField(Precision.choices, default=Precision.DAY)
    certificate = JSONTextField(required=False)
    certificate_file = serializers.FileField(required=False, default=None, allow_empty_file=True)
    containers = serializers.ListField(
        child=serializers.DecimalField(**AMOUNT), required=False, default=list, max_length=200
    )


class LotViewSet(FilesViewSet):
    """Material lots. POST receives one into quarantine."""

    permits: ClassVar[Mapping[str, str]] = {
        "create": "printing.receive_lot",
        "certificate": "printing.read_certificate",
        "release": "printing.release_lot",
        "reject": "printing.reject_lot",
        "hold": "printing.hold_lot",
        "release_hold": "printing.release_lot_hold",
    }
    letter = "L"
    page = "lot"
    serializer_class = LotOutput
    filterset_fields = ("state", "material__code", "supplier_lot")
    parser_classes = (ShallowJSONParser, MultiPartParser)
    queryset = MaterialLot.objects.none()

    def rows(self) -> QuerySet[MaterialLot]:
        return lots()

    def get_serializer_class(self) -> Any:
        return LotDetail if self.action == "retrieve" else LotOutput

    @extend_schema(request=LotInput, responses={201: LotDetail})
    def create(self, request: Request) -> Response:
        values = given(LotInput, request)
        values["certificate"] = _results(values.get("certificate", []))
        lot = receive_lot(**values, actor=self.actor)
        return Response(LotDetail(lot).data, status=201)

    @extend_schema(responses=ContentOutput)
    @action(detail=True, methods=["get"])
    def content(self, request: Request, code: str) -> Response:
        """What a release will be signed over."""
        content = lot_content(self.get_object())
        return Response({"content": content, "digest": content_digest(content)})

    @extend_schema(responses={200: OpenApiTypes.BINARY})
    @action(detail=True, methods=["get"])
    def certificate(self, request: Request, code: str) -> FileResponse:
        """The file of the certificate, intact (G-INT-01), as an attachment under a name of ours."""
        lot = self.get_object()
        found = files_of(self.page, lot, self.actor)
        if not found:
            raise Http404
        return taken(found[0], subject=lot, actor=self.actor)

    @extend_schema(request=SigningInput, responses=LotDetail)
    @action(detail=True, methods=["post"])
    def release(self, request: Request, code: str) -> Response:
        lot = self.get_object()
        release_lot(lot_id=lot.pk, actor=self.actor, credentials=credentials_in(given(SigningInput, request)))
        return self._detail()

    @extend_schema(request=SignedReasonInput, responses=LotDetail)
    @action(detail=True, methods=["post"])
    def reject(self, request: Request, code: str) -> Response:
        return self._signed(reject_lot, request)

    @extend_schema(request=ReasonInput, responses=LotDetail)
    @action(detail=True, methods=["post"])
    def hold(self, request: Request, code: str) -> Response:
        hold_lot(lot_id=self.get_object().pk, actor=self.actor, reason=given(ReasonInput, request)["reason"])
        return self._detail()

    @extend_schema(request=SignedReasonInput, responses=LotDetail)
    @action(detail=True, methods=["post"], url_path="release-hold")
    def release_hold(self, request: Request, code: str) -> Response:
        return self._signed(release_lot_hold, request)

    @extend_schema(responses=TraceRow(many=True))
    @action(detail=True, methods=["get"])
    def trace(self, request: Request, code: str) -> Response:
        """Every job and device that the lot went into."""
        lot = self.get_object()
        devices = [device.code for device in devices_made_from(lot)]
        return Response({"rows": TraceRow(lot_trace(lot), many=True).data, "devices": devices})

    def _signed(self, service: Callable[..., None], request: Request) -> Response:
        values = given(SignedReasonInput, request)
        lot = self.get_object()
        service(lot_id=lot.pk, actor=self.actor, credentials=credentials_in(values), reason=values["reason"])
        return self._detail()

    def _detail(self) -> Response:
        return Response(LotDetail(self.get_object()).data)


def _results(value: Any) -> list[dict[str, Any]]:
    if not isinstance(value, list) or not all(isinstance(row, dict) for row in value) or len(value) > 200:
        raise InvalidInput(
            "The certificate is no list of results.", cure="Send a list of objects.", rule="G-MAT-03"
        )
    return value


class WithdrawalInput(serializers.Serializer[Any]):
    quantity = serializers.DecimalField(**AMOUNT)
    withdrawal = serializers.ChoiceField(Withdrawal.choices)
    reason = serializers.CharField(max_length=2000)


class ContainerViewSet(Scoped, ReadOnlyModelViewSet[Container]):
    """Containers, by the label on them."""

    permits: ClassVar[Mapping[str, str]] = {
        "withdraw": "printing.withdraw_material",
    }
    serializer_class = ContainerOutput
    lookup_field = "label"
    lookup_value_regex = "[0-9A-Z]{1,18}"
    filterset_fields = ("state", "lot")
    queryset = Container.objects.none()

    def rows(self) -> QuerySet[Container]:
        return containers()

    @extend_schema(request=WithdrawalInput, responses=ContainerOutput)
    @action(detail=True, methods=["post"])
    def withdraw(self, request: Request, label: str) -> Response:
        """Take a sample, or throw material away."""
        container = self.get_object()
        values = given(WithdrawalInput, request)
        withdraw_material(container_id=container.pk, actor=self.actor, **values)
        return Response(ContainerOutput(self.get_object()).data)
