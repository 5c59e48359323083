"""Controlled documents and training: written, approved, in force from a moment; required for actions; learned, and signed."""

from __future__ import annotations

from datetime import datetime
from pathlib import Path
from typing import Any

from django.utils import timezone

from mes.choices import DocumentStage, Meaning, TrainingMethod, TrainingResult
from mes.eventlog.base import Actor
from mes.eventlog.unit import publish, unit_of_work
from mes.events import (
    CurriculumDropped,
    CurriculumRequired,
    DocumentApproved,
    DocumentDrafted,
    DocumentWithdrawn,
    TrainingRecorded,
)
from mes.exceptions import Conflict, InvalidInput, Reason
from mes.locking import locked_row
from mes.models import Artefact, ControlledDocument, Curriculum, DocumentRevision, Person, TrainingRecord
from mes.permissions import PERMISSIONS, require
from mes.services.artefacts import is_used, require_intact, store_artefact
from mes.services.signatures import Credentials, sign
from mes.standing import WHEN_SIGNED

LARGEST_FILE = 50 * 1024**2
MEDIA_TYPES = ("application/pdf", "text/plain")
NUMBER_CHARACTERS = frozenset("ABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789.-")


@unit_of_work
def draft_document(
    *, number: str, title: str, revision: str, file: bytes | Path, media_type: str, actor: Actor
) -> DocumentRevision:
    """Write the next revision of a document, or the first of a new one. It holds once another person has approved it."""
    require(actor, "mes.draft_document")
    _refuse_names(number, title, revision, media_type)
    document, _ = ControlledDocument.objects.get_or_create(number=number, defaults={"title": title.strip()})
    if document.title != title.strip():
        raise Conflict(
            f"{number} is called '{document.title}'.",
            cure="Use its title, or another number for another document.",
            rule="P11-10k",
        )
    if document.revisions.filter(revision=revision).exists():
        raise Conflict(f"{number} has a revision {revision}.", cure="Name the next one.", rule="P11-10k")
    row = DocumentRevision.objects.create(
        document=document,
        revision=revision,
        file=store_artefact(file, media_type=media_type, limit=LARGEST_FILE),
        author_id=_person(actor),
    )
    event = DocumentDrafted(document_id=document.pk, number=number, revision=revision, file=str(row.file_id))
    publish(row, event, actor=actor)
    publish(document, event, actor=actor)
    return row


@unit_of_work
def approve_document(
    *,
    revision_id: int,
    actor: Actor,
    credentials: Credentials,
    effective_from: datetime | None = None,
    grace_days: int = 0,
) -> DocumentRevision:
    """Sign a revision (APPROVED). At `effective_from`, by default now, it ends the one before, and so does training on it:
    at that very moment, or `grace_days` later."""
    row = _locked(revision_id)
    require(actor, "mes.approve_document", row)
    start = effective_from or timezone.now()
    if row.stage != DocumentStage.DRAFT:
        raise Conflict(f"{row} is {row.get_stage_display().lower()}.", cure="Look at the document again.")
    _refuse_start(row, start, grace_days, backdated=effective_from is not None)
    require_intact(row.file)
    row.effective_from, row.grace_days = start, grace_days
    row.approval = sign(
        subject=row,
        content=revision_content(row, effective_from, grace_days),
        meaning=Meaning.APPROVED,
        actor=actor,
        credentials=credentials,
    )
    row.stage = DocumentStage.APPROVED
    row.save(update_fields=["effective_from", "grace_days", "approval", "stage"])
    event = DocumentApproved(
        document_id=row.document_id,
        number=row.document.number,
        revision=row.revision,
        effective_from=start.isoformat(),
        grace_days=grace_days,
        signature_id=row.approval.pk,
    )
    publish(row, event, actor=actor)
    return row


@unit_of_work
def withdraw_document(*, revision_id: int, actor: Actor, reason: str) -> DocumentRevision:
    """A revision holds no longer. Actions that ask for the document are refused until another one is in force (K-14)."""
    row = _locked(revision_id)
    require(actor, "mes.withdraw_document", row)
    if not reason.strip():
        raise InvalidInput("Say why.", cure="Write the reason.", rule="P11-10e")
    if row.stage == DocumentStage.WITHDRAWN:
        raise Conflict(f"{row} is withdrawn.", cure="Look at the document again.")
    row.stage = DocumentStage.WITHDRAWN
    row.save(update_fields=["stage"])
    event = DocumentWithdrawn(document_id=row.document_id, number=row.document.number, revision=row.revision)
    publish(row, event, actor=actor, reason=reason.strip())
    return row


@unit_of_work
def require_training(*, action: str, document_id: int, actor: Actor, reason: str = "") -> Curriculum:
    """From now on nobody performs an action without training on this document."""
    document = ControlledDocument.objects.get(pk=document_id)
    require(actor, "mes.set_curriculum", document)
    if action not in PERMISSIONS:
        raise InvalidInput(f"There is no action '{action[:60]}'.", cure="Choose one of the list.")
    found = Curriculum.objects.filter(action=action, document=document, dropped=False).first()
    if found:
        return found
    row = Curriculum.objects.create(action=action, document=document)
    event = CurriculumRequired(action=action, document_id=document.pk, number=document.number)
    publish(row, event, actor=actor, reason=reason)
    return row


@unit_of_work
def drop_training(*, curriculum_id: int, actor: Actor, reason: str) -> Curriculum:
    """An action no longer asks for a document."""
    row = Curriculum.objects.select_for_update().get(pk=curriculum_id)
    require(actor, "mes.set_curriculum", row)
    if not reason.strip():
        raise InvalidInput("Say why.", cure="Write the reason.", rule="P11-10e")
    if row.dropped:
        raise Conflict("This is asked for no longer.", cure="Look at the list again.")
    row.dropped = True
    row.save(update_fields=["dropped"])
    event = CurriculumDropped(action=row.action, document_id=row.document_id, number=row.document.number)
    publish(row, event, actor=actor, reason=reason.strip())
    return row


@unit_of_work
def record_training(
    *,
    person_id: int,
    revision_id: int,
    actor: Actor,
    credentials: Credentials,
    method: TrainingMethod = TrainingMethod.SHOWN,
    result: TrainingResult = TrainingResult.PASSED,
    trained_at: datetime | None = None,
    expires_at: datetime | None = None,
    evidence: Artefact | None = None,
) -> TrainingRecord:
    """The trainer signs (PERFORMED) that a person was trained on one revision, how, and with which result."""
    person = Person.objects.get(pk=person_id)
    require(actor, "mes.record_training", person)
    revision = DocumentRevision.objects.select_related("document").get(pk=revision_id)
    when = trained_at or timezone.now()
    _refuse_training(revision, when, expires_at, evidence)
    signature = sign(
        subject=person,
        content=training_content(person, revision, method, result, trained_at, expires_at, evidence),
        meaning=Meaning.PERFORMED,
        actor=actor,
        credentials=credentials,
    )
    row = TrainingRecord.objects.create(
        person=person,
        revision=revision,
        trainer_id=_person(actor),
        method=method,
        result=result,
        trained_at=when,
        expires_at=expires_at,
        evidence=evidence,
        signature=signature,
    )
    publish(person, _recorded(row), actor=actor)
    return row


@unit_of_work
def keep_evidence(*, file: bytes, media_type: str, actor: Actor) -> Artefact:
    """Store a signed list or a certificate, for the record of a training that is signed next."""
    require(actor, "mes.record_training")
    if media_type not in MEDIA_TYPES:
        raise InvalidInput("Evidence is a PDF or plain text.", cure="Send it as one of these.")
    return store_artefact(file, media_type=media_type, limit=LARGEST_FILE)


def revision_content(
    row: DocumentRevision, effective_from: datetime | None, grace_days: int
) -> dict[str, Any]:
    """What the approval of a revision signs."""
    return {
        "record": "document revision",
        "number": row.document.number,
        "title": row.document.title,
        "revision": row.revision,
        "file": row.file_id,
        "effective_from": effective_from or WHEN_SIGNED,
        "grace_days": grace_days,
    }


def training_content(
    person: Person,
    revision: DocumentRevision,
    method: str,
    result: str,
    trained_at: datetime | None,
    expires_at: datetime | None,
    evidence: Artefact | None,
) -> dict[str, Any]:
    """What a trainer signs."""
    return {
        "record": "training",
        "person": person.pk,
        "name": str(person),
        "document": str(revision),
        "file": revision.file_id,
        "method": str(method),
        "result": str(result),
        "trained_at": trained_at or WHEN_SIGNED,
        "expires_at": expires_at,
        "evidence": evidence.sha256 if evidence else None,
    }


def _recorded(row: TrainingRecord) -> TrainingRecorded:
    return TrainingRecorded(
        person_id=row.person_id,
        training_id=row.pk,
        number=row.revision.document.number,
        revision=row.revision.revision,
        trainer_id=row.trainer_id,
        method=str(row.method),
        result=str(row.result),
        trained_at=row.trained_at.isoformat(),
        expires_at=row.expires_at.isoformat() if row.expires_at else "",
        evidence=row.evidence_id or "",
        signature_id=row.signature_id,
    )


def _locked(revision_id: int) -> DocumentRevision:
    found = locked_row(DocumentRevision.objects.select_related("document", "file"), revision_id)
    if found is None:
        raise InvalidInput("There is no such revision.", cure="Look at the document again.")
    return found


def _person(actor: Actor) -> int:
    if actor.person_id is None:
        raise InvalidInput("Only a person writes, trains and approves.", cure="Sign in and do it.")
    return actor.person_id


def _refuse_names(number: str, title: str, revision: str, media_type: str) -> None:
    faults = []
    if not number[:1].isalnum() or set(number) - NUMBER_CHARACTERS or len(number) > 30:
        faults.append(
            Reason("A document's number is made of A to Z, 0 to 9, point and hyphen.", "Correct it.")
        )
    if not title.strip() or len(title) > 200:
        faults.append(Reason("A document needs a title of at most 200 characters.", "Write one."))
    if not (revision.isascii() and revision.isalnum()) or len(revision) > 10:
        faults.append(
            Reason("A revision is a short word of A to Z and 0 to 9, such as B or 3.", "Correct it.")
        )
    if media_type not in MEDIA_TYPES:
        faults.append(Reason("A document is a PDF or plain text.", "Send it as one of these."))
    if faults:
        raise InvalidInput(faults)


def _is_evidence(file: Artefact) -> bool:
    """One list may stand for several trainings; a file of another record stands for none."""
    return file.media_type in MEDIA_TYPES and not is_used(file, by_others_than=TrainingRecord)


def _refuse_start(row: DocumentRevision, start: datetime, grace_days: int, *, backdated: bool) -> None:
    faults = []
    if backdated and start < timezone.now():
        faults.append(Reason("A revision comes into force now or later.", "Choose a later moment.", "K-03"))
    if not 0 <= grace_days <= 365:
        faults.append(Reason("The days of grace lie between 0 and 365.", "Correct the number.", "P11-10i"))
    later = row.document.revisions.filter(stage=DocumentStage.APPROVED, effective_from__gte=start)
    if later.exists():
        faults.append(
            Reason(
                f"{later.first()} comes into force at that moment or after it.",
                "Withdraw that one, or choose a later moment.",
                "P11-10k",
            )
        )
    if faults:
        raise InvalidInput(faults)


def _refuse_training(
    revision: DocumentRevision, when: datetime, expires_at: datetime | None, evidence: Artefact | None
) -> None:
    faults = []
    if when.date() < revision.created_at.date():
        faults.append(
            Reason(
                f"{revision} was written on {revision.created_at:%d %b %Y}: nobody was trained on it before.",
                "Give the day of the training, or choose the revision that there was.",
                "P11-10i",
            )
        )
    if evidence is not None and not _is_evidence(evidence):
        faults.append(
            Reason(
                "This file is no evidence of a training: it is no PDF or plain text, or another record's.",
                "Send in the signed list or the certificate.",
                "P11-10i",
            )
        )
    if revision.stage != DocumentStage.APPROVED:
        faults.append(
            Reason(
                f"{revision} is not approved.",
                "Train on the revision that is, or will be, in force.",
                "P11-10i",
            )
        )
    if when > timezone.now():
        faults.append(Reason("The training lies in the future.", "Record it once it was given.", "K-03"))
    if expires_at is not None and expires_at <= when:
        faults.append(Reason("The training would expire before it was given.", "Choose a later day."))
    if faults:
        raise InvalidInput(faults)
