"""Keys to the API: shown once, stored as a keyed hash, expiring, revocable."""

from __future__ import annotations

import hashlib
import hmac
import secrets
from datetime import timedelta
from functools import cache

from django.conf import settings
from django.utils import timezone

from mes.eventlog.base import Actor
from mes.eventlog.unit import publish, unit_of_work
from mes.events import TokenIssued, TokenRevoked
from mes.exceptions import InvalidInput, Refused
from mes.locking import locked_row
from mes.models import AccessToken, Account
from mes.permissions import require
from mes.selectors import is_locked, owes_password
from mes.services.notices import tell_owner_of

LONGEST = timedelta(days=365)
MARK = "mes"


@cache
def _pepper() -> bytes:
    """From the installation's own secret, so that a copied database opens nothing."""
    return hashlib.sha256(b"access tokens" + settings.SECRET_KEY.encode()).digest()


def _digest(secret: str) -> str:
    return hmac.new(_pepper(), secret.encode(), hashlib.sha256).hexdigest()


@unit_of_work
def issue_token(*, account: Account, name: str, valid_for: timedelta, actor: Actor) -> str:
    """Make a key for an account and return it: `mes_<prefix>_<secret>`. It cannot be shown again.

    A person makes keys for the own account; a security administrator also for programs.
    """
    if actor.person_id is None or account.person_id != actor.person_id:
        require(actor, "mes.issue_token")
    if not name.strip() or not timedelta() < valid_for <= LONGEST:
        raise InvalidInput("A key needs a name and at most a year to live.", rule="P11-300b")
    prefix, secret = secrets.token_hex(6), secrets.token_urlsafe(32)
    token = AccessToken.objects.create(
        account=account,
        name=name.strip()[:80],
        prefix=prefix,
        digest=_digest(secret),
        expires_at=timezone.now() + valid_for,
    )
    publish(token, TokenIssued(account_id=account.pk, token_id=token.pk), actor=actor)
    tell_owner_of(account, f"a key to the API was made. It opens the account for {valid_for.days} days.")
    return f"{MARK}_{prefix}_{secret}"


@unit_of_work
def revoke_token(*, token_id: int, actor: Actor) -> None:
    """Close a key at once. Own keys by their owner, any key by a security administrator."""
    token = locked_row(AccessToken.objects.select_related("account"), token_id)
    if token is None or token.revoked:
        raise Refused("There is no such open key.", cure="Look at the list again.")
    if actor.person_id is None or token.account.person_id != actor.person_id:
        require(actor, "mes.issue_token")
    token.revoked = True
    token.save(update_fields=["revoked"])
    publish(token, TokenRevoked(account_id=token.account_id, token_id=token.pk), actor=actor)


@unit_of_work
def revoke_all_tokens(*, account: Account, actor: Actor) -> None:
    """Close every key of an account whose credentials count no longer (ES-14, ES-16). The caller has asked who may."""
    for token in (
        AccessToken.objects.select_for_update().filter(account=account, revoked=False).order_by("pk")
    ):
        token.revoked = True
        token.save(update_fields=["revoked"])
        publish(token, TokenRevoked(account_id=account.pk, token_id=token.pk), actor=actor)


def account_of_token(text: str) -> Account | None:
    """The active account that a key opens now, or None: unknown, altered, expired and revoked look the same, and so does
    a person's whose account is locked or owes a new password (ES-15, ES-16)."""
    mark, _, rest = text.partition("_")
    prefix, _, secret = rest.partition("_")
    token = (
        AccessToken.objects.filter(prefix=prefix, revoked=False, expires_at__gt=timezone.now())
        .select_related("account__person")
        .first()
    )
    known = token.digest if token else _digest("")
    if mark != MARK or not hmac.compare_digest(known, _digest(secret)) or token is None:
        return None
    account = token.account
    alive = account.is_active and (account.person is None or account.person.active)
    # A program types no password: wrong ones for it are somebody else's, and must not stop it.
    barred = not account.is_service and (is_locked(account) or owes_password(account))
    return account if alive and not barred else None
