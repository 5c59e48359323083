"""Where everything that Lamina keeps on this machine lies: one folder, `var/`, with one folder per concern."""

import errno
import hashlib
import os
import shutil
import tempfile
from dataclasses import dataclass
from pathlib import Path

from django.core.exceptions import ImproperlyConfigured

from mes.room import FULL

SOCKET_NAME = ".s.PGSQL.5432"
# sun_path holds 108 bytes with its closing zero (unix(7)).
SOCKET_PATH_LIMIT = 107


class UnsafePlace(RuntimeError):
    """A folder that should be ours alone belongs to someone else."""


class UnusablePlace(ImproperlyConfigured):
    """The folder for the data cannot be made or written to."""


NOT_WRITABLE = frozenset({errno.ENOSPC, errno.EDQUOT, errno.EROFS, errno.EACCES, errno.EPERM})
# sysexits.h EX_CONFIG: the supervisor does not start such a process again. EX_TEMPFAIL: it does, after a pause.
EXIT_CONFIGURATION, EXIT_TEMPORARY = 78, 75
FIRST_START_MIB = 256
"""Twice what a new place holds once its servers run."""
CURE = "Set LAMINA_VAR to a folder that this user may write to, on a disk that has room."


def exit_status(fault: OSError) -> int:
    """Of a process that ends by a refused write. A full disk passes: it is no fault of the configuration."""
    return EXIT_TEMPORARY if fault.errno in FULL else EXIT_CONFIGURATION


def refused_write(fault: OSError) -> UnusablePlace | None:
    """What to tell a person about a disk that is full or read-only and a folder that is another's; None for other faults."""
    if fault.errno not in NOT_WRITABLE:
        return None
    where = f"{fault.filename} cannot be used" if fault.filename else "A file cannot be written"
    return UnusablePlace(f"{where}: {fault.strerror}. {CURE}")


@dataclass(frozen=True)
class Layout:
    """The folders below one root; `create()` makes them, private ones with mode 0700."""

    root: Path

    @property
    def keys(self) -> Path:
        return self.root / "keys"

    @property
    def postgres(self) -> Path:
        return self.root / "postgres"

    @property
    def valkey(self) -> Path:
        return self.root / "valkey"

    @property
    def artefacts(self) -> Path:
        return self.root / "artefacts"

    @property
    def quarantine(self) -> Path:
        return self.root / "quarantine"

    @property
    def witness(self) -> Path:
        return self.root / "witness"

    @property
    def log(self) -> Path:
        return self.root / "log"

    @property
    def cache(self) -> Path:
        return self.root / "cache"

    @property
    def static(self) -> Path:
        return self.root / "static"

    @property
    def run(self) -> Path:
        return self.root / "run"

    def create(self) -> None:
        """Make the folders. The root may be passed through but not listed; what holds data is private.

        Raises UnusablePlace where they cannot be.
        """
        try:
            self._make()
        except OSError as fault:
            text = f"{self.root} cannot hold the data: {fault.filename}: {fault.strerror}. {CURE}"
            raise UnusablePlace(text) from None

    def _make(self) -> None:
        self.root.mkdir(mode=0o711, parents=True, exist_ok=True)
        for folder in (self.keys, self.artefacts, self.quarantine, self.witness, self.log, self.cache):
            folder.mkdir(mode=0o700, exist_ok=True)
        self.run.mkdir(mode=0o711, exist_ok=True)
        self.static.mkdir(mode=0o755, exist_ok=True)

    def require_room(self) -> None:
        """Raises UnusablePlace where the disk has no room for a new database. One that is there starts however full it is."""
        free = shutil.disk_usage(self.root).free // 1024**2
        if free < FIRST_START_MIB and not self.postgres.exists():
            raise UnusablePlace(
                f"{self.root} has {free} MiB free; a first start needs {FIRST_START_MIB}. {CURE}"
            )

    def socket_folder(self, server: str) -> Path:
        """The folder of a server's Unix socket: under `run`, or a short private one where that path is too long."""
        folder = self.run / server
        if len(os.fsencode(folder / SOCKET_NAME)) <= SOCKET_PATH_LIMIT:
            return folder
        digest = hashlib.sha256(os.fsencode(self.root.resolve())).hexdigest()[:16]
        return Path(tempfile.gettempdir()) / f"lamina-{digest}-{server}"


def make_private(folder: Path, *, owner: int) -> None:
    """Make `folder` with mode 0700 for the user id `owner`; refuse one that somebody else made."""
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    found = folder.lstat()
    if folder.is_symlink() or found.st_uid not in {owner, os.geteuid()}:
        raise UnsafePlace(
            f"{folder} belongs to user {found.st_uid}, not to {owner}. Remove it or set LAMINA_VAR."
        )
    folder.chmod(0o700)
    if found.st_uid != owner:
        os.chown(folder, owner, -1)
