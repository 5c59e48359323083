"""Two reactions to the same fact: one in the relay, one in a worker. Both tell a journal that no transaction undoes."""

import os
import time
from collections.abc import Callable

from mes.eventlog.base import Actor, Recorded
from mes.eventlog.subscriptions import on
from mes.eventlog.unit import publish, unit_of_work
from mes.models import Patient
from tests.mes.rig.events import Noticed, Poked

RIG = Actor.system("rig")
QUICK = "rig.notice_now"
QUEUED = "rig.notice_later"


def tell(handler: str, happened: Recorded[Poked], what: str) -> None:
    """One line, written at once: handler, stream, version, process, what."""
    journal = os.environ.get("RIG_JOURNAL")
    if not journal:
        return
    line = f"{handler} {happened.stream_id} {happened.version} {os.getpid()} {what}\n"
    handle = os.open(journal, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
    try:
        os.write(handle, line.encode())
    finally:
        os.close(handle)


@on(Poked, id=QUICK)
def notice_now(happened: Recorded[Poked]) -> None:
    tell(QUICK, happened, "enter")
    time.sleep(float(os.environ.get("RIG_QUICK_S", "0")))
    notice(handler=QUICK, happened=happened)
    tell(QUICK, happened, "leave")


@on(Poked, id=QUEUED, queue="default")
def notice_later(happened: Recorded[Poked]) -> Callable[[], None]:
    tell(QUEUED, happened, "enter")
    time.sleep(float(os.environ.get("RIG_QUEUED_S", "0")))
    tell(QUEUED, happened, "computed")
    return lambda: notice(handler=QUEUED, happened=happened)


@unit_of_work
def notice(*, handler: str, happened: Recorded[Poked]) -> None:
    """Not idempotent: a second call states a second fact."""
    fact = Noticed(handler=handler, stream=happened.stream_id, version=happened.version, process=os.getpid())
    publish(Patient.objects.get(pk=happened.event.mirror), fact, actor=RIG)
