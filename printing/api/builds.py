"""Builds over HTTP."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar

from django.db.models import QuerySet
from django.http import Http404, HttpResponse
from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import extend_schema
from rest_framework import serializers
from rest_framework.decorators import action
from rest_framework.request import Request
from rest_framework.response import Response

from devices.selectors.devices import device_id_of
from mes.api.base import (
    ReasonInput,
    SignedReasonInput,
    SigningInput,
    credentials_in,
    given,
    row_of,
)
from mes.api.files import FilesViewSet
from mes.permissions import require
from mes.services.signatures import content_digest
from printing.api.outputs import BuildDetail, BuildOutput, ContentOutput, JobOutput
from printing.models import Build
from printing.selectors.builds import build_content, builds, parameter_sets
from printing.selectors.fleet import printers
from printing.services.builds import (
    cancel_build,
    create_build,
    decide_interruption,
    retry_preparation,
    verify_build,
)
from printing.services.jobs import dispatch_build
from printing.services.layers import layer_mask


class BuildInput(serializers.Serializer[Any]):
    devices = serializers.ListField(child=serializers.CharField(max_length=20), max_length=100)
    printer_kind = serializers.CharField(max_length=60)
    parameters = serializers.CharField(max_length=20, help_text="Code of an approved parameter set")


class DispatchInput(serializers.Serializer[Any]):
    printer = serializers.CharField(max_length=20, required=False, default="", allow_blank=True)


class DecisionInput(SignedReasonInput):
    accept = serializers.BooleanField()


class BuildViewSet(FilesViewSet):
    """Builds. POST puts frozen devices on a plate, which a worker slices."""

    permits: ClassVar[Mapping[str, str]] = {
        "create": "printing.create_build",
        "verify": "printing.verify_build",
        "retry": "printing.create_build",
        "cancel": "printing.cancel_build",
        "decide": "printing.decide_interruption",
        "dispatch_to": "printing.dispatch_build",
    }
    letter = "B"
    page = "build"
    serializer_class = BuildOutput
    filterset_fields = ("state", "printer_kind")
    queryset = Build.objects.none()

    def rows(self) -> QuerySet[Build]:
        return builds()

    def get_serializer_class(self) -> Any:
        return BuildDetail if self.action == "retrieve" else BuildOutput

    @extend_schema(request=BuildInput, responses={201: BuildOutput})
    def create(self, request: Request) -> Response:
        values = given(BuildInput, request)
        build = create_build(
            device_ids=[device_id_of(code) for code in values["devices"]],
            printer_kind=values["printer_kind"],
            parameters=row_of(parameter_sets(), values["parameters"], "S").pk,
            actor=self.actor,
        )
        return Response(BuildOutput(build).data, status=201)

    @extend_schema(responses=ContentOutput)
    @action(detail=True, methods=["get"])
    def content(self, request: Request, code: str) -> Response:
        """What a verification will be signed over."""
        content = build_content(self.get_object())
        return Response({"content": content, "digest": content_digest(content)})

    @extend_schema(responses={(200, "image/png"): OpenApiTypes.BINARY})
    @action(detail=True, methods=["get"], url_path="layers/(?P<layer>[0-9]{1,6})")
    def layers(self, request: Request, code: str, layer: str) -> HttpResponse:
        """The mask of one layer as the printer shows it. Layers count from 1."""
        require(self.actor, "devices.read_artefact")
        mask = layer_mask(self.get_object(), int(layer))
        if mask is None:
            raise Http404
        return HttpResponse(mask, content_type="image/png")

    @extend_schema(request=SigningInput, responses=BuildOutput)
    @action(detail=True, methods=["post"])
    def verify(self, request: Request, code: str) -> Response:
        typed = credentials_in(given(SigningInput, request))
        verify_build(build_id=self._id(), actor=self.actor, credentials=typed)
        return self._said()

    @extend_schema(request=ReasonInput, responses=BuildOutput)
    @action(detail=True, methods=["post"])
    def retry(self, request: Request, code: str) -> Response:
        retry_preparation(build_id=self._id(), actor=self.actor, **given(ReasonInput, request))
        return self._said()

    @extend_schema(request=ReasonInput, responses=BuildOutput)
    @action(detail=True, methods=["post"])
    def cancel(self, request: Request, code: str) -> Response:
        cancel_build(build_id=self._id(), actor=self.actor, **given(ReasonInput, request))
        return self._said()

    @extend_schema(request=DecisionInput, responses=BuildOutput)
    @action(detail=True, methods=["post"])
    def decide(self, request: Request, code: str) -> Response:
        values = given(DecisionInput, request)
        decide_interruption(
            build_id=self._id(),
            accept=values["accept"],
            actor=self.actor,
            credentials=credentials_in(values),
            reason=values["reason"],
        )
        return self._said()

    @extend_schema(request=DispatchInput, responses={201: JobOutput})
    @action(detail=True, methods=["post"], url_path="dispatch")
    def dispatch_to(self, request: Request, code: str) -> Response:
        """Claim the named printer, or the first that can."""
        wanted = given(DispatchInput, request)["printer"]
        printer = row_of(printers(), wanted, "M") if wanted else None
        job = dispatch_build(
            build_id=self._id(), printer_id=printer.pk if printer else None, actor=self.actor
        )
        return Response(JobOutput(job).data, status=201)

    def _id(self) -> int:
        return int(self.get_object().pk)

    def _said(self) -> Response:
        return Response(BuildOutput(self.get_object()).data)
