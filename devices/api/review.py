"""Reviewing a design over HTTP: changes asked for, with places on it."""

from __future__ import annotations

from typing import Any

from drf_spectacular.utils import extend_schema
from rest_framework import serializers
from rest_framework.decorators import action
from rest_framework.request import Request
from rest_framework.response import Response

from devices.api.outputs import DesignOutput
from devices.services.changes import LONGEST_NOTE, request_changes
from mes.api.base import ReasonInput, given
from mes.api.files import FilesViewSet


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


class ReviewActions(FilesViewSet):
    """What reviewers and approvers do with a design besides signing it."""

    @extend_schema(request=ChangesInput, responses=DesignOutput)
    @action(detail=True, methods=["post"], url_path="reject-design")
    def reject_design(self, request: Request, code: str) -> Response:
        """Ask for changes of the design that awaits a decision; it goes back to its designer."""
        asked = request_changes(device_id=self.key(), actor=self.actor, **given(ChangesInput, request))
        return Response(DesignOutput(asked.design).data)
