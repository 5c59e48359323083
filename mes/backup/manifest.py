"""PostgreSQL's manifest of a base backup, checked as pg_verifybackup does: every file, none besides, and the WAL parsed.

The wheel's own pg_verifybackup for PostgreSQL 18 does not start (ADR 0016), so its checks are made here; pg_waldump does.
"""

from __future__ import annotations

import hashlib
import json
import os
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from mes.backup.tools import BackupAltered, BackupFailed
from mes.embedded.postgres import binaries

FILE = "backup_manifest"
UNLISTED = ("pg_wal",)
"""Not in a manifest: the WAL, whose records are parsed. (The manifest itself, and what signals a recovery, are not either.)"""
END = '"Manifest-Checksum"'


def check_base(folder: Path) -> None:
    """Raises BackupAltered, naming the file; BackupFailed where the manifest is none that this reads."""
    manifest = _manifest(folder)
    listed = {str(entry["Path"]): entry for entry in manifest["Files"]}
    present = set(_files(folder))
    for name, entry in listed.items():
        if name not in present:
            raise _altered(folder / name, "is missing")
        if os.path.getsize(folder / name) != entry["Size"]:
            raise _altered(folder / name, "has another size")
        with (folder / name).open("rb") as file:
            if hashlib.file_digest(file, "sha256").hexdigest() != entry["Checksum"]:
                raise _altered(folder / name, "was altered")
    if strange := sorted(present - set(listed)):
        raise _altered(folder / strange[0], "does not belong to the backup")
    for span in manifest["WAL-Ranges"]:
        _check_wal(folder, span)


def _manifest(folder: Path) -> dict[str, Any]:
    path = folder / FILE
    if not path.is_file():
        raise _altered(path, "is missing")
    text = path.read_text(encoding="utf-8", errors="replace")
    try:
        found: dict[str, Any] = json.loads(text)
        own = str(found["Manifest-Checksum"])
        kinds = {entry.get("Checksum-Algorithm") for entry in found["Files"]}
    except (ValueError, KeyError, TypeError, AttributeError):
        raise _altered(path, "cannot be read") from None
    # PostgreSQL hashes everything before the line that holds the hash.
    if hashlib.sha256(text[: text.rindex(END)].encode()).hexdigest() != own:
        raise _altered(path, "was altered")
    if kinds != {"SHA256"}:
        raise BackupFailed(f"{path} has no SHA-256 of every file. Take the backup with manage.py backup.")
    return found


def _files(folder: Path) -> Iterator[str]:
    for root, folders, names in os.walk(folder):
        here = Path(root).relative_to(folder)
        if here == Path():
            folders[:] = [name for name in folders if name not in UNLISTED]
        yield from (str(here / name) for name in names if (here / name) != Path(FILE))


def _check_wal(folder: Path, span: dict[str, Any]) -> None:
    argv = [str(binaries() / "pg_waldump"), "--quiet", f"--path={folder / 'pg_wal'}"]
    argv += [f"--timeline={span['Timeline']}", f"--start={span['Start-LSN']}", f"--end={span['End-LSN']}"]
    ran = subprocess.run(argv, capture_output=True, text=True, check=False)  # noqa: S603 - our own binary and arguments
    if ran.returncode:
        raise _altered(folder / "pg_wal", f"cannot be replayed ({ran.stderr.strip()[-300:]})")


def _altered(path: Path, how: str) -> BackupAltered:
    return BackupAltered(f"{path} {how}. Use another backup; keep this one for whoever looks into it.")
