"""Facts about people, their accounts and their roles."""

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
class ManagerNamed(Event, name="mes.manager_named", terminal=True):
    """A person answers for another from now on."""

    person_id: int
    manager_id: int


@dataclass(frozen=True, kw_only=True)
class CredentialsReviewed(Event, name="mes.credentials_reviewed", terminal=True):
    """A manager looked at an account, its roles and its right to sign (21 CFR 11.300(b))."""

    account_id: int
    outcome: str
