"""What the kernel does about its own facts and by the clock: it tells of misuse at once (21 CFR 11.300(d), ES-15), and ends
what was lent for a time (45 CFR 164.312(a)(2)(ii))."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta

from mes.eventlog.base import Recorded
from mes.eventlog.subscriptions import SlotDue, every, on
from mes.events import AccountLocked
from mes.services.alerts import send_alert
from mes.services.emergency import end_expired_accesses


@on(AccountLocked, id="mes.alert_security", queue="default")
def alert_security(fact: Recorded[AccountLocked]) -> Callable[[], None]:
    """An e-mail to the owner and to every security administrator, sent by a worker within seconds."""
    return send_alert(fact)


@every(timedelta(minutes=1), id="mes.end_emergencies")
def end_emergencies(_: Recorded[SlotDue]) -> None:
    """Close the accesses in an emergency whose time is up, so that their review begins."""
    end_expired_accesses()
