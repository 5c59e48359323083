"""Uploads by parts over HTTP, in the manner of tus 1.0: create, ask for the offset, go on from there, and finish.

What differs: sizes of files are told at creation and names never; a digest of the whole is sent at the end.
"""

from __future__ import annotations

import base64
import binascii
from collections.abc import Mapping
from typing import IO, Any, ClassVar
from uuid import UUID

from django.http import Http404
from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import OpenApiParameter, extend_schema
from rest_framework import serializers
from rest_framework.exceptions import ParseError
from rest_framework.parsers import BaseParser
from rest_framework.request import Request
from rest_framework.response import Response

from devices.api.outputs import StudyOutput
from devices.api.uploads import ScanInput, declared_in, held_for_signature
from devices.choices import UploadPurpose
from devices.imaging import parcels
from devices.models import Upload
from devices.selectors.devices import devices
from devices.services.parcels import (
    Misplaced,
    begin_upload,
    cancel_upload,
    held_of,
    own_upload,
    taken_upload,
    write_part,
)
from devices.services.studies import receive_study
from mes.api.base import Acting, given, row_of
from mes.eventlog.base import Actor
from mes.scope import visible

PART_TYPE = "application/offset+octet-stream"
LARGEST_PART = 2 * parcels.PIECE_BYTES
SEND = "devices.send_files"
OFFSET, CHECKSUM = "Upload-Offset", "Upload-Checksum"


class UploadBeginInput(serializers.Serializer[Any]):
    device = serializers.RegexField(r"^D[0-9]{1,18}$")
    sizes = serializers.ListField(
        child=serializers.IntegerField(min_value=0),
        max_length=5000,
        help_text="Bytes of each file, in the order in which they are sent",
    )
    purpose = serializers.ChoiceField(
        choices=UploadPurpose.choices,
        required=False,
        default=UploadPurpose.IMAGES,
        help_text="A part that was drawn in another program is taken at `external-design` of its device; images are finished here",
    )


class UploadFinishInput(ScanInput):
    digest = serializers.RegexField(
        r"^[0-9a-f]{64}$",
        required=False,
        default="",
        help_text="SHA-256 over the SHA-256 of every piece of 4 MiB of all files one behind the other",
    )
    series = serializers.CharField(required=False, default="", max_length=64)


class UploadOutput(serializers.Serializer[Any]):
    upload = serializers.UUIDField(source="quarantine")
    device = serializers.CharField(source="device.code")
    size = serializers.IntegerField(source="size_bytes")
    offset = serializers.SerializerMethodField()
    piece = serializers.SerializerMethodField(help_text="How many bytes a part may best have")

    def get_offset(self, upload: Upload) -> int:
        return held_of(upload)

    def get_piece(self, upload: Upload) -> int:
        return parcels.PIECE_BYTES


class PartParser(BaseParser):
    media_type = PART_TYPE

    def parse(
        self,
        stream: IO[bytes],
        media_type: str | None = None,
        parser_context: Mapping[str, Any] | None = None,
    ) -> Any:
        part = stream.read(LARGEST_PART + 1)
        if len(part) > LARGEST_PART:
            raise ParseError(f"A part has {LARGEST_PART} bytes at most.")
        return part


class UploadsView(Acting):
    """`POST`: begin an upload for a device."""

    permits: ClassVar[Mapping[str, str]] = {"post": SEND}

    @extend_schema(operation_id="upload_begin", request=UploadBeginInput, responses={201: UploadOutput})
    def post(self, request: Request) -> Response:
        values = given(UploadBeginInput, request)
        device = row_of(visible(devices(), self.viewer), values["device"], "D")
        upload = begin_upload(
            device_id=device.pk, actor=self.actor, sizes=values["sizes"], purpose=values["purpose"]
        )
        return Response(UploadOutput(upload).data, status=201)


class UploadView(Acting):
    """One upload of one's own. `GET` or `HEAD`: how much of it is there. `PATCH`: the next part. `DELETE`: give it up."""

    permits: ClassVar[Mapping[str, str]] = {
        "get": SEND,
        "head": SEND,
        "patch": SEND,
        "delete": SEND,
    }
    parser_classes = (PartParser,)

    @extend_schema(operation_id="upload_offset", responses=UploadOutput)
    def get(self, request: Request, uid: UUID) -> Response:
        upload = _own(uid, self.actor)
        return Response(UploadOutput(upload).data, headers=_where(held_of(upload)))

    @extend_schema(
        operation_id="upload_part",
        request={PART_TYPE: OpenApiTypes.BINARY},
        parameters=[
            OpenApiParameter(OFFSET, int, OpenApiParameter.HEADER, required=True),
            OpenApiParameter(
                CHECKSUM, str, OpenApiParameter.HEADER, description="sha256, a space, and base64"
            ),
        ],
        responses={204: None},
    )
    def patch(self, request: Request, uid: UUID) -> Response:
        upload, part = _own(uid, self.actor), request.data
        offset = request.headers.get(OFFSET, "")
        if not isinstance(part, bytes) or not (offset.isascii() and offset.isdigit() and len(offset) < 19):
            raise ParseError(f"A part needs its bytes, and {OFFSET}.")
        try:
            held = write_part(upload, offset=int(offset), part=part, checksum=_checksum(request))
        except Misplaced as refusal:
            answer = self.handle_exception(refusal)
            answer[OFFSET] = str(refusal.offset)
            return answer
        return Response(status=204, headers=_where(held))

    @extend_schema(operation_id="upload_cancel", responses={204: None})
    def delete(self, request: Request, uid: UUID) -> Response:
        cancel_upload(_own(uid, self.actor).quarantine, actor=self.actor)
        return Response(status=204)


class UploadFinishView(Acting):
    """`POST`: all of it is there; it goes on to be read like every upload. A surface scan waits for the signature of `confirm-images`."""

    permits: ClassVar[Mapping[str, str]] = {"post": "devices.receive_study"}

    @extend_schema(operation_id="upload_finish", request=UploadFinishInput, responses={202: StudyOutput})
    def post(self, request: Request, uid: UUID) -> Response:
        values = given(UploadFinishInput, request)
        declared, device_id = declared_in(values), _own(uid, self.actor).device_id
        with taken_upload(uid, device_id=device_id, digest=values["digest"], actor=self.actor) as path:
            if declared is not None:
                device = devices().get(pk=device_id)
                return Response(held_for_signature(device, path, self.actor, declared), status=202)
            study = receive_study(device_id=device_id, upload=path, series=values["series"], actor=self.actor)
        return Response(StudyOutput(study).data, status=202)


def _own(uid: UUID, actor: Actor) -> Upload:
    """An upload of somebody else is not there."""
    if not Upload.objects.filter(quarantine=uid, sender=actor.person_id or 0).exists():
        raise Http404
    return own_upload(uid, actor)


def _where(offset: int) -> dict[str, str]:
    return {OFFSET: str(offset), "Cache-Control": "no-store"}


def _checksum(request: Request) -> bytes:
    """As the checksum extension of tus writes it; b"" where the sender could not hash."""
    text = request.headers.get(CHECKSUM, "")
    if not text:
        return b""
    algorithm, _, value = text.partition(" ")
    try:
        checksum = base64.b64decode(value, validate=True)
    except binascii.Error:
        checksum = b""
    if algorithm != "sha256" or len(checksum) != 32:
        raise ParseError(f"{CHECKSUM} is: sha256, a space, and 32 bytes in base64.")
    return checksum
