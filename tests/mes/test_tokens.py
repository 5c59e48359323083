"""Keys to the API: what opens, what does not, and what a program may not do."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from django.test import Client
from django.utils import timezone
from rest_framework.test import APIClient

from mes.choices import Role
from mes.eventlog.base import Actor
from mes.exceptions import InvalidInput, NotPermitted, Refused
from mes.models import AccessToken, Account, EventRecord
from mes.services.accounts import change_password, force_password_change
from mes.services.tokens import issue_token, revoke_token
from tests.mes.makers import PASSWORD, make_account, make_person

pytestmark = [pytest.mark.django_db, pytest.mark.requirement("P11-300b")]
HOUR = timedelta(hours=1)


def opened(text: str, scheme: str = "Bearer") -> int:
    client = APIClient()
    return int(client.get("/api/people/", headers={"Authorization": f"{scheme} {text}"}).status_code)


def a_key(account: Account | None = None) -> tuple[str, Account]:
    account = account or make_account(make_person(Role.ORD))
    assert account.person_id
    actor = Actor.person(account.person_id)
    return issue_token(account=account, name="script", valid_for=HOUR, actor=actor), account


def test_a_key_opens_in_place_of_a_session() -> None:
    text, _ = a_key()
    assert opened(text) == 200
    assert opened(text, "bearer") == 200
    secret = text.split("_", 2)[2]
    assert not AccessToken.objects.filter(digest__contains=secret).exists()
    assert not EventRecord.objects.filter(payload__contains=secret).exists()


@pytest.mark.requirement("ES-16")
def test_a_forced_password_change_closes_every_key() -> None:
    """A thief would go on with the key that was made while the password was known."""
    text, account = a_key()
    administrator = Actor.person(make_person(Role.SEC).pk)
    force_password_change(account=account, actor=administrator, reason="it was on a note")
    assert opened(text) == 401
    assert not AccessToken.objects.filter(revoked=False).exists()
    assert EventRecord.objects.filter(type="mes.token_revoked").count() == 1


@pytest.mark.requirement("ES-16")
def test_a_key_of_who_owes_a_new_password_opens_nothing_until_then(settings: Any) -> None:
    text, account = a_key()
    Account.objects.filter(pk=account.pk).update(must_change=True)
    assert opened(text) == 401
    Account.objects.filter(pk=account.pk).update(must_change=False)
    assert opened(text) == 200
    settings.PASSWORD_AGE = timedelta(days=30)
    assert opened(text) == 200
    Account.objects.filter(pk=account.pk).update(password_set_at=timezone.now() - timedelta(days=31))
    assert opened(text) == 401


@pytest.mark.requirement("ES-16")
def test_the_owner_sees_the_open_keys_closes_them_and_a_new_password_closes_the_rest() -> None:
    (text, account), client = a_key(), Client()
    kept, _ = a_key(account)
    client.force_login(account)
    numbers = [token.pk for token in AccessToken.objects.order_by("pk")]
    shown = client.get("/account/").content.decode()
    assert all(f'action="/account/keys/{number}/close/"' in shown for number in numbers)
    assert "A key to the API was made." in shown
    other = make_account(make_person(Role.SEC))
    stranger = Client()
    stranger.force_login(other)
    assert stranger.post(f"/account/keys/{numbers[0]}/close/").status_code == 404
    assert (opened(text), client.post(f"/account/keys/{numbers[0]}/close/").status_code) == (200, 302)
    assert (opened(text), opened(kept)) == (401, 200)
    assert account.person_id
    change_password(account=account, password="another long sentence", actor=Actor.person(account.person_id))
    assert opened(kept) == 401
    assert EventRecord.objects.filter(type="mes.token_revoked").count() == 2


@pytest.mark.requirement("ES-15")
def test_a_locked_account_s_key_opens_nothing_while_the_lock_lasts() -> None:
    text, account = a_key()
    Account.objects.filter(pk=account.pk).update(locked_until=timezone.now() + HOUR)
    assert opened(text) == 401
    Account.objects.filter(pk=account.pk).update(locked_until=timezone.now() - HOUR)
    assert opened(text) == 200


@pytest.mark.requirement("ES-15")
def test_wrong_passwords_for_a_program_do_not_stop_it() -> None:
    """It never types one: whoever knows its name could otherwise stop it at will."""
    program = make_account(None, "program")
    actor = Actor.person(make_person(Role.SEC).pk)
    text = issue_token(account=program, name="script", valid_for=HOUR, actor=actor)
    Account.objects.filter(pk=program.pk).update(locked_until=timezone.now() + HOUR)
    assert opened(text) == 200


def test_an_altered_key_opens_nothing() -> None:
    text, _ = a_key()
    mark, prefix, secret = text.split("_", 2)
    altered = [
        text[:-1] + ("x" if text[-1] != "x" else "y"),
        text[:-1],
        text + "x",
        f"{mark}_{'0' * len(prefix)}_{secret}",
        f"other_{prefix}_{secret}",
        f"{mark}_{prefix}_",
        prefix,
        "",
        "_" * 5000,
        "\u00e9\u00fc",
    ]
    assert [opened(one) for one in altered] == [401] * len(altered)


def test_a_wrong_key_is_refused_even_beside_a_session() -> None:
    client = APIClient()
    client.force_login(make_account(make_person(Role.ORD)))
    assert client.get("/api/people/").status_code == 200
    answer = client.get("/api/people/", headers={"Authorization": "Bearer mes_x_y"})
    assert answer.status_code == 401
    assert answer.json()["code"] == "not_signed_in"
    assert answer["WWW-Authenticate"] == "Bearer"


def test_an_expired_a_revoked_and_an_orphaned_key_open_nothing() -> None:
    expired, account = a_key()
    AccessToken.objects.update(expires_at=timezone.now() - timedelta(seconds=1))
    assert opened(expired) == 401
    revoked, _ = a_key(account)
    token = AccessToken.objects.order_by("-pk")[0]
    owner = Actor.person(account.person_id or 0)
    revoke_token(token_id=token.pk, actor=owner)
    assert opened(revoked) == 401
    with pytest.raises(Refused):
        revoke_token(token_id=token.pk, actor=owner)
    left, _ = a_key(account)
    assert opened(left) == 200
    Account.objects.filter(pk=account.pk).update(is_active=False)
    assert opened(left) == 401


def test_a_key_lives_a_year_at_most_and_has_a_name() -> None:
    account = make_account(make_person())
    actor = Actor.person(account.person_id or 0)
    for name, valid_for in (("x", timedelta(days=366)), ("x", timedelta()), (" ", HOUR)):
        with pytest.raises(InvalidInput):
            issue_token(account=account, name=name, valid_for=valid_for, actor=actor)


def test_nobody_makes_a_key_for_somebody_else() -> None:
    account, other = make_account(make_person()), make_person(Role.QAR)
    with pytest.raises(NotPermitted):
        issue_token(account=account, name="x", valid_for=HOUR, actor=Actor.person(other.pk))


@pytest.mark.requirement("ES-12")
def test_a_program_reads_and_neither_acts_nor_signs() -> None:
    security = Actor.person(make_person(Role.SEC).pk)
    account = make_account(None, "program")
    text = issue_token(account=account, name="script", valid_for=HOUR, actor=security)
    client = APIClient(headers={"Authorization": f"Bearer {text}"})
    assert client.get("/api/orders/").status_code == 200
    identity = {"patient_id": "1", "family_name": "A", "birth_date": "1970-01-01"}
    acted = client.post("/api/patients/", identity)
    assert (acted.status_code, acted.json()["code"]) == (403, "not_permitted")
    typed = {"username": "program", "password": PASSWORD}
    assert client.post("/api/orders/O0000001/submit/", typed).status_code == 403


def test_a_person_makes_lists_and_revokes_keys_with_a_session_only() -> None:
    account = make_account(make_person(Role.ORD))
    client = APIClient()
    client.force_login(account)
    made = client.post("/api/keys/", {"name": "script", "days": 30, "password": PASSWORD})
    assert made.status_code == 201
    text = made.json()["key"]
    assert opened(text) == 200
    (row,) = client.get("/api/keys/").json()["results"]
    assert "digest" not in row
    by_key = APIClient(headers={"Authorization": f"Bearer {text}"})
    refused = by_key.post("/api/keys/", {"name": "more", "days": 30, "password": PASSWORD})
    assert refused.status_code == by_key.get("/api/keys/").status_code == 403
    assert "no keys" in refused.json()["reasons"][0]["text"]
    stranger = APIClient()
    stranger.force_login(make_account(make_person(Role.ORD)))
    assert stranger.get("/api/keys/").json()["count"] == 0
    assert stranger.post(f"/api/keys/{row['id']}/revoke/").status_code == 404
    assert client.post(f"/api/keys/{row['id']}/revoke/").json()["revoked"] is True
    assert opened(text) == 401


def test_a_session_alone_is_not_enough_to_act() -> None:
    """Another site can make a browser send its cookie, but not the CSRF token."""
    client = APIClient(enforce_csrf_checks=True)
    client.force_login(make_account(make_person(Role.ORD)))
    identity = {"patient_id": "1", "family_name": "A", "birth_date": "1970-01-01"}
    answer = client.post("/api/patients/", identity)
    assert (answer.status_code, answer.json()["code"]) == (403, "not_permitted")
    assert "CSRF" in answer.json()["reasons"][0]["text"]
