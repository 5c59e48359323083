"""Sign-in at a real OpenID Connect provider: who is who by issuer and subject, and signing only on a fresh sign-in there."""

from __future__ import annotations

import shutil
import socket
import subprocess
from collections.abc import Iterator
from datetime import timedelta
from typing import Any
from urllib.parse import urljoin, urlsplit

import jwt
import pytest
import requests
import time_machine
from allauth.socialaccount.providers.oauth2.client import OAuth2Client
from django.conf import settings as site
from django.test import Client
from django.utils import timezone

from mes.choices import Role
from mes.eventlog.base import Actor
from mes.exceptions import InvalidInput, NotPermitted, Refused, SignatureRefused
from mes.models import Account, BrowserSession, EventRecord, FederatedIdentity, SigningRight
from mes.selectors import open_sessions
from mes.services.accounts import confirm_contact, name_contact
from mes.services.binding import confirm_binding, propose_binding, unbind_identity
from mes.services.credentials import check_secret
from mes.terminals import Terminal, digest_of_key
from tests.mes.makers import make_account, make_person
from tests.patience import PATIENCE_S
from tests.servers import BASE

pytestmark = pytest.mark.django_db


@pytest.fixture(scope="module")
def provider() -> Iterator[str]:
    """The issuer's address."""
    if not shutil.which("node") or not (BASE / "node_modules" / "oidc-provider").is_dir():
        pytest.skip("no Node, or oidc-provider is not installed: run `npm ci`")
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    command = ["node", "tests/mes/provider.mjs", str(port)]
    with subprocess.Popen(
        command, cwd=BASE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True
    ) as server:
        assert server.stdout
        try:
            said = iter(server.stdout.readline, "")
            assert any(line.strip() == "ready" for line in said), "the provider did not start"
            yield f"http://127.0.0.1:{port}"
        finally:
            server.kill()


@pytest.fixture
def issuer(provider: str, settings: Any) -> str:
    app = {
        "provider_id": "sso",
        "name": "the clinic's sign-in",
        "client_id": "lamina",
        "secret": "a secret of the client",
        "settings": {
            "server_url": provider,
            "oauth_pkce_enabled": True,
            "fetch_userinfo": False,
            "scope": ["openid"],
        },
    }
    settings.OIDC_ISSUER = provider
    settings.SOCIALACCOUNT_PROVIDERS = {"openid_connect": {"APPS": [app]}}
    control(provider, account="subject-1", ago="0")
    return provider


def control(provider: str, **values: str) -> list[dict[str, str]]:
    asked: list[dict[str, str]] = requests.post(
        f"{provider}/control", params=values, timeout=PATIENCE_S
    ).json()["asked"]
    return asked


def through(client: Client, purpose: str = "sign-in", browser: requests.Session | None = None) -> str:
    """Go to the provider, sign in there, and return the address that it sends the browser back to."""
    leaves = client.get(f"/sign-in/provider/?for={purpose}")
    assert leaves.status_code == 302
    browser = browser or requests.Session()
    where = leaves["Location"]
    while not where.startswith("http://testserver/"):
        answer = browser.get(where, allow_redirects=False, timeout=PATIENCE_S)
        assert answer.is_redirect, answer.text[:500]
        where = urljoin(where, answer.headers["Location"])
    parts = urlsplit(where)
    return f"{parts.path}?{parts.query}"


def security() -> Actor:
    return Actor.person(make_person(Role.SEC).pk)


def reachable(account: Account) -> Account:
    """Its owner has a verified address, as two people vouched."""
    assert account.person
    contact = name_contact(person=account.person, address=f"{account.username}@example.org", actor=security())
    confirm_contact(contact_id=contact.pk, actor=security())
    return account


def proposed(account: Account, issuer: str, subject: str, actor: Actor) -> FederatedIdentity:
    return propose_binding(account=account, issuer=issuer, subject=subject, actor=actor, reason="hired")


def bound(issuer: str, subject: str = "subject-1", username: str = "jane") -> Account:
    account = reachable(make_account(make_person(Role.ORD), username))
    confirm_binding(identity_id=proposed(account, issuer, subject, security()).pk, actor=security())
    return account


def signed_in(client: Client) -> bool:
    return client.get("/my-work/").status_code == 200


def test_the_provider_signs_in_who_is_bound_to_its_subject(issuer: str) -> None:
    account, client = bound(issuer), Client()
    answer = client.get(through(client))
    assert (answer.status_code, answer["Location"]) == (302, "/")
    assert client.get("/account/").context["account"] == account
    asked = control(issuer)[-1]
    assert asked["code_challenge_method"] == "S256"
    assert asked["nonce"]
    assert asked["state"]
    assert asked["scope"] == "openid"
    (opened,) = EventRecord.objects.filter(type="mes.signed_in")
    assert '"method":"user id + provider"' in opened.payload


@pytest.mark.requirement("ES-12")
def test_an_unknown_subject_is_refused_though_its_address_is_known(issuer: str) -> None:
    """The provider says that `subject-2` has the address of somebody here: that is nobody's proof."""
    bound(issuer)
    control(issuer, account="subject-2")
    client = Client()
    answer = client.get(through(client))
    assert answer.status_code == 422
    assert not signed_in(client)
    assert EventRecord.objects.filter(type="mes.unknown_name_refused").count() == 1


def test_another_issuer_with_the_same_subject_opens_nothing(issuer: str) -> None:
    bound("https://other.example", "subject-1")
    client = Client()
    assert client.get(through(client)).status_code == 422


@pytest.mark.requirement("P11-10d")
def test_closed_locked_and_unbound_accounts_stay_out(issuer: str) -> None:
    account = bound(issuer)
    Account.objects.filter(pk=account.pk).update(locked_until=timezone.now() + timedelta(minutes=5))
    client = Client()
    assert client.get(through(client)).status_code == 422
    Account.objects.filter(pk=account.pk).update(locked_until=None, is_active=False)
    assert client.get(through(client)).status_code == 422
    Account.objects.filter(pk=account.pk).update(is_active=True)
    identity = account.identities.get()
    unbind_identity(identity=identity, actor=Actor.system("test"), reason="left")
    assert client.get(through(client)).status_code == 422


def test_an_answer_belongs_to_the_browser_that_asked_and_counts_once(issuer: str) -> None:
    bound(issuer)
    mine, thief = Client(), Client()
    back = through(mine)
    assert thief.get(back).status_code == 422
    assert not signed_in(thief)
    assert mine.get(back).status_code == 302
    assert Client().get(back).status_code == 422
    assert mine.get("/sign-in/provider/answer/?error=access_denied&state=x").status_code == 422


def test_a_token_of_another_nonce_is_refused(issuer: str) -> None:
    bound(issuer)
    client = Client()
    back = through(client)
    session = client.session
    for state in session["socialaccount_states"].values():
        state[0]["data"]["nonce"] = "another"
    session.save()
    assert client.get(back).status_code == 422
    assert not signed_in(client)


def word_in(answer: Any) -> str:
    text: str = answer.content.decode()
    return text.split('data-provider-word="')[1].split('"')[0]


def place_of(client: Client) -> Terminal:
    return Terminal(digest_of_key(client.session.session_key), "127.0.0.1", "")


@pytest.mark.requirement("P11-200a1")
def test_a_fresh_sign_in_there_signs_once_here(issuer: str) -> None:
    account, client = bound(issuer), Client()
    browser = requests.Session()
    client.get(through(client, browser=browser))
    answer = client.get(through(client, "signing", browser))
    word, place = word_in(answer), place_of(client)
    asked = control(issuer)[-1]
    assert (asked["prompt"], asked["max_age"]) == ("login", "0")
    stolen = Terminal(digest_of_key("another session"), "127.0.0.1", "")
    for wrong_word, where in ((word, stolen), ("fresh:x", place)):
        with pytest.raises(SignatureRefused):
            check_secret(account, assertion=wrong_word, purpose="signing", terminal=where)
    secret = check_secret(account, assertion=word, purpose="signing", terminal=place)
    assert secret.method == "user id + provider"
    with pytest.raises(SignatureRefused):
        check_secret(account, assertion=word, purpose="signing", terminal=place)


@pytest.mark.requirement("P11-200a1")
def test_sso_stale_auth_time_refused(issuer: str) -> None:
    account, client = bound(issuer), Client()
    client.get(through(client))
    control(issuer, ago="90")
    refused = client.get(through(client, "signing"))
    assert (refused.status_code, "too long ago" in refused.content.decode()) == (422, True)
    control(issuer, ago="0")
    word = word_in(client.get(through(client, "signing")))
    with time_machine.travel(timezone.now() + timedelta(seconds=70)), pytest.raises(SignatureRefused):
        check_secret(account, assertion=word, purpose="signing", terminal=place_of(client))


@pytest.mark.requirement("ES-12")
def test_somebody_elses_sign_in_there_does_not_sign_here(issuer: str) -> None:
    bound(issuer)
    bound(issuer, "subject-2", "john")
    client = Client()
    client.get(through(client))
    control(issuer, account="subject-2")
    refused = client.get(through(client, "signing"))
    assert (refused.status_code, "somebody else" in refused.content.decode()) == (422, True)


@pytest.mark.requirement("ES-14")
@pytest.mark.requirement("P11-200a3")
def test_a_binding_that_one_administrator_proposed_opens_nothing(issuer: str) -> None:
    """Otherwise one administrator alone could sign in, and sign, as anybody."""
    account, administrator = reachable(make_account(make_person(Role.QAX), "jane")), security()
    identity = proposed(account, issuer, "subject-1", administrator)
    client = Client()
    assert client.get(through(client)).status_code == 422
    with pytest.raises(NotPermitted, match="second person"):
        confirm_binding(identity_id=identity.pk, actor=administrator)
    with pytest.raises(NotPermitted):
        confirm_binding(identity_id=identity.pk, actor=Actor.system("test"))
    assert client.get(through(client)).status_code == 422
    assert not EventRecord.objects.filter(type="mes.identity_bound").exists()


@pytest.mark.requirement("ES-14")
@pytest.mark.requirement("P11-200a3")
def test_a_confirmed_binding_is_a_reset(
    issuer: str, mailoutbox: list[Any], django_capture_on_commit_callbacks: Any
) -> None:
    """The right to sign is suspended until re-enrolment, sessions end, and the owner is told of both steps."""
    account, client = reachable(make_account(make_person(Role.QAX), "jane")), Client()
    client.force_login(account)
    assert open_sessions(account).exists()
    with django_capture_on_commit_callbacks(execute=True):
        identity = proposed(account, issuer, "subject-1", security())
        assert not SigningRight.objects.filter(person=account.person, state="suspended").exists()
        confirm_binding(identity_id=identity.pk, actor=security())
    right = SigningRight.objects.get(person=account.person)
    assert (right.state, right.cause) == ("suspended", "reset")
    assert not open_sessions(account).exists()
    assert BrowserSession.objects.get(account=account).ended_by == "identity bound"
    told = [mail for mail in mailoutbox if mail.subject == "Who signs in as you at Lamina"]
    assert [mail.to for mail in told] == [["jane@example.org"]] * 2


@pytest.mark.requirement("ES-14")
def test_an_owner_who_cannot_be_told_is_not_bound(issuer: str) -> None:
    account = make_account(make_person(Role.ORD), "jane")
    identity = proposed(account, issuer, "subject-1", security())
    with pytest.raises(Refused, match="verified address"):
        confirm_binding(identity_id=identity.pk, actor=security())
    identity.refresh_from_db()
    assert identity.confirmed_at is None


@pytest.mark.requirement("P11-200a3")
def test_who_binds_is_security_and_never_the_owner(issuer: str) -> None:
    account = bound(issuer)
    administrator = reachable(make_account(make_person(Role.SEC)))
    for who, whose in ((account, account), (administrator, administrator)):
        with pytest.raises(NotPermitted):
            proposed(whose, issuer, "subject-3", Actor.person(who.person_id or 0))
    waits = proposed(administrator, issuer, "subject-3", security())
    with pytest.raises(NotPermitted):
        confirm_binding(identity_id=waits.pk, actor=Actor.person(administrator.person_id or 0))
    with pytest.raises(NotPermitted):
        proposed(account, issuer, "subject-4", Actor.system("test"))
    with pytest.raises(InvalidInput, match="P11-100a"):
        proposed(account, issuer, " subject-1", security())


def test_without_a_provider_the_door_is_not_there(db: None) -> None:
    assert not site.OIDC_ISSUER
    assert Client().get("/sign-in/provider/").status_code == 404
    assert Client().get("/sign-in/provider/answer/?code=x&state=y").status_code == 404


def test_a_forged_token_is_refused(issuer: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """The same token, signed by nobody or by the client's secret: the signature is looked at although TLS brought it."""
    bound(issuer)
    honest = OAuth2Client.get_access_token

    def forged(algorithm: str, key: str) -> Any:
        def answer(self: Any, *args: Any, **kwargs: Any) -> Any:
            given = honest(self, *args, **kwargs)
            claims = jwt.decode(given["id_token"], options={"verify_signature": False})
            kid = jwt.get_unverified_header(given["id_token"])["kid"]
            return given | {"id_token": jwt.encode(claims, key, algorithm=algorithm, headers={"kid": kid})}

        return answer

    for algorithm, key in (("none", ""), ("HS256", "a secret of the client and some more of it")):
        client = Client()
        back = through(client)
        monkeypatch.setattr(OAuth2Client, "get_access_token", forged(algorithm, key))
        assert client.get(back).status_code == 422
        assert not signed_in(client)
        monkeypatch.setattr(OAuth2Client, "get_access_token", honest)
