"""What a check of the record reports."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Bad:
    """The first thing that is not as it was written. `pos` is the position of the event it is about, where there is one."""

    what: str
    where: str
    pos: int | None = None
