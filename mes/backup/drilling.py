"""A drill: the newest backup restored into an empty place, served by a PostgreSQL of its own, verified, and compared with
the living witness. It shows that the backups can be used (21 CFR 11.10(c)); the site runs on meanwhile."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from psycopg import Connection

from mes.backup.contents import newest_backup
from mes.backup.keycopies import lost_keys
from mes.backup.restoring import restore
from mes.backup.tools import BackupFailed
from mes.embedded import roles
from mes.embedded.environment import BASE_DIR
from mes.embedded.layout import Layout
from mes.embedded.postgres import Postgres
from mes.embedded.roles import SUPERUSER
from mes.embedded.unverifiable import RESULT
from mes.eventlog.witness import Told, Witness

START_TIMEOUT = 120.0


@dataclass(frozen=True)
class Outcome:
    """`problem`: empty where the restored record is whole and the living witness knows its last seal."""

    backup: str
    restored_to: str
    digest_match: bool
    events: int
    tree_size: int
    seconds: float
    problem: str


def drill(*, backups: Path, witness: Path, place: Path | None = None, keys: Path | None = None) -> Outcome:
    """Restore, verify, compare, and remove the place again. A bad backup is an outcome, not an error.

    `witness`: the living one. `keys`: where `backup --keys` copied to; the vault's must open the restored rows. Raises BackupFailed where there is no backup at all.
    """
    started = time.monotonic()
    folder = newest_backup(backups)
    spot = Path(tempfile.mkdtemp(prefix="lamina-drill-", dir=place))
    events, last, problem = 0, None, ""
    try:
        events, last, problem = _tried(folder, spot / "var", witness, keys)
    except BackupFailed as failure:
        problem = str(failure)
    finally:
        shutil.rmtree(spot, ignore_errors=True)
    return Outcome(
        backup=folder.name,
        restored_to=str(spot),
        digest_match=not problem,
        events=events,
        tree_size=last.tree_size if last else 0,
        seconds=round(time.monotonic() - started, 3),
        problem=problem,
    )


def _tried(folder: Path, var: Path, witness: Path, keys: Path | None) -> tuple[int, Told | None, str]:
    var.parent.chmod(0o711)
    restore(source=folder, into=var)
    with serving(Layout(var)):
        events, last = _state(Layout(var))
        problem = _verified(var) or unknown_to(witness, last) or _unopened(Layout(var), keys, folder.name)
    return events, last, problem


@contextmanager
def serving(layout: Layout) -> Iterator[None]:
    """A PostgreSQL on the place's data for as long as this lasts. It dies with this process. Raises BackupFailed."""
    server = Postgres(layout)
    server.prepare()
    with (layout.log / "postgres.log").open("ab") as log:
        process = subprocess.Popen(server.command(), stdout=log, stderr=log, start_new_session=True)  # noqa: S603 - our own server
    try:
        _await(server, process, layout)
        roles.bootstrap(layout)
        yield
    finally:
        process.send_signal(signal.SIGINT)
        process.wait(START_TIMEOUT)
        shutil.rmtree(server.sockets, ignore_errors=True)


def _await(server: Postgres, process: subprocess.Popen[bytes], layout: Layout) -> None:
    deadline = time.monotonic() + START_TIMEOUT
    while not server.is_ready():
        if process.poll() is not None or time.monotonic() > deadline:
            tail = (layout.log / "postgres.log").read_text(errors="replace")[-1000:]
            raise BackupFailed(f"PostgreSQL did not start on the restored data:\n{tail}")
        time.sleep(0.05)


def _record(layout: Layout) -> Connection:
    return roles.connect(roles.embedded_address(SUPERUSER, layout, roles.password_file(SUPERUSER, layout)))


def _unopened(layout: Layout, keys: Path | None, name: str) -> str:
    """Whether the keys that were copied with a backup open its identities; empty where they do, or were not asked for."""
    if keys is None:
        return ""
    with _record(layout) as record:
        lost = lost_keys(record, keys / name)
    return f"the keys in {keys / name} do not open its identities: {lost}" if lost else ""


def _state(layout: Layout) -> tuple[int, Told | None]:
    with _record(layout) as record:
        events: Any = record.execute("SELECT count(*) FROM mes_event").fetchone()
        last = record.execute(
            "SELECT tree_size, root, signature FROM mes_seal ORDER BY tree_size DESC LIMIT 1"
        ).fetchone()
    return int(events[0]), Told(*last) if last else None


def _verified(var: Path) -> str:
    """What `manage.py verify` finds there, in a process that knows of no other place; empty where it is valid."""
    inherited = {
        name: value
        for name, value in os.environ.items()
        if not name.startswith(("DATABASE_", "LAMINA_", "BROKER_"))
    }
    ran = subprocess.run(  # our own command
        [sys.executable, "manage.py", "verify", "--json"],
        cwd=BASE_DIR,
        env=inherited | {"LAMINA_VAR": str(var), "DJANGO_SETTINGS_MODULE": "mes.settings"},
        capture_output=True,
        text=True,
        check=False,
    )
    try:
        verdict = json.loads(ran.stdout.splitlines()[-1])
    except (IndexError, ValueError):
        return f"verify did not finish: {ran.stderr.strip()[-500:]}"
    if verdict["result"] == "VALID" and ran.returncode == 0:
        return ""
    if verdict["result"] == RESULT:
        return f"verify cannot read it: {verdict['reason']}"
    bad = verdict["first_bad"]
    return f"verify says {verdict['result']}: {bad['what']} at {bad['where']}"


def unknown_to(witness: Path, last: Told | None) -> str:
    """The restored record's last seal stands in the living witness as it was told."""
    if last is None:
        return ""
    for _, _, line in Witness(witness).lines():
        try:
            told = Told.parse(line)
        except ValueError:
            continue
        if told.tree_size == last.tree_size:
            return (
                "" if told == last else f"the living witness knows another seal of tree size {last.tree_size}"
            )
    newest = Witness(witness).last()
    if newest is not None and newest.tree_size < last.tree_size:
        return f"the living witness is older than the backup: it ends at tree size {newest.tree_size}"
    return f"the living witness does not know the seal of tree size {last.tree_size}"
