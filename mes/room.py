"""Room on the disk: how much there is, and which failures come of having none."""

from __future__ import annotations

import errno
import shutil
from pathlib import Path

FULL = frozenset({errno.ENOSPC, errno.EDQUOT})
DISK_FULL = "53100"
"""PostgreSQL's SQLSTATE for it."""
STATUS, CODE = 507, "no_room"
TEXT = "The disk has no room for this. Nothing of it was kept."
CURE = "Tell the system administrator, who frees space; then send it again."


def free_bytes(folder: Path) -> int:
    """What is free on the disk of a folder, which need not be there yet."""
    place = folder.absolute()
    while not place.exists():
        place = place.parent
    return shutil.disk_usage(place).free


def is_full(failure: BaseException | None) -> bool:
    """Whether a failure, or what it came from, is a disk without room: this process's own, or the database's."""
    seen: set[int] = set()
    while failure is not None and id(failure) not in seen:
        if (isinstance(failure, OSError) and failure.errno in FULL) or _sqlstate(failure) == DISK_FULL:
            return True
        seen.add(id(failure))
        failure = failure.__cause__ or failure.__context__
    return False


def _sqlstate(failure: BaseException) -> str:
    return str(getattr(failure, "sqlstate", ""))
