"""What a backup holds: `backup.json`, written last, and read before anything else."""

from __future__ import annotations

import hashlib
import json
import re
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from mes.artefacts import ArtefactStore
from mes.backup.manifest import check_base
from mes.backup.tools import BackupAltered, BackupFailed
from mes.eventlog.base import canonical

FORMAT = 1
FILE = "backup.json"
POOL = "artefacts"
NAME = re.compile(r"\d{8}T\d{6}Z(-\d+)?")


@dataclass(frozen=True)
class Contents:
    """`events`, `tree_size`: what the record held when it began; a backup may hold more. `parts`: {path: SHA-256} of what
    no manifest of PostgreSQL covers. `artefacts`: {digest: bytes}. `faults`: digests that the store had lost or altered.
    `migrations`: all that were applied."""

    name: str
    software: str
    postgres: int
    began_at: str
    ended_at: str
    events: int
    tree_size: int
    migrations: list[str]
    parts: dict[str, str]
    artefacts: dict[str, int]
    faults: list[str] = field(default_factory=list)
    format: int = FORMAT

    @property
    def digest(self) -> str:
        return hashlib.sha256(canonical(asdict(self)).encode()).hexdigest()

    def write(self, folder: Path) -> None:
        text = json.dumps({**asdict(self), "digest": self.digest}, indent=1, sort_keys=True)
        (folder / FILE).write_text(text + "\n", encoding="utf-8")

    @property
    def size(self) -> int:
        return sum(self.artefacts.values())


def read_contents(folder: Path) -> Contents:
    """Raises BackupFailed where there is none or it is of another format, BackupAltered where it was changed."""
    path = folder / FILE
    if not path.is_file():
        raise BackupFailed(
            f"{folder} is no finished backup: it has no {FILE}. Name one of `manage.py backup --list`."
        )
    try:
        found: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
        wanted = found.pop("digest")
        known = found["format"]
    except (ValueError, KeyError, TypeError):
        raise BackupAltered(f"{path} cannot be read. Use another backup.") from None
    if known != FORMAT:
        raise BackupFailed(
            f"{path} has format {known}; this Lamina reads {FORMAT}. Restore with the version that wrote it."
        )
    try:
        contents = Contents(**found)
    except TypeError:
        raise BackupAltered(f"{path} does not say what a backup says. Use another backup.") from None
    if contents.digest != wanted:
        raise BackupAltered(f"{path} was altered. Use another backup.")
    return contents


def finished_backups(folder: Path) -> list[Path]:
    """The newest last. What was begun and not finished is not among them."""
    if not folder.is_dir():
        return []
    return sorted(one for one in folder.iterdir() if NAME.fullmatch(one.name) and (one / FILE).is_file())


def newest_backup(folder: Path) -> Path:
    """The folder itself where it is a backup, else the newest in it. Raises BackupFailed where there is none."""
    if (folder / FILE).is_file():
        return folder
    found = finished_backups(folder)
    if not found:
        raise BackupFailed(f"{folder} holds no finished backup. Make one: manage.py backup --out {folder}")
    return found[-1]


def check_backup(folder: Path) -> Contents:
    """Everything that a backup holds against its digests. Raises BackupAltered, naming the first part that differs."""
    contents = read_contents(folder)
    check_parts(folder, contents)
    check_base(folder / "base")
    pool = ArtefactStore(folder.parent / POOL)
    for name in contents.artefacts:
        if not pool.verify(name):
            state = "altered" if pool.path_of(name).exists() else "missing"
            raise BackupAltered(
                f"{pool.path_of(name)}: the stored file is {state}. Use another copy of the backups."
            )
    return contents


def check_parts(folder: Path, contents: Contents) -> None:
    for path, wanted in contents.parts.items():
        file = folder / path
        if not file.is_file():
            raise BackupAltered(f"{file} is missing. Use another backup.")
        if sha256_of(file) != wanted:
            raise BackupAltered(f"{file} was altered. Use another backup.")


def sha256_of(file: Path) -> str:
    with file.open("rb") as source:
        return hashlib.file_digest(source, "sha256").hexdigest()
