"""Inspections and nonconformances of every device: lists, details, and one action for each verb."""

from __future__ import annotations

from collections.abc import Mapping
from typing import ClassVar

from django.db.models import QuerySet
from drf_spectacular.utils import extend_schema
from rest_framework import serializers
from rest_framework.decorators import action
from rest_framework.request import Request
from rest_framework.response import Response

from mes.api.base import CodeViewSet, NumberViewSet, ReasonInput, SigningInput, credentials_in, given
from quality.api.base import JustifiedInput
from quality.api.outputs import InspectionOutput, NonconformanceOutput
from quality.choices import Disposition
from quality.models import Inspection, Nonconformance
from quality.selectors.making import inspections, nonconformances
from quality.services.inspection import set_aside_inspection, sign_inspection
from quality.services.nonconformance import (
    dispose_nonconformance,
    propose_disposition,
    return_proposal,
    void_nonconformance,
)

DISPOSITIONS = [(choice.value, choice.label) for choice in Disposition if choice.value]


class ProposalInput(JustifiedInput):
    disposition = serializers.ChoiceField(DISPOSITIONS)


class InspectionViewSet(NumberViewSet):
    """Scans and what they measured."""

    permits: ClassVar[Mapping[str, str]] = {
        "sign": "quality.sign_inspection",
        "set_aside": "quality.set_aside_inspection",
    }
    serializer_class = InspectionOutput
    filterset_fields = ("device",)
    queryset = Inspection.objects.none()

    def rows(self) -> QuerySet[Inspection]:
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


class NonconformanceViewSet(CodeViewSet):
    """Nonconformances and their dispositions."""

    permits: ClassVar[Mapping[str, str]] = {
        "propose": "quality.propose_disposition",
        "return_proposal": "quality.move_nonconformance",
        "dispose": "quality.dispose_nonconformance",
        "void": "quality.void_nonconformance",
    }
    letter = "N"
    serializer_class = NonconformanceOutput
    filterset_fields = ("device", "stage", "source", "severity")
    queryset = Nonconformance.objects.none()

    def rows(self) -> QuerySet[Nonconformance]:
        return nonconformances()

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

    @extend_schema(request=ReasonInput, responses=NonconformanceOutput)
    @action(detail=True, methods=["post"], url_path="return")
    def return_proposal(self, request: Request, code: str) -> Response:
        """Do not carry the proposal out, and say why: it is evaluated again."""
        values = given(ReasonInput, request)
        return_proposal(nonconformance_id=self.get_object().pk, reason=values["reason"], actor=self.actor)
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
