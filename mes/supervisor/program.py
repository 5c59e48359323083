"""What the supervisor needs to know about one process."""

import re
import signal
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field


@dataclass(frozen=True)
class Program:
    """One process: how to start it, what it waits for, how long, and how to stop it. Times are in seconds.

    Without `ready` and `ready_line` it counts as healthy once it has lived for `settle`. A `once` program is healthy
    when it has ended with status 0. `before` and `after` run in a thread, before each start and after each health gate.
    """

    name: str
    argv: Callable[[], list[str]]
    waits_for: str
    ready: Callable[[], bool] | None = None
    ready_line: re.Pattern[str] | None = None
    before: Callable[[], None] | None = None
    after: Callable[[], None] | None = None
    environment: Mapping[str, str] = field(default_factory=dict)
    inherited_fds: tuple[int, ...] = ()
    once: bool = False
    settle: float = 0.5
    start_timeout: float = 30.0
    stop_signal: signal.Signals = signal.SIGTERM
    stop_timeout: float = 10.0
