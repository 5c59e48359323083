"""No page links to one that refuses who reads it (21 CFR 11.10(d)): every link of every page, for every role."""

from __future__ import annotations

import re
from collections import deque
from html import unescape
from typing import Any
from zlib import crc32

import pytest
from django.test import Client
from django.urls import resolve

from mes.models import EmergencyAccess, ErasureRequest, LegalHold
from tests.architecture.access_story import COLUMNS, Story

LINK = re.compile(r'(?:href|hx-get)="(/[^"#]*)"')
NONCE = re.compile(r'nonce="[^"]*"|value="[0-9A-Za-z]{64}"')
"""Of the content policy, and against forged requests: other ones in each answer."""
NOT_PAGES = ("/static/", "/sign-out/", "/sign-in/")
SHARE = 12
"""Of each route everybody follows the first address that they are shown, and of the rest this part, other people other ones:
more of the same. `make soak` follows all."""


def links_in(page: str) -> list[str]:
    return [unescape(found) for found in LINK.findall(page) if not found.startswith(NOT_PAGES)]


def is_followed(link: str, routes: set[str], column: str, share: int) -> bool:
    """Whether a person follows a link. `routes`: those that they have followed somewhere, which this one is added to."""
    route = resolve(link.partition("?")[0]).view_name
    is_first = route not in routes
    routes.add(route)
    return is_first or crc32(f"{column} {link}".encode()) % share == 0


def refused_links(client: Client, column: str, share: int) -> list[str]:
    """Breadth first from the board: every link that ends in 403 or 404, with the page that it stands on."""
    refused: list[str] = []
    waiting, seen, routes = deque([("/", "")]), {"/"}, set[str]()
    while waiting:
        address, source = waiting.popleft()
        answer: Any = client.get(address, follow=True)
        # Read to its end, a file is closed.
        page = (b"".join(answer.streaming_content) if answer.streaming else answer.content).decode(
            errors="replace"
        )
        if answer.status_code >= 400:
            refused.append(f"{source} → {address}: {answer.status_code}")
            continue
        for link in links_in(page) if answer["Content-Type"].startswith("text/html") else ():
            if link not in seen:
                seen.add(link)
                if is_followed(link, routes, column, share):
                    waiting.append((link, address))
    return refused


@pytest.mark.requirement("P11-10d")
@pytest.mark.parametrize("share", [SHARE, pytest.param(1, marks=pytest.mark.slow)])
def test_no_link_of_any_page_ends_in_a_refusal(story: Story, share: int) -> None:
    people = [column for column in COLUMNS if column != "program"]
    found = {column: refused_links(story.client(column), column, share) for column in people}
    assert {column: links for column, links in found.items() if links} == {}


@pytest.mark.requirement("P11-10d")
def test_what_somebody_may_not_open_is_found_like_what_nobody_has(story: Story) -> None:
    """A code whose page refuses is no answer to whether there is such a thing."""
    codes = [model.objects.earliest("pk").code for model in (EmergencyAccess, ErasureRequest, LegalHold)]
    for column in ("other-PRE", "other-CLR", "external-DSN", "no-role", "MAT"):
        client = story.client(column)
        for code in codes:
            found, unknown = (client.get("/find/", {"code": asked}) for asked in (code, f"{code[0]}0999999"))
            assert (found.status_code, unknown.status_code) == (404, 404), (column, code)
            told, other = (NONCE.sub("", answer.content.decode()) for answer in (found, unknown))
            assert told.replace(code, "") == other.replace(f"{code[0]}0999999", "")
