"""Files of the record: the bytes in the store, a row for each digest."""

from __future__ import annotations

import io
import time
from collections.abc import Collection, Iterator
from contextlib import contextmanager
from datetime import timedelta
from functools import lru_cache
from pathlib import Path
from typing import BinaryIO

from django.conf import settings
from django.db.models import ForeignObjectRel, Model
from django.utils import timezone

from mes.artefacts import ArtefactStore
from mes.eventlog.fileowners import disposed_files
from mes.eventlog.unit import in_unit
from mes.exceptions import Refused
from mes.locking import nobody_else, while_unchanged
from mes.models import Artefact

PUT_LATELY = timedelta(hours=1)
"""For as long something may compute from a file that it has put in, before a row of the record names it."""
PUT_AND_NAMED = timedelta(seconds=60)
"""No unit runs longer: a file that is younger than this after its row came in with the row, and not again."""
VERDICT_S = 300
"""For how long a large file that nobody touched meanwhile is taken as intact, where it is read part by part."""


def store() -> ArtefactStore:
    return ArtefactStore(settings.ARTEFACTS_DIR)


def store_artefact(source: BinaryIO | bytes | Path, *, media_type: str, limit: int | None = None) -> Artefact:
    """Store a file under its SHA-256 and return its row. The caller's event names the digest.

    Call it with the bytes ready (outside a transaction for large files is fine: an unreferenced file is harmless).
    """
    if isinstance(source, Path):
        with source.open("rb") as file:
            return store_artefact(file, media_type=media_type, limit=limit)
    stored = store().put(io.BytesIO(source) if isinstance(source, bytes) else source, limit=limit)
    if in_unit():
        while_unchanged(_file(stored.sha256))
    artefact, _ = Artefact.objects.get_or_create(
        sha256=stored.sha256, defaults={"size": stored.size, "media_type": media_type}
    )
    return artefact


def remove_artefacts(digests: Collection[str]) -> int:
    """Take files out of the store that no record needs any more; returns how many. Part of the unit that asked who needs them
    under `hold_files`.

    One that came in again within PUT_LATELY stays: what it came in for may be about to name it.
    """
    lately, known = timezone.now() - PUT_LATELY, Artefact.objects.in_bulk(list(digests))
    return sum(
        store().remove(name, put_before=max(lately, row.created_at + PUT_AND_NAMED))
        for name, row in sorted(known.items())
    )


def hold_files(digests: Collection[str]) -> None:
    """Wait for every unit that puts one of these files in, and keep others from it until this unit ends."""
    for name in sorted(digests):
        nobody_else(_file(name))


def _file(digest: str) -> str:
    return f"file {digest}"


def artefact_path(artefact: Artefact | str) -> Path:
    """Where the bytes lie, whatever they are. Who shows them or computes from them asks for `intact_path`."""
    return store().path_of(_digest(artefact))


def intact_path(artefact: Artefact | str) -> Path:
    """Where the bytes lie, for libraries that read files, after their digest was checked. Read only.

    Raises Refused for a file that is missing or altered (G-INT-01).
    """
    require_intact(artefact)
    return artefact_path(artefact)


def lately_intact_path(artefact: Artefact | str) -> Path:
    """Likewise, for a large file that is shown one small part after the other, as a build by its layers.

    Hashing the whole for each part would take seconds. The verdict on a file stands while its inode, its size and both of
    its times are as they were, for VERDICT_S at most and in one process only: a write or a replacement changes the time
    of change, which no program may set. Whoever decides by the file has it hashed anew (`require_intact`).
    """
    path, digest = artefact_path(artefact), _digest(artefact)
    try:
        now = path.stat()
    except OSError:
        return intact_path(artefact)
    signs = (now.st_ino, now.st_size, now.st_mtime_ns, now.st_ctime_ns, int(time.monotonic() // VERDICT_S))
    _checked(path, digest, signs)
    return path


@lru_cache(maxsize=64)
def _checked(_path: Path, digest: str, _signs: tuple[int, ...]) -> None:
    """A refusal is not kept: what raises is asked again."""
    require_intact(digest)


def _digest(artefact: Artefact | str) -> str:
    return artefact if isinstance(artefact, str) else artefact.sha256


@contextmanager
def open_artefact(artefact: Artefact | str) -> Iterator[BinaryIO]:
    """The bytes, after their digest was checked. Raises Refused (G-INT-01)."""
    require_intact(artefact)
    with store().open(_digest(artefact)) as file:
        yield file


def require_intact(artefact: Artefact | str) -> None:
    """G-INT-01: the bytes are those that the record names."""
    digest = _digest(artefact)
    if not store().verify(digest):
        if digest in disposed_files():
            raise Refused(
                f"File {digest[:12]} was disposed of after its time.",
                cure="The certificate of destruction keeps its digest.",
                rule="K-15",
            )
        raise Refused(
            f"File {digest[:12]} is missing or altered.",
            cure="Restore it from a backup; do not use the record meanwhile.",
            rule="G-INT-01",
        )


def is_used(artefact: Artefact, *, by_others_than: type[Model] | None = None) -> bool:
    """Whether any row of any record has this file; or of any but one kind."""
    return any(
        relation.related_model._base_manager.filter(**{relation.field.name: artefact}).exists()
        for relation in Artefact._meta.get_fields(include_hidden=True)
        if isinstance(relation, ForeignObjectRel) and relation.related_model is not by_others_than
    )
