"""Stations: enrolled in their own browser, recognised by a key that changes, named in the record, revoked."""

from __future__ import annotations

import json
from datetime import timedelta

import pytest
import time_machine
from django.db import Error, transaction
from django.test import Client
from django.utils import timezone

from mes.choices import Role
from mes.dashboard.sessions import KEPT
from mes.dashboard.stationkeys import NAME
from mes.eventlog.base import Actor
from mes.eventlog.unit import open_unit
from mes.exceptions import Conflict, InvalidInput, NotPermitted
from mes.models import EventRecord, Person, Station, StationRule
from mes.permissions import at_station_actions, can, require
from mes.services.stations import (
    exchanged_key,
    recognised_station,
    register_station,
    require_station,
    revoke_station,
)
from mes.terminals import Terminal, at_terminal
from tests.mes.makers import PASSWORD, make_account, make_person, make_signer

pytestmark = [pytest.mark.django_db, pytest.mark.requirement("P11-10h")]
ACTION = "quality.record_post_process_step"
PLACE = Terminal("", "192.0.2.1", "a browser")


@pytest.fixture
def administrator() -> Actor:
    return Actor.person(make_person(Role.SYS).pk)


@pytest.fixture
def worker() -> Actor:
    return Actor.person(make_person(Role.PST).pk)


def register(administrator: Actor, *actions: str) -> tuple[Station, str]:
    return register_station(
        name=f"Bench {Station.objects.count()}",
        location="Room 2",
        actions=actions or (ACTION,),
        actor=administrator,
    )


def at(station: Station) -> Terminal:
    return Terminal("", "192.0.2.1", "a browser", station.pk)


def facts(kind: str) -> int:
    return EventRecord.objects.filter(type=f"mes.{kind}").count()


def ask_for_it(action: str = ACTION, required: bool = True) -> None:
    quality = Actor.person(make_person(Role.QAR).pk)
    require_station(action=action, required=required, reason="Shop floor only", actor=quality)


def why_not(worker: Actor, station: Station | None = None) -> str:
    place = at(station) if station else PLACE
    with at_terminal(place):
        reasons = can(worker, ACTION).reasons
    assert all(reason.rule == "P11-10h" and reason.cure for reason in reasons)
    return " ".join(reason.text for reason in reasons)


def test_the_actions_of_the_shop_floor_are_marked() -> None:
    assert set(at_station_actions()) == {
        "printing.load_container",
        "printing.operate_printer",
        "printing.clear_plate",
        "quality.record_post_process_step",
        "quality.receive_scan",
    }


def test_a_station_is_recorded_and_not_required_by_default(administrator: Actor, worker: Actor) -> None:
    assert why_not(worker) == ""
    station, _ = register(administrator)
    document = StationRule(action="x", required=True)
    document.save()
    for place in (PLACE, at(station)):
        with at_terminal(place), open_unit():
            require(worker, ACTION, document)
    told = json.loads(EventRecord.objects.get(type="mes.acted_at_station").payload)
    assert told == {"action": ACTION, "station": station.code, "location": "Room 2"}


def test_an_action_that_takes_a_station_is_refused_elsewhere(administrator: Actor, worker: Actor) -> None:
    station, _ = register(administrator)
    ask_for_it()
    assert "this computer is none" in why_not(worker)
    assert why_not(worker, station) == ""
    with at_terminal(PLACE), pytest.raises(NotPermitted):
        require(worker, ACTION)
    ask_for_it(required=False)
    assert why_not(worker) == ""
    assert facts("station_rule_set") == 2


def test_a_station_is_for_what_it_was_registered_for(administrator: Actor, worker: Actor) -> None:
    station, _ = register(administrator, "printing.clear_plate")
    assert "is not one to" in why_not(worker, station)


def test_a_revoked_station_is_refused_with_its_reason(administrator: Actor, worker: Actor) -> None:
    station, key = register(administrator)
    revoke_station(station_id=station.pk, reason="It was stolen", actor=administrator)
    assert "It was stolen" in why_not(worker, station)
    assert recognised_station(key, PLACE) == station
    assert exchanged_key(station_id=station.pk, now=timezone.now() + timedelta(days=2)) is None
    with pytest.raises(Conflict):
        revoke_station(station_id=station.pk, reason="again", actor=administrator)


def test_only_administrators_register_and_only_quality_decides(worker: Actor, administrator: Actor) -> None:
    station, _ = register(administrator)
    quality = Actor.person(make_person(Role.QAR).pk)
    for actor in (worker, quality):
        with pytest.raises(NotPermitted):
            register(actor)
        with pytest.raises(NotPermitted):
            revoke_station(station_id=station.pk, reason="x", actor=actor)
    for actor in (worker, administrator):
        with pytest.raises(NotPermitted):
            require_station(action=ACTION, required=True, reason="x", actor=actor)
    assert (Station.objects.count(), StationRule.objects.count()) == (1, 0)


@pytest.mark.parametrize(
    ("name", "location", "actions"),
    [("", "x", [ACTION]), ("x", " ", [ACTION]), ("x", "x", []), ("x", "x", ["mes.manage_people"])],
)
def test_a_station_is_described_whole(
    administrator: Actor, name: str, location: str, actions: list[str]
) -> None:
    with pytest.raises(InvalidInput):
        register_station(name=name, location=location, actions=actions, actor=administrator)
    assert not Station.objects.exists()


def test_two_stations_of_one_name_are_refused(administrator: Actor) -> None:
    station, _ = register(administrator)
    with pytest.raises(Conflict):
        register_station(name=station.name, location="x", actions=[ACTION], actor=administrator)


# --- keys


def test_a_key_is_kept_nowhere_but_in_its_browser(administrator: Actor) -> None:
    station, key = register(administrator)
    secret = key.partition(".")[2]
    assert secret not in station.token
    assert not EventRecord.objects.filter(payload__contains=secret).exists()
    assert not EventRecord.objects.filter(payload__contains=station.token).exists()


def test_what_is_no_key_is_no_station(administrator: Actor) -> None:
    station, key = register(administrator)
    wrong = ("", ".", "x.y", f"{station.pk}.", f"{station.pk}.wrong", f"9{key}", "\N{SUPERSCRIPT TWO}.x")
    assert [recognised_station(shown, PLACE) for shown in wrong] == [None] * len(wrong)
    assert recognised_station(key, PLACE) == station


def test_keys_change_daily_and_a_copy_is_told(administrator: Actor) -> None:
    station, key = register(administrator)
    now = timezone.now()
    assert exchanged_key(station_id=station.pk, now=now + timedelta(hours=23)) is None
    with time_machine.travel(now + timedelta(days=1)):
        new = exchanged_key(station_id=station.pk, now=timezone.now())
        assert new is not None
        assert exchanged_key(station_id=station.pk, now=timezone.now()) is None
        assert recognised_station(key, PLACE) == recognised_station(new, PLACE) == station
    with time_machine.travel(now + timedelta(days=1, minutes=6)):
        assert recognised_station(new, PLACE) == station
        assert facts("station_key_refused") == 0
        assert recognised_station(key, PLACE) is None
        assert recognised_station(key, PLACE) is None
    assert facts("station_key_refused") == 1


SECRET: dict[str, str | list[str]] = {"password": PASSWORD}


def browser(person: Person) -> Client:
    client = Client()
    account = person.accounts.first() or make_account(person)
    assert client.post("/sign-in/", {"username": account.username, "password": PASSWORD}).status_code == 302
    assert KEPT in client.session
    return client


def test_the_page_makes_this_browser_a_station_and_names_it() -> None:
    boss = browser(make_person(Role.SYS))
    assert "No station yet" in boss.get("/stations/").content.decode()
    form = {"name": "Bench", "location": "Room 2", "action": [ACTION]}
    assert boss.post("/stations/", form | SECRET).status_code == 303
    cookie = boss.cookies[NAME]
    assert (cookie["httponly"], cookie["samesite"]) == (True, "Strict")
    station = Station.objects.get()
    assert station.code in boss.get("/stations/").content.decode()
    worker = browser(make_person(Role.PST))
    assert "This computer" not in worker.get("/stations/").content.decode()
    worker.cookies[NAME] = cookie.value
    shown = worker.get("/stations/").content.decode()
    assert "This computer" in shown
    assert "Register this computer" not in shown
    worker.cookies[NAME] = f"{station.pk}.forged"
    assert "This computer" not in worker.get("/stations/").content.decode()


def test_a_browser_gets_its_new_key_by_itself(administrator: Actor) -> None:
    boss = browser(make_person(Role.SYS))
    boss.post("/stations/", {"name": "Bench", "location": "Room 2", "action": [ACTION]} | SECRET)
    old = boss.cookies[NAME].value
    Station.objects.update(rotated_at=timezone.now() - timedelta(days=1, minutes=1))
    boss.get("/stations/")
    assert boss.cookies[NAME].value != old
    assert "This computer" in boss.get("/stations/").content.decode()


def test_the_page_refuses_and_revokes() -> None:
    boss, worker = browser(make_person(Role.SYS)), browser(make_person(Role.PST))
    form = {"name": "Bench", "location": "Room 2", "action": [ACTION]}
    assert worker.post("/stations/", form).status_code == 403
    assert boss.post("/stations/", SECRET).status_code == 422
    assert boss.post("/stations/", form).status_code == 403
    assert not Station.objects.exists()
    boss.post("/stations/", form | SECRET)
    station = Station.objects.get()
    revoke = f"/stations/{station.code}/revoke/"
    assert boss.post(revoke, {"reason": " "} | SECRET).status_code == 422
    assert boss.post(revoke, {"reason": "Sold"}).status_code == 403
    assert boss.post(revoke, {"reason": "Sold"} | SECRET).status_code == 303
    shown = boss.get("/stations/").content.decode()
    assert "Sold" in shown
    assert "revoked" in shown
    assert (
        boss.post("/stations/rule/", {"action": ACTION, "required": "yes", "reason": "x"}).status_code == 403
    )
    quality = browser(make_person(Role.QAR))
    asked = {"action": ACTION, "required": "yes", "reason": "x"}
    assert quality.post("/stations/rule/", asked).status_code == 303
    assert StationRule.objects.get().required
    assert "Only record it" in quality.get("/stations/").content.decode()


@pytest.mark.requirement("K-06")
def test_a_revoked_station_stays_revoked(administrator: Actor) -> None:
    station, _ = register(administrator)
    revoke_station(station_id=station.pk, reason="x", actor=administrator)
    with pytest.raises(Error), transaction.atomic():
        Station.objects.update(stage="active")


def test_a_program_with_a_key_is_at_no_station(administrator: Actor) -> None:
    """A client with a key of its own carries no browser's cookie."""
    actor, _ = make_signer(Role.PST)
    ask_for_it()
    with at_terminal(PLACE):
        assert not can(actor, ACTION).allowed
