"""What the kernel does about its own facts: tell of misuse at once (21 CFR 11.300(d), ES-15)."""

from __future__ import annotations

from collections.abc import Callable

from mes.eventlog.base import Recorded
from mes.eventlog.subscriptions import on
from mes.events import AccountLocked
from mes.services.alerts import send_alert


@on(AccountLocked, id="mes.alert_security", queue="default")
def alert_security(fact: Recorded[AccountLocked]) -> Callable[[], None]:
    """An e-mail to the owner and to every security administrator, sent by a worker within seconds."""
    return send_alert(fact)
