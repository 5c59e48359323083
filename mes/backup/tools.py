"""PostgreSQL's own program for base backups, and what every part of a backup says when it fails."""

from __future__ import annotations

import errno
import os
import shutil
import signal
import subprocess
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

from mes.embedded.account import bound
from mes.embedded.postgres import binaries


class BackupFailed(RuntimeError):
    """Nothing was backed up or restored; the message says why and what to do."""


class BackupAltered(BackupFailed):
    """A backup is not as it was written; the message names the part."""


def base_backup(where: Mapping[str, str], target: Path) -> None:
    """A consistent copy of the running server, with the WAL that makes it whole. Raises BackupFailed.

    `where`: the address of a role that may replicate.
    """
    argv = [str(binaries() / "pg_basebackup"), "-D", str(target), "--format=plain", "--wal-method=stream"]
    argv += ["--checkpoint=fast", "--manifest-checksums=SHA256", "--no-password"]
    argv += ["-h", where["host"], "-p", where["port"], "-U", where["user"]]
    ran = _run(bound(argv, on_parent_death=signal.SIGTERM), {"PGPASSWORD": where["password"]})
    if ran.returncode:
        if os.strerror(errno.ENOSPC) in ran.stderr:
            raise BackupFailed(full_disk(target))
        raise BackupFailed(f"pg_basebackup did not finish:\n{ran.stderr.strip()[-2000:]}")


def _run(argv: list[str], environment: Mapping[str, str]) -> subprocess.CompletedProcess[str]:
    return subprocess.run(  # noqa: S603 - our own binaries and arguments
        argv,
        capture_output=True,
        text=True,
        check=False,
        env={**os.environ, "LC_ALL": "C", **environment},
    )


def full_disk(place: Path) -> str:
    return f"The disk that holds {place} is full. Free some space, or use another disk; what was begun is removed."


@contextmanager
def disk_may_fill(place: Path) -> Iterator[None]:
    """Say which disk is full, instead of which call failed."""
    try:
        yield
    except OSError as error:
        if error.errno in (errno.ENOSPC, errno.EDQUOT):
            raise BackupFailed(full_disk(place)) from error
        raise


def refuse_without_room(place: Path, needed: int) -> None:
    """Before anything is written. `needed`: bytes."""
    free = shutil.disk_usage(place).free
    if free < needed:
        raise BackupFailed(
            f"{place} has {free / 1e6:.0f} MB free, and about {needed / 1e6:.0f} MB are needed. Free some space first."
        )


def size_of(folder: Path) -> int:
    """Bytes of the files below a folder that is in use: what vanishes meanwhile counts for nothing."""
    total = 0
    for root, _, names in os.walk(folder):
        for name in names:
            try:
                total += os.lstat(os.path.join(root, name)).st_size
            except FileNotFoundError:
                continue
    return total
