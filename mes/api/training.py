"""Controlled documents, what each action asks to be known, and trainings over HTTP (11.10(i), (k)).

What is signed is asked for first (`to-sign`, with the same values), then sent with its digest (ES-19).
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar

from django.db.models import QuerySet
from django.shortcuts import get_object_or_404
from drf_spectacular.utils import extend_schema
from rest_framework import serializers
from rest_framework.decorators import action
from rest_framework.parsers import MultiPartParser
from rest_framework.request import Request
from rest_framework.response import Response

from mes.api.base import NumberViewSet, ReasonInput, SigningInput, credentials_in, given
from mes.api.parsers import ShallowJSONParser
from mes.choices import TrainingMethod, TrainingResult
from mes.eventlog.base import plain
from mes.models import (
    Artefact,
    ControlledDocument,
    Curriculum,
    DocumentRevision,
    Person,
    TrainingRecord,
)
from mes.permissions import require
from mes.scope import known_people
from mes.services.signatures import content_digest
from mes.services.training import (
    approve_document,
    draft_document,
    drop_training,
    keep_evidence,
    record_training,
    require_training,
    revision_content,
    training_content,
    withdraw_document,
)


class RevisionOutput(serializers.ModelSerializer[DocumentRevision]):
    number = serializers.CharField(source="document.number", read_only=True)
    title = serializers.CharField(source="document.title", read_only=True)
    file = serializers.CharField(source="file_id", read_only=True, help_text="SHA-256")

    class Meta:
        model = DocumentRevision
        fields = (
            "id", "document_id", "number", "title", "revision", "stage", "effective_from", "grace_days", "file",
            "author_id", "approval_id",
        )  # fmt: skip
        read_only_fields = fields


class CurriculumOutput(serializers.ModelSerializer[Curriculum]):
    number = serializers.CharField(source="document.number", read_only=True)

    class Meta:
        model = Curriculum
        fields = ("id", "action", "document_id", "number", "dropped")
        read_only_fields = fields


class TrainingOutput(serializers.ModelSerializer[TrainingRecord]):
    revision = serializers.StringRelatedField[DocumentRevision]()
    result = serializers.CharField(read_only=True)
    evidence = serializers.CharField(source="evidence_id", read_only=True, help_text="SHA-256")

    class Meta:
        model = TrainingRecord
        fields = (
            "id", "person_id", "revision_id", "revision", "trainer_id", "method", "result", "trained_at", "expires_at",
            "evidence", "signature_id",
        )  # fmt: skip
        read_only_fields = fields


class ToSignOutput(serializers.Serializer[Any]):
    content = serializers.JSONField()
    digest = serializers.CharField()


class RevisionInput(serializers.Serializer[Any]):
    number = serializers.CharField(max_length=30)
    title = serializers.CharField(max_length=200)
    revision = serializers.CharField(max_length=10)
    file = serializers.FileField(help_text="PDF or plain text")


class RevisionApprovalInput(SigningInput):
    effective_from = serializers.DateTimeField(required=False, default=None, allow_null=True)
    grace_days = serializers.IntegerField(min_value=0, max_value=365, required=False, default=0)


class AskInput(serializers.Serializer[Any]):
    action = serializers.CharField(max_length=80)
    document_id = serializers.IntegerField(min_value=1)
    reason = serializers.CharField(max_length=2000)


class TrainingInput(SigningInput):
    person_id = serializers.IntegerField(min_value=1)
    revision_id = serializers.IntegerField(min_value=1)
    method = serializers.ChoiceField(choices=TrainingMethod.choices)
    result = serializers.RegexField(
        rf"^({'|'.join(TrainingResult.values)})$", help_text=", ".join(TrainingResult.values)
    )
    trained_at = serializers.DateTimeField(required=False, default=None, allow_null=True)
    expires_at = serializers.DateTimeField(required=False, default=None, allow_null=True)
    evidence = serializers.RegexField(r"^[0-9a-f]{64}$", required=False, default="", help_text="SHA-256")


class EvidenceInput(serializers.Serializer[Any]):
    file = serializers.FileField(help_text="PDF or plain text")


class EvidenceOutput(serializers.Serializer[Any]):
    sha256 = serializers.CharField()


def to_sign(content: Mapping[str, Any]) -> Response:
    """What a signature will cover, and its digest: show the one, send the other."""
    return Response({"content": plain(content), "digest": content_digest(content)})


class Readable(NumberViewSet):
    """Rows for those who may read who is trained for what."""

    def initial(self, request: Request, *args: Any, **kwargs: Any) -> None:
        super().initial(request, *args, **kwargs)
        require(self.actor, "mes.read_training")


class RevisionViewSet(Readable):
    """Revisions of controlled documents: drafted, approved by signature, withdrawn."""

    permits: ClassVar[Mapping[str, str]] = {
        "create": "mes.draft_document",
        "to_sign": "mes.approve_document",
        "approve": "mes.approve_document",
        "withdraw": "mes.withdraw_document",
    }
    parser_classes = (ShallowJSONParser, MultiPartParser)
    serializer_class = RevisionOutput
    filterset_fields = ("stage", "document__number")
    queryset = DocumentRevision.objects.none()

    def rows(self) -> QuerySet[DocumentRevision]:
        return DocumentRevision.objects.select_related("document").order_by("pk")

    @extend_schema(request=RevisionInput, responses={201: RevisionOutput})
    def create(self, request: Request) -> Response:
        values = given(RevisionInput, request)
        file = values.pop("file")
        row = draft_document(**values, file=file.read(), media_type=file.content_type or "", actor=self.actor)
        return Response(RevisionOutput(row).data, status=201)

    @extend_schema(request=RevisionApprovalInput, responses=ToSignOutput)
    @action(detail=True, methods=["post"], url_path="to-sign")
    def to_sign(self, request: Request, pk: str) -> Response:
        values = given(RevisionApprovalInput, request)
        return to_sign(revision_content(self.get_object(), values["effective_from"], values["grace_days"]))

    @extend_schema(request=RevisionApprovalInput, responses=RevisionOutput)
    @action(detail=True, methods=["post"])
    def approve(self, request: Request, pk: str) -> Response:
        values = given(RevisionApprovalInput, request)
        row = approve_document(
            revision_id=int(pk),
            effective_from=values["effective_from"],
            grace_days=values["grace_days"],
            actor=self.actor,
            credentials=credentials_in(values),
        )
        return Response(RevisionOutput(row).data)

    @extend_schema(request=ReasonInput, responses=RevisionOutput)
    @action(detail=True, methods=["post"])
    def withdraw(self, request: Request, pk: str) -> Response:
        reason = given(ReasonInput, request)["reason"]
        row = withdraw_document(revision_id=int(pk), actor=self.actor, reason=reason)
        return Response(RevisionOutput(row).data)


class CurriculumViewSet(Readable):
    """Which documents an action asks to be known."""

    permits: ClassVar[Mapping[str, str]] = {"create": "mes.set_curriculum", "drop": "mes.set_curriculum"}
    serializer_class = CurriculumOutput
    filterset_fields = ("action", "dropped", "document__number")
    queryset = Curriculum.objects.none()

    def rows(self) -> QuerySet[Curriculum]:
        return Curriculum.objects.select_related("document").order_by("pk")

    @extend_schema(request=AskInput, responses={201: CurriculumOutput})
    def create(self, request: Request) -> Response:
        values = given(AskInput, request)
        get_object_or_404(ControlledDocument, pk=values["document_id"])
        row = require_training(**values, actor=self.actor)
        return Response(CurriculumOutput(row).data, status=201)

    @extend_schema(request=ReasonInput, responses=CurriculumOutput)
    @action(detail=True, methods=["post"])
    def drop(self, request: Request, pk: str) -> Response:
        reason = given(ReasonInput, request)["reason"]
        return Response(
            CurriculumOutput(drop_training(curriculum_id=int(pk), actor=self.actor, reason=reason)).data
        )


class TrainingViewSet(Readable):
    """Who was trained on which revision; recorded by the trainer's signature."""

    permits: ClassVar[Mapping[str, str]] = {
        "create": "mes.record_training",
        "to_sign": "mes.record_training",
        "evidence": "mes.record_training",
    }
    parser_classes = (ShallowJSONParser, MultiPartParser)
    serializer_class = TrainingOutput
    filterset_fields = ("person", "revision__document__number", "result")
    queryset = TrainingRecord.objects.none()

    def rows(self) -> QuerySet[TrainingRecord]:
        """Of the people whom the viewer may know: of other companies their own alone (P11-10d)."""
        rows = TrainingRecord.objects.select_related("revision__document").order_by("pk")
        return rows.filter(person__in=known_people(Person.objects.all(), self.viewer))

    @extend_schema(request=TrainingInput, responses=ToSignOutput)
    @action(detail=False, methods=["post"], url_path="to-sign")
    def to_sign(self, request: Request) -> Response:
        typed = _training(given(TrainingInput, request))
        revision = DocumentRevision.objects.select_related("document").get(pk=typed.pop("revision_id"))
        person = Person.objects.get(pk=typed.pop("person_id"))
        return to_sign(training_content(person, revision, **typed))

    @extend_schema(request=TrainingInput, responses={201: TrainingOutput})
    def create(self, request: Request) -> Response:
        values = given(TrainingInput, request)
        row = record_training(**_training(values), actor=self.actor, credentials=credentials_in(values))
        return Response(TrainingOutput(row).data, status=201)

    @extend_schema(request=EvidenceInput, responses={201: EvidenceOutput})
    @action(detail=False, methods=["post"])
    def evidence(self, request: Request) -> Response:
        """Send in a signed list or a certificate; its digest goes with the training."""
        file = given(EvidenceInput, request)["file"]
        kept = keep_evidence(file=file.read(), media_type=file.content_type or "", actor=self.actor)
        return Response({"sha256": kept.pk}, status=201)


def _training(values: Mapping[str, Any]) -> dict[str, Any]:
    """What a training says, without the signing; 404 for people, revisions and evidence that are not there."""
    get_object_or_404(Person, pk=values["person_id"])
    get_object_or_404(DocumentRevision, pk=values["revision_id"])
    names = ("person_id", "revision_id", "trained_at", "expires_at")
    return {
        **{name: values[name] for name in names},
        "method": TrainingMethod(values["method"]),
        "result": TrainingResult(values["result"]),
        "evidence": get_object_or_404(Artefact, pk=values["evidence"]) if values["evidence"] else None,
    }
