"""What runs, as a file: written by the supervisor at every change, read by whoever asks."""

import json
import os
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path

NAME = "stack.json"


@dataclass(frozen=True)
class ProcessStatus:
    pid: int | None
    state: str
    restarts: int


@dataclass(frozen=True)
class StackStatus:
    """`state` is starting, running, stopping or stopped; `processes` is keyed by the program's name."""

    supervisor: int
    state: str
    address: str = ""
    processes: Mapping[str, ProcessStatus] = field(default_factory=dict)


def write(run_folder: Path, status: StackStatus) -> None:
    """Replace the file in one step: a reader sees the old one or the new one."""
    partial = run_folder / f".{NAME}.{os.getpid()}"
    partial.write_text(json.dumps(asdict(status)), encoding="utf-8")
    partial.replace(run_folder / NAME)


def read(run_folder: Path) -> StackStatus | None:
    """The last status written here, or None. Its supervisor may have died since: compare the process id."""
    try:
        found = json.loads((run_folder / NAME).read_text(encoding="utf-8"))
    except FileNotFoundError:
        return None
    processes = {name: ProcessStatus(**entry) for name, entry in found.pop("processes").items()}
    return StackStatus(processes=processes, **found)
