"""Bringing a backup back, into an empty place only: checked first, complete or not there at all."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

from mes.artefacts import ArtefactStore
from mes.backup.contents import POOL, Contents, check_backup, newest_backup
from mes.backup.tools import BackupFailed, disk_may_fill, refuse_without_room, size_of
from mes.embedded import roles
from mes.embedded.account import server_uid
from mes.embedded.layout import Layout
from mes.embedded.postgres import Postgres
from mes.migrating import known_migrations

POSTGRES = 18
"""The major version of the server that Lamina brings along: another one cannot read its files."""
KEY_MODE = 0o600
NEEDED = ("vault.key", "vault_index.key", "seal.key", "signing.key", "secret_key")


def restore(*, source: Path, into: Path, keys: Path | None = None) -> Contents:
    """Put a backup, or the newest of a folder, into the empty place `into`, ready for `manage.py up`.

    Everything is checked before anything is written: the base against PostgreSQL's manifest, the WAL and every
    stored file by their digests. Raises BackupAltered, naming what differs, or BackupFailed.
    """
    folder = newest_backup(source)
    refuse_used(into)
    contents = check_backup(folder)
    refuse_strange(contents)
    partial = into.with_name(f".{into.name}.partial")
    with disk_may_fill(into.parent):
        into.parent.mkdir(parents=True, exist_ok=True)
        refuse_without_room(into.parent, size_of(folder) + contents.size)
        shutil.rmtree(partial, ignore_errors=True)
        try:
            _fill(Layout(partial), folder, contents, keys)
            if into.exists():
                into.rmdir()
            partial.rename(into)
        except BaseException:
            shutil.rmtree(partial, ignore_errors=True)
            raise
    if not roles.password_file(roles.SUPERUSER, Layout(into)).exists():
        server = Postgres(Layout(into))
        server.prepare()
        server.claim()
    return contents


def refuse_used(into: Path) -> None:
    if into.exists() and (not into.is_dir() or any(into.iterdir())):
        raise BackupFailed(
            f"{into} is not empty. Nothing is ever restored over something: name another place."
        )


def refuse_strange(contents: Contents) -> None:
    """A backup of another server version, or of a newer Lamina."""
    if contents.postgres != POSTGRES:
        raise BackupFailed(
            f"{contents.name} was taken from PostgreSQL {contents.postgres}; this Lamina brings {POSTGRES}. "
            "Restore it with the version of Lamina that took it, then upgrade."
        )
    known = {f"{app}.{name}" for app, name in known_migrations()}
    if unknown := sorted(set(contents.migrations) - known):
        raise BackupFailed(
            f"{contents.name} was taken by Lamina {contents.software}, which is newer: {unknown[0]} is not known here. "
            "Restore it with that version."
        )


def _fill(place: Layout, folder: Path, contents: Contents, keys: Path | None) -> None:
    place.create()
    shutil.copytree(folder / "base", place.postgres, symlinks=True)
    _give_to_server(place.postgres)
    pool, store = ArtefactStore(folder.parent / POOL), ArtefactStore(place.artefacts)
    for name in contents.artefacts:
        with pool.open(name) as content:
            store.put(content)
    for source, target in (("witness", place.witness), ("public", place.keys)):
        for file in sorted((folder / source).iterdir()):
            shutil.copyfile(file, target / file.name)
    if keys is not None:
        _put_keys(keys / folder.name if (keys / folder.name).is_dir() else keys, place.keys)


def _give_to_server(data: Path) -> None:
    data.chmod(0o700)
    owner = server_uid()
    for root, folders, files in os.walk(data):
        for name in (".", *folders, *files):
            os.chown(os.path.join(root, name), owner, -1, follow_symlinks=False)


def _put_keys(keys: Path, target: Path) -> None:
    if not (keys / "vault.key").is_file() and not (keys / "seal.key").is_file():
        raise BackupFailed(f"{keys} holds no keys of Lamina. Name the folder that `backup --keys` wrote.")
    for file in sorted(one for one in keys.iterdir() if one.is_file()):
        shutil.copyfile(file, target / file.name)
        (target / file.name).chmod(KEY_MODE)


def missing_keys(into: Path) -> list[str]:
    """Keys without which a restored place cannot go on as it was."""
    return [name for name in NEEDED if not (Layout(into).keys / name).exists()]
