"""The house itself: who imports whom, what is declared and documented, and which words must not stand where."""

import ast
import re
from collections.abc import Iterable, Iterator
from dataclasses import fields
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path

import pytest
from django.apps import apps
from importlinter.cli import lint_imports

from mes.apps import DISCOVERED, LaminaPackage
from mes.choices import Role
from mes.eventlog.base import EVENT_TYPES
from mes.eventlog.subscriptions import HANDLERS, QUEUES, SlotDue
from mes.lifecycle import GATES, Lifecycle
from mes.management.commands.catalogue import is_ours, pages, reacting_to
from mes.permissions import PERMISSIONS
from mes.tables import TABLES
from tests.servers import BASE

PACKAGES = [
    config.name
    for config in apps.get_app_configs()
    if isinstance(config, LaminaPackage) and "." not in config.name
]
EVENTS = [event for event in EVENT_TYPES.values() if is_ours(event)]
# Who a patient is stands in the vault and in the rooms that read it from an image or a form, nowhere else (K-13).
IDENTITY = re.compile(
    r"\b(family_name|given_name|birth_date|date_of_birth|patient_name|PatientName|PatientID|PatientBirthDate)\b"
)
MAY_SPEAK_OF_PATIENTS = (
    "mes/services/patients.py",
    "mes/models/patients.py",
    "mes/naming.py",
    "mes/demo/",
    "devices/imaging/",
    "devices/services/identity.py",
    "devices/api/patients.py",
    "mes/dashboard/actions/orders.py",
)


def sources() -> Iterator[tuple[str, str]]:
    """(path, text) of every module of the packages, migrations aside."""
    for package in PACKAGES:
        for path in sorted((BASE / package).rglob("*.py")):
            if "migrations" not in path.parts:
                yield str(path.relative_to(BASE)), path.read_text()


@pytest.mark.requirement("G-INT-01")
def test_no_stored_file_is_read_unchecked() -> None:
    """Who shows a file or computes from it asks for `intact_path`, which checks its digest first."""
    checks = (
        "mes/services/artefacts.py",
        "quality/services/bundle.py",  # hashes what it packs as it reads it
        "mes/management/commands/demo.py",  # names where the files lie
    )
    unchecked = [path for path, text in sources() if "artefact_path" in text and path not in checks]
    assert unchecked == []


@pytest.mark.requirement("ES-18")
def test_what_keeps_a_signature_for_good_is_known_to_every_process() -> None:
    declared = {path for path, text in sources() if re.search(r"^@lasting\(", text, re.MULTILINE)}
    known = {f"{package}/{name.replace('.', '/')}.py" for package in PACKAGES for name in DISCOVERED}
    assert declared, "nobody declares anything this way any more"
    assert declared - known == set()


def test_imports_keep_their_contracts() -> None:
    assert lint_imports(config_filename=str(BASE / "pyproject.toml"), cache_dir=None) == 0


def test_every_event_has_a_handler_or_is_terminal() -> None:
    unheard = {event.name for event in EVENTS if not event.terminal and not reacting_to(event.name)}
    # The clock's event is heard job by job, and there need not be a job.
    unheard.discard(SlotDue.name)
    assert unheard == set(), "declare a handler, or terminal=True"


def test_every_event_is_stated_somewhere() -> None:
    made = {name for path, text in sources() if "/events" not in path for name in _made(ast.parse(text))}
    assert [event.name for event in EVENTS if event.__name__ not in made] == []


def _made(tree: ast.AST) -> Iterator[str]:
    """Names that are called, or handed to a call that is no subscription."""
    for node in ast.walk(tree):
        if not isinstance(node, ast.Call):
            continue
        called = node.func.id if isinstance(node.func, ast.Name) else ""
        yield called
        if called != "on":
            yield from (argument.id for argument in ast.walk(node) if isinstance(argument, ast.Name))


def test_events_are_named_after_their_package_and_say_what_they_mean() -> None:
    for event in EVENTS:
        assert event.name.startswith(f"{event.__module__.partition('.')[0]}."), event.name
        assert event.__doc__, event.name
        assert "(" not in event.__doc__.partition("\n")[0][: len(event.__name__) + 1], (
            f"{event.name}: no docstring"
        )


@pytest.mark.requirement("EV-08")
def test_no_event_has_a_field_for_who_a_patient_is() -> None:
    for event in EVENTS:
        assert not [field.name for field in fields(event) if IDENTITY.fullmatch(field.name)], event.name


@pytest.mark.requirement("K-13")
def test_who_a_patient_is_stands_in_few_rooms() -> None:
    outside = [
        f"{path}: {found.group()}"
        for path, text in sources()
        if not path.startswith(MAY_SPEAK_OF_PATIENTS) and (found := IDENTITY.search(text))
    ]
    assert outside == []


def test_handlers_are_named_after_their_package_and_use_known_queues() -> None:
    known = {event.name for event in EVENT_TYPES.values()}
    for handler in HANDLERS.values():
        if is_ours(handler.react):
            assert handler.id.startswith(f"{handler.react.__module__.partition('.')[0]}."), handler.id
            assert handler.queue in ("", *QUEUES), handler.id
            assert handler.routing_key.partition(":")[0] in known, handler.id


def lifecycles() -> Iterator[tuple[str, Lifecycle]]:
    for package in PACKAGES:
        if find_spec(f"{package}.lifecycle"):
            for thing in vars(import_module(f"{package}.lifecycle")).values():
                if isinstance(thing, Lifecycle):
                    yield package, thing


def test_every_gate_stands_before_something_that_happens() -> None:
    """A gate of a move that does not exist would never be asked."""
    moves = {name for _, life in lifecycles() for name in life.names}
    for package in PACKAGES:
        if find_spec(f"{package}.lifecycle"):
            moves |= set(getattr(import_module(f"{package}.lifecycle"), "POINTS", ()))
    for gate in GATES.values():
        if is_ours(gate.check):
            assert gate.transitions, gate.id
            assert set(gate.transitions) <= moves, gate.id
            assert re.fullmatch(r"[A-Z]+[0-9]*-[A-Z0-9]+(-[0-9]+[a-z]?)?", gate.id), gate.id


@pytest.mark.requirement("K-06")
def test_the_database_allows_exactly_the_moves_of_the_lifecycles() -> None:
    for package, life in lifecycles():
        guards = [
            table.stage for name, table in TABLES.items() if table.stage and name.startswith(f"{package}_")
        ]
        (guard,) = [guard for guard in guards if as_text(guard.pairs) == as_text(life.pairs)]
        starts = {str(source) for source, _ in life.pairs} - {str(target) for _, target in life.pairs}
        assert starts <= set(map(str, guard.initial)), f"{life.kind}: nothing can start at {starts}"


def as_text(pairs: Iterable[tuple[str, str]]) -> set[tuple[str, str]]:
    return {(str(source), str(target)) for source, target in pairs}


@pytest.mark.requirement("K-06")
def test_every_stage_can_be_reached_from_a_start() -> None:
    for _, life in lifecycles():
        targets = {target for _, target in life.pairs}
        reached = {source for source, _ in life.pairs if source not in targets} or {life.table[0].source}
        while grown := {target for source, target in life.pairs if source in reached} - reached:
            reached |= grown
        assert {stage for pair in life.pairs for stage in pair} == reached, life.kind


def test_every_role_may_do_something_or_waits_for_its_room() -> None:
    assert {role for permission in PERMISSIONS.values() for role in permission.roles} <= set(Role)
    for permission in PERMISSIONS.values():
        assert permission.roles or permission.system, permission.action
        assert re.fullmatch(r"[a-z]+\.[a-z_]+", permission.action), permission.action


@pytest.mark.parametrize("name", ["events.md", "handlers.md", "gates.md"])
def test_the_catalogues_are_those_of_the_code(name: str) -> None:
    written = (BASE / "docs" / name).read_text() if (BASE / "docs" / name).exists() else ""
    assert written == pages()[name], "run: manage.py catalogue"


def test_decisions_have_numbers_without_gaps() -> None:
    records = sorted(path.name for path in Path(BASE / "docs" / "adr").glob("*.md"))
    assert [name[:4] for name in records] == [f"{number:04d}" for number in range(1, len(records) + 1)]


def test_selectors_answer_one_question_a_module() -> None:
    """Readers of devices find one module for each question, and each fits on a few screens."""
    lengths = {path: text.count("\n") for path, text in sources() if path.startswith("devices/selectors")}
    assert len(lengths) > 1
    assert {path: lines for path, lines in lengths.items() if lines >= 300} == {}


def test_no_statement_locks_a_row_and_reads_another() -> None:
    """After a wait for the lock the joined row would be the one of before; see `mes.locking`."""
    for name, text in sources():
        for chain in ast.walk(ast.parse(text)):
            if isinstance(chain, ast.Call) and isinstance(chain.func, ast.Attribute):
                called = set(re.findall(r"\.(select_for_update|select_related)\(", ast.unparse(chain)))
                assert len(called) < 2, f"{name}:{chain.lineno}"
