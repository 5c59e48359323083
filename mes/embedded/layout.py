"""Where everything that Lamina keeps on this machine lies: one folder, `var/`, with one folder per concern."""

import hashlib
import os
import tempfile
from dataclasses import dataclass
from pathlib import Path

SOCKET_NAME = ".s.PGSQL.5432"
# sun_path holds 108 bytes with its closing zero (unix(7)).
SOCKET_PATH_LIMIT = 107


class UnsafePlace(RuntimeError):
    """A folder that should be ours alone belongs to someone else."""


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
        """Make the folders. The root may be passed through but not listed; what holds data is private."""
        self.root.mkdir(mode=0o711, parents=True, exist_ok=True)
        for folder in (self.keys, self.artefacts, self.quarantine, self.witness, self.log, self.cache):
            folder.mkdir(mode=0o700, exist_ok=True)
        self.run.mkdir(mode=0o711, exist_ok=True)
        self.static.mkdir(mode=0o755, exist_ok=True)

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
