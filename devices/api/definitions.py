"""Device masters, materials and studies over HTTP."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar

from django.db.models import QuerySet
from drf_spectacular.utils import extend_schema
from rest_framework import serializers
from rest_framework.decorators import action
from rest_framework.request import Request
from rest_framework.response import Response

from devices.api.outputs import MasterOutput, MaterialOutput, StudyOutput
from devices.models import DeviceMaster, Material, Study
from devices.selectors.definitions import masters
from devices.services.definitions import draft_master, draft_material, publish_master, specify_material
from mes.api.base import NumberViewSet, SigningInput, credentials_in, given


class DraftInput(serializers.Serializer[Any]):
    code = serializers.CharField(max_length=40, help_text="A code of the catalog")


class MasterViewSet(NumberViewSet):
    """Every revision of every device master."""

    permits: ClassVar[Mapping[str, str]] = {
        "draft": "devices.draft_master",
        "publish": "devices.publish_master",
    }
    serializer_class = MasterOutput
    filterset_fields = ("code", "status", "intended_use")
    queryset = DeviceMaster.objects.none()

    def rows(self) -> QuerySet[DeviceMaster]:
        return masters()

    @extend_schema(request=DraftInput, responses={201: MasterOutput})
    @action(detail=False, methods=["post"])
    def draft(self, request: Request) -> Response:
        master = draft_master(definition=given(DraftInput, request)["code"], actor=self.actor)
        return Response(MasterOutput(master).data, status=201)

    @extend_schema(request=SigningInput, responses=MasterOutput)
    @action(detail=True, methods=["post"])
    def publish(self, request: Request, pk: str) -> Response:
        typed = credentials_in(given(SigningInput, request))
        return Response(
            MasterOutput(publish_master(master_id=int(pk), actor=self.actor, credentials=typed)).data
        )


class MaterialViewSet(NumberViewSet):
    """Material specifications."""

    permits: ClassVar[Mapping[str, str]] = {
        "draft": "devices.draft_material",
        "approve": "devices.specify_material",
    }
    serializer_class = MaterialOutput
    filterset_fields = ("code", "status", "process")
    queryset = Material.objects.none()

    def rows(self) -> QuerySet[Material]:
        return Material.objects.order_by("code")

    @extend_schema(request=DraftInput, responses={201: MaterialOutput})
    @action(detail=False, methods=["post"])
    def draft(self, request: Request) -> Response:
        material = draft_material(definition=given(DraftInput, request)["code"], actor=self.actor)
        return Response(MaterialOutput(material).data, status=201)

    @extend_schema(request=SigningInput, responses=MaterialOutput)
    @action(detail=True, methods=["post"])
    def approve(self, request: Request, pk: str) -> Response:
        typed = credentials_in(given(SigningInput, request))
        material = specify_material(material_id=int(pk), actor=self.actor, credentials=typed)
        return Response(MaterialOutput(material).data)


class StudyViewSet(NumberViewSet):
    """Uploads of images and what was found in them."""

    serializer_class = StudyOutput
    filterset_fields = ("status", "device", "modality")
    queryset = Study.objects.none()

    def rows(self) -> QuerySet[Study]:
        return Study.objects.order_by("-pk")
