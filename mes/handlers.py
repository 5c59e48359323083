"""What the kernel does about its own facts and by the clock: it tells of misuse at once (21 CFR 11.300(d), ES-15), ends
what was lent for a time (45 CFR 164.312(a)(2)(ii)), and checks the whole record and every stored file each night (11.10(c))."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from functools import partial

from django.conf import settings

from mes.eventlog.base import Recorded
from mes.eventlog.sealing import public_keys
from mes.eventlog.subscriptions import Effect, SlotDue, every, on
from mes.eventlog.verify import verify
from mes.events import AccountLocked, EmergencyAccessOpened, IntegrityCheckDue, PatientIdentityErased
from mes.models import Schedule
from mes.services.alerts import send_alert, send_emergency_notice
from mes.services.artefacts import store
from mes.services.emergency import end_expired_accesses
from mes.services.erasure import destroy_keys_of
from mes.services.safekeeping import ask_for_check, record_check


@on(AccountLocked, id="mes.alert_security", queue="default")
def alert_security(fact: Recorded[AccountLocked]) -> Callable[[], None]:
    """An e-mail to the owner and to every security administrator, sent by a worker within seconds."""
    return send_alert(fact)


@on(EmergencyAccessOpened, id="mes.tell_of_emergency", queue="default")
def tell_of_emergency(fact: Recorded[EmergencyAccessOpened]) -> Callable[[], None]:
    """An e-mail to every privacy officer and to the manager while the access still lasts (45 CFR 164.312(a)(2)(ii))."""
    return send_emergency_notice(fact)


@every(timedelta(minutes=1), id="mes.end_emergencies")
def end_emergencies(_: Recorded[SlotDue]) -> None:
    """Close the accesses in an emergency whose time is up, so that their review begins."""
    end_expired_accesses()


@on(PatientIdentityErased, id="mes.destroy_keys", queue="reports")
def destroy_keys(fact: Recorded[PatientIdentityErased]) -> Effect:
    """Destroy the vault's keys under which an erased identity stood, so that no dead row, WAL or backup can be read (K-13)."""
    return destroy_keys_of(fact.event)


@every(timedelta(days=1), id="mes.nightly_check")
def ask_for_nightly_check(recorded: Recorded[SlotDue]) -> None:
    ask_for_check(schedule=Schedule.objects.get(pk=recorded.event.job))


@on(IntegrityCheckDue, id="mes.check_integrity", queue="reports")
def check_integrity(_: Recorded[IntegrityCheckDue]) -> Effect:
    """Every event, seal, row and file, recomputed; a flipped bit is found within a day."""
    verdict = verify(
        keys=public_keys(settings.KEYS_DIR), witness=settings.WITNESS_DIR / "seals.jsonl", files=store()
    )
    return partial(record_check, verdict=verdict)
