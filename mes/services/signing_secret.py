"""The secret of a signature: the one place where a password or a passkey's answer is looked at."""

from __future__ import annotations

from dataclasses import dataclass

from mes.exceptions import SignatureRefused
from mes.models import Account
from mes.terminals import Terminal


@dataclass(frozen=True)
class SecretUsed:
    """By which components somebody was recognised, in words: "user id + password"."""

    method: str


def check_signing_secret(
    account: Account | None, *, password: str, assertion: str, terminal: Terminal
) -> SecretUsed:
    """Refuse a wrong secret with one sentence for every cause (ES-01), also for a name that nobody has.

    The shared check of sign-in and signing (`mes.services.credentials.check_secret`, which counts failures and locks)
    takes the place of this body.
    """
    if account is None:
        # The same work as for a known name, so that timing does not tell which names exist.
        Account().set_password(password)
    if account is None or not password or not account.check_password(password):
        raise SignatureRefused("User id or password is wrong.", cure="Type both again.", rule="ES-01")
    return SecretUsed("user id + password")
