"""The fleet socket: who may listen, what is told, and what repairs a lost message."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from datetime import timedelta
from types import SimpleNamespace
from typing import Any

import pytest
from channels.db import database_sync_to_async
from channels.testing import WebsocketCommunicator
from django.conf import settings
from django.contrib.auth import BACKEND_SESSION_KEY, HASH_SESSION_KEY, SESSION_KEY
from django.contrib.sessions.backends.db import SessionStore
from django.contrib.sessions.models import Session
from django.db import OperationalError
from django.utils import timezone

from mes.choices import Role
from mes.models import Account, Person
from mes.services.sessions import open_session
from mes.terminals import Terminal, digest_of_key
from printing import consumers
from printing.consumers import FleetConsumer
from printing.live import Telemetry
from printing.models import Printer
from printing.selectors.fleet import fleet_state
from printing.services.holds import hold_printer
from tests.devices.makers import Staff
from tests.patience import PATIENCE_S
from tests.printing.makers import make_printer

pytestmark = pytest.mark.asyncio


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(consumers, "HEARTBEAT_S", 0.3)


def made() -> SimpleNamespace:
    staff = Staff()
    printers = [make_printer(staff), make_printer(staff)]
    account = Account.objects.get(username=staff[Role.CAL].username)
    return SimpleNamespace(staff=staff, printers=printers, account=account)


def hold(printer: Printer, staff: Staff) -> None:
    hold_printer(printer_id=printer.pk, actor=staff[Role.QAR].actor, reason="noise")


def signed_in(account: Account) -> SessionStore:
    session = SessionStore()
    session[SESSION_KEY] = str(account.pk)
    session[BACKEND_SESSION_KEY] = settings.AUTHENTICATION_BACKENDS[0]
    session[HASH_SESSION_KEY] = account.get_session_auth_hash()
    session.create()
    place = Terminal(digest_of_key(session.session_key), "127.0.0.1", "")
    session["lamina_session"] = str(open_session(account=account, method="test", terminal=place).uid)
    session.save()
    return session


async def socket(account: Account | None) -> WebsocketCommunicator:
    talk = WebsocketCommunicator(FleetConsumer.as_asgi(), "/ws/fleet/")
    session = SessionStore() if account is None else await database_sync_to_async(signed_in)(account)
    talk.scope["session"] = session  # type: ignore[typeddict-unknown-key]
    return talk


async def closed_with(talk: WebsocketCommunicator) -> int:
    async with asyncio.timeout(PATIENCE_S):
        while (message := await talk.receive_output(timeout=PATIENCE_S))["type"] != "websocket.close":
            pass
    return int(message["code"])


async def heard(talk: WebsocketCommunicator, kind: str, fits: Callable[[Any], bool] = lambda _: True) -> Any:
    """The next message of a kind that fits; others are passed over."""
    async with asyncio.timeout(PATIENCE_S):
        while True:
            message = await talk.receive_json_from(timeout=PATIENCE_S)
            if message["t"] == kind and fits(message):
                return message


async def test_an_anonymous_client_is_refused(committed_db: None) -> None:
    talk = await socket(None)
    assert not (await talk.connect(timeout=PATIENCE_S))[0]
    await talk.disconnect(timeout=PATIENCE_S)


async def test_a_closed_account_is_refused(committed_db: None) -> None:
    known = await database_sync_to_async(made)()
    known.account.is_active = False
    await known.account.asave(update_fields=["is_active"])
    talk = await socket(known.account)
    assert not (await talk.connect(timeout=PATIENCE_S))[0]
    await talk.disconnect(timeout=PATIENCE_S)


async def test_snapshot_then_states_heartbeats_and_telemetry(committed_db: None) -> None:
    known = await database_sync_to_async(made)()
    talk = await socket(known.account)
    assert (await talk.connect(timeout=PATIENCE_S))[0]
    await talk.send_json_to({"t": "subscribe"})
    snapshot = await heard(talk, "snapshot")
    first = known.printers[0]
    tile = next(state for state in snapshot["printers"] if state["code"] == first.code)
    assert len(snapshot["printers"]) == 2
    assert (tile["operation"], tile["held"], tile["job"]) == ("unknown", False, None)
    assert snapshot["fleet"] == {"alive": False, "epoch": 0}

    beat = await heard(talk, "heartbeat")
    assert beat["versions"][first.code] == tile["version"]

    await database_sync_to_async(hold)(first, known.staff)
    state = await heard(talk, "state")
    assert (state["printer"]["code"], state["printer"]["held"]) == (first.code, True)
    assert state["printer"]["version"] == tile["version"] + 1

    telemetry = Telemetry()
    values = {"code": first.code, "epoch": 1, "counter": 7, "layer": 3}
    await telemetry.put(first.pk, values)
    assert (await heard(talk, "telemetry"))["printer"] == values
    await telemetry.close()
    await talk.disconnect(timeout=PATIENCE_S)


async def test_a_lost_message_is_repaired_by_the_heartbeat(
    committed_db: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("printing.live._tell", lambda printer_id: None)
    known = await database_sync_to_async(made)()
    talk = await socket(known.account)
    await talk.connect(timeout=PATIENCE_S)
    await talk.send_json_to({"t": "subscribe"})
    await heard(talk, "snapshot")
    await database_sync_to_async(hold)(known.printers[1], known.staff)
    state = await heard(talk, "state")
    assert (state["printer"]["code"], state["printer"]["held"]) == (known.printers[1].code, True)
    await talk.disconnect(timeout=PATIENCE_S)


async def test_one_printer_only_and_resync(committed_db: None) -> None:
    known = await database_sync_to_async(made)()
    one, other = known.printers
    talk = await socket(known.account)
    await talk.connect(timeout=PATIENCE_S)
    await talk.send_json_to({"t": "resync"})
    assert "subscribe" in (await heard(talk, "error"))["text"]
    await talk.send_to(text_data="{not json")
    await heard(talk, "error")
    await talk.send_json_to({"t": "subscribe", "printers": [one.code, "nonsense", 7]})
    assert [state["code"] for state in (await heard(talk, "snapshot"))["printers"]] == [one.code]
    await database_sync_to_async(hold)(other, known.staff)
    await database_sync_to_async(hold)(one, known.staff)
    assert (await heard(talk, "state"))["printer"]["code"] == one.code
    await talk.send_json_to({"t": "resync"})
    assert (await heard(talk, "snapshot"))["printers"][0]["held"] is True
    await talk.disconnect(timeout=PATIENCE_S)


async def test_a_client_that_floods_is_closed(committed_db: None) -> None:
    known = await database_sync_to_async(made)()
    talk = await socket(known.account)
    await talk.connect(timeout=PATIENCE_S)
    for _ in range(30):
        await talk.send_json_to({"t": "subscribe"})
    assert await closed_with(talk) == 1008
    await talk.disconnect(timeout=PATIENCE_S)


@pytest.mark.parametrize("text", ["", '{"t":' + "[" * 50_000, "9" * 5000, '{"t": ["subscribe"]}'])
async def test_a_frame_that_says_nothing_is_answered(committed_db: None, text: str) -> None:
    known = await database_sync_to_async(made)()
    talk = await socket(known.account)
    await talk.connect(timeout=PATIENCE_S)
    await talk.send_input({"type": "websocket.receive", "text": text})
    assert "subscribe" in (await heard(talk, "error"))["text"]
    await talk.disconnect(timeout=PATIENCE_S)


async def test_codes_of_no_printer_are_passed_over(committed_db: None) -> None:
    known = await database_sync_to_async(made)()
    talk = await socket(known.account)
    await talk.connect(timeout=PATIENCE_S)
    await talk.send_json_to({"t": "subscribe", "printers": ["M²²", "M", "M" + "9" * 12, "X0000001"]})
    assert (await heard(talk, "snapshot"))["printers"] == []
    await talk.disconnect(timeout=PATIENCE_S)


async def test_a_binary_frame_closes_the_socket(committed_db: None) -> None:
    known = await database_sync_to_async(made)()
    talk = await socket(known.account)
    await talk.connect(timeout=PATIENCE_S)
    await talk.send_input({"type": "websocket.receive", "bytes": b"\x00"})
    assert await closed_with(talk) == 1003
    await talk.disconnect(timeout=PATIENCE_S)


def sign_out(known: SimpleNamespace, talk: WebsocketCommunicator) -> None:
    talk.scope["session"].delete()  # type: ignore[typeddict-item]


def change_password(known: SimpleNamespace, talk: WebsocketCommunicator) -> None:
    known.account.set_password("another password of some length")
    known.account.save(update_fields=["password"])


def close_account(known: SimpleNamespace, talk: WebsocketCommunicator) -> None:
    known.account.is_active = False
    known.account.save(update_fields=["is_active"])


def deactivate_person(known: SimpleNamespace, talk: WebsocketCommunicator) -> None:
    Person.objects.filter(pk=known.account.person_id).update(active=False)


def expire(known: SimpleNamespace, talk: WebsocketCommunicator) -> None:
    key = talk.scope["session"].session_key  # type: ignore[typeddict-item]
    Session.objects.filter(session_key=key).update(expire_date=timezone.now() - timedelta(seconds=1))


@pytest.mark.parametrize("end", [sign_out, change_password, close_account, deactivate_person, expire])
async def test_the_socket_ends_with_the_session(
    committed_db: None, monkeypatch: pytest.MonkeyPatch, end: Callable[..., None]
) -> None:
    monkeypatch.setattr(consumers, "RECHECK_S", 0.1)
    known = await database_sync_to_async(made)()
    talk = await socket(known.account)
    await talk.connect(timeout=PATIENCE_S)
    await talk.send_json_to({"t": "subscribe"})
    await heard(talk, "heartbeat")
    await database_sync_to_async(end)(known, talk)
    assert await closed_with(talk) == 4403
    await talk.disconnect(timeout=PATIENCE_S)


def failing_once(call: Callable[..., Any]) -> Callable[..., Any]:
    """The database does not answer the first time."""
    failures = [OperationalError()]

    def answered(*values: Any) -> Any:
        if failures:
            raise failures.pop()
        return call(*values)

    return answered


async def test_a_database_that_did_not_answer_once_lets_nobody_stay(
    committed_db: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The question whether the session still stands is asked again at the next beat."""
    known = await database_sync_to_async(made)()
    talk = await socket(known.account)
    await talk.connect(timeout=PATIENCE_S)
    monkeypatch.setattr(consumers, "RECHECK_S", 0.1)
    monkeypatch.setattr(consumers, "_stands", failing_once(consumers._stands))
    await talk.send_json_to({"t": "subscribe"})
    await heard(talk, "heartbeat")
    await database_sync_to_async(sign_out)(known, talk)
    assert await closed_with(talk) == 4403
    await talk.disconnect(timeout=PATIENCE_S)


async def test_states_come_again_once_the_database_answers(
    committed_db: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    known = await database_sync_to_async(made)()
    talk = await socket(known.account)
    await talk.connect(timeout=PATIENCE_S)
    monkeypatch.setattr(consumers, "fleet_state", failing_once(fleet_state))
    await talk.send_json_to({"t": "subscribe"})
    assert len((await heard(talk, "snapshot"))["printers"]) == 2
    await talk.disconnect(timeout=PATIENCE_S)


async def test_nothing_is_told_before_the_client_asks(committed_db: None) -> None:
    known = await database_sync_to_async(made)()
    talk = await socket(known.account)
    await talk.connect(timeout=PATIENCE_S)
    await database_sync_to_async(hold)(known.printers[0], known.staff)
    assert await talk.receive_nothing(timeout=0.6)
    await talk.disconnect(timeout=PATIENCE_S)


async def test_a_client_that_takes_too_long_is_closed(
    committed_db: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def never_sent(_: FleetConsumer) -> None:
        await asyncio.sleep(60)

    monkeypatch.setattr(consumers, "SLOWEST_SEND_S", 0.1)
    monkeypatch.setattr(FleetConsumer, "_flush", never_sent)
    known = await database_sync_to_async(made)()
    talk = await socket(known.account)
    await talk.connect(timeout=PATIENCE_S)
    await talk.send_json_to({"t": "subscribe"})
    assert await closed_with(talk) == 1013
    await talk.disconnect(timeout=PATIENCE_S)
