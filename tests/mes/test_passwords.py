"""Which passwords may be chosen, how old they grow, and who may set one."""

from __future__ import annotations

from datetime import timedelta

import pytest
import time_machine
from django.test import Client
from django.utils import timezone

from mes.choices import Role
from mes.eventlog.base import Actor
from mes.exceptions import InvalidInput, NotPermitted
from mes.models import Account, FormerPassword, Passkey
from mes.passwords import is_leaked
from mes.selectors import password_expired, signing_right_of
from mes.services.accounts import change_password, force_password_change, refuse_password
from tests.mes.makers import PASSWORD, make_account, make_person, make_signer, person_of

pytestmark = pytest.mark.django_db


@pytest.mark.requirement("ES-16")
@pytest.mark.parametrize(
    "password",
    [
        "Passw0rd1234567!",
        "passwordpassword",
        "qwertyuiopasdfgh",
        "1234567890123456",
        "__sunshine2026__",
        "zyxwvutsrqponmlk",
    ],
)
def test_a_leaked_password_in_disguise_is_leaked(password: str) -> None:
    assert is_leaked(password)
    with pytest.raises(InvalidInput, match="ES-16"):
        refuse_password(Account(username="jane"), password)


@pytest.mark.parametrize(
    "password", [PASSWORD, "a long enough password", "Tb7#qk!vXe2mLp0z", "drei Nüsse für mich"]
)
def test_others_are_not(password: str) -> None:
    assert not is_leaked(password)
    refuse_password(Account(username="jane"), password)


@pytest.mark.requirement("ES-01")
def test_a_sole_factor_has_fifteen_characters_and_twelve_do_beside_a_passkey() -> None:
    account, short = make_account(make_person()), "vXe2 mLp0 zz"
    assert len(short) == 12
    with pytest.raises(InvalidInput, match="only factor"):
        refuse_password(account, short)
    Passkey.objects.create(account=account, name="key", credential_id="x", credential="x")
    refuse_password(account, short)
    with pytest.raises(InvalidInput, match="shorter than 12"):
        refuse_password(account, short[:11])


@pytest.mark.requirement("ES-16")
def test_none_of_the_last_ten_comes_again() -> None:
    actor, credentials = make_signer(Role.OPR)
    account = Account.objects.get(username=credentials.username)
    passwords = [f"one sentence number {number}" for number in range(10)]
    for password in passwords:
        change_password(account=account, password=password, actor=actor)
    for former in (passwords[0], passwords[-1]):
        with pytest.raises(InvalidInput, match="last 10"):
            change_password(account=account, password=former, actor=actor)
    change_password(account=account, password=PASSWORD, actor=actor)
    assert FormerPassword.objects.filter(account=account).count() == 12


@pytest.mark.requirement("ES-16")
@pytest.mark.parametrize(("days", "late"), [(0, 5000), (90, 91), (180, 181), (365, 366)])
def test_passwords_age_as_the_installation_decides(
    settings: pytest.FixtureRequest, days: int, late: int
) -> None:
    settings.PASSWORD_AGE = timedelta(days=days)  # type: ignore[attr-defined]
    account = make_account(make_person())
    assert not password_expired(account)
    with time_machine.travel(timezone.now() + timedelta(days=late)):
        assert password_expired(account) is bool(days)


@pytest.mark.requirement("ES-16")
def test_a_compromised_account_ends_its_sessions_and_owes_a_new_password() -> None:
    actor, credentials = make_signer(Role.OPR)
    account = Account.objects.get(username=credentials.username)
    client = Client()
    client.force_login(account)
    security = Actor.person(make_person(Role.SEC).pk)
    with pytest.raises(InvalidInput):
        force_password_change(account=account, actor=security, reason="")
    force_password_change(account=account, actor=security, reason="written on a board")
    assert client.get("/my-work/").status_code == 302
    assert {reason.rule for reason in signing_right_of(person_of(actor))} == {"ES-16"}
    client.post("/sign-in/", {"username": account.username, "password": PASSWORD})
    assert client.get("/my-work/")["Location"].startswith("/account/password/")
    assert client.get("/api/people/").json()["code"] == "password_due"
    typed = {"password": PASSWORD, "new": "another long sentence", "again": "another long sentence"}
    assert client.post("/account/password/", typed)["Location"] == "/account/"
    assert client.get("/my-work/").status_code == 200


@pytest.mark.requirement("ES-14")
def test_a_password_is_set_by_its_owner_alone() -> None:
    account, security = make_account(make_person()), Actor.person(make_person(Role.SEC).pk)
    with pytest.raises(NotPermitted, match="ES-14"):
        change_password(account=account, password="known to an administrator", actor=security)


def test_a_change_needs_the_old_secret_and_ends_the_other_sessions() -> None:
    _, credentials = make_signer(Role.OPR)
    here, there = Client(), Client()
    for client in (here, there):
        client.post("/sign-in/", {"username": credentials.username, "password": PASSWORD})
        assert client.get("/account/").status_code == 200
    new = {"new": "another long sentence", "again": "another long sentence"}
    assert here.post("/account/password/", {"password": "wrong"} | new).status_code == 403
    assert here.post("/account/password/", {"password": PASSWORD} | new | {"again": "x"}).status_code == 422
    assert here.post("/account/password/", {"password": PASSWORD} | new).status_code == 302
    assert here.get("/my-work/").status_code == 200
    assert there.get("/my-work/").status_code == 302
