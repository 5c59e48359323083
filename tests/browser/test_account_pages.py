"""The pages of accounts, narrow and wide, light and dark: nothing that assistive technology or the policy trips over."""

from __future__ import annotations

from pathlib import Path

import pytest

from mes.choices import Role
from mes.models import Account, Passkey
from mes.services.credentials import suspend_right
from tests.browser.conftest import Open, Theme
from tests.browser.steps import faults_of
from tests.devices.makers import SETUP, make_person

pytestmark = pytest.mark.browser


@pytest.mark.parametrize(("width", "theme"), [(390, "dark"), (390, "light"), (1280, "light"), (1280, "dark")])
def test_the_pages_of_accounts_keep_the_house_rules(
    committed_db: None, open_as: Open, tmp_path: Path, width: int, theme: Theme
) -> None:
    security, other = make_person(Role.SEC), make_person(Role.QAX)
    suspend_right(person_id=other.person.pk, cause="misuse", actor=SETUP)
    account = Account.objects.get(username=other.username)
    mine = Account.objects.get(username=security.username)
    Passkey.objects.create(account=mine, name="Work laptop", credential_id="x", credential="x")
    page = open_as(security, theme=theme, width=width)
    paths = (
        "account/",
        "account/password/",
        "security/",
        f"security/accounts/{account.pk}/",
        "my-work/",
    )
    for path in paths:
        page.goto(f"/{path}")
        assert faults_of(page) == [], path
        page.screenshot(path=tmp_path / f"{path.replace('/', '-')}{width}-{theme}.png", full_page=True)
    page.goto("/")
    page.locator("[data-menu] summary").click()
    page.screenshot(path=tmp_path / f"menu-{width}-{theme}.png")
    page.get_by_role("button", name="Lock", exact=True).click()
    page.wait_for_url("**/locked/")
    assert faults_of(page) == []
    page.screenshot(path=tmp_path / f"locked-{width}-{theme}.png")
    page.context.clear_cookies()
    page.goto("/sign-in/")
    assert faults_of(page) == []
    page.screenshot(path=tmp_path / f"sign-in-{width}-{theme}.png")
    page.goto("/reset/#word")
    assert faults_of(page) == []
    assert page.locator("input[name=word]").input_value() == "word"
    page.screenshot(path=tmp_path / f"reset-{width}-{theme}.png")
