"""The secret of a signature: looked at where every secret is, with the counter that sign-in shares (ES-15)."""

from __future__ import annotations

from mes.models import Account
from mes.services.credentials import CheckedSecret, check_secret
from mes.terminals import Terminal


def check_signing_secret(
    account: Account | None, *, typed: str, password: str, assertion: str, terminal: Terminal
) -> CheckedSecret:
    """Refuse a wrong secret with one sentence for every cause (ES-01), also for a `typed` name that nobody has."""
    return check_secret(
        account, password=password, assertion=assertion, purpose="signing", terminal=terminal, typed=typed
    )
