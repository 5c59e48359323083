"""Which of the series of an upload is read, where a person has a choice."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from drf_spectacular.utils import extend_schema
from rest_framework import serializers
from rest_framework.decorators import action
from rest_framework.request import Request
from rest_framework.response import Response

from devices.api.outputs import StudyOutput
from devices.services.held import choose_series, hold_upload, series_offered
from mes.api.base import given
from mes.api.files import FilesViewSet


class SeriesInput(serializers.Serializer[Any]):
    upload = serializers.CharField(max_length=500, help_text="The token that `studies` answered")
    series = serializers.CharField(
        max_length=64, help_text="The key of one of the series that `studies` answered"
    )


class SeriesActions(FilesViewSet):
    """What devices do with an upload of several series."""

    def to_choose_from(self, upload: Path, *, hold: bool = True) -> dict[str, Any]:
        """`series`, what each is, and the token of the upload, which then waits in quarantine; {} where there is no choice."""
        offered = series_offered(upload)
        if not offered:
            return {}
        token = {"upload": hold_upload(upload, self.get_object(), self.actor)} if hold else {}
        return {"series": offered, **token}

    @extend_schema(request=SeriesInput, responses={202: StudyOutput})
    @action(detail=True, methods=["post"], url_path="choose-series")
    def choose_series(self, request: Request, code: str) -> Response:
        """Take one of the several series of an upload that `studies` took into quarantine."""
        values = given(SeriesInput, request)
        study = choose_series(
            device=self.get_object(), token=values["upload"], series=values["series"], actor=self.actor
        )
        return Response(StudyOutput(study).data, status=202)
