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
from devices.imaging.labelled import Choice
from devices.models import Device
from devices.services.external import hold_segmentation, link_to_sign, segments_of, start_from_file
from devices.services.identity import names_somebody
from mes.api.base import SigningInput, credentials_in, given
from mes.api.files import FilesViewSet
from mes.eventlog.base import plain
from mes.services.signatures import Credentials, content_digest


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
    names_patient = serializers.BooleanField(
        help_text="Whether it carries patient identifiers; one without is signed for at `link-segmentation`"
    )
    content = serializers.DictField(required=False, help_text="Of one without: what has to be signed")
    digest = serializers.CharField(required=False, help_text="Of one without: the digest of that content")


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


class LinkSegmentationInput(ChooseSegmentsInput, SigningInput):
    digest = serializers.RegexField(
        r"^[0-9a-f]{64}$", help_text="The digest that `external-segmentation` answered"
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
        return Response(self._offered(token, device), status=202)

    @extend_schema(request=ChooseSegmentsInput, responses={202: DeviceDetail})
    @action(detail=True, methods=["post"], url_path="choose-segments")
    def choose_segments(self, request: Request, code: str) -> Response:
        """Make the segmentation of the chosen segments of what `external-segmentation` took, which names its patient. One that waits for
        its approval is set aside. The answer comes before the new one is made."""
        return self._started(given(ChooseSegmentsInput, request))

    @extend_schema(request=LinkSegmentationInput, responses={202: DeviceDetail})
    @action(detail=True, methods=["post"], url_path="link-segmentation")
    def link_segmentation(self, request: Request, code: str) -> Response:
        """The same for a file without patient identifiers: sign that it is this patient's, as `external-segmentation` answered it."""
        values = given(LinkSegmentationInput, request)
        return self._started(values, credentials_in(values))

    def _started(self, values: dict[str, Any], credentials: Credentials | None = None) -> Response:
        start_from_file(
            device=self.get_object(),
            token=values["upload"],
            choice=Choice(tuple(values["segments"]), values["threshold"], values["resample"]),
            actor=self.actor,
            credentials=credentials,
        )
        return Response(DeviceDetail(self.get_object()).data, status=202)

    def _offered(self, token: str, device: Device) -> dict[str, Any]:
        found = segments_of(token, device, self.actor)
        said = {name: value for name, value in asdict(found).items() if name != "identity"}
        names_patient = names_somebody(found.identity)
        link = {} if names_patient else _to_sign(link_to_sign(token, device, self.actor))
        return SegmentationFileOutput({"upload": token, "names_patient": names_patient, **said, **link}).data


def _to_sign(content: dict[str, Any]) -> dict[str, Any]:
    return {"content": plain(content), "digest": content_digest(content)}
