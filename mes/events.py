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
