"""Facts about signing in: secrets, sessions, addresses, resets."""

from __future__ import annotations

from dataclasses import dataclass

from mes.eventlog.base import Event


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
class FailuresForgotten(Event, name="mes.failures_forgotten", terminal=True):
    """The right secret came after wrong ones: they no longer count, for only those in a row do (ES-15)."""

    account_id: int
    failures: int


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
class IdentityBindingProposed(Event, name="mes.identity_binding_proposed", terminal=True):
    """Somebody proposed that a subject of an identity provider opens an account; a second person decides (ES-14)."""

    account_id: int
    issuer: str
    subject: str


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
class ResetVouched(Event, name="mes.reset_vouched", terminal=True):
    """The first of two administrators vouched for a reset that was asked for at the sign-in page (ES-14)."""

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
