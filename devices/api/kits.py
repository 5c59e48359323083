"""Kits over HTTP: a list, details with members and what was compared, and one action for each verb."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar

from django.db.models import QuerySet
from drf_spectacular.utils import extend_schema
from rest_framework import serializers
from rest_framework.decorators import action
from rest_framework.request import Request
from rest_framework.response import Response

from devices.models import Device, Kit
from devices.selectors.devices import devices
from devices.selectors.kits import is_checked, kits_with_members
from devices.services.kits import (
    MOST,
    add_to_kit,
    dissolve_kit,
    make_kit,
    request_kit_check,
    take_out_of_kit,
)
from mes.api.base import CodeViewSet, ReasonInput, given, row_of
from mes.scope import visible


class MemberOutput(serializers.ModelSerializer[Device]):
    code = serializers.CharField(read_only=True)
    order = serializers.CharField(source="order.code", read_only=True)
    master = serializers.StringRelatedField[Any]()

    class Meta:
        model = Device
        fields = ("code", "order", "master", "stage", "held")
        read_only_fields = fields


class KitOutput(serializers.ModelSerializer[Kit]):
    """`answers`: what the comparison of the members as they are now said; empty where there is none."""

    code = serializers.CharField(read_only=True)
    patient = serializers.CharField(source="patient.token", read_only=True)
    members = serializers.SerializerMethodField()
    answers = serializers.SerializerMethodField()

    class Meta:
        model = Kit
        fields = ("code", "patient", "stage", "members", "answers", "created_at")
        read_only_fields = fields

    def get_members(self, kit: Kit) -> list[dict[str, Any]]:
        return list(MemberOutput(_standing(kit), many=True).data)

    def get_answers(self, kit: Kit) -> list[dict[str, Any]]:
        return list(kit.checked["answers"]) if is_checked(kit, _standing(kit)) else []


def _standing(kit: Kit) -> list[Device]:
    return [one.device for one in kit.members.all() if one.standing]


class KitInput(serializers.Serializer[Any]):
    devices = serializers.ListField(
        child=serializers.CharField(max_length=20),
        min_length=1,
        max_length=MOST,
        help_text="By their codes",
    )


class MemberInput(ReasonInput):
    device = serializers.CharField(max_length=20)


class KitViewSet(CodeViewSet):
    """Devices of one patient that are checked, released and shipped together."""

    permits: ClassVar[Mapping[str, str]] = {
        "create": "devices.make_kit",
        "add": "devices.change_kit",
        "take_out": "devices.change_kit",
        "check": "devices.change_kit",
        "dissolve": "devices.change_kit",
    }
    letter = "C"
    serializer_class = KitOutput
    filterset_fields = ("stage",)
    queryset = Kit.objects.none()

    def rows(self) -> QuerySet[Kit]:
        return kits_with_members()

    @extend_schema(request=KitInput, responses={201: KitOutput})
    def create(self, request: Request) -> Response:
        """Put devices of one patient together."""
        keys = [self._device(code) for code in given(KitInput, request)["devices"]]
        made = make_kit(device_ids=keys, actor=self.actor)
        return Response(KitOutput(row_of(self.get_queryset(), made.code, self.letter)).data, status=201)

    @extend_schema(request=MemberInput, responses=KitOutput)
    @action(detail=True, methods=["post"])
    def add(self, request: Request, code: str) -> Response:
        """Let one more device belong to the kit, with a reason."""
        values = given(MemberInput, request)
        device = self._device(values["device"])
        add_to_kit(kit_id=self.key(), device_id=device, reason=values["reason"], actor=self.actor)
        return self._said()

    @extend_schema(request=MemberInput, responses=KitOutput)
    @action(detail=True, methods=["post"], url_path="take-out")
    def take_out(self, request: Request, code: str) -> Response:
        """Let a device belong to the kit no longer, with a reason."""
        values = given(MemberInput, request)
        device = self._device(values["device"])
        take_out_of_kit(kit_id=self.key(), device_id=device, reason=values["reason"], actor=self.actor)
        return self._said()

    @extend_schema(request=None, responses=KitOutput)
    @action(detail=True, methods=["post"])
    def check(self, request: Request, code: str) -> Response:
        """Have the members compared again."""
        request_kit_check(kit_id=self.key(), actor=self.actor)
        return self._said()

    @extend_schema(request=ReasonInput, responses=KitOutput)
    @action(detail=True, methods=["post"])
    def dissolve(self, request: Request, code: str) -> Response:
        """Let the devices go their own ways, with a reason. Of a released kit somebody from quality decides it."""
        reason = given(ReasonInput, request)["reason"]
        dissolve_kit(kit_id=self.key(), reason=reason, actor=self.actor)
        return self._said()

    def _device(self, code: str) -> int:
        found: Device = row_of(visible(devices(), self.viewer), code, "D")
        return found.pk

    def _said(self) -> Response:
        return Response(KitOutput(self.get_object()).data)
