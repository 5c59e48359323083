"""Studies that came in by themselves, and who may send them, over HTTP."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar

from django.db.models import QuerySet
from drf_spectacular.utils import extend_schema
from rest_framework import serializers
from rest_framework.decorators import action
from rest_framework.request import Request
from rest_framework.response import Response

from devices.api.outputs import ArrivalOutput, PeerOutput, StudyOutput
from devices.models import Arrival, DicomPeer
from devices.selectors.arrivals import arrivals
from devices.selectors.devices import devices
from devices.services.arrivals import attach_arrival, discard_arrival
from devices.services.peers import register_peer, revoke_peer
from mes.api.base import CodeViewSet, NumberViewSet, ReasonInput, SecretReasonInput, given, row_of
from mes.api.secrets import SecretInput
from mes.scope import visible


class PeerInput(SecretInput):
    title = serializers.CharField(max_length=16, help_text="Its calling application entity title")
    address = serializers.CharField(max_length=45, help_text="Its IPv4 or IPv6 address")
    description = serializers.CharField(max_length=80, help_text="What it is, and where")


class AttachInput(serializers.Serializer[Any]):
    device = serializers.RegexField(r"^D[0-9]{1,18}$")
    series = serializers.CharField(
        required=False, default="", max_length=64, help_text="Where it holds several"
    )


class PeerViewSet(NumberViewSet):
    """Who may send images over the DICOM network. POST registers a sender."""

    permits: ClassVar[Mapping[str, str]] = {
        "list": "devices.read_peers",
        "retrieve": "devices.read_peers",
        "create": "devices.register_peer",
        "revoke": "devices.register_peer",
    }
    serializer_class = PeerOutput
    filterset_fields = ("stage", "title")
    queryset = DicomPeer.objects.none()

    def rows(self) -> QuerySet[DicomPeer]:
        return DicomPeer.objects.order_by("-pk")

    @extend_schema(request=PeerInput, responses={201: PeerOutput})
    def create(self, request: Request) -> Response:
        peer = register_peer(**given(PeerInput, request), actor=self.actor)
        return Response(PeerOutput(peer).data, status=201)

    @extend_schema(request=SecretReasonInput, responses=PeerOutput)
    @action(detail=True, methods=["post"])
    def revoke(self, request: Request, pk: str) -> Response:
        """Nothing is taken from it any more."""
        reason = given(SecretReasonInput, request)["reason"]
        return Response(PeerOutput(revoke_peer(peer_id=int(pk), reason=reason, actor=self.actor)).data)


class ArrivalViewSet(CodeViewSet):
    """Studies that came in over the network and wait for a person, the newest first."""

    permits: ClassVar[Mapping[str, str]] = {
        "list": "devices.read_arrivals",
        "retrieve": "devices.read_arrivals",
        "attach": "devices.receive_study",
        "discard": "devices.discard_arrival",
    }
    letter = "A"
    serializer_class = ArrivalOutput
    filterset_fields = ("stage", "door")
    queryset = Arrival.objects.none()

    def rows(self) -> QuerySet[Arrival]:
        return arrivals()

    @extend_schema(request=AttachInput, responses={202: StudyOutput})
    @action(detail=True, methods=["post"])
    def attach(self, request: Request, code: str) -> Response:
        """Say for which device it is. It is read like an upload; where it is refused, it waits again."""
        arrival, values = self.get_object(), given(AttachInput, request)
        device = row_of(visible(devices(), self.viewer), values["device"], "D")
        study = attach_arrival(
            arrival_id=arrival.pk, device_id=device.pk, series=values["series"], actor=self.actor
        )
        return Response(StudyOutput(study).data, status=202)

    @extend_schema(request=ReasonInput, responses=ArrivalOutput)
    @action(detail=True, methods=["post"])
    def discard(self, request: Request, code: str) -> Response:
        """Nobody needs it: its files are removed."""
        arrival, reason = self.get_object(), given(ReasonInput, request)["reason"]
        discard_arrival(arrival_id=arrival.pk, reason=reason, actor=self.actor)
        return Response(ArrivalOutput(self.get_object()).data)
