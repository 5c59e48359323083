"""What the reader sees. A terminal that is paused or gone must not hold up the processes behind it."""

import queue
import threading
from typing import TextIO

from mes.room import FULL

LINES = 5000
LAST_WORDS = 2.0


class Terminal:
    """Writes lines from a thread. Where the reader does not keep up, lines are left out here; the logs have them all."""

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream
        self._lines: queue.Queue[str | None] = queue.Queue(LINES)
        self._thread = threading.Thread(target=self._write, name="terminal", daemon=True)
        self._thread.start()

    def say(self, line: str) -> None:
        try:
            self._lines.put_nowait(line)
        except queue.Full:
            return

    def close(self) -> None:
        """Give what is still to be said a moment."""
        try:
            self._lines.put(None, timeout=LAST_WORDS)
        except queue.Full:
            return
        self._thread.join(LAST_WORDS)

    def _write(self) -> None:
        try:
            while (line := self._lines.get()) is not None:
                self._write_line(line)
        except (OSError, ValueError):
            # The terminal is closed. The programs' own logs go on.
            return

    def _write_line(self, line: str) -> None:
        """A log on a full disk gets what it has room for, later."""
        try:
            self._stream.write(line + "\n")
            if self._lines.empty():
                self._stream.flush()
        except OSError as fault:
            if fault.errno not in FULL:
                raise
