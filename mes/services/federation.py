"""Sign-in at an identity provider: who an account is there, and that it was asked again just now (OpenID Connect Core)."""

from __future__ import annotations

import hashlib
import secrets
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Any

from django.utils import timezone

from mes.eventlog.unit import unit_of_work
from mes.exceptions import SignatureRefused
from mes.models import Account, FederatedIdentity, FreshProof
from mes.terminals import Terminal

FRESH_FOR = timedelta(seconds=60)
SKEW = timedelta(seconds=5)


def account_of_claims(claims: Mapping[str, Any]) -> Account | None:
    """The account that a verified ID token opens: by issuer and subject, never by an e-mail address, and only where a second
    person confirmed the binding (ES-14)."""
    identity = (
        FederatedIdentity.objects.filter(
            issuer=str(claims.get("iss", "")),
            subject=str(claims.get("sub", "")),
            confirmed_at__isnull=False,
            closed=False,
        )
        .select_related("account__person")
        .first()
    )
    return identity.account if identity else None


def refuse_stale(claims: Mapping[str, Any]) -> datetime:
    """When the provider asked for the secret. Raises SignatureRefused unless that was within the last 60 s."""
    stated = claims.get("auth_time")
    if isinstance(stated, bool) or not isinstance(stated, (int, float)):
        raise SignatureRefused(
            "The identity provider does not say when it asked.", cure="It must send auth_time.", rule="ES-01"
        )
    at = datetime.fromtimestamp(stated, tz=UTC)
    if not -SKEW <= timezone.now() - at <= FRESH_FOR:
        raise SignatureRefused(
            "The identity provider asked too long ago.", cure="Sign in there again, now.", rule="P11-200a1"
        )
    return at


@unit_of_work
def keep_proof(*, account: Account, claims: Mapping[str, Any], terminal: Terminal) -> str:
    """A word that stands for a fresh sign-in at the provider: good once, in this session, within 60 s of it."""
    at = refuse_stale(claims)
    word = secrets.token_urlsafe(32)
    FreshProof.objects.create(
        account=account, session=terminal.session_key_digest, digest=_digest(word), authenticated_at=at
    )
    return word


def spend_proof(*, account: Account, proof: str, terminal: Terminal) -> bool:
    """Whether a word is good, which it then never is again. Part of the caller's unit."""
    found = (
        FreshProof.objects.select_for_update()
        .filter(
            digest=_digest(proof),
            account=account,
            session=terminal.session_key_digest,
            used=False,
            authenticated_at__gte=timezone.now() - FRESH_FOR,
        )
        .first()
    )
    if found is None or not terminal.session_key_digest:
        return False
    found.used = True
    found.save(update_fields=["used"])
    return True


def _digest(word: str) -> str:
    return hashlib.sha256(word.encode()).hexdigest()
