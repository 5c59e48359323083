"""Registering people, opening their accounts and deactivating them: on the page, over the API and by whom (P11-10d, K-04)."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from django.test import Client

from mes.choices import Role
from mes.exceptions import InvalidInput, SignatureRefused
from mes.models import Account, Person
from mes.services.people import register_person
from mes.services.tokens import account_of_token, issue_token
from mes.terminals import at_door, secret_was_given
from tests.devices.makers import PASSWORD, Staff, make_person
from tests.mes.dashboard.conftest import Visit
from tests.mes.makers import SYSTEM

pytestmark = pytest.mark.django_db
TYPED = {
    "full_name": "Ana Novak",
    "credentials": "MD",
    "timezone": "Europe/Ljubljana",
    "external": "on",
    "password": PASSWORD,
}
SECRET = {"password": PASSWORD}


def send(client: Client, path: str, body: dict[str, Any]) -> Any:
    return client.post(f"/api/{path}", body, content_type="application/json")


def ana() -> Person:
    return Person.objects.get(full_name="Ana Novak")


@pytest.fixture
def security(staff: Staff, as_: Visit) -> Client:
    return as_(staff[Role.SEC])


@pytest.mark.requirement("P11-10d")
def test_security_registers_somebody_of_another_company_and_opens_the_account(security: Client) -> None:
    assert "/act/people/new/register-person/" in security.get("/people/").content.decode()
    answer = security.post("/act/people/new/register-person/", TYPED)
    assert (answer.status_code, answer["Location"]) == (303, f"/people/{ana().pk}/")
    assert (ana().external, ana().credentials, ana().timezone) == (True, "MD", "Europe/Ljubljana")
    assert security.post(f"/act/person/{ana().pk}/open-account/", {"user": "ana"} | SECRET).status_code == 303
    account = Account.objects.get(username="ana")
    assert (account.person, account.has_usable_password(), account.is_service) == (ana(), False, False)
    again = security.post(f"/act/person/{ana().pk}/open-account/", {"user": "ANA"} | SECRET)
    assert (again.status_code, "K-04" in again.content.decode()) == (422, True)


@pytest.mark.requirement("K-04")
def test_who_is_deactivated_has_no_session_and_no_key_left(security: Client, as_: Visit) -> None:
    who = make_person(Role.OPR)
    theirs, account = as_(who), Account.objects.get(username=who.username)
    key = issue_token(account=account, name="x", valid_for=timedelta(days=1), actor=who.actor)
    path = f"/act/person/{who.person.pk}/deactivate-person/"
    assert security.post(path, {"reason": ""} | SECRET).status_code == 422
    assert theirs.get("/my-work/").status_code == 200
    assert security.post(path, {"reason": "Left the house"} | SECRET).status_code == 303
    assert theirs.get("/my-work/").status_code == 302
    assert account_of_token(key) is None
    assert not account.tokens.filter(revoked=False).exists()
    assert not account.browser_sessions.filter(ended_at=None).exists()
    assert security.post(path, {"reason": "once more"}).status_code == 409


@pytest.mark.requirement("P11-200a3")
def test_nobody_does_it_for_themselves(staff: Staff, security: Client) -> None:
    own = staff[Role.SEC].person.pk
    assert security.post(f"/act/person/{own}/deactivate-person/", {"reason": "x"} | SECRET).status_code == 403
    assert security.post(f"/act/person/{own}/open-account/", {"user": "second"} | SECRET).status_code == 403
    assert send(security, f"people/{own}/open-account/", {"username": "second"} | SECRET).status_code == 403
    assert not Account.objects.filter(username="second").exists()
    assert Person.objects.get(pk=own).active


@pytest.mark.requirement("P11-10d")
@pytest.mark.parametrize("role", [Role.QAR, Role.SYS, Role.ORD])
def test_others_than_security_do_not(staff: Staff, as_: Visit, role: Role) -> None:
    client, somebody = as_(staff[role]), staff[Role.OPR].person.pk
    answers = [
        client.post("/act/people/new/register-person/", TYPED),
        client.post(f"/act/person/{somebody}/open-account/", {"user": "ana"} | SECRET),
        client.post(f"/act/person/{somebody}/deactivate-person/", {"reason": "x"} | SECRET),
        send(client, "people/", TYPED | {"external": True}),
        send(client, f"people/{somebody}/open-account/", {"username": "ana"} | SECRET),
        send(client, f"people/{somebody}/deactivate/", {"reason": "x"} | SECRET),
    ]
    assert [answer.status_code for answer in answers] == [403] * len(answers)
    assert not Person.objects.filter(full_name="Ana Novak").exists()
    assert not Account.objects.filter(username="ana").exists()


@pytest.mark.requirement("P11-10g")
def test_a_session_alone_registers_opens_and_ends_nothing(security: Client, staff: Staff) -> None:
    """Whoever found an administrator's browser open has no password; a wrong one counts as at signing."""
    somebody, without = staff[Role.OPR].person, {n: v for n, v in TYPED.items() if n != "password"}
    answers = [
        security.post("/act/people/new/register-person/", without),
        security.post(f"/act/person/{somebody.pk}/open-account/", {"user": "ana"}),
        security.post(f"/act/person/{somebody.pk}/deactivate-person/", {"reason": "x"}),
        send(security, "people/", without | {"external": True}),
        send(security, f"people/{somebody.pk}/deactivate/", {"reason": "x", "password": "wrong"}),
    ]
    assert [answer.status_code for answer in answers] == [403] * len(answers)
    assert all("ES-01" in answer.content.decode() for answer in answers)
    somebody.refresh_from_db()
    assert somebody.active
    assert not Person.objects.filter(full_name="Ana Novak").exists()
    assert not Account.objects.filter(username="ana").exists()


@pytest.mark.requirement("P11-10g")
def test_a_door_that_forgets_to_ask_stays_shut(staff: Staff) -> None:
    """The service itself asks whether the request that it serves came with the secret; without a request there is none."""
    actor = staff[Role.SEC].actor

    def register(name: str) -> Person:
        return register_person(full_name=name, actor=actor)

    with at_door():
        with pytest.raises(SignatureRefused, match="secret is asked for again"):
            register("Ana Novak")
        secret_was_given()
        assert register("Bor Novak").pk
    with at_door(), pytest.raises(SignatureRefused):
        register("Ana Novak")
    assert register("Cene Novak").pk
    assert not Person.objects.filter(full_name="Ana Novak").exists()


def test_the_api_does_what_the_page_does(security: Client) -> None:
    made = send(security, "people/", TYPED | {"external": True})
    assert (made.status_code, made.json()["full_name"], ana().external) == (201, "Ana Novak", True)
    opened = send(security, f"people/{ana().pk}/open-account/", {"username": "ana"} | SECRET)
    assert (opened.status_code, opened.json()["username"]) == (201, "ana")
    ended = send(security, f"people/{ana().pk}/deactivate/", {"reason": "Left"} | SECRET)
    assert (ended.status_code, ana().active) == (200, False)
    assert send(security, f"people/{ana().pk}/open-account/", {"username": "b"} | SECRET).status_code == 404


@pytest.mark.requirement("ES-14")
def test_a_binding_over_the_api_takes_two(staff: Staff, security: Client, as_: Visit) -> None:
    account = Account.objects.get(username=staff[Role.QAX].username)
    wanted = {"account_id": account.pk, "issuer": "https://id.example", "subject": "s", "reason": "hired"}
    wanted |= {"password": PASSWORD}
    made = send(security, "bindings/", wanted)
    assert (made.status_code, made.json()["confirmed_at"]) == (201, None)
    path = f"bindings/{made.json()['id']}/confirm/"
    assert send(security, path, {"reason": "mine", "password": PASSWORD}).status_code == 403
    assert send(as_(staff[Role.QAX]), path, {"reason": "own", "password": PASSWORD}).status_code == 403
    without_address = send(as_(staff[Role.QAR]), path, {"reason": "checked", "password": PASSWORD})
    assert without_address.status_code == 409
    assert "verified address" in without_address.content.decode()
    assert as_(staff[Role.OPR]).get("/api/bindings/").json()["results"] == []
    assert len(security.get("/api/bindings/").json()["results"]) == 1


@pytest.mark.parametrize(
    "wrong", [{"timezone": "Mars/Olympus"}, {"full_name": "x" * 201}, {"credentials": "x" * 101}]
)
def test_what_cannot_be_printed_beside_a_signature_is_refused(wrong: dict[str, Any]) -> None:
    wrong = dict(wrong)
    with pytest.raises(InvalidInput):
        register_person(full_name=wrong.pop("full_name", "Ana Novak"), actor=SYSTEM, **wrong)
    assert not Person.objects.filter(full_name__startswith="x").exists()
