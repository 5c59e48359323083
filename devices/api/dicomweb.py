"""STOW-RS: studies sent over HTTP (PS3.18 10.5). The body is streamed into quarantine part by part; what was kept is answered
once it is on record, and waits there for a person like a study that came by C-STORE."""

from __future__ import annotations

import re
import shutil
from collections import deque
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from email.parser import BytesHeaderParser
from typing import IO, Any, ClassVar

from django.http.multipartparser import ChunkIter, InterBoundaryIter, LazyStream
from django.utils.http import parse_header_parameters
from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import extend_schema
from rest_framework.exceptions import ParseError
from rest_framework.parsers import BaseParser
from rest_framework.renderers import JSONRenderer
from rest_framework.request import Request
from rest_framework.response import Response

from devices.choices import Door
from devices.imaging.inbox import Arriving, Spool
from devices.imaging.sorting import Sorted
from devices.services.arrivals import begin_arrival, record_arrival
from devices.services.studies import received_folder
from mes.api.base import Acting

DICOM = "application/dicom"
BOUNDARY = re.compile(r"[0-9A-Za-z'()+_,./:=? -]{1,70}")
"""RFC 2046 5.1.1."""
CHUNK = 256 * 1024
LONGEST_HEAD = 4096
# PS3.4 B.2.3 and PS3.7 C: why an object was not kept.
OUT_OF_RESOURCES, NOT_UNDERSTOOD = 0xA700, 0xC000
SOP_CLASS, SOP_INSTANCE, REASON = "00081150", "00081155", "00081197"
REFERENCED, OTHER_FAILURES = "00081199", "0008119A"


@dataclass(frozen=True)
class Related:
    """A body of several parts that was not read yet."""

    stream: Any
    boundary: bytes

    def parts(self) -> Iterator[tuple[str, Iterator[bytes]]]:
        """Media type and content of each part; the content is read before the next part is asked for.

        Raises ParseError where the body ends before it says so: its last part may be cut.
        """
        streams = InterBoundaryIter(LazyStream(ChunkIter(self.stream, CHUNK)), b"--" + self.boundary)
        deque(next(streams, ()), maxlen=0)  # what stands before the first part is for nobody (RFC 2046 5.1.1)
        for part in streams:
            head = part.read(LONGEST_HEAD)
            if head.startswith(b"--"):
                return
            head, found, begun = head.partition(b"\r\n\r\n")
            if not found:
                break
            part.unget(begun)
            yield BytesHeaderParser().parsebytes(head.lstrip()).get_content_type(), iter(part)
        raise ParseError("The body is cut, or its parts have no headers.")


class RelatedParser(BaseParser):
    media_type = "multipart/related"

    def parse(
        self,
        stream: IO[bytes],
        media_type: str | None = None,
        parser_context: Mapping[str, Any] | None = None,
    ) -> Any:
        """A `Related`: it is read while it is kept, not before."""
        _, given = parse_header_parameters(media_type or "")
        boundary = given.get("boundary", "")
        if given.get("type", "").lower() != DICOM or not BOUNDARY.fullmatch(boundary):
            raise ParseError(f'Send multipart/related; type="{DICOM}"; boundary=….')
        return Related(stream, boundary.encode())


class DicomJSONRenderer(JSONRenderer):
    media_type = "application/dicom+json"
    format = "dicom"


class StudiesView(Acting):
    """`POST studies`: store instances of any studies."""

    permits: ClassVar[Mapping[str, str]] = {"post": "devices.receive_study"}
    parser_classes = (RelatedParser,)
    renderer_classes = (DicomJSONRenderer, JSONRenderer)

    @extend_schema(
        operation_id="dicom_web_store",
        request={"multipart/related": OpenApiTypes.BINARY},
        responses=dict.fromkeys((200, 202, 409), OpenApiTypes.OBJECT),
    )
    def post(self, request: Request) -> Response:
        """Answers the instances that are kept, and those that are not with their reasons (PS3.18 table 10.5.3-1)."""
        body = request.data
        if not isinstance(body, Related):
            raise ParseError("The body is empty.")
        arriving = begin_arrival(door=Door.STOW, sender_id=self.actor.person_id)
        try:
            failures = [reason for part in body.parts() if (reason := _taken(arriving, *part))]
            found = record_arrival(arriving.folder, keep_unreadable=False)
        except ParseError:
            shutil.rmtree(arriving.folder)
            raise
        finally:
            arriving.close()
        failures += [NOT_UNDERSTOOD for one in found if not one.readable]
        kept = [one for one in found if one.readable]
        if not kept and not failures:
            raise ParseError("The body holds no part.")
        status = 200 if not failures else 202 if kept else 409
        return Response(_dataset(kept, failures), status=status)


def _taken(arriving: Arriving, media_type: str, content: Iterator[bytes]) -> int:
    """0, or the reason why a part is not kept. It is read to its end in any case."""
    spool = Spool(received_folder())
    try:
        for chunk in content:
            spool.write(chunk)
        if media_type != DICOM:
            return NOT_UNDERSTOOD
        arriving.take(spool)
    except OSError:
        return OUT_OF_RESOURCES
    finally:
        spool.drop()
    return 0


def _dataset(kept: list[Sorted], failures: list[int]) -> dict[str, Any]:
    """What could not be kept has no identifier that could be trusted: it is among the other failures."""
    stored = [
        {SOP_CLASS: _of("UI", one.sop_class), SOP_INSTANCE: _of("UI", one.sop_instance)} for one in kept
    ]
    failed = [{REASON: _of("US", reason)} for reason in failures]
    answer = {REFERENCED: _of("SQ", *stored)} if stored else {}
    return answer | ({OTHER_FAILURES: _of("SQ", *failed)} if failed else {})


def _of(vr: str, *values: Any) -> dict[str, Any]:
    return {"vr": vr, "Value": list(values)}
