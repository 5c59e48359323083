"""Copies of the keys beside a backup: those that open its rows, and no rotation in between (K-13)."""

from __future__ import annotations

import shutil
from contextlib import suppress
from pathlib import Path
from typing import Any

from mes.backup.tools import BackupFailed
from mes.embedded.layout import Layout
from mes.services.vaultkeys import KEY_COLUMN, ROTATING, TABLE
from mes.vault import RING_FILES, KeyFault, KeyRing, destroy_file


def hold_rotations(record: Any) -> None:
    """Wait for a rotation that runs, and let none begin until the transaction ends: an erasure's asks again later."""
    record.execute("SELECT pg_advisory_xact_lock(%s)", [ROTATING])


def copy_keys(record: Any, layout: Layout, target: Path) -> None:
    """Raises BackupFailed where the copies do not open the rows. Rotations are held since before the rows were copied."""
    target.mkdir(mode=0o700, parents=True)
    for file in sorted(one for one in layout.keys.glob("[!.]*") if one.is_file()):
        copy = target / file.name
        with suppress(FileNotFoundError):
            copy.unlink()
        copy.touch(mode=0o600)
        shutil.copyfile(file, copy)
    if lost := lost_keys(record, target):
        raise BackupFailed(f"{layout.keys} does not hold the keys of the record that is backed up: {lost}.")


def lost_keys(record: Any, folder: Path) -> str:
    """Which keys of the vault the record's rows need and a folder's files lack; empty where it has them all."""
    return "; ".join(
        f"{file}: {', '.join(sorted(lost))}"
        for file, column in zip(RING_FILES, KEY_COLUMN.values(), strict=True)
        if (lost := _needed(record, column) - _held(folder / file))
    )


def _needed(record: Any, column: str) -> set[str]:
    rows = record.execute(f"SELECT DISTINCT {column} FROM {TABLE} WHERE {column} <> ''").fetchall()  # noqa: S608 - our own names
    return {str(key) for (key,) in rows}


def _held(file: Path) -> frozenset[str]:
    """None of a file that is not there, or that nobody can use."""
    with suppress(KeyFault):
        return KeyRing.from_file(file).ids if file.exists() else frozenset()
    return frozenset()


def destroy_copies(copies: Path) -> None:
    if copies.is_dir():
        for file in copies.iterdir():
            destroy_file(file)
        copies.rmdir()
