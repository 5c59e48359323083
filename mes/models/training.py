"""Controlled documents, what each action asks to be known, and who was trained on what (21 CFR 11.10(i), (k))."""

from __future__ import annotations

from datetime import datetime

from django.db import models
from django.db.models.functions import Now

from mes.choices import DOCUMENT_PAIRS, DocumentStage, Meaning, TrainingMethod, TrainingResult
from mes.models.artefacts import Artefact
from mes.models.people import Person
from mes.models.signatures import Signature
from mes.tables import Signed, StageGuard, table


@table("working", root="mes.document", digest={1: ("number", "title")})
class ControlledDocument(models.Model):
    """A work instruction or procedure by its number, such as WI-12. What it says stands in its revisions."""

    number = models.CharField(max_length=30, unique=True)
    title = models.CharField(max_length=200)

    class Meta:
        db_table = "mes_document"
        constraints = [
            models.CheckConstraint(
                condition=models.Q(number__regex=r"^[A-Z0-9][A-Z0-9.-]*$"), name="document_number_characters"
            )
        ]

    def __str__(self) -> str:
        return f"{self.number} {self.title}"


@table(
    "working",
    root="mes.document_revision",
    digest={
        1: (
            "document_id",
            "revision",
            "stage",
            "effective_from",
            "grace_days",
            "file_id",
            "author_id",
            "approval_id",
        )
    },
    stage=StageGuard("stage", ("draft",), DOCUMENT_PAIRS),
    signed={
        "approval": Signed(
            (Meaning.APPROVED,),
            fixed={"record": "document revision"},
            says={
                "number": "document__number",
                "title": "document__title",
                "revision": "revision",
                "file": "file_id",
                "effective_from": "effective_from",
                "grace_days": "grace_days",
            },
        )
    },
)
class DocumentRevision(models.Model):
    """One revision. It comes into force at `effective_from` and ends the one before at the same moment.

    grace_days: how long training on the revision before still counts after that moment.
    """

    document = models.ForeignKey(ControlledDocument, on_delete=models.PROTECT, related_name="revisions")
    revision = models.CharField(max_length=10)
    stage = models.CharField(max_length=10, choices=DocumentStage, default=DocumentStage.DRAFT)
    effective_from = models.DateTimeField(null=True)
    grace_days = models.IntegerField(default=0)
    file = models.ForeignKey(Artefact, on_delete=models.PROTECT, related_name="+")
    author = models.ForeignKey(Person, on_delete=models.PROTECT, related_name="+")
    approval = models.ForeignKey(Signature, on_delete=models.PROTECT, null=True, related_name="+")
    created_at = models.DateTimeField(db_default=Now())

    class Meta:
        db_table = "mes_document_revision"
        constraints = [
            models.UniqueConstraint(fields=["document", "revision"], name="document_revision_once"),
            models.CheckConstraint(
                condition=models.Q(stage__in=DocumentStage.values), name="document_stage_known"
            ),
            models.CheckConstraint(
                condition=~models.Q(stage="approved")
                | models.Q(effective_from__isnull=False, approval__isnull=False),
                name="document_approved_is_signed",
            ),
            models.CheckConstraint(
                condition=models.Q(grace_days__gte=0, grace_days__lte=365), name="document_grace"
            ),
        ]

    def __str__(self) -> str:
        return f"{self.document.number} rev {self.revision}"

    def is_upcoming(self, moment: datetime) -> bool:
        return (
            self.stage == DocumentStage.APPROVED
            and self.effective_from is not None
            and self.effective_from > moment
        )


@table("working", root="mes.curriculum", digest={1: ("action", "document_id", "dropped")})
class Curriculum(models.Model):
    """An action that nobody may perform without being trained on a document. Dropped, never deleted."""

    action = models.CharField(max_length=80)
    document = models.ForeignKey(ControlledDocument, on_delete=models.PROTECT, related_name="curricula")
    dropped = models.BooleanField(default=False)

    class Meta:
        db_table = "mes_curriculum"
        constraints = [
            models.UniqueConstraint(
                fields=["action", "document"], condition=models.Q(dropped=False), name="curriculum_once"
            )
        ]

    def __str__(self) -> str:
        return f"{self.action}: {self.document_id}"


@table(
    "record",
    spoken={"mes.person": "person"},
    signed={
        "signature": Signed(
            (Meaning.PERFORMED,),
            root="mes.person",
            key="person_id",
            by="trainer_id",
            fixed={"record": "training"},
            says={
                "person": "person_id",
                "document": ("{} rev {}".format, "revision__document__number", "revision__revision"),
                "file": "revision__file_id",
                "method": "method",
                "result": "result",
                "trained_at": "trained_at",
                "expires_at": "expires_at",
                "evidence": "evidence_id",
            },
        )
    },
)
class TrainingRecord(models.Model):
    """Somebody was trained on one revision. The newest of a person and a revision counts: a failure ends a pass."""

    person = models.ForeignKey(Person, on_delete=models.PROTECT, related_name="trainings")
    revision = models.ForeignKey(DocumentRevision, on_delete=models.PROTECT, related_name="trainings")
    trainer = models.ForeignKey(Person, on_delete=models.PROTECT, related_name="+")
    method = models.CharField(max_length=10, choices=TrainingMethod)
    result = models.CharField(max_length=10, choices=TrainingResult)
    trained_at = models.DateTimeField()
    expires_at = models.DateTimeField(null=True)
    evidence = models.ForeignKey(Artefact, on_delete=models.PROTECT, null=True, related_name="+")
    signature = models.ForeignKey(Signature, on_delete=models.PROTECT, related_name="+")
    recorded_at = models.DateTimeField(db_default=Now())

    class Meta:
        db_table = "mes_training"
        constraints = [
            models.CheckConstraint(
                condition=~models.Q(person=models.F("trainer")), name="training_by_another"
            ),
            models.CheckConstraint(
                condition=models.Q(method__in=TrainingMethod.values, result__in=TrainingResult.values),
                name="training_known",
            ),
        ]
        indexes = [models.Index(fields=["person", "revision"], name="training_of_person")]

    def __str__(self) -> str:
        return f"{self.person_id} on {self.revision_id}: {self.result}"
