"""A session opens pages, and nothing that opens the account: that takes the secret again, and its owner is told."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from django.core import mail
from django.test import Client

from mes.choices import Role
from mes.models import Account, EventRecord, FederatedIdentity, Passkey, Signature
from mes.selectors import contact_of
from mes.services.accounts import name_contact
from tests.mes.authenticator import Authenticator
from tests.mes.makers import PASSWORD, SYSTEM, make_account, make_person, make_signer, person_of
from tests.mes.test_credentials import verify

pytestmark = [
    pytest.mark.django_db,
    pytest.mark.requirement("ES-01"),
    pytest.mark.requirement("P11-200a2"),
]
SECRET = {"password": PASSWORD}


@pytest.fixture
def owner() -> Account:
    """Somebody who may sign, with a verified address."""
    actor, credentials = make_signer(Role.QAR)
    verify(person_of(actor), "owner@example.org")
    mail.outbox.clear()
    return Account.objects.select_related("person").get(username=credentials.username)


@pytest.fixture
def stolen(owner: Account) -> Client:
    """A browser that has nothing of the owner but the cookie of a session that was opened just now."""
    victim, thief = Client(), Client()
    typed = {"username": owner.username, **SECRET}
    assert victim.post("/sign-in/", typed).status_code == 302
    thief.cookies = victim.cookies
    return thief


def enrol(client: Client, owner: Account, **secret: str) -> Any:
    return Authenticator().enrol(client, **secret)


def report_lost(client: Client, owner: Account, **secret: str) -> Any:
    keys = Passkey.objects.filter(account=owner)
    key = keys.first() or keys.create(account=owner, name="x", credential_id="x", credential="x")
    return client.post(f"/account/passkeys/{key.pk}/lost/", secret)


def make_key(client: Client, owner: Account, **secret: str) -> Any:
    return client.post("/api/keys/", {"name": "k", "days": 365, **secret}, content_type="application/json")


def name_address(client: Client, owner: Account, **secret: str) -> Any:
    return client.post("/account/address/", {"address": "thief@example.org", **secret})


def verify_address(client: Client, owner: Account, **secret: str) -> Any:
    assert owner.person
    contact = name_contact(person=owner.person, address="thief@example.org", actor=SYSTEM)
    code = str(mail.outbox[-1].body).split("The code is ")[1][:8]
    mail.outbox.clear()
    return client.post(f"/account/address/{contact.pk}/", {"code": code, **secret})


def change_password(client: Client, owner: Account, **secret: str) -> Any:
    new = {"new": "another long sentence", "again": "another long sentence"}
    return client.post("/account/password/", {**new, **secret})


ACTS: tuple[Callable[..., Any], ...] = (
    enrol, report_lost, make_key, name_address, verify_address, change_password,
)  # fmt: skip


@pytest.mark.parametrize("act", ACTS)
def test_what_opens_an_account_takes_the_secret_in_that_very_request(
    owner: Account, stolen: Client, act: Callable[..., Any]
) -> None:
    before = EventRecord.objects.count(), owner.password
    assert owner.person
    for wrong in ({}, {"password": "a wrong sentence"}, {"assertion": "fresh:nothing"}):
        answer = act(stolen, owner, **wrong)
        assert answer.status_code == 403
        assert "ES-01" in answer.content.decode()
    changed = ("passkey", "token_issued", "contact_verified", "password_changed")
    facts = EventRecord.objects.filter(pos__gt=0).order_by("pos")[before[0] :]
    assert not [one.type for one in facts if one.type.startswith(tuple(f"mes.{kind}" for kind in changed))]
    assert not [
        one for one in mail.outbox if "was named" not in str(one.body) and "code" not in str(one.body)
    ]
    address = contact_of(owner.person)
    assert address is not None
    assert address.address == "owner@example.org"


@pytest.mark.requirement("ES-15")
@pytest.mark.parametrize("act", [make_key, change_password])
def test_the_third_wrong_secret_ends_the_session(
    owner: Account, stolen: Client, act: Callable[..., Any]
) -> None:
    """As at signing, and counted with it; the lock of the account is further away."""
    told = [act(stolen, owner, password=f"wrong sentence {number}").content.decode() for number in range(3)]
    assert ["the session ends" in one for one in told] == [False, False, True]
    assert stolen.get("/my-work/").status_code == 302
    assert act(stolen, owner, **SECRET).status_code in (302, 403)
    assert Account.objects.get(pk=owner.pk).password == owner.password
    assert EventRecord.objects.filter(type="mes.signing_failed").count() == 3
    assert not owner.tokens.exists()


@pytest.mark.requirement("P11-300d")
@pytest.mark.parametrize("act", ACTS)
def test_the_owner_is_told_of_what_opens_the_account(
    owner: Account, stolen: Client, act: Callable[..., Any]
) -> None:
    assert act(stolen, owner, **SECRET).status_code in (201, 302)
    told = [one for one in mail.outbox if "owner@example.org" in one.to]
    assert told, "the address that counted before is told as well"
    assert "If this was not you" in str(told[0].body)
    page = Client()
    page.force_login(Account.objects.get(pk=owner.pk))
    assert "What changed lately" in page.get("/account/").content.decode()


def sign_statement(client: Client, owner: Account, **typed: str) -> Any:
    page = client.get("/my-signature/").content.decode()
    digest = page.partition('name="digest" value="')[2][:64]
    return client.post("/my-signature/", {"username": owner.username, "digest": digest, **typed})


def test_a_new_passkey_signs_from_the_next_sign_in_on(owner: Account, stolen: Client) -> None:
    """Whoever took over an open session and enrolled one there gets no second component out of it."""
    device, before = Authenticator(), Signature.objects.count()
    assert device.enrol(stolen, **SECRET).status_code == 302
    refused = sign_statement(stolen, owner, assertion=device.assertion(stolen, "signing"))
    assert "enrolled in the session that is open" in refused.content.decode()
    other = Authenticator().enrol(stolen, assertion=device.assertion(stolen, "signing"))
    assert (other.status_code, Passkey.objects.count()) == (403, 1)
    assert Account.objects.get(pk=owner.pk).failures == 0
    later = Client()
    assert later.post("/sign-in/", {"assertion": device.assertion(later, "sign-in")}).status_code == 302
    sign_statement(later, owner, assertion=device.assertion(later, "signing"))
    assert Signature.objects.count() == before + 1
    second = Authenticator().enrol(later, assertion=device.assertion(later, "signing"))
    assert (second.status_code, Passkey.objects.count()) == (302, 2)


@pytest.mark.requirement("ES-14")
def test_whoever_decides_what_opens_another_account_gives_the_own_secret(owner: Account) -> None:
    administrator = make_account(make_person(Role.SEC))
    client = Client()
    client.force_login(administrator)
    passkey = Passkey.objects.create(account=owner, name="x", credential_id="x", credential="x")
    asked = {"issuer": "https://id.example", "subject": "s", "number": str(passkey.pk), "reason": "x"}
    for verb in ("bind", "revoke-passkey"):
        path = f"/security/accounts/{owner.pk}/{verb}/"
        assert client.post(path, asked).status_code == 403
        assert client.post(path, asked | {"password": "x"}).status_code == 403
    body = {**asked, "account_id": owner.pk}
    refused = client.post("/api/bindings/", body, content_type="application/json")
    assert (refused.status_code, FederatedIdentity.objects.count()) == (403, 0)
    assert "Your password" in client.get(f"/security/accounts/{owner.pk}/").content.decode()
    assert client.post(f"/security/accounts/{owner.pk}/bind/", asked | SECRET).status_code == 302
    assert FederatedIdentity.objects.count() == 1
    quality = Client()
    quality.force_login(make_account(make_person(Role.QAR)))
    path = f"/api/bindings/{FederatedIdentity.objects.get().pk}/confirm/"
    for typed, status in (({}, 403), (SECRET, 200)):
        answer = quality.post(path, {"reason": "seen", **typed}, content_type="application/json")
        assert answer.status_code == status
