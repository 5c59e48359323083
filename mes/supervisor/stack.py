"""The whole of Lamina as a context manager: `manage.py up` in a process of its own, for the demo and the fault tests."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass
from pathlib import Path

from django.conf import settings

from mes.embedded.account import bound
from mes.supervisor import status
from mes.supervisor.programs import MANAGE

START_TIMEOUT = 900.0
STOP_TIMEOUT = 180.0
POLL = 0.1


class StackFailed(RuntimeError):
    """The stack did not start; the message is what the supervisor said last."""


@dataclass(frozen=True)
class Stack:
    """A running Lamina. It goes on restarting what dies."""

    supervisor: int
    address: str
    run_folder: Path
    process: subprocess.Popen[bytes]

    @property
    def ended(self) -> bool:
        """Whether the supervisor is gone, whoever stopped it."""
        return self.process.poll() is not None

    def await_end(self, seconds: float | None = None) -> None:
        """Wait until the supervisor is gone. Raises StackFailed where it still runs after that time."""
        try:
            self.process.wait(seconds)
        except subprocess.TimeoutExpired:
            raise StackFailed(f"Lamina still ran after {seconds} s") from None

    @property
    def processes(self) -> Mapping[str, int]:
        """Name to process id, of those that live now (postgres, valkey, web, relay, worker, seal, tick, fleet)."""
        found = status.read(self.run_folder)
        return {name: entry.pid for name, entry in found.processes.items() if entry.pid} if found else {}

    def await_running(self, name: str, *, other_than: int | None = None, seconds: float = 60.0) -> int:
        """Wait until `name` is healthy, in another process than `other_than`; returns its process id."""
        deadline = time.monotonic() + seconds
        while time.monotonic() < deadline:
            found = status.read(self.run_folder)
            entry = found.processes.get(name) if found else None
            if entry and entry.pid and entry.state == "running" and entry.pid != other_than:
                return entry.pid
            time.sleep(POLL)
        raise StackFailed(f"{name} was not running again within {seconds:.0f} s")


@contextmanager
def running_stack(
    *,
    port: int = 8000,
    quiet: bool = False,
    servers_only: bool = False,
    tell: Callable[[str], None] | None = None,
    environment: Mapping[str, str] = os.environ,
) -> Iterator[Stack]:
    """Start everything, yield once all of it is healthy, and stop everything in order on the way out.

    `quiet` sends what the supervisor says to `var/log/up.log` instead of the terminal; `tell` then gets each of its lines
    while the stack starts. `servers_only` leaves out Lamina's own processes. The stack also stops when this process dies. Raises StackFailed.
    """
    var = Path(environment.get("LAMINA_VAR", settings.VAR_DIR)).resolve()
    log = var / "log" / "up.log"
    log.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    # Another Lamina may run here and own the log: ours takes its place once this one has the place.
    fresh = log.with_name(f"{log.name}.{os.getpid()}")
    command = [sys.executable, str(MANAGE), "up", "--port", str(port), "--quiet"]
    command += ["--servers"] if servers_only else []
    with fresh.open("wb") if quiet else nullcontext() as output:
        process = subprocess.Popen(  # noqa: S603 - our own command
            bound(command, on_parent_death=signal.SIGTERM),
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT if quiet else None,
            env=dict(environment),
            # Ctrl-C reaches the caller alone, which leaves this context and so stops the stack in order.
            start_new_session=True,
        )
    try:
        yield _once_running(process, var / "run", fresh if quiet else None, tell)
    finally:
        _stop(process)
        fresh.unlink(missing_ok=True)


def _once_running(
    process: subprocess.Popen[bytes],
    run_folder: Path,
    log: Path | None,
    tell: Callable[[str], None] | None,
) -> Stack:
    deadline = time.monotonic() + START_TIMEOUT
    told = 0
    while process.poll() is None and time.monotonic() < deadline:
        found = status.read(run_folder)
        if found and found.supervisor == process.pid:
            log = _in_its_place(log)
        told += _pass_on(log, told, tell)
        if found and found.supervisor == process.pid and found.state == "running":
            return Stack(process.pid, found.address, run_folder, process)
        time.sleep(POLL)
    _pass_on(log, told, tell)
    if log is None or tell is not None:
        raise StackFailed("Lamina did not start: see above.")
    raise StackFailed(f"Lamina did not start.\n{log.read_text(encoding='utf-8', errors='replace')[-3000:]}")


def _in_its_place(log: Path | None) -> Path | None:
    """The log of a stack that owns the place, under the name that people look for."""
    if log is None or log.suffix == ".log":
        return log
    return log.replace(log.with_suffix(""))


def _pass_on(log: Path | None, told: int, tell: Callable[[str], None] | None) -> int:
    """Tell the whole lines that are new since `told` bytes; returns how many bytes they are."""
    if log is None or tell is None:
        return 0
    with log.open("rb") as file:
        file.seek(told)
        new = file.read()
    lines, whole, _ = new.rpartition(b"\n")
    for line in lines.decode("utf-8", "replace").splitlines():
        tell(line.removeprefix("up").lstrip(" |"))
    return len(lines) + len(whole)


def _stop(process: subprocess.Popen[bytes]) -> None:
    if process.poll() is not None:
        return
    process.send_signal(signal.SIGTERM)
    try:
        process.wait(STOP_TIMEOUT)
    except subprocess.TimeoutExpired:
        # Its children are bound to its life.
        process.kill()
        process.wait()
