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
    view_id: int = 0
    emergency_id: int | None = None


@dataclass(frozen=True, kw_only=True)
class PatientIdentityRefused(Event, name="mes.patient_identity_refused", terminal=True):
    """Somebody tried to see who a token is and was refused, by these rules."""

    patient_id: int
    rules: list[str]


@dataclass(frozen=True, kw_only=True)
class PatientLookedUp(Event, name="mes.patient_looked_up", terminal=True):
    """Somebody searched the vault by an exact identifier. The identifier itself is nowhere."""

    person_id: int
    patient_id: int | None


@dataclass(frozen=True, kw_only=True)
class ManagerNamed(Event, name="mes.manager_named", terminal=True):
    """A person answers for another from now on."""

    person_id: int
    manager_id: int


@dataclass(frozen=True, kw_only=True)
class EmergencyAccessOpened(Event, name="mes.emergency_access_opened", terminal=True):
    """A person without the right took access to a patient's identity, with a reason and until a moment."""

    access_id: int
    patient_id: int
    person_id: int
    expires_at: str
    manager_id: int | None


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
class PatientIdentityErased(Event, name="mes.patient_identity_erased", terminal=True):
    """A patient's data key was overwritten: nobody can read the identity again. The record keeps the token."""

    patient_id: int
    request_id: int
    gates: list[dict[str, Any]]


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
class SignedIn(Event, name="mes.signed_in", terminal=True):
    """An account opened a session."""

    account_id: int
    session_id: int
    method: str
    place: dict[str, str]


@dataclass(frozen=True, kw_only=True)
class SessionEnded(Event, name="mes.session_ended", terminal=True):
    """A session is over: signed out, ended elsewhere, misused, or its account was closed."""

    account_id: int
    session_id: int
    cause: str


@dataclass(frozen=True, kw_only=True)
class SessionLocked(Event, name="mes.session_locked", terminal=True):
    """A session was idle too long; it opens again with the secret."""

    account_id: int
    session_id: int


@dataclass(frozen=True, kw_only=True)
class SessionUnlocked(Event, name="mes.session_unlocked", terminal=True):
    """The owner of a locked session gave the secret again."""

    account_id: int
    session_id: int
    method: str


@dataclass(frozen=True, kw_only=True)
class SessionsConcurrent(Event, name="mes.sessions_concurrent", terminal=True):
    """An account has several sessions at once, at several places (21 CFR 11.200(a)(2))."""

    account_id: int
    open_sessions: int
    place: dict[str, str]


@dataclass(frozen=True, kw_only=True)
class SecretRefused(Event, name="mes.secret_refused", terminal=True):
    """A secret was wrong, or came for an account that takes none now (ES-15). `failures` counts those in a row."""

    account_id: int
    purpose: str
    method: str
    failures: int
    place: dict[str, str]


@dataclass(frozen=True, kw_only=True)
class UnknownNameRefused(Event, name="mes.unknown_name_refused", terminal=True):
    """Somebody tried to sign in under a name that nobody has. The name is not kept: people type passwords there."""

    method: str
    place: dict[str, str]


@dataclass(frozen=True, kw_only=True)
class SourceSlowed(Event, name="mes.source_slowed", terminal=True):
    """Too many secrets from one address failed; it waits. Browsers that signed in before do not."""

    network: str
    failures: int


@dataclass(frozen=True, kw_only=True)
class AccountLocked(Event, name="mes.account_locked"):
    """Too many wrong secrets in a row: no secret is taken until then (ES-15)."""

    account_id: int
    until: str
    purpose: str
    place: dict[str, str]


@dataclass(frozen=True, kw_only=True)
class AlertSent(Event, name="mes.alert_sent", terminal=True):
    """The owner of an account and the security administrators were told of misuse (21 CFR 11.300(d))."""

    account_id: int
    recipients: int
    locked_event: str


@dataclass(frozen=True, kw_only=True)
class AccountClosed(Event, name="mes.account_closed", terminal=True):
    """An account opens nothing any more. Its history and its name stay (K-04)."""

    account_id: int


@dataclass(frozen=True, kw_only=True)
class PasswordChanged(Event, name="mes.password_changed", terminal=True):
    """An account has a new password, set by its owner."""

    account_id: int
    way: str


@dataclass(frozen=True, kw_only=True)
class PasswordChangeForced(Event, name="mes.password_change_forced", terminal=True):
    """An account must choose a new password before anything else: the old one may be known to others."""

    account_id: int


@dataclass(frozen=True, kw_only=True)
class PasskeyEnrolled(Event, name="mes.passkey_enrolled", terminal=True):
    """An account has a new passkey."""

    account_id: int
    passkey_id: int


@dataclass(frozen=True, kw_only=True)
class PasskeyEnded(Event, name="mes.passkey_ended", terminal=True):
    """A passkey opens nothing any more: lost, revoked or replaced (21 CFR 11.300(c))."""

    account_id: int
    passkey_id: int
    state: str


@dataclass(frozen=True, kw_only=True)
class IdentityBound(Event, name="mes.identity_bound", terminal=True):
    """An account may sign in as this subject of an identity provider."""

    account_id: int
    issuer: str
    subject: str


@dataclass(frozen=True, kw_only=True)
class IdentityUnbound(Event, name="mes.identity_unbound", terminal=True):
    """A subject of an identity provider no longer opens an account."""

    account_id: int
    issuer: str
    subject: str


@dataclass(frozen=True, kw_only=True)
class ContactNamed(Event, name="mes.contact_named", terminal=True):
    """An address was named for a person; it counts once its owner has verified it."""

    person_id: int
    contact_id: int


@dataclass(frozen=True, kw_only=True)
class ContactVerified(Event, name="mes.contact_verified", terminal=True):
    """The owner of an address proved it."""

    person_id: int
    contact_id: int


@dataclass(frozen=True, kw_only=True)
class ContactClosed(Event, name="mes.contact_closed", terminal=True):
    """An address no longer counts: another one was verified in its place, or its code was guessed wrong."""

    person_id: int
    contact_id: int


@dataclass(frozen=True, kw_only=True)
class ResetRequested(Event, name="mes.reset_requested", terminal=True):
    """Somebody asked for a new secret for an account; a second person decides (ES-14)."""

    account_id: int
    reset_id: int


@dataclass(frozen=True, kw_only=True)
class ResetApproved(Event, name="mes.reset_approved", terminal=True):
    """A second person approved a new secret; a link went to the owner's verified address."""

    account_id: int
    reset_id: int


@dataclass(frozen=True, kw_only=True)
class ResetRefused(Event, name="mes.reset_refused", terminal=True):
    """A reset was refused or ran out."""

    account_id: int
    reset_id: int


@dataclass(frozen=True, kw_only=True)
class ResetUsed(Event, name="mes.reset_used", terminal=True):
    """The owner chose a new secret by the link. The right to sign is suspended until re-enrolment (ES-14)."""

    account_id: int
    reset_id: int


@dataclass(frozen=True, kw_only=True)
class IdentityReproofed(Event, name="mes.identity_reproofed", terminal=True):
    """Somebody looked anew at who a signer is, after a reset or a loss (ES-14, ES-17)."""

    person_id: int
    reproofing_id: int


@dataclass(frozen=True, kw_only=True)
class ReproofingConfirmed(Event, name="mes.reproofing_confirmed", terminal=True):
    """A second person confirmed the new look at who a signer is."""

    person_id: int
    reproofing_id: int


@dataclass(frozen=True, kw_only=True)
class SigningRightSuspended(Event, name="mes.signing_right_suspended", terminal=True):
    """A person may not sign until the right is restored (ES-14, ES-15)."""

    person_id: int
    cause: str


@dataclass(frozen=True, kw_only=True)
class SigningRightRestored(Event, name="mes.signing_right_restored", terminal=True):
    """A security administrator gave the right to sign back, with a reason."""

    person_id: int


@dataclass(frozen=True, kw_only=True)
class CredentialsReviewed(Event, name="mes.credentials_reviewed", terminal=True):
    """A manager looked at an account, its roles and its right to sign (21 CFR 11.300(b))."""

    account_id: int
    outcome: str


@dataclass(frozen=True, kw_only=True)
class SignatureGiven(Event, name="mes.signature_given", terminal=True):
    """A person signed. `hash` covers the whole signature row with its seal (ES-09)."""

    signature: str
    hash: str
    subject: str
    meaning: str
    position: int


@dataclass(frozen=True, kw_only=True)
class SigningSeriesOpened(Event, name="mes.signing_series_opened", terminal=True):
    """A sign-in opened a series of signings, where the installation decided that it does (ES-02)."""

    account_id: int


@dataclass(frozen=True, kw_only=True)
class SigningSeriesEnded(Event, name="mes.signing_series_ended", terminal=True):
    """The next signature of this account needs user id and secret again (ES-04)."""

    account_id: int
    because: str


@dataclass(frozen=True, kw_only=True)
class SigningFailed(Event, name="mes.signing_failed", terminal=True):
    """Somebody tried to sign and the components were refused (ES-15)."""

    person_id: int
    rule: str
    address: str


@dataclass(frozen=True, kw_only=True)
class SignatureWithdrawn(Event, name="mes.signature_withdrawn", terminal=True):
    """A signature over this record was taken back by another one (ES-18). Both stay."""

    withdrawn_id: int
    signature_id: int


@dataclass(frozen=True, kw_only=True)
class IdentityProofed(Event, name="mes.identity_proofed", terminal=True):
    """Somebody looked at a document and knows who will sign with this account (11.100(b))."""

    account_id: int
    document: str
    method: str


@dataclass(frozen=True, kw_only=True)
class IdentityConfirmed(Event, name="mes.identity_confirmed", terminal=True):
    """A second person confirmed the proof of identity."""

    account_id: int


@dataclass(frozen=True, kw_only=True)
class EnrolmentClosed(Event, name="mes.enrolment_closed", terminal=True):
    """This account signs no longer. What it signed stays."""

    account_id: int


@dataclass(frozen=True, kw_only=True)
class StatementAccepted(Event, name="mes.statement_accepted", terminal=True):
    """A signer accepted to be accountable for what is signed in their name (11.10(j))."""

    account_id: int
    version: int
    signature_id: int


@dataclass(frozen=True, kw_only=True)
class CertificationLetterRecorded(Event, name="mes.certification_letter_recorded", terminal=True):
    """The organisation's letter to the FDA about electronic signatures is on record (11.100(c))."""

    sha256: str
    sent_on: str


@dataclass(frozen=True, kw_only=True)
class HandwrittenUploaded(Event, name="mes.handwritten_uploaded", terminal=True):
    """The scan of a paper signed by hand came in. It counts once a second person verified it (ES-20)."""

    handwritten_id: int
    sha256: str


@dataclass(frozen=True, kw_only=True)
class HandwrittenVerified(Event, name="mes.handwritten_verified", terminal=True):
    """A second person signed that the scan is a true copy of the paper (ES-20)."""

    handwritten_id: int
    signature_id: int


@dataclass(frozen=True, kw_only=True)
class RuleSetInForce(Event, name="mes.ruleset_in_force", terminal=True):
    """From here on these gates, moves, permissions and settings apply (K-11): digests of all, of the rules, of the settings."""

    ruleset: str
    rules: str
    configuration: str


@dataclass(frozen=True, kw_only=True)
class AuditTrailReviewed(Event, name="mes.audit_trail_reviewed", terminal=True):
    """Somebody has read the audit trail up to a seal, and signed it."""

    review_id: int
    first_leaf: int
    tree_size: int
    root: str
    findings: str
    signature_id: int


@dataclass(frozen=True, kw_only=True)
class HistoryRebased(Event, name="mes.history_rebased", terminal=True):
    """The owner of the database took rows over as they were: their history goes on from there. The reason says why."""

    rebase_id: int
    table_name: str
    rows: int


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
