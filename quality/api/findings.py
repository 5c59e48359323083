"""Inspections and nonconformances of every device: lists, details, and one action for each verb."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from django.db.models import QuerySet
from django.http import Http404
from drf_spectacular.utils import extend_schema
from rest_framework import serializers
from rest_framework.decorators import action
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.viewsets import ReadOnlyModelViewSet

from mes.api.actors import actor_of
from mes.api.errors import handle
from mes.api.pages import Pages
from mes.eventlog.base import Actor
from quality.api.base import JustifiedInput, SigningInput, credentials_in, given, number_in
from quality.api.outputs import InspectionOutput, NonconformanceOutput
from quality.choices import Disposition
from quality.models import Inspection, Nonconformance
from quality.selectors import inspections, nonconformances
from quality.services.inspection import set_aside_inspection, sign_inspection
from quality.services.nonconformance import dispose_nonconformance, propose_disposition, void_nonconformance

DISPOSITIONS = [(choice.value, choice.label) for choice in Disposition if choice.value]


class ProposalInput(JustifiedInput):
    disposition = serializers.ChoiceField(DISPOSITIONS)


class FindingViewSet(ReadOnlyModelViewSet[Any]):
    """Refusals with every reason, pages, and who asks."""

    pagination_class = Pages

    def get_exception_handler(self) -> Callable[..., Any]:
        return handle

    @property
    def actor(self) -> Actor:
        return actor_of(self.request)


class InspectionViewSet(FindingViewSet):
    """Scans and what they measured."""

    serializer_class = InspectionOutput
    filterset_fields = ("device",)
    queryset = Inspection.objects.none()
    lookup_value_regex = "[0-9]{1,18}"

    def get_queryset(self) -> QuerySet[Inspection]:
        return inspections()

    @extend_schema(request=SigningInput, responses=InspectionOutput)
    @action(detail=True, methods=["post"])
    def sign(self, request: Request, pk: str) -> Response:
        """Sign what the measurement shows: the device passes, or becomes nonconforming."""
        typed = credentials_in(given(SigningInput, request))
        sign_inspection(inspection_id=self.get_object().pk, actor=self.actor, credentials=typed)
        return Response(InspectionOutput(self.get_object()).data)

    @extend_schema(request=JustifiedInput, responses=InspectionOutput)
    @action(detail=True, methods=["post"], url_path="set-aside")
    def set_aside(self, request: Request, pk: str) -> Response:
        """Sign why a failed measurement says nothing about the part."""
        values = given(JustifiedInput, request)
        set_aside_inspection(
            inspection_id=self.get_object().pk,
            justification=values["justification"],
            actor=self.actor,
            credentials=credentials_in(values),
        )
        return Response(InspectionOutput(self.get_object()).data)


class NonconformanceViewSet(FindingViewSet):
    """Nonconformances and their dispositions."""

    serializer_class = NonconformanceOutput
    filterset_fields = ("device", "stage", "source", "severity")
    queryset = Nonconformance.objects.none()
    lookup_field = "code"
    lookup_value_regex = "N[0-9]{1,18}"

    def get_queryset(self) -> QuerySet[Nonconformance]:
        return nonconformances()

    def get_object(self) -> Nonconformance:
        found = self.get_queryset().filter(pk=number_in(self.kwargs["code"], "N")).first()
        if found is None:
            raise Http404
        return found

    @extend_schema(request=ProposalInput, responses=NonconformanceOutput)
    @action(detail=True, methods=["post"])
    def propose(self, request: Request, code: str) -> Response:
        """Propose, by signature, what happens to the device."""
        values = given(ProposalInput, request)
        propose_disposition(
            nonconformance_id=self.get_object().pk,
            disposition=Disposition(values["disposition"]),
            justification=values["justification"],
            actor=self.actor,
            credentials=credentials_in(values),
        )
        return self._said()

    @extend_schema(request=SigningInput, responses=NonconformanceOutput)
    @action(detail=True, methods=["post"])
    def dispose(self, request: Request, code: str) -> Response:
        """Approve the proposal by signature; it is carried out."""
        typed = credentials_in(given(SigningInput, request))
        dispose_nonconformance(nonconformance_id=self.get_object().pk, actor=self.actor, credentials=typed)
        return self._said()

    @extend_schema(request=JustifiedInput, responses=NonconformanceOutput)
    @action(detail=True, methods=["post"])
    def void(self, request: Request, code: str) -> Response:
        """Sign that it was opened in error."""
        values = given(JustifiedInput, request)
        void_nonconformance(
            nonconformance_id=self.get_object().pk,
            justification=values["justification"],
            actor=self.actor,
            credentials=credentials_in(values),
        )
        return self._said()

    def _said(self) -> Response:
        return Response(NonconformanceOutput(self.get_object()).data)
