"""Drafts of segmentations over HTTP: the same steps as on the page, and the operations that there are."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar

from django.db.models import QuerySet
from drf_spectacular.utils import extend_schema
from rest_framework import serializers
from rest_framework.decorators import action
from rest_framework.request import Request
from rest_framework.response import Response

from devices.models import SegmentationDraft
from devices.segmentation.operations.base import OPERATIONS, Operation
from devices.services.drafts import (
    apply_step,
    cancel_steps,
    discard_draft,
    finish_draft,
    remove_step,
    undo_step,
)
from mes.api.base import NumberViewSet, ValuesField, given
from mes.models import Person


class DraftSeenInput(serializers.Serializer[Any]):
    revision = serializers.IntegerField(
        min_value=0,
        max_value=2**31 - 1,
        help_text="Of the draft as it was seen; another one is refused (409)",
    )


class DraftStepInput(DraftSeenInput):
    operation = serializers.CharField(max_length=40, help_text="One of `operations`")
    parameters = ValuesField(
        required=False, default=dict, help_text="By name; those that are left out take their defaults"
    )


class RemoveInput(DraftSeenInput):
    number = serializers.IntegerField(min_value=1, max_value=1000, help_text="Of the step, from 1")


class ParameterOutput(serializers.Serializer[Any]):
    name = serializers.CharField()
    kind = serializers.CharField(
        help_text="number, count (a whole one), choice, points (LPS mm) or direction (LPS)"
    )
    title = serializers.CharField(source="label")
    unit = serializers.CharField()
    limits = serializers.ListField(
        child=serializers.FloatField(), help_text="Both included; of points, how many"
    )
    choices = serializers.ListField(child=serializers.CharField())
    default = serializers.JSONField()


class OperationOutput(serializers.Serializer[Any]):
    name = serializers.CharField()
    version = serializers.CharField()
    title = serializers.CharField()
    does = serializers.CharField()
    invents = serializers.BooleanField(help_text="Adds or takes what the image does not show there")
    parameters = ParameterOutput(many=True)


class DraftOutput(serializers.ModelSerializer[SegmentationDraft]):
    device = serializers.CharField(source="device.code", read_only=True)
    author = serializers.StringRelatedField[Person]()
    waiting = serializers.BooleanField(read_only=True, help_text="Steps are being computed")
    replaced = serializers.BooleanField(
        read_only=True, help_text="The device has other images by now: it takes no step; discard it"
    )

    class Meta:
        model = SegmentationDraft
        fields = (
            "id",
            "device",
            "study",
            "author",
            "purpose",
            "status",
            "opened_at",
            "revision",
            "steps",
            "masks",
            "volumes_ml",
            "reasons",
            "waiting",
            "replaced",
            "segmentation",
            "agreement",
        )
        read_only_fields = fields


def _told(kind: type[Operation]) -> dict[str, Any]:
    return {
        "name": kind.name,
        "version": kind.version,
        "title": kind.title,
        "does": kind.does(),
        "invents": kind.invents,
        "parameters": kind.declared(),
    }


class DraftViewSet(NumberViewSet):
    """Editing sessions. `open-draft` of a device begins one; its author alone changes it."""

    permits: ClassVar[Mapping[str, str]] = dict.fromkeys(
        ("apply", "undo", "remove", "cancel", "finish", "discard"), "devices.edit_segmentation"
    )
    serializer_class = DraftOutput
    filterset_fields = ("device", "status", "purpose")
    queryset = SegmentationDraft.objects.none()

    def rows(self) -> QuerySet[SegmentationDraft]:
        return SegmentationDraft.objects.select_related("device", "author").order_by("-pk")

    @extend_schema(responses=OperationOutput(many=True))
    @action(detail=False, methods=["get"], pagination_class=None, filter_backends=())
    def operations(self, request: Request) -> Response:
        """Every operation with its parameters. A master may leave fewer to people, within narrower limits."""
        return Response(OperationOutput([_told(kind) for kind in OPERATIONS.values()], many=True).data)

    @extend_schema(request=DraftStepInput, responses={202: DraftOutput})
    @action(detail=True, methods=["post"])
    def apply(self, request: Request, pk: str) -> Response:
        """Add a step at the end. Its mask is computed after the answer."""
        draft = apply_step(draft_id=int(pk), actor=self.actor, **given(DraftStepInput, request))
        return Response(DraftOutput(draft).data, status=202)

    @extend_schema(request=DraftSeenInput, responses=DraftOutput)
    @action(detail=True, methods=["post"])
    def undo(self, request: Request, pk: str) -> Response:
        """Take the last step out."""
        return Response(DraftOutput(undo_step(**self._seen(request, pk))).data)

    @extend_schema(request=RemoveInput, responses={202: DraftOutput})
    @action(detail=True, methods=["post"])
    def remove(self, request: Request, pk: str) -> Response:
        """Take any step out; those after it are computed again."""
        draft = remove_step(draft_id=int(pk), actor=self.actor, **given(RemoveInput, request))
        return Response(DraftOutput(draft).data, status=202)

    @extend_schema(request=DraftSeenInput, responses=DraftOutput)
    @action(detail=True, methods=["post"])
    def cancel(self, request: Request, pk: str) -> Response:
        """Stop the computing: steps without a mask are taken out."""
        return Response(DraftOutput(cancel_steps(**self._seen(request, pk))).data)

    @extend_schema(request=DraftSeenInput, responses={202: DraftOutput})
    @action(detail=True, methods=["post"])
    def finish(self, request: Request, pk: str) -> Response:
        """Make the segmentation of it, or compare a second reading with the one that stands."""
        return Response(DraftOutput(finish_draft(**self._seen(request, pk))).data, status=202)

    @extend_schema(request=DraftSeenInput, responses=DraftOutput)
    @action(detail=True, methods=["post"])
    def discard(self, request: Request, pk: str) -> Response:
        """Give it up."""
        return Response(DraftOutput(discard_draft(**self._seen(request, pk))).data)

    def _seen(self, request: Request, pk: str) -> dict[str, Any]:
        return {"draft_id": int(pk), "actor": self.actor, **given(DraftSeenInput, request)}
