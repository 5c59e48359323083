"""Installation and operational qualification: questions to this installation, each with what was expected and what was found.

Nothing is changed: what tries the database's refusals is rolled back.
"""

from __future__ import annotations

import hashlib
import platform
import re
import stat
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from importlib import metadata
from pathlib import Path

from django.conf import settings
from django.core.checks import run_checks
from django.db import DatabaseError, connection, transaction
from django.db.migrations.executor import MigrationExecutor
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name as normal

from mes import VERSION
from mes.eventlog.catalogs import servers_own_names
from mes.eventlog.guardcheck import grant_faults
from mes.eventlog.sealing import public_keys
from mes.eventlog.subscriptions import HANDLERS
from mes.eventlog.verify import verify
from mes.exceptions import described
from mes.lifecycle import GATES
from mes.migrating import known_migrations
from mes.models import EventRecord, Leaf
from mes.services.artefacts import store
from mes.tables import TABLES

LOCKED = re.compile(r"^[A-Za-z0-9._-]+==[^\\\n]+", re.MULTILINE)


@dataclass(frozen=True)
class Check:
    """One question. `phase` is IQ or OQ."""

    id: str
    phase: str
    question: str
    expected: str
    found: str
    passed: bool


Answer = tuple[str, bool]
_QUESTIONS: list[tuple[str, str, str, Callable[[], Answer]]] = []


def asked(phase: str, question: str, expected: str) -> Callable[[Callable[[], Answer]], Callable[[], Answer]]:
    """Declare a question; the function returns what was found and whether that is right."""

    def declare(ask: Callable[[], Answer]) -> Callable[[], Answer]:
        _QUESTIONS.append((phase, question, expected, ask))
        return ask

    return declare


def qualify() -> tuple[Check, ...]:
    """Ask everything. A question that cannot be answered is not passed (K-14)."""
    return tuple(_checks())


def _checks() -> Iterator[Check]:
    numbers = {"IQ": 0, "OQ": 0}
    for phase, question, expected, ask in _QUESTIONS:
        numbers[phase] += 1
        try:
            found, passed = ask()
        except Exception as failure:  # noqa: BLE001 - an unanswered question is a failed one, and says so
            found, passed = f"could not be answered: {described(failure)}", False
        yield Check(f"{phase}-{numbers[phase]:02d}", phase, question, expected, found, passed)


def facts() -> dict[str, str]:
    """What was qualified."""
    return {
        "Lamina": VERSION,
        "Python": platform.python_version(),
        "machine": f"{platform.system()} {platform.release()} {platform.machine()}",
        "database": _one("SHOW server_version"),
        "lock file": f"requirements.txt, SHA-256 {_digest(settings.BASE_DIR / 'requirements.txt')}",
        "handlers, gates, tables": f"{len(HANDLERS)}, {len(GATES)}, {len(TABLES)}",
        "events in the record": str(EventRecord.objects.count()),
    }


def _digest(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()


def _one(statement: str) -> str:
    with connection.cursor() as cursor:
        cursor.execute(statement)
        return str(cursor.fetchone()[0])


@asked("IQ", "Are the installed packages those of the lock file?", "every package in its locked version")
def packages_are_locked() -> Answer:
    lines = LOCKED.findall((settings.BASE_DIR / "requirements.txt").read_text(encoding="utf-8"))
    locked = [found for found in map(Requirement, lines) if found.marker is None or found.marker.evaluate()]
    installed = {normal(found.name): found.version for found in metadata.distributions()}
    wrong = []
    for found in locked:
        version = installed.get(normal(found.name))
        if version is None:
            wrong.append(f"{found.name} is missing")
        elif not found.specifier.contains(version, prereleases=True):
            wrong.append(f"{found.name} {version}, not {found.specifier}")
    return "; ".join(wrong) or f"{len(locked)} packages as locked", not wrong


@asked("IQ", "Does the configuration pass its own checks?", "no error")
def configuration_is_sound() -> Answer:
    serious = [message for message in run_checks() if message.is_serious()]
    return "; ".join(f"{message.id}: {message.msg}" for message in serious) or "no error", not serious


@asked("IQ", "Is the schema that of this version?", "every migration applied, none unknown")
def schema_is_current() -> Answer:
    executor = MigrationExecutor(connection)
    open_ones = executor.migration_plan(executor.loader.graph.leaf_nodes())
    unknown = set(executor.loader.applied_migrations) - known_migrations()
    wrong = [f"{found.app_label}.{found.name} is not applied" for found, _ in open_ones]
    wrong += [f"{app}.{name} is not of this version" for app, name in sorted(unknown)]
    return "; ".join(wrong) or f"{len(executor.loader.applied_migrations)} migrations", not wrong


@asked("IQ", "Does the database keep what it confirms?", "fsync, full_page_writes and data_checksums on")
def database_is_durable() -> Answer:
    found = {name: _one(f"SHOW {name}") for name in ("fsync", "full_page_writes", "data_checksums")}
    return ", ".join(f"{name} {value}" for name, value in found.items()), set(found.values()) == {"on"}


@asked(
    "IQ",
    "Do the roles hold the declared rights, and none that weaken the record?",
    "the grants that the code declares; a role of the operator's own may read (K-02)",
)
def grants_are_declared() -> Answer:
    with servers_own_names():
        wrong = list(grant_faults())
    return "; ".join(wrong[:10]) or f"as declared on {len(TABLES)} tables", not wrong


@asked(
    "IQ", "Do the triggers stand that refuse changes of the record?", "every one present and enabled (K-01)"
)
def triggers_stand() -> Answer:
    with connection.cursor() as cursor:
        cursor.execute("SELECT tgname, tgenabled FROM pg_trigger WHERE NOT tgisinternal")
        found = dict(cursor.fetchall())
    wanted = [f"{name}_no_truncate" for name, table in TABLES.items() if table.kind in ("record", "working")]
    wanted += [f"{name}_no_delete" for name, table in TABLES.items() if table.kind in ("record", "working")]
    wanted += [f"{name}_no_update" for name, table in TABLES.items() if table.kind == "record"]
    stages = {name: table.stage.column for name, table in TABLES.items() if table.stage}
    wanted += [f"{name}_{column}_{what}" for name, column in stages.items() for what in ("guarded", "moves")]
    wrong = [name for name in wanted if name not in found]
    wrong += [name for name, enabled in found.items() if enabled not in ("O", "A")]
    return "; ".join(sorted(wrong)[:10]) or f"{len(found)} triggers", not wrong


@asked("IQ", "Are the keys for their owner alone?", "every file under keys without rights for others")
def keys_are_private() -> Answer:
    files = [path for path in settings.KEYS_DIR.iterdir() if path.is_file() and path.suffix != ".pub"]
    open_ones = [path.name for path in files if stat.S_IMODE(path.stat().st_mode) & 0o077]
    return ", ".join(sorted(open_ones)) or f"{len(files)} key files", bool(files) and not open_ones


@asked(
    "OQ",
    "Does the database refuse the application an edit of the log?",
    "UPDATE, DELETE and TRUNCATE refused",
)
def log_cannot_be_edited() -> Answer:
    took = [
        statement
        for statement in (
            "UPDATE mes_event SET reason = 'x'",
            "DELETE FROM mes_event",
            "TRUNCATE mes_event CASCADE",
        )
        if not _is_refused(statement)
    ]
    return "; ".join(f"{statement} was accepted" for statement in took) or "all three refused", not took


def _is_refused(statement: str) -> bool:
    class Undone(Exception):
        pass

    try:
        with transaction.atomic():
            with connection.cursor() as cursor:
                cursor.execute(statement)
            raise Undone
    except DatabaseError:
        return True
    except Undone:
        return False


@asked("OQ", "Is the record as it was written?", "VALID (11.10(a))")
def record_is_valid() -> Answer:
    verdict = verify(
        keys=public_keys(settings.KEYS_DIR), witness=settings.WITNESS_DIR / "seals.jsonl", files=store()
    )
    bad = f": {verdict.first_bad}" if verdict.first_bad else ""
    return (
        f"{verdict.result}, {verdict.events} events, {verdict.sealed} sealed{bad}",
        verdict.result == "VALID",
    )


@asked("OQ", "Is the record being sealed?", "fewer than 2,000 events wait for their seal")
def record_is_sealed() -> Answer:
    waiting = EventRecord.objects.count() - Leaf.objects.count()
    return f"{waiting} events wait", waiting < 2000


@asked("OQ", "Does a gate that cannot answer block?", "blocked (K-14)")
def gates_fail_closed() -> Answer:
    from_nothing = [gate.id for gate in GATES.values() if not _blocks_nothing(gate.check)]
    return ", ".join(sorted(set(from_nothing))) or f"{len(GATES)} gates asked about nothing", not from_nothing


def _blocks_nothing(check: Callable[..., object]) -> bool:
    """Whether a gate that is asked about nothing at all does anything but pass."""
    try:
        verdict = check(None)
    except Exception:  # noqa: BLE001 - an exception is what the kernel turns into a refusal
        return True
    return getattr(verdict, "outcome", "block") != "pass"
