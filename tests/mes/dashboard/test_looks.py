"""What pages show is there and reads as people write it: icons, days, figures, sentences, ways back and what to do next."""

from __future__ import annotations

import re
from decimal import Decimal
from pathlib import Path

import pytest
from django.conf import settings
from django.test import Client
from django.urls import reverse

from mes.choices import Role
from mes.dashboard.actions import ACTIONS
from mes.dashboard.navigation import ENTRIES, MENU, STARTS
from mes.dashboard.records import ICONS, _sentence
from mes.dashboard.words import WORDS
from mes.eventlog.base import EVENT_TYPES
from mes.panels import WORKLISTS
from mes.permissions import PERMISSIONS
from mes.templatetags.lamina import (
    TONE_ICONS,
    figure,
    label,
    measure,
    plain_value,
    quantity,
    role_titles,
    span_of,
)
from tests.devices.makers import Staff, make_person, make_planned
from tests.mes.dashboard.conftest import Visit

BASE = Path(settings.BASE_DIR)
TEMPLATES = {path: path.read_text() for path in sorted((BASE / "templates").rglob("*.html"))}
BELOW = (
    "devices/device", "devices/order", "devices/history", "printing/build", "printing/lot", "printing/printer",
    "quality/export", "quality/gauge", "quality/package", "mes/account_password", "mes/audit_review", "mes/curricula",
    "mes/delivery", "mes/disposal", "mes/document", "mes/documents", "mes/emergency", "mes/erasure", "mes/hold",
    "mes/my_signature", "mes/patient", "mes/person", "mes/security_account", "mes/together",
)  # fmt: skip
"""Pages that no menu names: they are reached from a list, and lead back to it."""


def test_every_icon_that_a_page_asks_for_is_drawn() -> None:
    drawn = set(re.findall(r'<symbol id="([\w-]+)"', (BASE / "mes/static/lamina/img/icons.svg").read_text()))
    asked = {name for text in TEMPLATES.values() for name in re.findall(r'{% icon "([\w-]+)"', text)}
    asked |= {action.icon for action in ACTIONS.values()} | {entry.icon for entry in (*ENTRIES, *MENU)}
    asked |= {word.icon for word in WORDS.values() if word.icon} | {*ICONS.values(), *TONE_ICONS.values()}
    assert asked - drawn == set()


def test_no_page_writes_a_day_as_a_machine_does() -> None:
    """Only what is printed for a record keeps the order of the standard."""
    printed = ("quality/reports/", "mes/validation/")
    pages = {
        path: text for path, text in TEMPLATES.items() if not any(one in path.as_posix() for one in printed)
    }
    assert [path.name for path, text in pages.items() if 'date:"Y-m-d' in text] == []


@pytest.mark.parametrize("template", BELOW)
def test_every_page_below_a_list_leads_back_to_it(template: str) -> None:
    assert 'class="crumbs"' in TEMPLATES[BASE / f"templates/{template}.html"]


@pytest.mark.parametrize("kind", sorted(EVENT_TYPES))
def test_an_event_is_told_in_a_whole_sentence(kind: str) -> None:
    told = _sentence(EVENT_TYPES[kind].__doc__ or "")
    assert told.endswith(".")
    assert (told.count("("), "_" in told) == (told.count(")"), False)
    assert len(told) > len("A day.")


def test_the_clause_that_an_event_answers_to_does_not_end_its_sentence() -> None:
    assert _sentence("An action was done (21 CFR 11.10(h), 820.70).\n\nMore.") == "An action was done."
    assert _sentence("It moved (parent_id is null then). More.") == "It moved."


@pytest.mark.parametrize(
    ("value", "shown"),
    [
        ("2027-01-21", "21 Jan 2027"),
        ("2027-01-21T10:00:00+00:00", "21 Jan 2027, 10:00:00 UTC"),
        ("2027-13-40", "2027-13-40"),
        ("release_proposed", "release proposed"),
        ("cranial_guide_training", "cranial_guide_training"),
        ("none", "none"),
        ("", "—"),
        (True, "yes"),
    ],
)
def test_a_value_reads_as_people_write_it(value: object, shown: str) -> None:
    assert plain_value(value) == shown


def test_figures_carry_their_unit_and_no_more_digits_than_they_have() -> None:
    assert (quantity(0.95, "1"), quantity(0.0595, "mm")) == ("95 %", "0.0595 mm")
    assert (measure(Decimal("0.0500")), measure(Decimal(100))) == ("0.05", "100")
    assert (figure(403834), figure(2026), figure([0.5, 12680])) == ("403,834", "2026", "0.5, 12,680")
    assert label("bone_clearance_p05_mm") == "Bone clearance, 5th percentile (mm)"
    assert label("wall_p01_mm") == "Wall, 1st percentile (mm)"


def test_roles_and_days_of_a_record_are_named() -> None:
    assert role_titles("OPR, QCM") == "Machine operator, Quality control"
    assert (span_of("2026-11-01/2026-11-22"), span_of("D0000001")) == (
        "01 Nov 2026 to 22 Nov 2026",
        "D0000001",
    )


def test_the_front_page_says_what_waits_for_whoever_looks(staff: Staff, as_: Visit) -> None:
    make_planned(staff)
    client = as_(staff[Role.IMG])
    page = client.get("/").content.decode()
    assert "1</span> thing waits for you" in page
    assert 'href="/my-work/#send-in-images"' in page
    assert 'id="send-in-images"' in client.get("/my-work/").content.decode()


def test_a_filter_does_not_ask_again_what_waits(coordinator: Client) -> None:
    assert 'class="next"' in coordinator.get("/").content.decode()
    assert 'class="next"' not in coordinator.get("/", headers={"HX-Request": "true"}).content.decode()


@pytest.mark.parametrize("role", list(Role))
def test_where_nothing_waits_every_role_is_shown_where_to_begin(role: Role, as_: Visit) -> None:
    client = as_(make_person(role, name="Somebody New"))
    page = client.get("/").content.decode()
    assert "Nothing waits for you." in page
    starts = [start for start in STARTS if role in PERMISSIONS[start.action].roles]
    for start in starts[:5]:
        assert start.title in page
        assert client.get(reverse(start.name)).status_code == 200
    assert ("A task appears here" in page) == (not starts)


def test_what_a_second_person_decides_is_on_a_worklist() -> None:
    assert {
        "mes.decide_hold",
        "mes.decide_disposal",
        "mes.confirm_drill",
        "mes.approve_document",
        "mes.review_hold",
    } <= set(WORKLISTS)
