"""What proves who somebody is: passwords that were, passkeys, bound identities, resets, sessions (21 CFR 11.300)."""

from __future__ import annotations

from django.db import models
from django.db.models.functions import Now

from mes.choices import PasskeyState, ResetState
from mes.models.people import Account, Person
from mes.tables import StageGuard, table

PASSKEY_PAIRS = (
    (PasskeyState.ISSUED.value, PasskeyState.LOST.value),
    (PasskeyState.ISSUED.value, PasskeyState.REVOKED.value),
    (PasskeyState.ISSUED.value, PasskeyState.REPLACED.value),
)
RESET_PAIRS = (
    (ResetState.REQUESTED.value, ResetState.APPROVED.value),
    (ResetState.REQUESTED.value, ResetState.REFUSED.value),
    (ResetState.APPROVED.value, ResetState.USED.value),
    (ResetState.APPROVED.value, ResetState.REFUSED.value),
)


@table("record", secret=("password",), spoken={"mes.account": "account"})
class FormerPassword(models.Model):
    """A password as it was stored, so that none of the last ten is taken again (ES-16)."""

    account = models.ForeignKey(Account, on_delete=models.PROTECT, related_name="former_passwords")
    password = models.CharField(max_length=128)
    set_at = models.DateTimeField(db_default=Now())

    class Meta:
        db_table = "mes_former_password"

    def __str__(self) -> str:
        return f"password of {self.account_id}"


@table(
    "working",
    root="mes.passkey",
    digest={
        1: ("account_id", "credential_id", "state"),
        2: ("account_id", "credential_id", "state", "name", "credential", "ended_at"),
    },
    stage=StageGuard("state", (PasskeyState.ISSUED.value,), PASSKEY_PAIRS),
    secret=("credential",),
)
class Passkey(models.Model):
    """A passkey of an account. It is lost, revoked or replaced, never deleted (ES-17, 11.300(c)).

    `credential` is the attested credential data (AAGUID, id, COSE public key; WebAuthn 6.5.2), base64url.
    """

    account = models.ForeignKey(Account, on_delete=models.PROTECT, related_name="passkeys")
    name = models.CharField(max_length=60)
    credential_id = models.CharField(max_length=1400, unique=True)
    credential = models.TextField()
    state = models.CharField(max_length=10, choices=PasskeyState, default=PasskeyState.ISSUED)
    issued_at = models.DateTimeField(db_default=Now())
    ended_at = models.DateTimeField(null=True)

    class Meta:
        db_table = "mes_passkey"

    def __str__(self) -> str:
        return self.name


@table(
    "working",
    root="mes.federated_identity",
    digest={
        1: ("account_id", "issuer", "subject", "closed"),
        2: ("account_id", "issuer", "subject", "closed", "proposed_by_id", "confirmed_by_id", "confirmed_at"),
    },
)
class FederatedIdentity(models.Model):
    """Who an account is at an identity provider: issuer and subject, never an e-mail address.

    Proposed by one person and confirmed by a second, as a reset is: until then it opens nothing (ES-14).
    """

    account = models.ForeignKey(Account, on_delete=models.PROTECT, related_name="identities")
    issuer = models.CharField(max_length=300)
    subject = models.CharField(max_length=255)
    proposed_by = models.ForeignKey(Person, on_delete=models.PROTECT, null=True, related_name="+")
    confirmed_by = models.ForeignKey(Person, on_delete=models.PROTECT, null=True, related_name="+")
    confirmed_at = models.DateTimeField(null=True)
    closed = models.BooleanField(default=False)

    class Meta:
        db_table = "mes_federated_identity"
        constraints = [
            models.UniqueConstraint(
                fields=["issuer", "subject"], condition=models.Q(closed=False), name="identity_once"
            )
        ]

    def __str__(self) -> str:
        return f"identity of {self.account_id}"


@table("working", secret=("digest",), without_event="good for a minute; what it was used for is published")
class FreshProof(models.Model):
    """That the identity provider asked again just now: good for one use within a minute, in one session."""

    account = models.ForeignKey(Account, on_delete=models.PROTECT, related_name="+")
    session = models.CharField(max_length=64, help_text="Digest of the session's key")
    digest = models.CharField(max_length=64, unique=True)
    authenticated_at = models.DateTimeField()
    used = models.BooleanField(default=False)

    class Meta:
        db_table = "mes_fresh_proof"

    def __str__(self) -> str:
        return f"proof of {self.account_id}"


@table(
    "working",
    root="mes.contact",
    digest={
        1: ("person_id", "address", "verified_at", "closed"),
        2: ("person_id", "address", "verified_at", "closed", "code"),
    },
    secret=("code",),
)
class Contact(models.Model):
    """An e-mail address of a person: alerts and reset links go there once its owner has verified it."""

    person = models.ForeignKey(Person, on_delete=models.PROTECT, related_name="contacts")
    address = models.EmailField()
    code = models.CharField(max_length=64, help_text="Keyed hash of the code that was sent")
    named_by = models.CharField(max_length=60, help_text="Actor that named it")
    verified_at = models.DateTimeField(null=True)
    closed = models.BooleanField(default=False)

    class Meta:
        db_table = "mes_contact"
        constraints = [
            models.UniqueConstraint(
                fields=["person"],
                condition=models.Q(closed=False, verified_at__isnull=False),
                name="contact_once",
            )
        ]

    def __str__(self) -> str:
        return f"contact of {self.person_id}"


@table(
    "working",
    root="mes.reset",
    digest={
        1: ("account_id", "state", "requested_by_id", "approved_by_id", "channel_id"),
        2: (
            "account_id",
            "state",
            "requested_by_id",
            "approved_by_id",
            "channel_id",
            "digest",
            "expires_at",
        ),
    },
    stage=StageGuard("state", (ResetState.REQUESTED.value,), RESET_PAIRS),
    secret=("digest",),
)
class Reset(models.Model):
    """A new secret for somebody who lost the old one: asked for, approved by a second person, used once (ES-14).

    requested_by: the first of the two who decide; null while only the owner, or whoever came to the door, asked.
    """

    account = models.ForeignKey(Account, on_delete=models.PROTECT, related_name="resets")
    requested_by = models.ForeignKey(Person, on_delete=models.PROTECT, null=True, related_name="+")
    approved_by = models.ForeignKey(Person, on_delete=models.PROTECT, null=True, related_name="+")
    channel = models.ForeignKey(Contact, on_delete=models.PROTECT, null=True, related_name="+")
    state = models.CharField(max_length=10, choices=ResetState, default=ResetState.REQUESTED)
    digest = models.CharField(max_length=64, blank=True)
    requested_at = models.DateTimeField(db_default=Now())
    expires_at = models.DateTimeField(null=True)

    class Meta:
        db_table = "mes_reset"
        constraints = [
            models.UniqueConstraint(
                fields=["account"],
                condition=models.Q(state__in=(ResetState.REQUESTED, ResetState.APPROVED)),
                name="reset_once",
            )
        ]

    def __str__(self) -> str:
        return f"reset of {self.account_id}"


@table(
    "working",
    root="mes.session",
    digest={
        1: ("account_id", "started_at", "method", "ended_at", "ended_by"),
        2: ("account_id", "started_at", "method", "ended_at", "ended_by", "locked_at"),
    },
)
class BrowserSession(models.Model):
    """A signed-in browser. `uid` is in the session's own data; the session's key is nowhere in the record.

    `locked_at` is part of the record: what opens a session again without its secret and its event is named by `verify`.
    """

    uid = models.UUIDField(unique=True)
    account = models.ForeignKey(Account, on_delete=models.PROTECT, related_name="browser_sessions")
    address = models.CharField(max_length=45)
    agent = models.CharField(max_length=200, blank=True)
    method = models.CharField(max_length=30)
    started_at = models.DateTimeField(db_default=Now())
    ended_at = models.DateTimeField(null=True)
    ended_by = models.CharField(max_length=30, blank=True)
    locked_at = models.DateTimeField(null=True)

    class Meta:
        db_table = "mes_session"
        indexes = [
            models.Index(fields=["account"], condition=models.Q(ended_at__isnull=True), name="session_open")
        ]

    def __str__(self) -> str:
        return f"session of {self.account_id}"


@table("session")
class SessionActivity(models.Model):
    """When a session was last used, and under which key. Holds nothing of the record."""

    session = models.OneToOneField(
        BrowserSession, on_delete=models.PROTECT, related_name="activity", primary_key=True
    )
    key_digest = models.CharField(max_length=64, db_index=True)
    seen_at = models.DateTimeField()

    class Meta:
        db_table = "mes_session_activity"

    def __str__(self) -> str:
        return f"activity of {self.session_id}"


@table(
    "working",
    root="mes.sign_in_source",
    digest={1: ("network",)},
    spoken={"mes.account": ""},
)
class SignInSource(models.Model):
    """An address (an IPv6 network) from which secrets were tried: how many failed in the running window."""

    network = models.CharField(max_length=60, unique=True)
    window_from = models.DateTimeField()
    failures = models.IntegerField(default=0)

    class Meta:
        db_table = "mes_sign_in_source"
        constraints = [
            models.CheckConstraint(condition=models.Q(failures__gte=0), name="source_failures_counted")
        ]

    def __str__(self) -> str:
        return self.network
