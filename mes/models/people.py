"""People, their accounts and their roles. A person is not an account (K-04): signatures compare persons."""

from __future__ import annotations

from typing import ClassVar

from django.contrib.auth.base_user import AbstractBaseUser, BaseUserManager
from django.db import models
from django.db.models.functions import Lower, Now
from django.utils.timezone import now

from mes.choices import Meaning, Role
from mes.tables import Said, Signed, table
from mes.text import username_read


@table(
    "working",
    root="mes.person",
    digest={
        1: ("full_name", "credentials", "timezone", "active"),
        2: ("full_name", "credentials", "timezone", "active", "external"),
    },
)
class Person(models.Model):
    """A human being known to the record. Deactivated, never deleted."""

    full_name = models.CharField(max_length=200)
    credentials = models.CharField(
        max_length=100, blank=True, help_text="Printed after the name: MD, DDS, MSc"
    )
    timezone = models.CharField(
        max_length=50, default="UTC", help_text="IANA zone of the person's signatures"
    )
    active = models.BooleanField(default=True)
    external = models.BooleanField(
        default=False, help_text="Of another company: knows only the orders that the person is named on"
    )

    class Meta:
        db_table = "mes_person"
        verbose_name_plural = "people"

    def __str__(self) -> str:
        return f"{self.full_name}, {self.credentials}" if self.credentials else self.full_name


class AccountManager(BaseUserManager["Account"]):
    def get_by_natural_key(self, username: str | None) -> Account:
        return self.named(username or "").get()

    def named(self, username: str) -> models.QuerySet[Account]:
        """The account of a user name as somebody types it: in any case and in any form of its letters, or none."""
        return self.filter(username__iexact=username_read(username))


@table(
    "working",
    root="mes.account",
    digest={
        1: ("username", "person_id", "is_active", "is_service"),
        2: ("username", "person_id", "is_active", "is_service", "locked_until", "must_change"),
        3: ("username", "person_id", "is_active", "is_service", "locked_until", "must_change", "failures"),
        4: (
            "username", "person_id", "is_active", "is_service", "locked_until", "must_change", "failures", "password",
            "password_set_at", "password_short",
        ),
    },
    secret=("password",),
    beside=("last_login",),
)  # fmt: skip
class Account(AbstractBaseUser):
    """A way to sign in. User names are unique without regard to case and are never used again."""

    username = models.CharField(max_length=150, unique=True)
    person = models.ForeignKey(Person, on_delete=models.PROTECT, null=True, related_name="accounts")
    is_active = models.BooleanField(default=True)
    is_service = models.BooleanField(default=False, help_text="A program: may read and send, never sign")
    opened_at = models.DateTimeField(db_default=Now())
    failures = models.IntegerField(
        default=0, help_text="Wrong secrets in a row, at sign-in and at signing (ES-15)"
    )
    locked_until = models.DateTimeField(null=True)
    password_set_at = models.DateTimeField(null=True)
    password_short = models.BooleanField(
        default=False, help_text="Too short to be the only factor: needs a passkey beside it (ES-01)"
    )
    must_change = models.BooleanField(default=False, help_text="A new password before anything else (ES-16)")

    objects: ClassVar[AccountManager] = AccountManager()

    USERNAME_FIELD = "username"

    class Meta:
        db_table = "mes_account"
        constraints = [
            models.UniqueConstraint(Lower("username"), name="account_username_any_case"),
            models.CheckConstraint(
                condition=models.Q(is_service=False) | models.Q(person=None), name="account_service_is_nobody"
            ),
            models.CheckConstraint(condition=models.Q(failures__gte=0), name="account_failures_counted"),
        ]

    def __str__(self) -> str:
        return self.username


GRANTED: dict[str, Said] = {
    "person": "person_id",
    "role": (lambda role: f"{role} {Role(role).label}", "role"),
    "valid_from": "valid_from",
    "valid_until": "valid_until",
    "reason": "reason",
}
"""What both people sign who give a role."""


@table(
    "working",
    root="mes.role_grant",
    digest={
        1: ("person_id", "role", "granted_by_id", "revoked"),
        2: (
            "person_id",
            "role",
            "granted_by_id",
            "revoked",
            "reason",
            "valid_from",
            "valid_until",
            "approved",
            "first_approval_id",
            "second_approval_id",
            "reviewed_at",
            "reviewed_by_id",
        ),
    },
    signed={
        "first_approval": Signed((Meaning.APPROVED,), says=GRANTED, fixed={"record": "role grant"}),
        "second_approval": Signed((Meaning.APPROVED,), says=GRANTED, fixed={"record": "role grant"}),
    },
)
class RoleGrant(models.Model):
    """A role of a person, from a day until a day: proposed, approved by two others, reviewed, revoked, never deleted.

    approved: both approvals stand, or the console of the machine gave it.  valid_until: exclusive, null for no end.
    reviewed_at: when somebody last confirmed that the person still needs it (11.10(d)).
    """

    person = models.ForeignKey(Person, on_delete=models.PROTECT, related_name="role_grants")
    role = models.CharField(max_length=3, choices=Role)
    reason = models.TextField(default="")
    granted_by = models.ForeignKey(Person, on_delete=models.PROTECT, null=True, related_name="+")
    granted_at = models.DateTimeField(db_default=Now())
    valid_from = models.DateTimeField(default=now)
    valid_until = models.DateTimeField(null=True)
    approved = models.BooleanField(default=False)
    first_approval = models.ForeignKey("mes.Signature", on_delete=models.PROTECT, null=True, related_name="+")
    second_approval = models.ForeignKey(
        "mes.Signature", on_delete=models.PROTECT, null=True, related_name="+"
    )
    reviewed_at = models.DateTimeField(default=now)
    reviewed_by = models.ForeignKey(Person, on_delete=models.PROTECT, null=True, related_name="+")
    revoked = models.BooleanField(default=False)

    class Meta:
        db_table = "mes_role_grant"
        constraints = [
            models.UniqueConstraint(
                fields=["person", "role"], condition=models.Q(revoked=False), name="role_once"
            ),
            models.CheckConstraint(condition=models.Q(role__in=Role.values), name="role_known"),
            models.CheckConstraint(
                condition=models.Q(valid_until=None) | models.Q(valid_until__gt=models.F("valid_from")),
                name="role_has_time",
            ),
        ]

    def __str__(self) -> str:
        return f"{self.person_id}:{self.role}"


@table(
    "working",
    root="mes.access_token",
    digest={1: ("account_id", "name", "prefix", "digest", "expires_at", "revoked")},
    secret=("digest",),
)
class AccessToken(models.Model):
    """A program's or a person's key to the API: only its keyed hash is stored."""

    account = models.ForeignKey(Account, on_delete=models.PROTECT, related_name="tokens")
    name = models.CharField(max_length=80)
    prefix = models.CharField(max_length=12, unique=True)
    digest = models.CharField(max_length=64)
    created_at = models.DateTimeField(db_default=Now())
    expires_at = models.DateTimeField()
    revoked = models.BooleanField(default=False)

    class Meta:
        db_table = "mes_access_token"

    def __str__(self) -> str:
        return f"{self.name} ({self.prefix}…)"
