"""Taking a backup while the site runs: the database, then every file that it names, then what makes it count."""

from __future__ import annotations

import fcntl
import os
import shutil
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from uuid import uuid4

from django.utils import timezone
from psycopg.errors import InsufficientPrivilege

from mes import VERSION
from mes.artefacts import ArtefactStore, make_durable
from mes.backup.contents import FILE, FORMAT, POOL, Contents, finished_backups, read_contents, sha256_of
from mes.backup.keycopies import copy_keys, destroy_copies, hold_rotations
from mes.backup.tools import BackupFailed, base_backup, disk_may_fill, refuse_without_room, size_of
from mes.embedded import roles
from mes.embedded.layout import Layout
from mes.eventlog.base import plain

SPARE = 64 * 1024 * 1024
"""Bytes for the WAL that is written meanwhile."""
SEALER = "SELECT 1 FROM mes_seal_turn FOR UPDATE"


@dataclass(frozen=True)
class Taken:
    """A finished backup. `copied`: files that no earlier backup had."""

    folder: Path
    contents: Contents
    copied: int
    seconds: float


def take_backup(
    *, layout: Layout, out: Path, keys: Path | None = None, where: Mapping[str, str], disposed: set[str]
) -> Taken:
    """Copy the record to a new folder below `out`; the site may run. Raises BackupFailed, and leaves nothing then.

    `where`: the record's database under a role that may replicate. `disposed`: files that are gone by certificate.
    """
    started, began = time.monotonic(), timezone.now()
    _refuse_entangled(layout, out, keys)
    with disk_may_fill(out), _one_at_a_time(out):
        name = _free_name(out, keys, began.strftime("%Y%m%dT%H%M%SZ"))
        # Never the place of another one: what a killed backup started may go on writing there for seconds.
        partial = out / f".partial-{name}-{uuid4().hex[:8]}"
        partial.mkdir(mode=0o700)
        copies = keys / name if keys else None
        try:
            contents, copied = _filled(partial, name, layout, where, disposed, plain(began), copies)
            contents.write(partial)
            _write_out(partial)
            partial.rename(out / name)
            make_durable(out)
        except BaseException:
            shutil.rmtree(partial, ignore_errors=True)
            if copies is not None:
                destroy_copies(copies)
            raise
    return Taken(out / name, contents, copied, round(time.monotonic() - started, 3))


def _refuse_entangled(layout: Layout, out: Path, keys: Path | None) -> None:
    """A copy inside of what is copied is no copy, and a key beside what it opens is no lock."""
    if out.resolve().is_relative_to(layout.root.resolve()):
        raise BackupFailed(
            f"{out} lies inside of {layout.root}. Name a folder elsewhere, best on another machine's disk."
        )
    if keys is not None and keys.resolve().is_relative_to(layout.root.resolve()):
        raise BackupFailed(
            f"{keys} lies inside of {layout.root}: copies there would outlive every rotation, beside the keys in use. "
            "Name a folder elsewhere, best where only you come."
        )
    if keys is not None and (
        keys.resolve().is_relative_to(out.resolve()) or out.resolve().is_relative_to(keys.resolve())
    ):
        raise BackupFailed(f"{keys} and {out} lie inside of each other. Keep keys apart from what they open.")


@contextmanager
def _one_at_a_time(out: Path) -> Iterator[None]:
    """And sweep what a killed one left behind: nobody else is at work here."""
    out.mkdir(mode=0o700, parents=True, exist_ok=True)
    with (out / ".lock").open("w") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise BackupFailed(f"Another backup to {out} is being taken. Wait until it is done.") from None
        for left in out.glob(".partial-*"):
            shutil.rmtree(left, ignore_errors=True)
        yield


def _free_name(out: Path, keys: Path | None, name: str) -> str:
    """A name that no backup there has, and no copy of keys: keys of several sites may lie in one folder."""
    taken = {one.name for one in finished_backups(out)}
    if keys is not None and keys.is_dir():
        taken |= {one.name for one in keys.iterdir()}
    return next(one for one in (name, *(f"{name}-{n}" for n in range(2, 100))) if one not in taken)


def _filled(
    partial: Path,
    name: str,
    layout: Layout,
    where: Mapping[str, str],
    disposed: set[str],
    began: str,
    copies: Path | None,
) -> tuple[Contents, int]:
    """Seals wait while the database is copied, so that the copy of the witness says exactly what the copy's seals say; and
    so does the vault, so that the copied keys (into `copies`) open the copied rows."""
    refuse_without_room(partial, size_of(layout.postgres) + SPARE)
    with roles.connect(where) as record, record.transaction():
        if copies is not None:
            hold_rotations(record)
        _hold_seals(record)
        events, tree_size, version, migrations = _state(record)
        _copy_witness(layout, partial)
        base_backup(where, partial / "base")
        # After the base: whatever file it names was stored before.
        names = record.execute("SELECT sha256, size FROM mes_artefact ORDER BY created_at, sha256").fetchall()
        if copies is not None:
            copy_keys(record, layout, copies)
    wanted = {str(sha): int(size) for sha, size in names if sha not in disposed}
    copied, faults = _copy_files(
        ArtefactStore(layout.artefacts), ArtefactStore(partial.parent / POOL), wanted
    )
    contents = Contents(
        name=name,
        software=VERSION,
        postgres=version // 10000,
        began_at=began,
        ended_at=plain(timezone.now()),
        events=events,
        tree_size=tree_size,
        migrations=migrations,
        parts=_parts(partial),
        artefacts={sha: size for sha, size in wanted.items() if sha not in faults},
        faults=faults,
        format=FORMAT,
    )
    return contents, copied


def _hold_seals(record: Any) -> None:
    """Until the transaction ends."""
    try:
        record.execute(SEALER)
    except InsufficientPrivilege:
        raise BackupFailed(
            "The role that takes the backup may not let the seals wait. As the owner: GRANT UPDATE ON mes_seal_turn TO it."
        ) from None


def _state(record: Any) -> tuple[int, int, int, list[str]]:
    events, tree_size, version = record.execute(
        "SELECT (SELECT count(*) FROM mes_event), (SELECT coalesce(max(tree_size), 0) FROM mes_seal), "
        "current_setting('server_version_num')::int"
    ).fetchone()
    applied = record.execute("SELECT app || '.' || name FROM django_migrations ORDER BY 1").fetchall()
    return events, tree_size, version, [name for (name,) in applied]


def _copy_witness(layout: Layout, partial: Path) -> None:
    for folder, source, pattern in (("witness", layout.witness, "*"), ("public", layout.keys, "*.pub")):
        (partial / folder).mkdir(mode=0o700)
        for file in sorted(source.glob(pattern)):
            shutil.copyfile(file, partial / folder / file.name)


def _copy_files(source: ArtefactStore, pool: ArtefactStore, wanted: dict[str, int]) -> tuple[int, list[str]]:
    """Copy what the pool lacks. A copy of its own, no link: one flipped byte must not spoil both."""
    missing = [sha for sha, size in wanted.items() if not _has(pool, sha, size)]
    pool.folder.mkdir(mode=0o700, exist_ok=True)
    refuse_without_room(pool.folder, sum(wanted[sha] for sha in missing) + SPARE)
    faults = [sha for sha in missing if not _copied(source, pool, sha)]
    return len(missing) - len(faults), faults


def _has(pool: ArtefactStore, sha: str, size: int) -> bool:
    path = pool.path_of(sha)
    return path.is_file() and path.stat().st_size == size


def _copied(source: ArtefactStore, pool: ArtefactStore, sha: str) -> bool:
    """Hashed while it is copied. False for a file that is not what its name says; it is not kept."""
    if not source.path_of(sha).is_file():
        return False
    with source.open(sha) as file:
        stored = pool.put(file)
    if stored.sha256 == sha:
        return True
    pool.remove(stored.sha256)
    return False


def _parts(partial: Path) -> dict[str, str]:
    """What PostgreSQL's manifest does not cover byte by byte: itself, the WAL, the witness and the public keys."""
    files = [partial / "base" / "backup_manifest"]
    for folder in ("base/pg_wal", "witness", "public"):
        files += sorted(file for file in (partial / folder).rglob("*") if file.is_file())
    return {str(file.relative_to(partial)): sha256_of(file) for file in files}


def _write_out(partial: Path) -> None:
    """pg_basebackup and the store write theirs through; these few are ours."""
    for file in (partial / FILE, *(partial / "witness").iterdir(), *(partial / "public").iterdir()):
        with file.open("rb") as handle:
            os.fsync(handle.fileno())
    make_durable(partial)


def forget_older(out: Path, keep: int, keys: Path | None = None) -> list[str]:
    """Remove all but the newest `keep` backups, and files that none of those needs. Returns the names of what went.

    `keys`: where the keys of each were copied to. They go first: with them everybody who was erased since (K-13).
    """
    if keep < 1:
        raise BackupFailed("Keep at least one backup.")
    with _one_at_a_time(out):
        gone = finished_backups(out)[:-keep]
        needed = {sha for one in finished_backups(out)[-keep:] for sha in read_contents(one).artefacts}
        for folder in gone:
            if keys is not None:
                destroy_copies(keys / folder.name)
            # Renamed first: half a backup must not look like a whole one.
            shutil.rmtree(folder.rename(out / f".partial-{folder.name}"))
        for file in (out / POOL).glob("??/*"):
            if file.name not in needed:
                file.unlink()
    return [folder.name for folder in gone]
