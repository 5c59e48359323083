"""What the stories do again and again: a dialog is opened, filled in, signed; one person leaves and another comes."""

from __future__ import annotations

import re

from playwright.sync_api import Page, expect

from tests.devices.makers import PASSWORD, Who

DIGEST = re.compile(r"[0-9a-f]{64}")


def dialog(page: Page, button: str) -> None:
    page.get_by_role("button", name=button, exact=True).first.click()
    expect(page.locator("#dialog[open] h2")).to_be_visible()


def confirm(page: Page) -> None:
    page.locator("#dialog .dialog-foot button:not([type=button])").click()


def sign(page: Page, who: Who, *, password: str = PASSWORD) -> None:
    page.get_by_label("User id").fill(who.username)
    page.get_by_label("Password").fill(password)
    confirm(page)


def told(page: Page, text: str) -> None:
    expect(page.get_by_role("status").filter(has_text=text)).to_be_visible()


def refused(page: Page, rule: str) -> None:
    """The dialog says why not, keeps what was typed, and forgets the password."""
    expect(page.locator("#dialog .refusal")).to_contain_text(rule)


def fill(page: Page, **values: str) -> None:
    for name, value in values.items():
        page.locator(f"#dialog [name='{name}']").fill(value)


def seen_to_sign(page: Page, *words: str) -> None:
    """What is signed stands in the dialog, with its digest, as it was typed."""
    for word in words:
        expect(page.locator("#signed .signed-box")).to_contain_text(word)
    expect(page.locator("#signed input[name=digest]")).to_have_value(DIGEST)


def become(page: Page, who: Who, path: str) -> None:
    """Sign out through the menu, sign in as somebody else, go to a page."""
    page.locator("[data-menu] summary").click()
    page.get_by_role("button", name="Sign out").click()
    page.get_by_label("User id").fill(who.username)
    page.get_by_label("Password").fill(PASSWORD)
    page.get_by_role("button", name="Sign in").click()
    expect(page.locator("[data-menu]")).to_contain_text(who.username)
    page.goto(path)
