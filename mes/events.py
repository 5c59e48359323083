"""Facts of the kernel."""

from __future__ import annotations

from dataclasses import dataclass

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


@dataclass(frozen=True, kw_only=True)
class RoleRevoked(Event, name="mes.role_revoked", terminal=True):
    """A person no longer carries a role."""

    person_id: int
    role: str


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


@dataclass(frozen=True, kw_only=True)
class RuleSetInForce(Event, name="mes.ruleset_in_force", terminal=True):
    """From here on these gates, moves, permissions and settings apply (K-11): digests of all, of the rules, of the settings."""

    ruleset: str
    rules: str
    configuration: str


@dataclass(frozen=True, kw_only=True)
class RetentionSet(Event, name="mes.retention_set", terminal=True):
    """A record is kept until a later day than before: the last day of each rule, and the latest of all."""

    record_root: str
    record_id: str
    until: str
    rules: dict[str, str]


@dataclass(frozen=True, kw_only=True)
class LegalHoldPlaced(Event, name="mes.legal_hold_placed", terminal=True):
    """Nothing that the hold reaches is destroyed or erased from here on (K-15)."""

    hold_id: int
    scope: str
    value: str
    since: str | None
    until: str | None
    review_on: str


@dataclass(frozen=True, kw_only=True)
class LegalHoldReleaseProposed(Event, name="mes.legal_hold_release_proposed", terminal=True):
    """The first of two people signed that a hold may end. It still holds."""

    hold_id: int
    signature_id: int


@dataclass(frozen=True, kw_only=True)
class LegalHoldReleaseRefused(Event, name="mes.legal_hold_release_refused", terminal=True):
    """The second person did not agree: the hold stays."""

    hold_id: int


@dataclass(frozen=True, kw_only=True)
class LegalHoldReleased(Event, name="mes.legal_hold_released", terminal=True):
    """Two people signed that a hold ends."""

    hold_id: int
    signature_id: int


@dataclass(frozen=True, kw_only=True)
class DisposalProposed(Event, name="mes.disposal_proposed", terminal=True):
    """The records manager signed that a record's files may be destroyed. The digest is that of the certificate."""

    disposal_id: int
    record_root: str
    record_id: str
    certificate: str
    signature_id: int


@dataclass(frozen=True, kw_only=True)
class DisposalApproved(Event, name="mes.disposal_approved", terminal=True):
    """A quality reviewer signed the same certificate: the machine's owner may carry it out."""

    disposal_id: int
    certificate: str
    signature_id: int


@dataclass(frozen=True, kw_only=True)
class DisposalWithdrawn(Event, name="mes.disposal_withdrawn", terminal=True):
    """A disposal will not be carried out."""

    disposal_id: int


@dataclass(frozen=True, kw_only=True)
class DisposalCarriedOut(Event, name="mes.disposal_carried_out", terminal=True):
    """The files that the certificate lists are removed from the store. Their digests stay."""

    disposal_id: int
    record_root: str
    record_id: str
    certificate: str
    files: int


@dataclass(frozen=True, kw_only=True)
class BackupTaken(Event, name="mes.backup_taken", terminal=True):
    """A backup was finished: what it holds, and the digest of its list."""

    backup_id: int
    backup: str
    events: int
    tree_size: int
    files: int
    manifest: str
    faults: list[str]


@dataclass(frozen=True, kw_only=True)
class RestoreDrilled(Event, name="mes.restore_drilled", terminal=True):
    """A backup was restored into an empty place and checked there (21 CFR 11.10(c))."""

    drill_id: int
    backup: str
    digest_match: bool
    events: int
    tree_size: int
    seconds: float
    problem: str


@dataclass(frozen=True, kw_only=True)
class IntegrityCheckDue(Event, name="mes.integrity_check_due"):
    """The nightly check of the whole record and of every stored file shall be made."""


@dataclass(frozen=True, kw_only=True)
class IntegrityChecked(Event, name="mes.integrity_checked", terminal=True):
    """The whole record and every stored file are as they were written."""

    check_id: int
    events: int
    files: int
    disposed: int
    seconds: float


@dataclass(frozen=True, kw_only=True)
class IntegrityFailed(Event, name="mes.integrity_failed", terminal=True):
    """Something is not as it was written: what, and where. Nothing is changed until somebody has looked."""

    check_id: int
    what: str
    where: str
    pos: int | None
