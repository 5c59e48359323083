"""What the stories do again and again: a dialog is opened, filled in, signed; one person leaves and another comes."""

from __future__ import annotations

import os
import re
from collections.abc import Iterable
from pathlib import Path
from urllib.parse import urlsplit

from playwright.sync_api import Page, expect

from tests.browser.conftest import Theme, come_in
from tests.devices.makers import PASSWORD, Who

DIGEST = re.compile(r"[0-9a-f]{64}")


FAULTS = """() => {
  const faults = [];
  if (document.querySelectorAll("h1").length !== 1) faults.push("not one h1");
  for (const field of document.querySelectorAll("input:not([type=hidden]), select, textarea"))
    if (!field.labels?.length && !field.getAttribute("aria-label")) faults.push(`no label: ${field.name}`);
  for (const button of document.querySelectorAll("button, a"))
    if (!button.textContent.trim() && !button.getAttribute("aria-label")) faults.push(`no name: ${button.outerHTML.slice(0, 80)}`);
  for (const image of document.querySelectorAll("img")) if (!image.hasAttribute("alt")) faults.push(`no alt: ${image.src}`);
  const ids = [...document.querySelectorAll("[id]")].map((element) => element.id);
  for (const id of ids) if (ids.indexOf(id) !== ids.lastIndexOf(id)) faults.push(`twice: ${id}`);
  for (const style of document.querySelectorAll("[style]")) if (style.closest("main") && style.tagName !== "CANVAS") faults.push(`style: ${style.outerHTML.slice(0, 80)}`);
  if (document.documentElement.scrollWidth > window.innerWidth + 1) faults.push("wider than the window");
  return faults;
}"""


def faults_of(page: Page) -> list[str]:
    """What assistive technology, the content policy or a narrow window would trip over on the page as it is now."""
    return [str(fault) for fault in page.evaluate(FAULTS)]


def turn(page: Page, *, theme: Theme = "light", width: int) -> None:
    """Give the open window another width, and its system another theme."""
    page.emulate_media(color_scheme=theme, reduced_motion="reduce")
    page.set_viewport_size({"width": width, "height": 900})
    assert page.evaluate("innerWidth") == width
    expect(page.locator("html")).to_have_attribute("data-bs-theme", theme)


def sound(page: Page, looks: Iterable[tuple[Theme, int]]) -> None:
    """The page as it is now, in each look: the same document, for it is the styles that answer to theme and width."""
    for theme, width in looks:
        turn(page, theme=theme, width=width)
        assert faults_of(page) == [], (page.url, theme, width)


def dialog(page: Page, button: str) -> None:
    page.get_by_role("button", name=button, exact=True).first.click()
    expect(page.locator("#dialog[open] h2")).to_be_visible()
    assert faults_of(page) == [], button


def confirm(page: Page) -> None:
    page.locator("#dialog .dialog-foot button:not([type=button])").click()


def sign(page: Page, who: Who, *, password: str = PASSWORD) -> None:
    page.get_by_label("User id").fill(who.username)
    page.get_by_label("Password").fill(password)
    confirm(page)


def told(page: Page, text: str) -> None:
    expect(page.get_by_role("status").filter(has_text=text)).to_be_visible()
    assert faults_of(page) == [], text


def refused(page: Page, rule: str) -> None:
    """The dialog says why not, keeps what was typed, and forgets the password."""
    expect(page.locator("#dialog .refusal-slot .refusal")).to_contain_text(rule)


def fill(page: Page, **values: str) -> None:
    for name, value in values.items():
        page.locator(f"#dialog [name='{name}']").fill(value)


def seen_to_sign(page: Page, *words: str) -> None:
    """What is signed stands in the dialog, with its digest, as it was typed."""
    for word in words:
        expect(page.locator("#signed .signed-box")).to_contain_text(word)
    expect(page.locator("#signed input[name=digest]")).to_have_value(DIGEST)


def sign_in(page: Page, who: Who) -> None:
    """Through the page for it, which the window shows."""
    page.get_by_label("User id").first.fill(who.username)
    page.get_by_label("Password").fill(PASSWORD)
    page.get_by_role("button", name="Sign in").click()
    expect(page.locator("[data-menu]")).to_contain_text(who.username)


def sign_out(page: Page) -> None:
    page.locator("[data-menu] summary").click()
    page.get_by_role("button", name="Sign out").click()


def become(page: Page, who: Who, path: str) -> None:
    """Another person goes on in this window, on another page."""
    place = urlsplit(page.url)
    come_in(page.context, who, f"{place.scheme}://{place.netloc}")
    page.goto(path)
    expect(page.locator("[data-menu]")).to_contain_text(who.username)


def photographed(page: Page, name: str) -> None:
    """A picture for whoever looks, where LAMINA_TEST_PICTURES names a folder."""
    if folder := os.environ.get("LAMINA_TEST_PICTURES"):
        page.screenshot(path=str(Path(folder) / f"{name}.png"), full_page=True, caret="initial")
