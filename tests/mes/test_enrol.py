"""Enrolling at the console: whoever typed the password there knows it, so its owner chooses another one first (11.300(b))."""

from __future__ import annotations

from io import StringIO

import pytest
from django.core.management import call_command
from django.test import Client

from mes.choices import Role
from mes.eventlog.base import Actor
from mes.eventlog.unit import unit_of_work
from mes.exceptions import SignatureRefused
from mes.models import Account, EventRecord
from mes.services.signatures import Credentials
from mes.services.signing_enrolment import accept_statement
from tests.mes.makers import record_letter

pytestmark = [pytest.mark.django_db, pytest.mark.requirement("P11-300b"), pytest.mark.requirement("ES-16")]
TYPED, OWN = "typed by somebody else", "chosen by the owner alone"


@pytest.fixture
def account(monkeypatch: pytest.MonkeyPatch) -> Account:
    record_letter()
    monkeypatch.setattr("sys.stdin", StringIO(f"{TYPED}\n"))
    call_command("enrol", "petra", name="Petra Kos", roles="QAR", document="passport")
    return Account.objects.select_related("person").get(username="petra")


def test_the_password_of_the_console_opens_the_door_to_a_new_one_alone(account: Account) -> None:
    assert account.must_change
    client = Client()
    assert client.post("/sign-in/", {"username": "petra", "password": TYPED}).status_code == 302
    for path in ("/", "/orders/", "/my-signature/"):
        answer = client.get(path)
        assert (answer.status_code, answer.headers.get("Location", "")[:18]) == (302, "/account/password/"), (
            path
        )
    assert client.get("/api/orders/").status_code == 403
    new = {"password": TYPED, "new": OWN, "again": OWN}
    assert client.post("/account/password/", new).status_code == 302
    assert client.get("/orders/").status_code == 200
    account.refresh_from_db()
    assert not account.must_change
    assert EventRecord.objects.filter(type="mes.password_change_forced").count() == 1


def test_nothing_is_signed_with_the_password_of_the_console(account: Account) -> None:
    assert account.person is not None
    actor, roles = Actor.person(account.person.pk), account.person.role_grants
    assert roles.get().role == Role.QAR
    accept = unit_of_work(accept_statement)
    with pytest.raises(SignatureRefused, match="ES-16"):
        accept(actor=actor, credentials=Credentials("petra", TYPED))
