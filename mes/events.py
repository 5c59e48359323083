"""Facts of the kernel."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from mes.eventlog.base import Event


@dataclass(frozen=True, kw_only=True)
class PersonRegistered(Event, name="mes.person_registered", terminal=True):
    """A person became known to the record."""

    person_id: int


@dataclass(frozen=True, kw_only=True)
class AccountOpened(Event, name="mes.account_opened", terminal=True):
    """A person, or a program, may sign in."""

    account_id: int
    person_id: int | None


@dataclass(frozen=True, kw_only=True)
class RoleGranted(Event, name="mes.role_granted", terminal=True):
    """A person carries a role from now on."""

    person_id: int
    role: str
    valid_from: str = ""
    valid_until: str = ""
    signatures: list[int] | None = None


@dataclass(frozen=True, kw_only=True)
class RoleProposed(Event, name="mes.role_proposed", terminal=True):
    """Somebody signed that a person should carry a role; a second person decides."""

    person_id: int
    role: str
    valid_from: str
    valid_until: str
    signature_id: int


@dataclass(frozen=True, kw_only=True)
class RoleReviewed(Event, name="mes.role_reviewed", terminal=True):
    """Somebody confirmed by signature that a person still needs a role."""

    person_id: int
    role: str
    signature_id: int


@dataclass(frozen=True, kw_only=True)
class RoleRevoked(Event, name="mes.role_revoked", terminal=True):
    """A person no longer carries a role."""

    person_id: int
    role: str


@dataclass(frozen=True, kw_only=True)
class PersonDeactivated(Event, name="mes.person_deactivated", terminal=True):
    """A person may do nothing any more. What they did stays theirs (K-04)."""

    person_id: int


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


@dataclass(frozen=True, kw_only=True)
class TokenIssued(Event, name="mes.token_issued", terminal=True):
    """An account has a new key to the API."""

    account_id: int
    token_id: int


@dataclass(frozen=True, kw_only=True)
class TokenRevoked(Event, name="mes.token_revoked", terminal=True):
    """A key to the API was closed."""

    account_id: int
    token_id: int


@dataclass(frozen=True, kw_only=True)
class PatientRegistered(Event, name="mes.patient_registered", terminal=True):
    """A patient has a token; the identity lies in the vault."""

    patient_id: int


@dataclass(frozen=True, kw_only=True)
class PatientIdentityViewed(Event, name="mes.patient_identity_viewed", terminal=True):
    """Somebody looked at who a token is, and said why."""

    patient_id: int


@dataclass(frozen=True, kw_only=True)
class DeliveryRetried(Event, name="mes.delivery_retried", terminal=True):
    """An operator sent a given-up delivery again."""

    delivery_id: int
    handler: str
    event_uid: str


@dataclass(frozen=True, kw_only=True)
class DeliverySkipped(Event, name="mes.delivery_skipped", terminal=True):
    """An operator passed over a given-up delivery: its effect will not happen. The reason stands in the event."""

    delivery_id: int
    handler: str
    event_uid: str


@dataclass(frozen=True, kw_only=True)
class DeliveryReplayed(Event, name="mes.delivery_replayed", terminal=True):
    """An operator had a handler react once more to an event it had reacted to already."""

    delivery_id: int
    handler: str
    event_uid: str
    run: int
