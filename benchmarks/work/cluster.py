"""A PostgreSQL and a Valkey for one benchmark, durable as in production, below a folder that is thrown away."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from mes.embedded import roles
from mes.embedded.layout import Layout
from mes.embedded.postgres import Postgres
from mes.embedded.valkey import Valkey

PROJECT = Path(__file__).resolve().parents[2]
PATIENCE_S = 60.0


@contextmanager
def cluster() -> Iterator[dict[str, str]]:
    """Start both and migrate. Yields the environment of a process that works on them."""
    place = Path(tempfile.mkdtemp(prefix="lamina-bench-"))
    place.chmod(0o711)
    layout = Layout(place)
    layout.create()
    running: list[subprocess.Popen[bytes]] = []
    try:
        for server in (Postgres(layout), Valkey(layout)):
            server.prepare()
            running.append(
                subprocess.Popen(server.command(), stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
            )
            _await(server)
        roles.bootstrap(layout)
        environment = _environment(place)
        manage("prepare_database", "--quiet", environment=environment)
        yield environment
    finally:
        for process in reversed(running):
            process.send_signal(signal.SIGINT)
            process.wait(PATIENCE_S)
        shutil.rmtree(place, ignore_errors=True)


def manage(*words: str, environment: dict[str, str]) -> None:
    subprocess.run([sys.executable, "manage.py", *words], cwd=PROJECT, env=environment, check=True)


def _environment(place: Path) -> dict[str, str]:
    kept = {
        name: value
        for name, value in os.environ.items()
        if not name.startswith(("DATABASE_", "LAMINA_", "BROKER_"))
    }
    return kept | {
        "LAMINA_VAR": str(place),
        "DJANGO_SETTINGS_MODULE": "mes.settings",
        "LAMINA_LOG_LEVEL": "ERROR",
    }


def _await(server: Postgres | Valkey) -> None:
    deadline = time.monotonic() + PATIENCE_S
    while not server.is_ready():
        if time.monotonic() > deadline:
            raise RuntimeError(f"{type(server).__name__} did not start")
        time.sleep(0.05)
