"""The files of a row over HTTP: the same list and the same checks as on its page."""

from __future__ import annotations

from typing import Any, ClassVar

from django.http import FileResponse
from django.urls import reverse
from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import extend_schema
from rest_framework import serializers
from rest_framework.decorators import action
from rest_framework.request import Request
from rest_framework.response import Response

from mes.api.base import CodeViewSet
from mes.files import file_of, files_of, taken


class FileOutput(serializers.Serializer[Any]):
    name = serializers.CharField()
    media_type = serializers.CharField()
    size = serializers.IntegerField(help_text="Bytes")
    sha256 = serializers.CharField()
    url = serializers.CharField(help_text="Where it is downloaded")


class FilesViewSet(CodeViewSet):
    """Rows with files. `page` is the name under which packages declare them (`mes.files`)."""

    page: ClassVar[str]

    @extend_schema(responses=FileOutput(many=True))
    @action(detail=True, methods=["get"], pagination_class=None, filter_backends=())
    def artefacts(self, request: Request, code: str) -> Response:
        """Every file that you may read, the oldest first."""
        row = self.get_object()
        found = files_of(self.page, row, self.actor)
        return Response([
            {
                "name": file.name,
                "media_type": file.media_type,
                "size": file.size,
                "sha256": file.sha256,
                "url": reverse(f"{self.basename}-artefact", args=[row.code, file.sha256]),
            }
            for file in found
        ])  # fmt: skip

    @extend_schema(responses={200: OpenApiTypes.BINARY})
    @action(detail=True, methods=["get"], url_path="artefacts/(?P<sha256>[0-9a-f]{64})")
    def artefact(self, request: Request, code: str, sha256: str) -> FileResponse:
        """One of them, checked against its digest (G-INT-01), always as an attachment under a name of ours."""
        row = self.get_object()
        return taken(file_of(self.page, row, sha256, self.actor), subject=row, actor=self.actor)
