"""Starts the programs stage by stage, each behind its health gate, and stops the stages in reverse order."""

import asyncio
import os
import signal
import sys
import traceback
from collections.abc import Sequence
from pathlib import Path

from mes.embedded.layout import EXIT_CONFIGURATION
from mes.supervisor import status
from mes.supervisor.child import Child, NotHealthy
from mes.supervisor.program import Program
from mes.supervisor.terminal import Terminal

START_ATTEMPTS = 3
LATE = 1.0
STOP_SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


class Supervisor:
    """`run()` blocks until a stop signal (exit status 0) or until a program cannot be started (1, or 78 when the
    configuration is at fault). The caller has taken the place's lock, so that a second supervisor is refused.
    """

    def __init__(
        self,
        stages: Sequence[Sequence[Program]],
        *,
        run_folder: Path,
        log_folder: Path,
        address: str = "",
        quiet: bool = False,
    ) -> None:
        self._run_folder = run_folder
        self._address = address
        self._quiet = quiet
        self._state = "starting"
        self._late = False
        self._terminal = Terminal(sys.stdout)
        self._stages = [[Child(program, log_folder, self._say) for program in stage] for stage in stages]
        self._children = [child for stage in self._stages for child in stage]
        self._width = max(len(child.name) for child in self._children)
        for child in self._children:
            child.changed = self._write_status

    def run(self) -> int:
        try:
            return asyncio.run(self._run())
        finally:
            self._terminal.close()

    async def _run(self) -> int:
        asked_to_stop = asyncio.Event()
        loop = asyncio.get_running_loop()
        for number in STOP_SIGNALS:
            loop.add_signal_handler(number, asked_to_stop.set)
        work = asyncio.create_task(self._start_and_keep())
        waiter = asyncio.create_task(asked_to_stop.wait())
        teller = asyncio.create_task(self._tell_late())
        await asyncio.wait([work, waiter], return_when=asyncio.FIRST_COMPLETED)
        waiter.cancel()
        result = self._result_of(work)
        work.cancel()
        await asyncio.gather(work, waiter, return_exceptions=True)
        await self._stop_all()
        teller.cancel()
        await asyncio.gather(teller, return_exceptions=True)
        return result

    def _result_of(self, work: asyncio.Task[int]) -> int:
        """The exit status. A mistake of the supervisor's own must not keep it from stopping what it started."""
        if not work.done():
            return 0
        if failure := work.exception():
            self._say("up", "".join(traceback.format_exception(failure)))
            return 1
        return work.result()

    async def _start_and_keep(self) -> int:
        """Keeps everything alive until it is cancelled; returns only when a program cannot be started."""
        keepers: list[asyncio.Task[None]] = []
        try:
            for stage in self._stages:
                failures = await asyncio.gather(*(self._launch_patiently(child) for child in stage))
                for failure in filter(None, failures):
                    self._say("up", f"{failure}\nLamina does not start without it.")
                    return EXIT_CONFIGURATION if failure.configuration else 1
                keepers += [
                    asyncio.create_task(child.keep_alive()) for child in stage if not child.program.once
                ]
            self._become("running")
            living = [f"{child.name} {child.pid}" for child in self._children if child.pid]
            self._say("up", f"Processes: {', '.join(living)}.")
            if self._address:
                self._say("up", f"Lamina runs at {self._address}. Ctrl-C stops it.")
            await asyncio.gather(*keepers)
            await asyncio.Event().wait()
        finally:
            for keeper in keepers:
                keeper.cancel()
            await asyncio.gather(*keepers, return_exceptions=True)
        return 0

    async def _launch_patiently(self, child: Child) -> NotHealthy | None:
        failure: NotHealthy | None = None
        for attempt in range(START_ATTEMPTS):
            try:
                await child.launch()
            except NotHealthy as caught:
                failure = caught
                if caught.configuration or child.program.once:
                    return failure
                if attempt + 1 < START_ATTEMPTS:
                    self._say("up", f"{caught}\nTrying again.")
                    await asyncio.sleep(2**attempt)
            else:
                return None
        return failure

    async def _stop_all(self) -> None:
        self._become("stopping")
        for stage in reversed(self._stages):
            await asyncio.gather(*(child.stop() for child in reversed(stage)))
        self._become("stopped")

    def _become(self, state: str) -> None:
        self._state = state
        self._write_status()

    def _write_status(self) -> None:
        """What cannot be told now is told late: a full disk is no reason to end what runs."""
        try:
            status.write(self._run_folder, self._found())
        except OSError as fault:
            if not self._late:
                self._say(
                    "up", f"What runs cannot be written down yet ({fault.strerror}). Everything goes on."
                )
            self._late = True
        else:
            self._late = False

    async def _tell_late(self) -> None:
        while True:
            await asyncio.sleep(LATE)
            if self._late:
                self._write_status()

    def _found(self) -> status.StackStatus:
        processes = {
            child.name: status.ProcessStatus(pid=child.pid, state=child.state, restarts=child.restarts)
            for child in self._children
        }
        return status.StackStatus(
            supervisor=os.getpid(), state=self._state, address=self._address, processes=processes
        )

    def _say(self, name: str, text: str) -> None:
        if self._quiet and name != "up":
            return
        for line in text.splitlines() or [""]:
            self._terminal.say(f"{name:<{self._width}} | {line}")
