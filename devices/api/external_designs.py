"""Parts that were drawn in another program over HTTP: sent in and looked at, then stated and asked for as a design."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from drf_spectacular.utils import extend_schema
from rest_framework import serializers
from rest_framework.decorators import action
from rest_framework.parsers import MultiPartParser
from rest_framework.request import Request
from rest_framework.response import Response

from devices.api.outputs import DesignOutput
from devices.api.uploads import laid_down
from devices.generators.base import Parameter
from devices.imaging.scans import Declared
from devices.mesh.scan import MM_PER_UNIT
from devices.models import Device
from devices.selectors.external import envelope_of
from devices.services.external_designs import Drawn, asked_of, hold_part, request_external_design, shown_part
from devices.services.parcels import taken_upload
from mes.api.base import ValuesField, given
from mes.api.files import FilesViewSet


class PartFileInput(serializers.Serializer[Any]):
    files = serializers.ListField(
        child=serializers.FileField(), required=False, help_text="One STL, PLY, OBJ or 3MF, not zipped"
    )
    sent = serializers.UUIDField(
        required=False,
        default=None,
        help_text="Instead of `files`: the upload of `/api/uploads` by which it came in parts",
    )
    digest = serializers.RegexField(
        r"^[0-9a-f]{64}$", required=False, default="", help_text="Of an upload by parts, as for its finish"
    )
    tool = serializers.CharField(max_length=60, help_text="The program that drew it")
    tool_version = serializers.CharField(max_length=60)
    unit = serializers.CharField(
        required=False,
        default="",
        allow_blank=True,
        max_length=4,
        help_text=f"Of a file that does not state its own: {', '.join(MM_PER_UNIT)}",
    )
    axes = serializers.CharField(
        max_length=3, help_text="Towards what x, y and z grow in the patient, such as LPS or RAS"
    )


class StatedOutput(serializers.Serializer[Any]):
    name = serializers.CharField()
    title = serializers.CharField()
    unit = serializers.CharField()
    kind = serializers.CharField(help_text="number, integer or vector (LPS mm)")
    limits = serializers.ListField(child=serializers.FloatField(), help_text="Both included")
    needed = serializers.BooleanField()


class PartOutput(serializers.Serializer[Any]):
    upload = serializers.CharField(help_text="The token for `request-external-design`")
    digest = serializers.CharField(help_text="SHA-256 of the file that is shown here")
    seen = serializers.DictField(child=serializers.CharField())
    asked = StatedOutput(many=True, help_text="What its designer states of it")


class ExternalDesignInput(serializers.Serializer[Any]):
    upload = serializers.CharField(max_length=600, help_text="The token that `external-design` answered")
    digest = serializers.RegexField(
        r"^[0-9a-f]{64}$", help_text="Of the file that `external-design` showed, as it answered"
    )
    values = ValuesField(
        required=False, default=dict, help_text="By the names that `external-design` answered"
    )


class ExternalDesignActions(FilesViewSet):
    """What devices do with parts that were drawn in another program."""

    @extend_schema(request={"multipart/form-data": PartFileInput}, responses={202: PartOutput})
    @action(detail=True, methods=["post"], url_path="external-design", parser_classes=[MultiPartParser])
    def external_design(self, request: Request, code: str) -> Response:
        """Send in a part that was drawn in another program, where the device master admits one. It waits in quarantine; the answer says
        what it is and what its designer states of it at `request-external-design`."""
        values, device = given(PartFileInput, request), self.get_object()
        drawn = Drawn(values["tool"], values["tool_version"], Declared(values["unit"], values["axes"]))
        with self._part(request, values, device) as upload:
            held = hold_part(upload, device, self.actor, drawn)
        asked = [_asked(device, parameter) for parameter in asked_of(device)]
        seen = shown_part(held.token, device, self.actor)
        said = {"upload": held.token, "digest": held.digest, "seen": seen, "asked": asked}
        return Response(PartOutput(said).data, status=202)

    @contextmanager
    def _part(self, request: Request, values: Mapping[str, Any], device: Device) -> Iterator[Path]:
        """What came with the request, or by parts before it."""
        if values["sent"] is None:
            with laid_down(request.FILES.getlist("files")) as upload:
                yield upload
            return
        sent = {"device_id": device.pk, "digest": values["digest"], "actor": self.actor}
        with taken_upload(values["sent"], **sent) as upload:
            yield upload

    @extend_schema(request=ExternalDesignInput, responses={202: DesignOutput})
    @action(detail=True, methods=["post"], url_path="request-external-design")
    def request_external_design(self, request: Request, code: str) -> Response:
        """Make the next revision of the design of what `external-design` showed, which is named by its digest. The answer comes before it is read and measured."""
        values = given(ExternalDesignInput, request)
        design = request_external_design(
            device_id=self.key(),
            token=values["upload"],
            digest=values["digest"],
            values=values["values"],
            actor=self.actor,
        )
        return Response(DesignOutput(design).data, status=202)


def _asked(device: Device, parameter: Parameter) -> dict[str, Any]:
    own = (parameter.minimum, parameter.maximum)
    return {
        "name": parameter.name,
        "title": parameter.title,
        "unit": parameter.unit,
        "kind": parameter.kind,
        "limits": list(envelope_of(device.master, external=True).get(parameter.name, own)),
        "needed": not parameter.optional,
    }
