"""Who is trained for what, now: the documents an action asks for, their revision in force, and the record of a person.

A revision comes into force at its moment, without a clock job: whoever was trained on the one before lapses at that
very moment, or after its days of grace (P11-10i, P11-10k, G-OPR-01).
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from django.db.models import TextField

from mes.choices import DocumentStage, TrainingResult
from mes.compiled import Compiled, Slot
from mes.events import InstructionsFollowed
from mes.exceptions import Reason
from mes.models import ControlledDocument, Curriculum, DocumentRevision, TrainingRecord
from mes.reading import is_reading, once
from mes.standing import carries, is_withdrawn

RULE = "G-OPR-01"
IN_FORCE_ONCE = (DocumentStage.APPROVED, DocumentStage.WITHDRAWN)


@dataclass(frozen=True)
class Required:
    """A document that an action asks for. in_force: its revision now; before: the one that this ended."""

    document: ControlledDocument
    in_force: DocumentRevision | None
    before: DocumentRevision | None

    def accepted(self, now: datetime) -> tuple[DocumentRevision, ...]:
        """The revisions on which training counts now: the one in force, and during its grace the one before."""
        if self.in_force is None:
            return ()
        start = self.in_force.effective_from
        in_grace = start is not None and now < start + timedelta(days=self.in_force.grace_days)
        return (self.in_force, self.before) if self.before and in_grace else (self.in_force,)


@once
def _actions_that_ask() -> frozenset[str]:
    return frozenset(action for (action,) in _ASKING())


_ASKING = Compiled(lambda: Curriculum.objects.filter(dropped=False).values_list("action").distinct())


def required_for(action: str, now: datetime) -> tuple[Required, ...]:
    """What an action asks to be known at a moment, in the order of the documents' numbers."""
    # Most actions ask for nothing, and a page asks about many.
    if is_reading() and action not in _actions_that_ask():
        return ()
    return required_of([curriculum.document for curriculum in _CURRICULUM(action=action)], now)


_CURRICULUM = Compiled(
    lambda: (
        Curriculum.objects.filter(action=Slot("action", TextField()), dropped=False)
        .select_related("document")
        .order_by("document__number")
    )
)


def required_by_action(now: datetime) -> dict[str, tuple[Required, ...]]:
    """What every action asks to be known at a moment, likewise; two queries. An action that asks for nothing is not there."""
    asked: dict[str, list[ControlledDocument]] = {}
    rows = Curriculum.objects.filter(dropped=False).select_related("document").order_by("document__number")
    for curriculum in rows:
        asked.setdefault(curriculum.action, []).append(curriculum.document)
    history = revisions_until({document for several in asked.values() for document in several}, now)
    return {
        action: tuple(_required(document, history.get(document.pk, [])) for document in documents)
        for action, documents in asked.items()
    }


def required_of(documents: Sequence[ControlledDocument], now: datetime) -> tuple[Required, ...]:
    history = revisions_until(documents, now) if documents else {}
    return tuple(_required(document, history.get(document.pk, [])) for document in documents)


def _required(document: ControlledDocument, newest_first: list[DocumentRevision]) -> Required:
    current = newest_first[0] if newest_first and _holds(newest_first[0]) else None
    before = newest_first[1] if current is not None and len(newest_first) > 1 else None
    return Required(document, current, before if before and _holds(before) else None)


def _holds(revision: DocumentRevision) -> bool:
    """Approved, and neither the revision nor the signature of its approval withdrawn. None takes its place by itself (K-14)."""
    signed = revision.approval is not None and not is_withdrawn(revision.approval)
    return revision.stage == DocumentStage.APPROVED and signed


def revisions_until(
    documents: Iterable[ControlledDocument], moment: datetime
) -> dict[int, list[DocumentRevision]]:
    """The revisions that had come into force by a moment, newest first, by document: what held then (as-of query)."""
    found: dict[int, list[DocumentRevision]] = {}
    rows = DocumentRevision.objects.filter(
        document__in=documents, stage__in=IN_FORCE_ONCE, effective_from__lte=moment
    ).select_related("document", "approval__withdrawal")
    for row in rows.order_by("document_id", "-effective_from", "-pk"):
        found.setdefault(row.document_id, []).append(row)
    return found


def revision_in_force(document: ControlledDocument, moment: datetime) -> DocumentRevision | None:
    return required_of([document], moment)[0].in_force


@dataclass(frozen=True)
class Competence:
    """How a person stands to an action: the revisions in force that were followed, and every reason why not."""

    required: tuple[Required, ...]
    records: tuple[TrainingRecord, ...]
    reasons: tuple[Reason, ...]


NOTHING_ASKED = Competence((), (), ())


@once
def competence(person_id: int, action: str, now: datetime) -> Competence:
    """Whether a person is trained for an action at a moment."""
    required = required_for(action, now)
    if not required:
        return NOTHING_ASKED
    newest = _newest_records(person_id, [rev for one in required for rev in one.accepted(now)])
    records, reasons = [], []
    for one in required:
        answer = _judged(one, newest, now)
        if isinstance(answer, Reason):
            reasons.append(answer)
        else:
            records.append(answer)
    return Competence(required, tuple(records), tuple(reasons))


def _newest_records(person_id: int, revisions: Sequence[DocumentRevision]) -> dict[int, TrainingRecord]:
    rows = TrainingRecord.objects.filter(person_id=person_id, revision__in=revisions).order_by("pk")
    rows = rows.select_related("signature__withdrawal")
    return {row.revision_id: row for row in rows}


def _judged(one: Required, newest: dict[int, TrainingRecord], now: datetime) -> TrainingRecord | Reason:
    if one.in_force is None or not carries(one.in_force, "approval"):
        text = f"{one.document.number} has no revision in force."
        return Reason(text, "Ask a quality reviewer to approve one.", RULE)
    found = [newest[rev.pk] for rev in one.accepted(now) if rev.pk in newest]
    counting = [record for record in found if counts(record, now) and carries(record, "signature")]
    if counting:
        return counting[0]
    return _lack(one.in_force, found[0] if found else None)


def counts(record: TrainingRecord, now: datetime) -> bool:
    """Passed, neither before it was given nor after it expired, and the trainer has not taken the signature back."""
    if record.result != TrainingResult.PASSED or now < record.trained_at or is_withdrawn(record.signature):
        return False
    return record.expires_at is None or now < record.expires_at


def _lack(revision: DocumentRevision, record: TrainingRecord | None) -> Reason:
    title = revision.document.title
    cure = (
        f"Be trained on {revision} and have it recorded by a trainer: /training/{revision.document.number}/"
    )
    if record is None:
        return Reason(f"Not trained on {revision}, {title}, which is in force.", cure, RULE)
    if record.result != TrainingResult.PASSED:
        return Reason(f"The training on {revision}, {title}, was not passed.", cure, RULE)
    if not carries(record, "signature"):
        return Reason(f"No trainer's signature stands for the training on {revision}, {title}.", cure, RULE)
    return Reason(f"The training on {revision}, {title}, expired.", cure, RULE)


def followed(action: str, known: Competence) -> InstructionsFollowed:
    """The documents in force under which an allowed action was done."""
    return InstructionsFollowed(
        action=action,
        documents=[_snapshot(record.revision) for record in known.records],
        trainings=[record.pk for record in known.records],
    )


def _snapshot(revision: DocumentRevision) -> dict[str, Any]:
    return {
        "number": revision.document.number,
        "title": revision.document.title,
        "revision": revision.revision,
        "revision_id": revision.pk,
        "file": revision.file_id,
    }
