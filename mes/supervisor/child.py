"""One supervised process: started, watched until healthy, kept in the log, started again, stopped for good."""

import asyncio
import os
import signal
import time
from collections import deque
from collections.abc import Callable
from pathlib import Path

from django.core.exceptions import ImproperlyConfigured

from mes.embedded.layout import EXIT_CONFIGURATION
from mes.supervisor.log import Log
from mes.supervisor.program import Program

FIRST_PAUSE = 1.0
LONGEST_PAUSE = 30.0
HEALTHY_AFTER = 60.0
TAIL_LINES = 20
POLL = 0.05


class NotHealthy(RuntimeError):
    """A process ended or stayed silent before its health gate opened. `status` is its exit status."""

    def __init__(self, name: str, reason: str, tail: list[str], status: int) -> None:
        last = "\n".join(f"    {line}" for line in tail) or "    (it wrote nothing)"
        super().__init__(f"{name} {reason}. Its last lines:\n{last}")
        self.status = status

    @property
    def configuration(self) -> bool:
        """Starting again cannot help."""
        return self.status == EXIT_CONFIGURATION


class Child:
    """`launch()` until healthy, then `keep_alive()` as a task, then `stop()`. Runs on the event loop's own thread."""

    def __init__(self, program: Program, log_folder: Path, say: Callable[[str, str], None]) -> None:
        self.program = program
        self.name = program.name
        self.state = "waiting"
        self.restarts = 0
        self.changed: Callable[[], None] = lambda: None
        self._say = say
        self._log_path = log_folder / f"{program.name}.log"
        self._process: asyncio.subprocess.Process | None = None
        self._reader: asyncio.Task[None] | None = None
        self._tail: deque[str] = deque(maxlen=TAIL_LINES)
        self._line_seen = asyncio.Event()
        self._healthy_since = 0.0

    @property
    def pid(self) -> int | None:
        alive = self._process is not None and self._process.returncode is None
        return self._process.pid if alive and self._process else None

    async def launch(self) -> None:
        """Start it and return once it is healthy. Raises NotHealthy, having killed what was left."""
        self._become("starting")
        if self.program.before:
            await self._run_aside(self.program.before)
        started = time.monotonic()
        try:
            await self._spawn()
        except (OSError, ImproperlyConfigured) as failure:
            raise NotHealthy(self.name, f"could not start ({failure})", [], _status(failure)) from failure
        try:
            # `asyncio.timeout`, never `wait_for`: that one may lose a cancellation that comes with the result.
            async with asyncio.timeout(self.program.start_timeout):
                await self._healthy()
        except TimeoutError:
            await self._kill_group()
            reason = f"was not healthy within {self.program.start_timeout:.0f} s (waiting until {self.program.waits_for})"
            raise NotHealthy(self.name, reason, list(self._tail), -signal.SIGKILL) from None
        except OSError as failure:
            await self._kill_group()
            reason = f"could not be asked whether it is healthy ({failure})"
            raise NotHealthy(self.name, reason, list(self._tail), _status(failure)) from failure
        if self.program.after:
            await self._run_aside(self.program.after)
        self._healthy_since = time.monotonic()
        self._become("done" if self.program.once else "running")
        self._say("up", f"{self.name}: {self.program.waits_for} ({time.monotonic() - started:.1f} s)")

    async def keep_alive(self) -> None:
        """Start it again whenever it ends, after 1, 2, 4 … 30 s; the count begins anew after a healthy minute."""
        pause = FIRST_PAUSE
        while True:
            status = await self._ended()
            if time.monotonic() - self._healthy_since >= HEALTHY_AFTER:
                pause = FIRST_PAUSE
            while True:
                if status == EXIT_CONFIGURATION:
                    self._become("configuration")
                    self._say(
                        "up",
                        f"{self.name} reports a configuration it cannot run with; it is not started again.",
                    )
                    return
                self._become("waiting")
                self._say("up", f"{self.name} {_ending(status)}; starting it again in {pause:.0f} s.")
                await asyncio.sleep(pause)
                pause = min(pause * 2, LONGEST_PAUSE)
                self.restarts += 1
                try:
                    await self.launch()
                except NotHealthy as failure:
                    self._say("up", str(failure))
                    status = failure.status
                    continue
                break

    async def stop(self) -> None:
        """Ask it to leave, wait as long as its program allows, then kill it and everything in its process group."""
        if self._process is None:
            return
        started = time.monotonic()
        was_alive = self._process.returncode is None
        if was_alive:
            self._become("stopping")
            self._signal(self.program.stop_signal)
            try:
                async with asyncio.timeout(self.program.stop_timeout):
                    await self._process.wait()
            except TimeoutError:
                self._say(
                    "up", f"{self.name} did not stop within {self.program.stop_timeout:g} s and is killed."
                )
        await self._kill_group()
        self._become("stopped")
        if was_alive:
            self._say("up", f"{self.name} has stopped ({time.monotonic() - started:.1f} s)")

    async def _run_aside(self, step: Callable[[], None]) -> None:
        """What a program needs done before or after its start. Whatever it raises is a start that failed, and said so."""
        try:
            await asyncio.to_thread(step)
        except Exception as failure:
            await self._kill_group()
            raise NotHealthy(
                self.name, f"could not start ({failure})", list(self._tail), _status(failure)
            ) from failure

    async def _spawn(self) -> None:
        self._tail.clear()
        self._line_seen.clear()
        self._process = await asyncio.create_subprocess_exec(
            *self.program.argv(),
            stdin=asyncio.subprocess.DEVNULL,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.STDOUT,
            env=dict(self.program.environment),
            pass_fds=self.program.inherited_fds,
            # Ctrl-C in the terminal reaches the supervisor alone, which then stops everything in order.
            start_new_session=True,
        )
        self._reader = asyncio.create_task(self._read_output(self._process))
        self.changed()

    async def _healthy(self) -> None:
        """Return when the gate opens; raise when the process ends first."""
        started = time.monotonic()
        while True:
            if self._process is None or self._process.returncode is not None:
                if self.program.once and self._process is not None and self._process.returncode == 0:
                    return
                await self._raise_ended()
            elif await self._gate_is_open(time.monotonic() - started):
                return
            await asyncio.sleep(POLL)

    async def _gate_is_open(self, age: float) -> bool:
        if self.program.once:
            return False
        if self.program.ready:
            return await asyncio.to_thread(self.program.ready)
        if self.program.ready_line:
            return self._line_seen.is_set()
        return age >= self.program.settle

    async def _raise_ended(self) -> None:
        status = await self._ended()
        raise NotHealthy(self.name, f"{_ending(status)} at start", list(self._tail), status)

    async def _ended(self) -> int:
        """Wait for its end and for its last lines; sweep what it left in its process group."""
        if self._process is None:
            return -1
        status = await self._process.wait()
        await self._kill_group()
        self.changed()
        return status

    async def _kill_group(self) -> None:
        if self._process is None:
            return
        self._signal(signal.SIGKILL)
        await self._process.wait()
        if self._reader:
            # A grandchild in a session of its own may keep the pipe open: its lines are not waited for.
            await asyncio.wait([self._reader], timeout=1.0)
            self._reader.cancel()

    def _signal(self, number: signal.Signals) -> None:
        """Stop signals go to the leader, which knows how to drain; only the kill goes to the whole group."""
        if self._process is None:
            return
        try:
            if number == signal.SIGKILL:
                os.killpg(self._process.pid, number)
            else:
                os.kill(self._process.pid, number)
        except ProcessLookupError:
            return

    async def _read_output(self, process: asyncio.subprocess.Process) -> None:
        if process.stdout is None:
            return
        rest = b""
        with Log(self._log_path) as log:
            while chunk := await process.stdout.read(65536):
                log.write(chunk)
                *lines, rest = (rest + chunk).split(b"\n")
                for line in lines:
                    self._take(line.decode("utf-8", "replace").rstrip())
        if rest:
            self._take(rest.decode("utf-8", "replace"))

    def _take(self, line: str) -> None:
        self._tail.append(line)
        if self.program.ready_line and self.program.ready_line.search(line):
            self._line_seen.set()
        self._say(self.name, line)

    def _become(self, state: str) -> None:
        self.state = state
        self.changed()


def _status(failure: Exception) -> int:
    """Of a start that failed: a disk that is full, a process too many or a server's tool may do better next time."""
    wrong = isinstance(
        failure, (ImproperlyConfigured, FileNotFoundError, PermissionError, NotADirectoryError)
    )
    return EXIT_CONFIGURATION if wrong else 1


def _ending(status: int) -> str:
    if status >= 0:
        return f"ended with status {status}"
    return f"was ended by {signal.Signals(-status).name}"
