"""Passkeys in a real Chromium, with its virtual authenticator: enrolled, used to come in and to sign, reported lost."""

from __future__ import annotations

import json
from typing import Any

import pytest
from playwright.sync_api import Page, expect

from mes.choices import PasskeyState, Role
from mes.models import Account, Passkey, Signature
from mes.standing import stands_for
from tests.browser.conftest import Open
from tests.browser.steps import faults_of, sign_in, sign_out
from tests.devices.makers import PASSWORD, Who, make_person

pytestmark = pytest.mark.browser

ASKED_WITHOUT = """async () => {
  const asked = await (await fetch("/sign-in/passkey/?for=signing")).json();
  const options = PublicKeyCredential.parseRequestOptionsFromJSON(asked.publicKey);
  options.userVerification = "discouraged";
  return JSON.stringify((await navigator.credentials.get({ publicKey: options })).toJSON());
}"""


@pytest.fixture
def who(committed_db: None) -> Who:
    return make_person(Role.ORD)


@pytest.fixture
def keyed(open_as: Open, who: Who, site: str) -> tuple[Page, Any, str]:
    """A window with a virtual authenticator that verifies its user, signed in by the passkey enrolled before."""
    page = open_as(who)
    local = site.replace("127.0.0.1", "localhost")
    cdp = page.context.new_cdp_session(page)
    cdp.send("WebAuthn.enable")
    options = {
        "protocol": "ctap2",
        "transport": "internal",
        "hasResidentKey": True,
        "hasUserVerification": True,
        "isUserVerified": True,
        "automaticPresenceSimulation": True,
    }
    made = cdp.send("WebAuthn.addVirtualAuthenticator", {"options": options})
    page.authenticator = made["authenticatorId"]  # type: ignore[attr-defined]
    page.goto(f"{local}/sign-in/")
    sign_in(page, who)
    page.goto(f"{local}/account/")
    page.get_by_label("Name of the device").fill("Work laptop")
    page.get_by_label("Your password, to enrol it").fill(PASSWORD)
    page.get_by_role("button", name="Enrol a passkey").click()
    expect(page.get_by_role("status").filter(has_text="enrolled")).to_be_visible()
    assert faults_of(page) == []
    sign_out(page)
    page.get_by_role("button", name="Use a passkey").click()
    page.wait_for_url(f"{local}/")
    return page, cdp, local


def to_statement(page: Page, local: str) -> None:
    page.goto(f"{local}/my-signature/")
    page.get_by_text("Sign it again").click()


def test_a_passkey_comes_in_without_user_id_or_password(keyed: tuple[Page, Any, str], who: Who) -> None:
    page, _, local = keyed
    sign_out(page)
    page.get_by_role("button", name="Use a passkey").click()
    page.wait_for_url(f"{local}/")
    expect(page.locator("[data-menu]")).to_contain_text(who.username)
    page.goto(f"{local}/account/")
    page.locator("[data-menu] summary").click()
    page.get_by_role("button", name="Lock", exact=True).click()
    page.get_by_role("button", name="Use a passkey").click()
    page.wait_for_url(f"{local}/")


@pytest.mark.requirement("ES-17")
@pytest.mark.requirement("P11-300c")
def test_revoked_passkey_refused_old_signatures_valid(keyed: tuple[Page, Any, str], who: Who) -> None:
    page, _, local = keyed
    before = Signature.objects.count()
    to_statement(page, local)
    page.get_by_label("User id").fill(who.username)
    page.get_by_role("button", name="Sign with a passkey").click()
    expect(page.get_by_role("status").filter(has_text="You signed")).to_be_visible()
    signature = Signature.objects.order_by("-pk")[0]
    assert (Signature.objects.count(), signature.method) == (before + 1, "user id + passkey")
    page.goto(f"{local}/account/")
    page.get_by_label("lost").fill(PASSWORD)
    page.get_by_role("button", name="Report lost").click()
    expect(page.get_by_role("status").filter(has_text="opens nothing")).to_be_visible()
    assert Passkey.objects.get().state == PasskeyState.LOST
    to_statement(page, local)
    page.get_by_label("User id").fill(who.username)
    page.get_by_role("button", name="Sign with a passkey").click()
    expect(page.locator(".refusal")).to_contain_text("ES-01")
    sign_out(page)
    page.get_by_role("button", name="Use a passkey").click()
    expect(page.get_by_role("alert").filter(has_text="wrong, or this account")).to_be_visible()
    assert Signature.objects.count() == before + 1
    signature.refresh_from_db()
    assert stands_for(signature, json.loads(signature.content))
    assert Account.objects.get(username=who.username).failures == 2


@pytest.mark.requirement("P11-200b")
@pytest.mark.requirement("ES-01")
def test_without_user_verification_a_passkey_is_refused(keyed: tuple[Page, Any, str], who: Who) -> None:
    """A page that was tampered with asks the authenticator not to verify its user: the server sees that it did not."""
    page, cdp, local = keyed
    before = Signature.objects.count()
    which = {"authenticatorId": page.authenticator, "isUserVerified": False}  # type: ignore[attr-defined]
    cdp.send("WebAuthn.setUserVerified", which)
    to_statement(page, local)
    asked = page.evaluate(ASKED_WITHOUT)
    page.get_by_label("User id").fill(who.username)
    page.evaluate(
        """(answer) => {
          const form = document.querySelector("form input[name=digest]").closest("form");
          form.elements.assertion.value = answer;
          form.elements.password.required = false;
          form.requestSubmit();
        }""",
        asked,
    )
    expect(page.locator(".refusal")).to_contain_text("ES-01")
    assert Signature.objects.count() == before
