"""Exports of records over HTTP, and whether a record is as it was written."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar

from django.db.models import QuerySet
from django.http import FileResponse
from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import extend_schema
from rest_framework import serializers
from rest_framework.decorators import action
from rest_framework.request import Request
from rest_framework.response import Response

from mes.api.base import CodeViewSet, given
from mes.files import File, sent
from mes.permissions import require
from quality.api.base import DeviceView
from quality.choices import ExportKind
from quality.models import Export
from quality.services.export import ZIP, cancel_export, request_export, take_bundle
from quality.services.integrity import verify_integrity


class ExportInput(serializers.Serializer[Any]):
    kind = serializers.ChoiceField(ExportKind.choices)
    subject = serializers.CharField(max_length=40, help_text="A code, or two days: 2026-01-01/2026-01-31")
    reason = serializers.CharField(max_length=500, help_text="Who asked for the copy, and what for")


class ExportedRecordOutput(serializers.Serializer[Any]):
    device = serializers.StringRelatedField[Any](
        allow_null=True, help_text="Null: of the order or lot itself"
    )
    name = serializers.CharField()
    sha256 = serializers.CharField(source="bundle_id")
    record_sha256 = serializers.CharField()
    events = serializers.IntegerField()


class ExportOutput(serializers.ModelSerializer[Export]):
    code = serializers.CharField(read_only=True)
    total = serializers.IntegerField(read_only=True)
    records = ExportedRecordOutput(many=True, read_only=True)

    class Meta:
        model = Export
        fields = (
            "code",
            "kind",
            "subject",
            "mode",
            "stage",
            "done",
            "total",
            "refusal",
            "requested_at",
            "records",
        )
        read_only_fields = fields


class IntegrityOutput(serializers.Serializer[Any]):
    result = serializers.ChoiceField(("VALID", "ALTERED", "UNVERIFIABLE"))
    events = serializers.IntegerField()
    signatures = serializers.IntegerField()
    files = serializers.IntegerField()
    disposed = serializers.IntegerField(help_text="Files that were destroyed after their time")
    certificates = serializers.ListField(child=serializers.CharField(), help_text="Under which: Z0000001")
    altered = serializers.ListField(child=serializers.CharField())
    open = serializers.ListField(child=serializers.CharField())


class ExportViewSet(CodeViewSet):
    """Complete copies of records (21 CFR 11.10(b))."""

    permits: ClassVar[Mapping[str, str]] = dict.fromkeys(
        ("list", "retrieve", "create", "cancel", "bundle"), "quality.export_record"
    )
    letter = "X"
    serializer_class = ExportOutput
    filterset_fields = ("kind", "stage")
    queryset = Export.objects.none()

    def initial(self, request: Request, *args: Any, **kwargs: Any) -> None:
        """Who may not export does not learn what was exported."""
        self.perform_authentication(request)
        if request.user.is_authenticated:
            require(self.actor, "quality.export_record")
        super().initial(request, *args, **kwargs)

    def rows(self) -> QuerySet[Export]:
        return Export.objects.prefetch_related("records__device").order_by("-pk")

    @extend_schema(request=ExportInput, responses={202: ExportOutput})
    def create(self, request: Request) -> Response:
        """Ask for records. The answer comes before they are written."""
        values = given(ExportInput, request)
        export = request_export(
            kind=ExportKind(values["kind"]),
            subject=values["subject"],
            actor=self.actor,
            reason=values["reason"],
        )
        return Response(ExportOutput(export).data, status=202)

    @extend_schema(request=None, responses=ExportOutput)
    @action(detail=True, methods=["post"])
    def cancel(self, request: Request, code: str) -> Response:
        """Stop before the next bundle. What was written stays."""
        export = cancel_export(export_id=self.get_object().pk, actor=self.actor)
        return Response(ExportOutput(export).data)

    @extend_schema(responses={(200, ZIP): OpenApiTypes.BINARY})
    @action(detail=True, methods=["get"], url_path="bundles/(?P<sha256>[0-9a-f]{64})")
    def bundle(self, request: Request, code: str, sha256: str) -> FileResponse:
        """One bundle, checked against its digest as it leaves. That it was taken is a fact of the log."""
        row = take_bundle(export=self.get_object(), sha256=sha256, actor=self.actor)
        return sent(File(row.name, row.bundle_id, row.bundle.size, ZIP))


class IntegrityView(DeviceView):
    """Whether a device's record is as it was written (21 CFR 11.10(a))."""

    serializer_class = IntegrityOutput

    @extend_schema(responses=IntegrityOutput)
    def get(self, request: Request, code: str) -> Response:
        """Recompute leaves, seals, rows, signatures and files, and say what is not as it was, and where."""
        return Response(IntegrityOutput(verify_integrity(self.device(), self.actor)).data)
