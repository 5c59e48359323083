"""Reviewing a design over HTTP: changes asked for, with places on it."""

from __future__ import annotations

from typing import Any

from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import extend_schema
from rest_framework import serializers
from rest_framework.decorators import action
from rest_framework.request import Request
from rest_framework.response import Response

from devices.api.outputs import DesignOutput
from devices.selectors.revisions import differences_of
from devices.services.changes import LONGEST_NOTE, request_changes
from devices.services.comparing import request_comparison
from mes.api.base import ReasonInput, given
from mes.api.files import FilesViewSet
from mes.permissions import require


class PlaceInput(serializers.Serializer[Any]):
    at_mm = serializers.ListField(
        child=serializers.FloatField(), min_length=3, max_length=3, help_text="x, y, z in mm, LPS"
    )
    note = serializers.CharField(max_length=LONGEST_NOTE, required=False, default="", allow_blank=True)


class ChangesInput(ReasonInput):
    places = PlaceInput(many=True, required=False, default=list)
    revision = serializers.IntegerField(
        min_value=1, max_value=10**6, required=False, help_text="The revision that was looked at"
    )


class ComparisonInput(serializers.Serializer[Any]):
    revision = serializers.IntegerField(min_value=1, max_value=10**6)
    older = serializers.IntegerField(
        min_value=1, max_value=10**6, help_text="An older revision that was made"
    )


class ReviewActions(FilesViewSet):
    """What reviewers and approvers do with a design besides signing it."""

    @extend_schema(request=ChangesInput, responses=DesignOutput)
    @action(detail=True, methods=["post"], url_path="reject-design")
    def reject_design(self, request: Request, code: str) -> Response:
        """Ask for changes of the design that awaits a decision; it goes back to its designer."""
        asked = request_changes(device_id=self.key(), actor=self.actor, **given(ChangesInput, request))
        return Response(DesignOutput(asked.design).data)

    @extend_schema(request=ComparisonInput, responses={202: OpenApiTypes.OBJECT})
    @action(detail=True, methods=["post"], url_path="compare-designs")
    def compare_designs(self, request: Request, code: str) -> Response:
        """Have a revision measured against an older one. The answer comes before that: `differences` has it afterwards."""
        request_comparison(device_id=self.key(), actor=self.actor, **given(ComparisonInput, request))
        return Response(self._differences(), status=202)

    @extend_schema(responses={200: OpenApiTypes.OBJECT})
    @action(detail=True, methods=["get"])
    def differences(self, request: Request, code: str) -> Response:
        """Every comparison of two revisions: its figures in mm, and the digest of its map among the device's files."""
        require(self.actor, "devices.read_artefact", self.get_object())
        return Response(self._differences())

    def _differences(self) -> list[dict[str, Any]]:
        told = ("revision", "older_revision", "map_sha256", "figures")
        return [{name: one[name] for name in told} for one in differences_of(self.get_object()).values()]
