"""Real relays and workers for the tests, on the database and broker of the test that starts them."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Mapping
from contextlib import suppress
from pathlib import Path

from django.conf import settings
from django.db import connections

from tests.patience import PATIENCE_S
from tests.servers import BASE, Cluster

READY = {"relay": "relay: ready", "worker": " ready.", "seal": "seal: ready", "tick": "tick: ready"}
WORKER = ("-m", "celery", "-A", "mes.celery", "worker", "-Q", "default", "--loglevel", "INFO")


class Fleet:
    """Processes of one test: started, killed, and all gone at its end."""

    def __init__(
        self, cluster: Cluster, folder: Path, settings_module: str = "tests.mes.rig.settings"
    ) -> None:
        self.folder = folder
        self.journal = folder / "journal"
        self._running: dict[str, subprocess.Popen[bytes]] = {}
        self._numbers = 0
        self._environment = cluster.environment(connections.settings["default"]["NAME"]) | {
            "BROKER_URL": settings.BROKER_URL,
            "DJANGO_SETTINGS_MODULE": settings_module,
            "LAMINA_WORKER_CONCURRENCY": "1",
            "CELERY_SKIP_CHECKS": "1",
            "RIG_JOURNAL": str(self.journal),
        }

    def start(self, kind: str, environment: Mapping[str, str] | None = None, *, wait: bool = True) -> str:
        """Start a "relay", a "worker", a "seal" or a "tick". Returns its name."""
        self._numbers += 1
        name = f"{kind}-{self._numbers}"
        with self.log(name).open("wb") as log:
            self._running[name] = subprocess.Popen(
                _command(kind, name),
                cwd=BASE,
                env=self._environment | dict(environment or {}) | {"PYTHONUNBUFFERED": "1"},
                stdout=log,
                stderr=log,
                start_new_session=True,
            )
        if wait:
            self.await_ready(name)
        return name

    def await_ready(self, *names: str) -> None:
        for name in names:
            self._await_ready(name)

    def _await_ready(self, name: str) -> None:
        wanted = READY[name.partition("-")[0]]
        wait_until(lambda: wanted in self.said(name) or self._running[name].poll() is not None, PATIENCE_S)
        assert wanted in self.said(name), self.said(name)

    def log(self, name: str) -> Path:
        return self.folder / f"{name}.log"

    def said(self, name: str) -> str:
        return self.log(name).read_text(errors="replace")

    def everything_said(self, kind: str) -> str:
        return "".join(path.read_text(errors="replace") for path in sorted(self.folder.glob(f"{kind}-*.log")))

    def names(self, kind: str) -> list[str]:
        return [name for name in self._running if name.startswith(f"{kind}-")]

    def pause(self, name: str) -> None:
        _signal_family(self._running[name].pid, signal.SIGSTOP)

    def resume(self, name: str) -> None:
        _signal_family(self._running[name].pid, signal.SIGCONT)

    def kill(self, name: str) -> None:
        """`kill -9` of the whole process, pool children included (they die with their parent)."""
        process = self._running.pop(name)
        process.kill()
        process.wait(PATIENCE_S)

    def kill_child(self, name: str) -> bool:
        """`kill -9` of a worker's pool child. False where it has none at this moment."""
        children = _children(self._running[name].pid)
        if children:
            _send(children[0], signal.SIGKILL)
        return bool(children)

    def end(self, name: str) -> int:
        """SIGTERM, as the supervisor stops it. Returns the exit status."""
        process = self._running.pop(name)
        process.terminate()
        return process.wait(PATIENCE_S)

    def stop(self) -> None:
        while self._running:
            _, process = self._running.popitem()
            if process.poll() is None:
                _signal_family(process.pid, signal.SIGKILL)
                process.wait(PATIENCE_S)


def _signal_family(pid: int, number: signal.Signals) -> None:
    """The parent first, so that it starts no child meanwhile."""
    children = _children(pid)
    for member in (pid, *children):
        _send(member, number)


def _children(pid: int) -> list[int]:
    try:
        return [int(child) for child in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]
    except FileNotFoundError:
        return []


def processes_in(place: str) -> list[int]:
    """Every living process that was started for this place (`LAMINA_VAR`), however deep."""
    needle = f"LAMINA_VAR={place}\0".encode()
    found = []
    for folder in Path("/proc").glob("[0-9]*"):
        with suppress(OSError):
            if needle in (folder / "environ").read_bytes() and int(folder.name) != os.getpid():
                found.append(int(folder.name))
    return found


def _send(pid: int, number: signal.Signals) -> None:
    with suppress(ProcessLookupError):
        os.kill(pid, number)


def _command(kind: str, name: str) -> list[str]:
    if kind == "worker":
        pool = [
            "--without-gossip",
            "--without-mingle",
            "--without-heartbeat",
            "-n",
            f"{name}-{os.getpid()}@test",
        ]
        return [sys.executable, *WORKER, *pool]
    return [sys.executable, "manage.py", kind, "--skip-checks"]


def wait_until(true: Callable[[], bool], seconds: float, step: float = 0.03) -> bool:
    """Whether it became true in time."""
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        if true():
            return True
        time.sleep(step)
    return true()
