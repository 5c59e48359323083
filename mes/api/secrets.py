"""The secret of who is signed in already, asked for again by the very request that changes who may do what.

A session alone proves that somebody signed in once on some browser; its cookie may be somebody else's by now (ES-01, P11-200a1).
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, cast

from django.http import HttpRequest
from rest_framework import serializers
from rest_framework.request import Request

from mes.api.actors import actor_of, terminal_of
from mes.eventlog.unit import open_unit
from mes.exceptions import SignatureRefused
from mes.models import Account
from mes.permissions import SECRET_AGAIN, require
from mes.services.credentials import CheckedSecret, check_secret
from mes.services.signing_series import remembered
from mes.terminals import secret_was_given


class SecretInput(serializers.Serializer[Any]):
    """The own secret, again: the password, or the answer of a passkey or of the identity provider that was just asked."""

    password = serializers.CharField(
        max_length=1000, trim_whitespace=False, write_only=True, required=False, default="", allow_blank=True
    )
    assertion = serializers.CharField(
        max_length=20_000, write_only=True, required=False, default="", allow_blank=True
    )


OF_SECRET = ("password", "assertion")


def secret_again(request: HttpRequest, values: Mapping[str, Any]) -> CheckedSecret:
    """Look at the secret in `values` (password, assertion), which is nobody's but the signed-in account's. Without grace:
    that it was given a moment ago counts for nothing. Raises SignatureRefused where it is missing, or wrong, which counts
    as at signing: the third in a session ends it, SigningStopped (ES-01, ES-15)."""
    password, assertion = str(values.get("password", "")), str(values.get("assertion", ""))
    if not password and not assertion:
        raise SignatureRefused(SECRET_AGAIN)
    account, terminal = cast(Account, request.user), terminal_of(request)
    with open_unit():
        try:
            checked = check_secret(
                account, password=password, assertion=assertion, purpose="signing", terminal=terminal
            )
        except SignatureRefused as refusal:
            raise remembered(
                refusal, person_id=account.person_id, account_id=account.pk, terminal=terminal
            ) from None
    secret_was_given()
    return checked


def secret_for(request: HttpRequest, action: str) -> CheckedSecret:
    """The secret in a form, of somebody who may do this at all: nobody else is asked for one. Raises NotPermitted, too."""
    require(actor_of(request), action)
    return secret_again(request, request.POST)


def secret_sent(request: Request) -> CheckedSecret:
    """Likewise of a request to the API. Raises DRF's ValidationError where it is out of shape."""
    sent = SecretInput(data=request.data)
    sent.is_valid(raise_exception=True)
    return secret_again(request, sent.validated_data)
