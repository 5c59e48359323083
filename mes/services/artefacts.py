"""Files of the record: the bytes in the store, a row for each digest."""

from __future__ import annotations

import io
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO

from django.conf import settings

from mes.artefacts import ArtefactStore
from mes.eventlog.rowcheck import disposed_files
from mes.exceptions import Refused
from mes.models import Artefact


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
    artefact, _ = Artefact.objects.get_or_create(
        sha256=stored.sha256, defaults={"size": stored.size, "media_type": media_type}
    )
    return artefact


def artefact_path(artefact: Artefact | str) -> Path:
    """Where the bytes lie, for libraries that read files. Read only."""
    return store().path_of(artefact if isinstance(artefact, str) else artefact.sha256)


@contextmanager
def open_artefact(artefact: Artefact | str) -> Iterator[BinaryIO]:
    with store().open(artefact if isinstance(artefact, str) else artefact.sha256) as file:
        yield file


def require_intact(artefact: Artefact) -> None:
    """G-INT-01: the bytes are those that the record names."""
    if not store().verify(artefact.sha256):
        if artefact.sha256 in disposed_files():
            raise Refused(
                f"File {artefact.sha256[:12]} was disposed of after its time.",
                cure="The certificate of destruction keeps its digest.",
                rule="K-15",
            )
        raise Refused(
            f"File {artefact.sha256[:12]} is missing or altered.",
            cure="Restore it from a backup; do not use the record meanwhile.",
            rule="G-INT-01",
        )
