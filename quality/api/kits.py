"""The release and the shipment of a kit: what every gate says about each of its devices, and one act for all of them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar

from drf_spectacular.utils import extend_schema
from rest_framework import serializers
from rest_framework.generics import GenericAPIView
from rest_framework.request import Request
from rest_framework.response import Response

from devices.models import Kit
from devices.selectors.kits import kits
from mes.api.base import Acting, SigningInput, credentials_in, given, row_of
from mes.permissions import require
from mes.scope import visible
from quality.services.kits import kit_checklist, release_kit, ship_kit


class KitChecklistOutput(serializers.Serializer[Any]):
    ready = serializers.BooleanField(help_text="Whether every gate of every device passed")
    gates = serializers.DictField(help_text="Every gate of the release, by the code of the device")


class KitMovedOutput(serializers.Serializer[Any]):
    kit = serializers.CharField()
    devices = serializers.DictField(help_text="The signature of each device's part of the act, by its code")


class KitView(Acting, GenericAPIView[Any]):
    """Something about one kit, found by its code in the address."""

    queryset = Kit.objects.none()

    def initial(self, request: Request, *args: Any, **kwargs: Any) -> None:
        """What somebody may not know is not there, before anything that was sent is read."""
        super().initial(request, *args, **kwargs)
        self.kit()

    def kit(self) -> Kit:
        found: Kit = row_of(visible(kits(), self.viewer), self.kwargs["code"], "C")
        return found


class KitReleaseView(KitView):
    """The release of a kit: its checklists, and the signature for all of its devices."""

    permits: ClassVar[Mapping[str, str]] = {
        "get": "devices.read_artefact",
        "post": "quality.release_kit",
    }
    serializer_class = KitChecklistOutput

    @extend_schema(responses=KitChecklistOutput)
    def get(self, request: Request, code: str) -> Response:
        """Every gate of the release of every device, asked now for who asks."""
        require(self.actor, "devices.read_artefact")
        asked = kit_checklist(self.kit(), self.actor)
        told = {device: [gate.as_payload() for gate in gates] for device, gates in asked.items()}
        ready = all(gate.passed for gates in asked.values() for gate in gates)
        return Response({"ready": bool(asked) and ready, "gates": told})

    @extend_schema(request=SigningInput, responses=KitMovedOutput)
    def post(self, request: Request, code: str) -> Response:
        """Release every device of the kit by signature, or none."""
        typed = credentials_in(given(SigningInput, request))
        kit = self.kit()
        decisions = release_kit(kit_id=kit.pk, actor=self.actor, credentials=typed)
        signed = {one.device.code: one.signature_id for one in decisions}
        return Response({"kit": kit.code, "devices": signed})


class KitShipmentView(KitView):
    """The shipment of a kit."""

    permits: ClassVar[Mapping[str, str]] = {"post": "quality.ship_kit"}
    serializer_class = KitMovedOutput

    @extend_schema(request=SigningInput, responses=KitMovedOutput)
    def post(self, request: Request, code: str) -> Response:
        """Ship every device of the kit by signature, or none."""
        typed = credentials_in(given(SigningInput, request))
        kit = self.kit()
        moves = ship_kit(kit_id=kit.pk, actor=self.actor, credentials=typed)
        return Response({"kit": kit.code, "devices": {one.device.code: one.signed.pk for one in moves}})
