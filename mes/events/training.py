"""Facts about documents, and who was trained on them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from mes.eventlog.base import Event


@dataclass(frozen=True, kw_only=True)
class DocumentDrafted(Event, name="mes.document_drafted", terminal=True):
    """A revision of a controlled document was written."""

    document_id: int
    number: str
    revision: str
    file: str


@dataclass(frozen=True, kw_only=True)
class DocumentApproved(Event, name="mes.document_approved", terminal=True):
    """A revision of a controlled document was approved: it comes into force at its moment and ends the one before."""

    document_id: int
    number: str
    revision: str
    effective_from: str
    grace_days: int
    signature_id: int


@dataclass(frozen=True, kw_only=True)
class DocumentWithdrawn(Event, name="mes.document_withdrawn", terminal=True):
    """A revision of a controlled document holds no longer, and nothing took its place."""

    document_id: int
    number: str
    revision: str


@dataclass(frozen=True, kw_only=True)
class CurriculumRequired(Event, name="mes.curriculum_required", terminal=True):
    """An action asks for training on a document from now on."""

    action: str
    document_id: int
    number: str


@dataclass(frozen=True, kw_only=True)
class CurriculumDropped(Event, name="mes.curriculum_dropped", terminal=True):
    """An action no longer asks for training on a document."""

    action: str
    document_id: int
    number: str


@dataclass(frozen=True, kw_only=True)
class TrainingRecorded(Event, name="mes.training_recorded", terminal=True):
    """A person was trained on a revision of a document, and a trainer signed the result."""

    person_id: int
    training_id: int
    number: str
    revision: str
    trainer_id: int
    method: str
    result: str
    trained_at: str
    expires_at: str
    evidence: str
    signature_id: int


@dataclass(frozen=True, kw_only=True)
class InstructionsFollowed(Event, name="mes.instructions_followed", terminal=True):
    """Somebody did a step under these documents, in the revisions in force then, and was trained on them.

    documents: [{number, title, revision, revision_id, file}].  trainings: keys of the training records.
    """

    action: str
    documents: list[dict[str, Any]]
    trainings: list[int]
