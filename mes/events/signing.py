"""Facts about signatures, and about the right to give them."""

from __future__ import annotations

from dataclasses import dataclass

from mes.eventlog.base import Event


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
class SignatureGiven(Event, name="mes.signature_given", terminal=True):
    """A person signed. `hash` covers the whole signature row with its seal (ES-09)."""

    signature: str
    hash: str
    subject: str
    meaning: str
    position: int


@dataclass(frozen=True, kw_only=True)
class SigningKeyInForce(Event, name="mes.signing_key_in_force", terminal=True):
    """The server seals signatures with this key from here on: its first signature follows. `public`: its public half (hex).

    A public key that merely lies in the folder of keys is not trusted.
    """

    key_id: str
    public: str


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
    """Somebody tried to sign, or to change what opens their account, and the components were refused (ES-15)."""

    person_id: int
    rule: str
    address: str


@dataclass(frozen=True, kw_only=True)
class SignatureWithdrawn(Event, name="mes.signature_withdrawn"):
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
