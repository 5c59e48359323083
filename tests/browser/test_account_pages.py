"""The pages of accounts, narrow and wide, light and dark: nothing that assistive technology or the policy trips over."""

from __future__ import annotations

import pytest

from mes.choices import Role
from mes.models import Account, Passkey
from mes.services.credentials import suspend_right
from tests.browser.conftest import Open, Theme
from tests.browser.steps import sound
from tests.devices.makers import SETUP, make_person

pytestmark = pytest.mark.browser


LOOKS: list[tuple[Theme, int]] = [("light", 390), ("dark", 390), ("dark", 1280), ("light", 1280)]


def test_the_pages_of_accounts_keep_the_house_rules(committed_db: None, open_as: Open) -> None:
    security, other = make_person(Role.SEC), make_person(Role.QAX)
    suspend_right(person_id=other.person.pk, cause="misuse", actor=SETUP)
    account = Account.objects.get(username=other.username)
    mine = Account.objects.get(username=security.username)
    Passkey.objects.create(account=mine, name="Work laptop", credential_id="x", credential="x")
    page = open_as(security)
    paths = (
        "account/",
        "account/password/",
        "security/",
        f"security/accounts/{account.pk}/",
        "my-work/",
    )
    for path in paths:
        page.goto(f"/{path}")
        sound(page, LOOKS)
    page.goto("/")
    page.locator("[data-menu] summary").click()
    sound(page, LOOKS)
    page.get_by_role("button", name="Lock", exact=True).click()
    page.wait_for_url("**/locked/")
    sound(page, LOOKS)
    page.context.clear_cookies()
    page.goto("/sign-in/")
    sound(page, LOOKS)
    page.goto("/reset/#word")
    sound(page, LOOKS)
    assert page.locator("input[name=word]").input_value() == "word"
