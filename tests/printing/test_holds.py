"""Holds of printers: one for each reason, released one at a time by signature, and no work while any is open."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest
from django.test import Client

from devices.models import Device
from devices.services.holds import hold_device
from mes.choices import Meaning, Role
from mes.exceptions import InvalidInput, NotPermitted, Refused, SignatureRefused, TransitionRefused
from mes.holds import open_holds
from mes.models import Account, EventRecord, Signature
from printing.choices import CommandState, JobState, Link, LotState, Machine, Operation, Run
from printing.drivers.base import Finding, RunSeen
from printing.handlers import PRINTING
from printing.models import MaterialLot, Printer
from printing.services.fleet.words import Word
from printing.services.holds import FOREIGN_RUN, hold_printer, release_printer_hold
from printing.services.jobs import start_job
from printing.services.lots import hold_lot
from printing.services.superseding import withdraw_starts
from tests.devices.makers import PASSWORD, Who
from tests.flows.clients import read_first
from tests.printing.makers import Floor, hear, idle, refreshed

pytestmark = pytest.mark.django_db


def hold(floor: Floor, reason: str) -> None:
    hold_printer(printer_id=floor.printer.pk, actor=floor.staff[Role.OPR].actor, reason=reason)


def release(floor: Floor, number: int | None = None, role: Role = Role.QAR) -> None:
    who = floor.staff[role]
    release_printer_hold(
        printer_id=floor.printer.pk,
        actor=who.actor,
        credentials=who.typed(),
        reason="looked at it",
        hold=number,
    )


def now(floor: Floor) -> Printer:
    return Printer.objects.get(pk=floor.printer.pk)


def started_at_the_panel(run: str) -> Word:
    seen = RunSeen(f"panel: {run}", Run.PRINTING, "", 1, 10, None)
    return Word(Link.UP, Machine.OK, Run.PRINTING, Operation.PRINTING, finding=Finding.FOREIGN, seen=seen)


def told(floor: Floor, name: str) -> list[dict[str, Any]]:
    records = EventRecord.objects.filter(
        stream_type="printing.printer", stream_id=str(floor.printer.pk), type=f"printing.{name}"
    )
    return [json.loads(record.payload) for record in records.order_by("pk")]


def lifted(floor: Floor) -> None:
    """As if every hold were over: what a start looks at."""
    Printer.objects.update(held=False, hold_reason="")
    MaterialLot.objects.filter(state=LotState.ON_HOLD).update(state=LotState.IN_USE)
    Device.objects.update(held=False, hold_reason="")
    hear(floor.printer, idle())


@pytest.mark.requirement("G-NC-01")
def test_a_hold_takes_back_a_start_that_was_only_requested(floor: Floor, drain: Callable[[], int]) -> None:
    drain()
    job, who = floor.dispatch(), floor.staff[Role.QAR].actor
    device = floor.build.items.get().device_id
    holds: dict[str, Callable[[], object]] = {
        "printer": lambda: hold(floor, "noise"),
        "lot": lambda: hold_lot(lot_id=floor.lot.pk, actor=who, reason="noise"),
        "device": lambda: hold_device(device_id=device, actor=who, reason="noise"),
    }
    for what, place in holds.items():
        start = start_job(job_id=job.pk, actor=floor.operator)
        place()
        drain()
        start.refresh_from_db()
        assert (start.state, refreshed(job).state) == (CommandState.WITHDRAWN, JobState.CLAIMED)
        assert refreshed(job).reason == f"The {what} was held before it was sent: noise"
        lifted(floor)
    again = start_job(job_id=job.pk, actor=floor.operator)
    withdraw_starts(of="printer", key=job.printer_id, held_at=start.requested_at, reason="", actor=PRINTING)
    again.refresh_from_db()
    assert again.state == CommandState.REQUESTED


@pytest.mark.requirement("G-PRN-01")
def test_a_printer_is_free_only_when_its_last_hold_is_released(floor: Floor) -> None:
    hold(floor, "noise")
    hold(floor, "a crack in the vat")
    assert now(floor).hold_reason == "noise; a crack in the vat"
    with pytest.raises(InvalidInput, match="2 holds are open"):
        release(floor)
    release(floor, 1)
    assert (now(floor).held, now(floor).hold_reason) == (True, "a crack in the vat")
    with pytest.raises(TransitionRefused, match="a crack in the vat"):
        floor.dispatch()
    with pytest.raises(InvalidInput, match="Hold 1 is not open"):
        release(floor, 1)
    release(floor)
    assert (now(floor).held, now(floor).hold_reason) == (False, "")
    assert floor.dispatch().printer_id == floor.printer.pk
    with pytest.raises(Refused, match="is not held"):
        release(floor)
    assert [one["hold_id"] for one in told(floor, "printer_held")] == [1, 2]
    released = [(one["hold_id"], one["still_open"]) for one in told(floor, "printer_hold_released")]
    assert released == [(1, [2]), (2, [])]


@pytest.mark.requirement("ES-12")
def test_each_release_is_signed_by_who_may(floor: Floor) -> None:
    hold(floor, "noise")
    with pytest.raises(NotPermitted):
        release(floor, role=Role.OPR)
    who = floor.staff[Role.QCM]
    with pytest.raises(SignatureRefused):
        release_printer_hold(
            printer_id=floor.printer.pk,
            actor=who.actor,
            credentials=who.typed(password="wrong"),
            reason="looked at it",
        )
    assert now(floor).held
    release(floor, role=Role.QCM)
    (event,) = told(floor, "printer_hold_released")
    signature = Signature.objects.get(pk=event["signature_id"])
    content = json.loads(signature.content)
    assert (signature.person, signature.meaning) == (who.person, Meaning.APPROVED)
    assert (content["hold"]["id"], content["hold"]["reason"], content["reason"]) == (
        1,
        "noise",
        "looked at it",
    )
    (kept,) = now(floor).holds
    assert (kept["lifted"]["reason"], kept["lifted"]["by"]) == ("looked at it", str(who.actor))


@pytest.mark.requirement("G-PRN-07")
def test_what_was_started_at_the_panel_is_one_hold_beside_the_others(floor: Floor) -> None:
    hold(floor, "noise")
    hear(floor.printer, started_at_the_panel("boat"))
    hear(floor.printer, started_at_the_panel("vase"))
    assert [(one["reason"], one["source"]) for one in open_holds(now(floor).holds)] == [
        ("noise", ""),
        ("It runs something that was not started from here.", FOREIGN_RUN),
    ]
    with pytest.raises(Refused, match="End it at the machine"):
        release(floor, 2)
    release(floor, 1)
    assert now(floor).held
    hear(floor.printer, idle())
    assert now(floor).held
    release(floor)
    assert not now(floor).held


def client_of(who: Who) -> Client:
    client = Client()
    client.force_login(Account.objects.get(username=who.username))
    return client


def test_over_the_api_the_hold_is_named_and_signed_for(floor: Floor) -> None:
    who = floor.staff[Role.QAR]
    client, path = client_of(who), f"/api/printers/{floor.printer.code}"
    for reason in ("noise", "a crack in the vat"):
        assert client.post(f"{path}/hold/", {"reason": reason}).status_code == 200
    typed = {"username": who.username, "password": PASSWORD, "reason": "looked at it"}

    def release(**more: Any) -> Any:
        return read_first(lambda body: client.post(f"{path}/release-hold/", body), {**typed, **more})

    assert release(hold=1, username="", password="").status_code == 403
    assert release().status_code == 422
    assert release(hold=7).status_code == 422
    answer = release(hold=2)
    assert (answer.status_code, answer.json()["held"], answer.json()["hold_reason"]) == (200, True, "noise")
    assert not release().json()["held"]


def test_the_page_asks_which_hold_and_shows_each(floor: Floor) -> None:
    who = floor.staff[Role.QAR]
    client, path = client_of(who), f"/act/printer/{floor.printer.code}/release-printer-hold/"
    hold(floor, "noise")
    hold(floor, "a crack in the vat")
    page = client.get(f"/printers/{floor.printer.code}/").content.decode()
    assert ("noise" in page, "a crack in the vat" in page) == (True, True)
    dialog = client.get(path).content.decode()
    assert 'name="hold"' in dialog
    shown = client.post(f"{path}preview/", {"hold": "2", "reason": "over"}).context["digest"]
    typed = {"username": who.username, "password": PASSWORD, "hold": "2", "reason": "over", "digest": shown}
    answer = client.post(path, typed | {"hold": "1"}, headers={"HX-Request": "true"})
    assert (answer.status_code, len(open_holds(now(floor).holds))) == (409, 2)
    assert client.post(path, typed, headers={"HX-Request": "true"}).status_code == 204
    assert now(floor).hold_reason == "noise"
