"""The role × route matrix, run for real: one person per role, and those who have no business here, at every door."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from typing import Any
from zlib import crc32

import pytest
from django.core.management import get_commands
from django.db import transaction
from django.urls import resolve

from mes.choices import Role
from mes.dashboard.actions import ACTIONS
from mes.dashboard.letters import DECISIONS
from mes.permissions import ADMINISTRATION, PERMISSIONS, Permission
from printing.consumers import _stands
from tests.architecture import access
from tests.architecture.access import Call, every_call
from tests.architecture.access_story import COLUMNS, STRANGERS, Story

PARTS = 4
FILES = (
    "{file}",
    "{build_file}",
    "{certificate}",
    "{gauge_file}",
    "{bundle}",
    "/scan/",
    "/record.",
    "/layers/",
    "/slices/",
    "/masks/",
    "/certificate/",
)
LOCKED = b"/locked/?next="
OWN = ("devices", "mes", "printing", "quality")
CONSOLE = {
    "backup", "catalogue", "confirm_drill", "demo", "dispose", "dicom", "drill", "enrol", "erase_patient", "export_record", "fleet",
    "import_study", "prepare_database", "rebase_history",
    "relay", "restore", "rotate_vault_key", "scrub", "seal", "simulate", "tick", "up", "validation", "verify",
}  # fmt: skip
"""Commands act as the machine's own account, never as a person: whoever may start one holds the machine already."""


def _outcome(story: Story, column: str, call: Call) -> str:
    """What one person gets at one door. A refusal by state or input (409, 422 …) stands behind the door: it counts as in."""
    if call.method == "MAY":
        return "+" if _named(PERMISSIONS[call.template], column) else "-"
    if call.method == "SOCKET":
        return "+" if _stands(str(story.client(column).session.session_key)) else "-"
    address = call.template.format_map(story.names)
    with transaction.atomic():
        status, told = _answer(story, column, call, address)
        transaction.set_rollback(True)
    if status >= 500 or status == 405 or LOCKED in told:
        return "!"
    if status in (401, 403):
        return "-"
    if status == 404:
        return "."
    if call.method != "GET":
        return "+"
    is_file = any(name in call.template for name in FILES)
    return "+" if status < 400 and (is_file or _tells(story, told)) else "o"


def _named(permission: Permission, column: str) -> bool:
    """Whether an action is for the role, or the stranger's role, of a column."""
    apart = (permission.every_order or permission.own_company) and column.startswith("external")
    return column[-3:] in permission.roles and not apart


def _answer(
    story: Story, column: str, call: Call, address: str, *, without: tuple[str, ...] = ()
) -> tuple[int, bytes]:
    """The status, and everything that the answer says. without: what is left out of what would be sent."""
    client: Any = story.client(column)
    if call.method == "GET":
        answer = client.get(address)
    else:
        kind = {"content_type": "application/json"} if address.startswith("/api/") else {}
        body = {name: value for name, value in story.body(column, address).items() if name not in without}
        answer = getattr(client, call.method.lower())(address, body, **kind)
    sent = b"".join(answer.streaming_content) if answer.streaming else answer.content
    return answer.status_code, sent + str(answer.headers.get("Location", "")).encode()


def _tells(story: Story, sent: bytes) -> bool:
    """Whether something of the order is told; the samples of codes in fields are nobody's."""
    said = re.sub(rb'(placeholder|title)="[^"]*"', b"", sent)
    return any(word in said for word in story.telling)


def test_every_route_has_a_row_and_every_row_a_route() -> None:
    columns, rows = access.read()
    assert columns == COLUMNS
    assert sorted(rows) == sorted(str(call) for call in every_call())
    for row, symbols in rows.items():
        assert len(symbols) == len(columns), row
        assert set(symbols) <= set(access.SYMBOLS), row


@pytest.mark.parametrize("part", range(PARTS))
@pytest.mark.requirement("P11-10d")
@pytest.mark.requirement("P11-10g")
def test_the_doors_are_as_their_rows_say(story: Story, part: int) -> None:
    """Somebody for each way in, and somebody who stays out, other ones in each row; `make soak` asks every column of every row."""
    _, rows = access.read()
    wrong = {
        (str(call), column): found
        for call in _doors()[part::PARTS]
        for column, told in _one_of_each(str(call), rows[str(call)])
        if (found := _outcome(story, column, call)) != told
    }
    assert wrong == {}


def _doors() -> list[Call]:
    return [call for call in every_call() if call.method != "MAY"]


WITHOUT_SECRET = {
    "mes.end_emergency": "everybody ends the own access: it takes, and gives nothing",
    "mes.operate_deliveries": "changes nothing of who may do what: it repeats a reaction, or skips one with a reason",
    "printing.simulate_fault": "of simulated printers alone",
}
"""What administrators do without their secret being asked for again, and why."""


@pytest.mark.requirement("P11-10g")
@pytest.mark.requirement("ES-01")
def test_what_an_administrator_changes_is_signed_or_asks_for_the_secret_again() -> None:
    """A new action of theirs cannot forget it: it is declared so, only reads, or stands above with its reason."""
    theirs = [one for one in PERMISSIONS.values() if one.roles & ADMINISTRATION]
    reads = re.compile(r"\w+\.(read|view|find)_")
    unasked = {one.action for one in theirs if not (one.signed or one.secret or reads.match(one.action))}
    assert unasked == set(WITHOUT_SECRET)


OPEN_DOORS = {f"POST /deliveries/{{delivery}}/{decision}/" for decision in DECISIONS}
"""The doors of what stands above."""


@pytest.mark.requirement("P11-10g")
def test_no_door_changes_anything_for_an_administrator_without_the_secret(story: Story) -> None:
    """Every door that is an administrator's and not an operator's, whatever its view looks at."""
    _, rows = access.read()
    told = [(call, rows[str(call)]) for call in _doors() if call.method not in ("GET", "SOCKET")]
    let_in = {
        str(call)
        for call, row in told
        for column in (Role.SEC.value, Role.SYS.value)
        if row[COLUMNS.index(column)] == "+" and row[COLUMNS.index(Role.OPR.value)] != "+"
        if not _is_signed(call) and _comes_in_unproven(story, column, call)
    }
    assert let_in == OPEN_DOORS


def _is_signed(call: Call) -> bool:
    """What is signed has its own two components, and what is only shown before changes nothing."""
    parts = call.template.strip("/").split("/")
    return parts[0] == "act" and ACTIONS[parts[3]].meaning is not None


def _comes_in_unproven(story: Story, column: str, call: Call) -> bool:
    with transaction.atomic():
        address = call.template.format_map(story.names)
        status, _ = _answer(story, column, call, address, without=("password", "assertion"))
        transaction.set_rollback(True)
    return status not in (401, 403)


@pytest.mark.requirement("P11-10g")
def test_the_actions_name_the_roles_that_their_rows_say() -> None:
    """A role more or less is a difference that somebody reads, whichever doors ask for the action."""
    _, rows = access.read()
    told = {name: rows.get(f"MAY {name}") for name in PERMISSIONS}
    found = {
        name: "".join("+" if _named(one, column) else "-" for column in COLUMNS)
        for name, one in PERMISSIONS.items()
    }
    assert found == told


def _one_of_each(row: str, cells: str) -> Iterator[tuple[str, str]]:
    """A column for each way in and one that stays out, spread over the symbols and columns by the row's own name."""
    spread, out = crc32(row.encode()), sorted(set(cells) & set("-."))
    for symbol in (*sorted(set(cells) & set("+o")), *(out[spread % len(out) :][:1] if out else ())):
        columns = [column for column, cell in zip(COLUMNS, cells, strict=True) if cell == symbol]
        yield columns[spread % len(columns)], symbol


@pytest.mark.slow
@pytest.mark.parametrize("part", range(PARTS))
def test_every_cell_of_every_row(story: Story, part: int) -> None:
    """The whole matrix, which is also written anew by LAMINA_TEST_ACCESS=write."""
    calls = every_call()[part::PARTS]
    found = {str(call): "".join(_outcome(story, column, call) for column in COLUMNS) for call in calls}
    if os.environ.get("LAMINA_TEST_ACCESS") == "write":
        access.write(COLUMNS, found)
    assert {row: cells for row, cells in found.items() if "!" in cells} == {}
    _, rows = access.read()
    assert {row: cells for row, cells in found.items() if rows[row] != cells} == {}


def _cells() -> Iterator[tuple[str, str, str]]:
    columns, rows = access.read()
    for row, symbols in rows.items():
        for column, symbol in zip(columns, symbols, strict=True):
            yield row, column, symbol


CLOSED = {
    "GET /find/": "a search for nothing finds nothing",
    "GET /sign-in/provider/": "no identity provider is set up in the story",
    "GET /sign-in/provider/answer/": "no identity provider is set up in the story",
}


def test_every_row_lets_somebody_in() -> None:
    """A row that refuses everybody says nothing about who may: its story lacks an object, or the door is stuck."""
    _, rows = access.read()
    by_rules = {f"MAY {name}" for name, one in PERMISSIONS.items() if one.system and not one.roles}
    stuck = {row for row, symbols in rows.items() if not set(symbols) & set("+o")}
    assert stuck == set(CLOSED) | by_rules


UNTOLD = frozenset({Role.PRE, Role.CLR})
"""They know the orders that they are named on, and nothing of the plant: what they are not told of is not there."""
NARROWER = ("/act/emergency/", "/api/drafts/{draft}/", "/api/uploads/{upload}")
"""Everybody may have an emergency, or answer for somebody who had one; a certain one is its few people's alone, as a draft is
its author's and an upload by parts its sender's."""


@pytest.mark.requirement("G-OPR-02")
def test_who_comes_in_is_who_the_action_names() -> None:
    """The file cannot be talked round: what the view declares is what a reviewer may accept, neither more nor less."""
    wrong = []
    for row, symbols in access.read()[1].items():
        by_role = {
            Role(name): cell for name, cell in zip(COLUMNS, symbols, strict=True) if name in Role.values
        }
        needed = _needed(row)
        found = {role for role, cell in by_role.items() if cell in "+o"}
        named = {role for role in needed or () if role not in UNTOLD or by_role[role] != "."}
        if needed is None or found == named or (any(part in row for part in NARROWER) and found < named):
            continue
        wrong.append((row, sorted(found - named), sorted(named - found)))
    assert wrong == []


def _needed(row: str) -> frozenset[Role] | None:
    """The roles that may come through, where the row's view or its page's action declares it."""
    method, template = row.split(" ", 1)
    if method == "MAY":
        return PERMISSIONS[template].roles
    if template.startswith("/act/"):
        permission, _, only = ACTIONS[template.split("/")[4]].permission.partition(":")
        return frozenset({Role(only)}) if only else PERMISSIONS[permission].roles
    if not template.startswith("/api/") or method == "SOCKET":
        return None
    view: Any = resolve(template.format_map(_Samples())).func
    verb = getattr(view, "actions", {}).get(method.lower(), method.lower())
    action = getattr(view.cls, "permits", {}).get(verb)
    return PERMISSIONS[action].roles if action else None


class _Samples(dict[str, str]):
    """An object for each name, for addresses that are resolved and not called."""

    def __missing__(self, name: str) -> str:
        if name in ("file", "build_file", "certificate", "gauge_file", "bundle"):
            return "0" * 64
        if name in (
            "draft",
            "inspection", "study", "master", "material", "key", "revision-number", "curriculum", "enrolment", "signature",
            "handwritten", "identity", "person", "peer", "training",
        ):  # fmt: skip
            return "1"
        return {
            "container": "CX78KCDMJ2",
            "command": "00000000-0000-0000-0000-000000000000",
            "upload": "00000000-0000-0000-0000-000000000000",
        }.get(name, "D0000001")


STORY = re.compile(
    "{(device|order|build|job|serial|finding|inspection|study|command|signature|handwritten|hold|disposal|export|bundle)}"
)
"""What tells of an order, or is one's part."""
DUTIES = {("GET /deliveries/{delivery}/", Role.SYS.value)}
"""An operator of the deliveries is told the code of the record that one holds up, and nothing that stands in it."""


@pytest.mark.requirement("P11-10d")
def test_who_is_not_on_an_order_is_shown_nothing_of_it_at_any_door() -> None:
    """The other prescriber, the unassigned reviewer, the external engineer, administrators, programs: 404 or nothing."""
    apart = {*STRANGERS, Role.SEC.value, Role.SYS.value}
    shown = [
        (row, column)
        for row, column, symbol in _cells()
        if column in apart and symbol == "+" and STORY.search(row)
    ]
    assert shown == []
    lists = [
        cell
        for cell in _cells()
        if cell[1] in apart and cell[2] == "+" and cell[0].startswith("GET") and cell[:2] not in DUTIES
    ]
    assert lists == []


def test_what_does_not_exist_for_somebody_is_404_and_not_403() -> None:
    found = [
        (row, column)
        for row, column, symbol in _cells()
        if column in ("other-PRE", "other-CLR", "external-DSN", "external-QAR") and symbol == "-" and row.startswith("GET")
        and "{device}" in row
    ]  # fmt: skip
    assert found == []


def test_no_command_acts_as_a_person() -> None:
    ours = {name for name, app in get_commands().items() if app in OWN}
    assert ours <= CONSOLE
