"""Facts about patients' identities: who looked, who may forget, under which key they lie."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from mes.eventlog.base import Event


@dataclass(frozen=True, kw_only=True)
class PatientRegistered(Event, name="mes.patient_registered", terminal=True):
    """A patient has a token; the identity lies in the vault."""

    patient_id: int


@dataclass(frozen=True, kw_only=True)
class PatientIdentityViewed(Event, name="mes.patient_identity_viewed", terminal=True):
    """Somebody looked at who a token is, and said why."""

    patient_id: int
    view_id: int = 0
    emergency_id: int | None = None


@dataclass(frozen=True, kw_only=True)
class PatientIdentityRefused(Event, name="mes.patient_identity_refused", terminal=True):
    """Somebody tried to see who a token is and was refused, by these rules."""

    patient_id: int
    rules: list[str]


@dataclass(frozen=True, kw_only=True)
class PatientLookedUp(Event, name="mes.patient_looked_up", terminal=True, names_orders=True):
    """Somebody searched the vault by an exact identifier. The identifier itself is nowhere."""

    person_id: int
    patient_id: int | None


@dataclass(frozen=True, kw_only=True)
class EmergencyAccessOpened(Event, name="mes.emergency_access_opened"):
    """A person without the right took access to a patient's identity, with a reason and until a moment."""

    access_id: int
    patient_id: int
    person_id: int
    expires_at: str
    manager_id: int | None


@dataclass(frozen=True, kw_only=True)
class EmergencyTold(Event, name="mes.emergency_told", terminal=True):
    """The privacy officers, and the manager where one is named, were told by mail of an access in an emergency."""

    access_id: int
    recipients: int


@dataclass(frozen=True, kw_only=True)
class EmergencyAccessEnded(Event, name="mes.emergency_access_ended", terminal=True):
    """An access in an emergency is over: its time was up, or somebody ended it. The privacy officer reviews it."""

    access_id: int
    early: bool


@dataclass(frozen=True, kw_only=True)
class EmergencyAccessReviewed(Event, name="mes.emergency_access_reviewed", terminal=True):
    """Somebody reviewed an access in an emergency and signed what they found."""

    access_id: int
    reviewer: str
    justified: bool
    signature_id: int


@dataclass(frozen=True, kw_only=True)
class ErasureRequested(Event, name="mes.erasure_requested", terminal=True):
    """A patient's identity shall be forgotten. Two people decide."""

    request_id: int
    patient_id: int


@dataclass(frozen=True, kw_only=True)
class ErasureApproved(Event, name="mes.erasure_approved", terminal=True):
    """One of the two people agreed that an identity be forgotten."""

    request_id: int
    role: str
    signature_id: int


@dataclass(frozen=True, kw_only=True)
class ErasureRefused(Event, name="mes.erasure_refused", terminal=True):
    """A request for erasure was refused, with its reason."""

    request_id: int
    signature_id: int


@dataclass(frozen=True, kw_only=True)
class PatientIdentityErased(Event, name="mes.patient_identity_erased"):
    """A patient's row in the vault was overwritten. The record keeps the token; the keys that are named go next.

    Two people signed: the request for erasure, or the certificate of the disposal of the patient's last record.
    `wrapped_by`, `indexed_by`: the ids of the vault's keys under which the identity stood.
    """

    patient_id: int
    request_id: int | None
    disposal_id: int | None
    gates: list[dict[str, Any]]
    wrapped_by: str
    indexed_by: str


@dataclass(frozen=True, kw_only=True)
class IdentityKeysDestroyed(Event, name="mes.identity_keys_destroyed", terminal=True):
    """The keys under which an erased identity stood are destroyed: nothing that a database keeps can be read with what is left."""

    patient_id: int
    wrapped_by: str
    indexed_by: str


@dataclass(frozen=True, kw_only=True)
class VaultRotationBegun(Event, name="mes.vault_rotation_begun", terminal=True):
    """The vault has a new key, which seals from now on."""

    rotation_id: int
    purpose: str
    new_key_id: str


@dataclass(frozen=True, kw_only=True)
class VaultRowsMoved(Event, name="mes.vault_rows_moved", terminal=True):
    """A batch of identities stands under the new key."""

    rotation_id: int
    rows: int
    last_patient_id: int


@dataclass(frozen=True, kw_only=True)
class VaultRotationFinished(Event, name="mes.vault_rotation_finished", terminal=True):
    """Nothing needs the older keys any more."""

    rotation_id: int
    moved: int
