"""The secret of who is signed in already, asked for again by the very request that changes what opens an account.

A session alone proves that somebody signed in once on some browser; its cookie may be somebody else's by now (ES-01, P11-200a).
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, cast

from django.http import HttpRequest
from rest_framework import serializers

from mes.api.actors import terminal_of
from mes.eventlog.unit import open_unit
from mes.exceptions import SignatureRefused
from mes.models import Account
from mes.services.credentials import CheckedSecret, check_secret
from mes.services.signing_series import remembered


class SecretInput(serializers.Serializer[Any]):
    """The own secret, again: the password, or the answer of a passkey or of the identity provider that was just asked."""

    password = serializers.CharField(
        max_length=1000, trim_whitespace=False, write_only=True, required=False, default="", allow_blank=True
    )
    assertion = serializers.CharField(
        max_length=20_000, write_only=True, required=False, default="", allow_blank=True
    )


def secret_again(request: HttpRequest, values: Mapping[str, Any]) -> CheckedSecret:
    """Look at the secret in `values` (password, assertion), which is nobody's but the signed-in account's. Without grace:
    that it was given a moment ago counts for nothing. Raises SignatureRefused where it is missing, or wrong, which counts
    as at signing: the third in a session ends it, SigningStopped (ES-01, ES-15)."""
    password, assertion = str(values.get("password", "")), str(values.get("assertion", ""))
    if not password and not assertion:
        raise SignatureRefused(
            "This changes what opens an account, so your secret is asked for again.",
            cure="Send your password, or the answer of a passkey or of your identity provider, with it.",
            rule="ES-01",
        )
    account, terminal = cast(Account, request.user), terminal_of(request)
    with open_unit():
        try:
            return check_secret(
                account, password=password, assertion=assertion, purpose="signing", terminal=terminal
            )
        except SignatureRefused as refusal:
            raise remembered(
                refusal, person_id=account.person_id, account_id=account.pk, terminal=terminal
            ) from None
