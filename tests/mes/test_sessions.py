"""Signed-in browsers: locked when idle, listed, ended elsewhere, flagged when there are several; cookies as they must be."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
import time_machine
from django.test import Client
from django.utils import timezone
from django.utils.module_loading import import_string

from mes.choices import Role
from mes.dashboard.sessions import KEPT
from mes.eventlog.findings import first_bad
from mes.eventlog.historycheck import check_history
from mes.eventlog.rowcheck import check_rows
from mes.models import Account, BrowserSession, EventRecord
from mes.selectors import session_stands
from mes.services.sessions import end_session
from mes.terminals import digest_of_key
from tests.mes.makers import PASSWORD, SYSTEM, make_signer

pytestmark = pytest.mark.django_db


def come_in(account: Account, address: str = "192.0.2.1", agent: str = "a browser") -> Client:
    client = Client(REMOTE_ADDR=address, headers={"User-Agent": agent})
    assert client.post("/sign-in/", {"username": account.username, "password": PASSWORD}).status_code == 302
    return client


@pytest.fixture
def account() -> Account:
    _, credentials = make_signer(Role.OPR)
    return Account.objects.get(username=credentials.username)


def facts(kind: str) -> int:
    return EventRecord.objects.filter(type=f"mes.{kind}").count()


@pytest.mark.requirement("P11-10d")
def test_an_idle_session_locks_and_opens_with_the_secret_under_a_new_key(
    account: Account, settings: Any
) -> None:
    client = come_in(account)
    key = client.session.session_key
    with time_machine.travel(timezone.now() + timedelta(minutes=11)):
        assert client.get("/orders/")["Location"] == "/locked/?next=/orders/"
        assert client.get("/orders/", headers={"HX-Request": "true"})["HX-Redirect"] == "/locked/"
        assert client.get("/api/people/").json()["code"] == "session_locked"
        assert client.post("/locked/", {"password": "wrong"}).status_code == 422
        assert client.get("/orders/").status_code == 302
        assert client.post("/locked/?next=/orders/", {"password": PASSWORD})["Location"] == "/orders/"
        assert client.get("/orders/").status_code == 200
        assert client.session.session_key != key
    assert facts("session_locked") == facts("session_unlocked") == 1


@pytest.mark.requirement("ES-15")
def test_wrong_secrets_that_lock_the_account_lock_its_open_sessions(account: Account) -> None:
    """Whoever sits at a session that was left open, and guesses, does not go on in it."""
    client = come_in(account)
    uid = str(client.session[KEPT])
    assert session_stands(uid, account)
    for _ in range(5):
        assert Client().post("/sign-in/", {"username": account.username, "password": "x"}).status_code == 422
    assert client.get("/orders/")["Location"] == "/locked/?next=/orders/"
    assert client.get("/api/people/").json()["code"] == "session_locked"
    assert client.post("/locked/", {"password": PASSWORD}).status_code == 422
    assert not session_stands(uid, Account.objects.get(pk=account.pk))
    with time_machine.travel(timezone.now() + timedelta(minutes=31)):
        assert client.get("/orders/").status_code == 302
        assert client.post("/locked/?next=/orders/", {"password": PASSWORD})["Location"] == "/orders/"
        assert client.get("/orders/").status_code == 200


@pytest.mark.requirement("P11-10d")
def test_what_a_page_asks_by_itself_keeps_no_session_open(account: Account) -> None:
    client, began = come_in(account), timezone.now()
    for minute in range(1, 12):
        with time_machine.travel(began + timedelta(minutes=minute)):
            answer = client.get("/my-work/count/")
    assert answer.status_code == 302
    other = come_in(account)
    for minute in range(1, 25, 5):
        with time_machine.travel(began + timedelta(minutes=minute)):
            assert other.post("/session/active/").status_code == 204


def test_the_idle_time_is_the_installations(account: Account, settings: Any) -> None:
    settings.IDLE = timedelta(minutes=1)
    client = come_in(account)
    with time_machine.travel(timezone.now() + timedelta(seconds=61)):
        assert client.get("/orders/").status_code == 302


def test_a_session_is_locked_on_demand(account: Account) -> None:
    client = come_in(account)
    assert client.post("/lock/")["Location"] == "/locked/"
    assert client.get("/orders/").status_code == 302
    session = BrowserSession.objects.get()
    assert not session_stands(str(session.uid), account)


@pytest.mark.requirement("P11-10d")
@pytest.mark.requirement("P11-10e")
def test_a_lock_that_was_opened_behind_the_services_is_named(committed_db: None, account: Account) -> None:
    """With the application's own rights: by its row, and once it was put back, by its history."""
    come_in(account).post("/lock/")
    assert first_bad(("row", check_rows()), ("history", check_history())) is None
    session = BrowserSession.objects.filter(locked_at__isnull=False)
    (row,) = session
    session.update(locked_at=None)
    found = [first_bad(("row", check_rows()))]
    BrowserSession.objects.filter(pk=row.pk).update(locked_at=row.locked_at)
    assert first_bad(("row", check_rows())) is None
    found.append(first_bad(("history", check_history())))
    assert [(bad.what, str(row.pk) in bad.where) for bad in found if bad] == [
        ("row", True),
        ("history", True),
    ]


@pytest.mark.requirement("P11-200a2")
def test_own_sessions_are_listed_ended_elsewhere_and_flagged(account: Account) -> None:
    here, there = come_in(account), come_in(account, "198.51.100.9", "another browser")
    assert facts("sessions_concurrent") == 1
    page = here.get("/account/").content.decode()
    assert "198.51.100.9" in page
    other = BrowserSession.objects.get(address="198.51.100.9")
    stranger = come_in(Account.objects.get(username=make_signer(Role.OPR)[1].username), "198.51.100.1")
    assert stranger.post(f"/account/sessions/{other.pk}/end/").status_code == 409
    assert there.get("/orders/").status_code == 200
    assert here.post(f"/account/sessions/{other.pk}/end/").status_code == 302
    assert there.get("/orders/").status_code == 302
    assert here.get("/orders/").status_code == 200


@pytest.mark.requirement("P11-10d")
def test_an_ended_session_and_one_that_was_never_recorded_open_nothing(account: Account) -> None:
    client = come_in(account)
    end_session(session=BrowserSession.objects.select_related("account").get(), cause="test", actor=SYSTEM)
    assert client.get("/orders/").status_code == 302
    assert "_auth_user_id" not in client.session
    forged = come_in(account)
    session = forged.session
    del session[KEPT]
    session.save()
    assert forged.get("/orders/").status_code == 302


def test_signing_out_ends_the_session_on_record(account: Account) -> None:
    client = come_in(account)
    client.post("/sign-out/")
    assert BrowserSession.objects.get().ended_by == "signed out"


def test_the_key_of_a_session_is_nowhere_in_the_record(account: Account) -> None:
    client = come_in(account)
    key = client.session.session_key
    assert key
    assert not EventRecord.objects.filter(payload__contains=key).exists()
    opened = EventRecord.objects.get(type="mes.signed_in")
    assert digest_of_key(key) in opened.payload


def test_a_session_does_not_survive_its_twelve_hours(account: Account, settings: Any) -> None:
    settings.IDLE = timedelta(days=2)
    come_in(account)
    session = BrowserSession.objects.get()
    assert session_stands(str(session.uid), account)
    with time_machine.travel(timezone.now() + timedelta(hours=13)):
        assert not session_stands(str(session.uid), account)


def test_cookies_are_closed_to_scripts_and_to_other_sites(account: Account) -> None:
    client = come_in(account)
    cookie = client.cookies["session"]
    assert (cookie["httponly"], cookie["samesite"]) == (True, "Lax")
    assert client.cookies["lamina-browser"]["httponly"] is True


@pytest.mark.parametrize("name", ["SESSION_COOKIE_NAME", "CSRF_COOKIE_NAME"])
def test_behind_tls_the_cookies_are_bound_to_the_host(name: str) -> None:
    """Read from the settings' own text: they are made once, when the process starts."""
    text = import_string("pathlib.Path")(import_string("mes.settings.__file__")).read_text()
    (line,) = [line for line in text.splitlines() if line.startswith(f"{name} ")]
    assert '"__Host-' in line
    assert "if ENVIRONMENT.https" in line
