"""Segmentations of other programs over HTTP: sent in, then chosen from."""

from __future__ import annotations

from dataclasses import asdict
from typing import Any

from drf_spectacular.utils import extend_schema
from rest_framework import serializers
from rest_framework.decorators import action
from rest_framework.parsers import MultiPartParser
from rest_framework.request import Request
from rest_framework.response import Response

from devices.api.outputs import DeviceDetail
from devices.api.uploads import laid_down
from devices.imaging.confined import Segmented
from devices.imaging.labelled import Choice
from devices.services.external import hold_segmentation, segments_of, start_from_file
from mes.api.base import given
from mes.api.files import FilesViewSet


class SegmentationFileInput(serializers.Serializer[Any]):
    files = serializers.ListField(
        child=serializers.FileField(),
        required=False,
        help_text="One DICOM SEG or NIfTI label map, or a zip of it",
    )


class SegmentOutput(serializers.Serializer[Any]):
    number = serializers.IntegerField()
    title = serializers.CharField(source="label")
    algorithm = serializers.CharField(help_text="AUTOMATIC, SEMIAUTOMATIC, MANUAL, or nothing")
    algorithm_name = serializers.CharField()
    voxels = serializers.IntegerField(allow_null=True)


class SegmentationFileOutput(serializers.Serializer[Any]):
    upload = serializers.CharField(help_text="The token for `choose-segments`")
    format = serializers.CharField()
    kind = serializers.CharField(help_text="binary, fractional or labels")
    segments = SegmentOutput(many=True)
    maker = serializers.DictField(child=serializers.CharField())


class ChooseSegmentsInput(serializers.Serializer[Any]):
    upload = serializers.CharField(
        max_length=500, help_text="The token that `external-segmentation` answered"
    )
    segments = serializers.ListField(
        child=serializers.IntegerField(min_value=1),
        max_length=1000,
        help_text="Those that are the anatomy, by number",
    )
    threshold = serializers.FloatField(
        required=False,
        default=None,
        allow_null=True,
        help_text="Of fractions: from which one on a voxel is inside, to 1",
    )
    resample = serializers.BooleanField(
        required=False,
        default=False,
        help_text="Sample another grid than that of the images at the nearest neighbour",
    )


class ExternalSegmentationActions(FilesViewSet):
    """What devices do with segmentations that other programs made."""

    @extend_schema(
        request={"multipart/form-data": SegmentationFileInput}, responses={202: SegmentationFileOutput}
    )
    @action(detail=True, methods=["post"], url_path="external-segmentation", parser_classes=[MultiPartParser])
    def external_segmentation(self, request: Request, code: str) -> Response:
        """Send in a segmentation that another program made of the accepted images. Answers which segments it has; a person chooses those
        that are the anatomy at `choose-segments`."""
        device = self.get_object()
        with laid_down(request.FILES.getlist("files")) as upload:
            token = hold_segmentation(upload, device, self.actor)
        return Response(_offered(token, segments_of(token, device, self.actor)), status=202)

    @extend_schema(request=ChooseSegmentsInput, responses={202: DeviceDetail})
    @action(detail=True, methods=["post"], url_path="choose-segments")
    def choose_segments(self, request: Request, code: str) -> Response:
        """Make the segmentation of the chosen segments of what `external-segmentation` took. The answer comes before it is made."""
        values = given(ChooseSegmentsInput, request)
        choice = Choice(tuple(values["segments"]), values["threshold"], values["resample"])
        start_from_file(device=self.get_object(), token=values["upload"], choice=choice, actor=self.actor)
        return Response(DeviceDetail(self.get_object()).data, status=202)


def _offered(token: str, found: Segmented) -> dict[str, Any]:
    said = {name: value for name, value in asdict(found).items() if name != "identity"}
    return SegmentationFileOutput({"upload": token, **said}).data
