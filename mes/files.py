"""Files that may be downloaded: each package says which ones it has for a device, a build or a lot.

One declaration serves the pages and the API alike: the same names, the same digests, the same permission.

    @files("printing.builds", page="device", permission="devices.read_artefact")
    def build_files(device: Device) -> Iterator[Named]:
        ...
        yield build.file_id, f"{build.code}-build"
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from django.db.models import Model
from django.http import FileResponse, Http404

from mes.compiled import by_key
from mes.eventlog.base import Actor
from mes.models import Artefact
from mes.permissions import may, require
from mes.registry import Registry
from mes.services.artefacts import intact_path
from mes.services.copies import note_copy

Named = tuple[str | None, str]
"""SHA-256 of a file, or None where there is none yet, and its name without the ending, made of codes alone."""

ENDINGS = {
    "model/stl": "stl",
    "application/sla": "stl",
    "model/ply": "ply",
    "model/3mf": "3mf",
    "application/dicom": "dcm",
    "application/zip": "zip",
    "application/vnd.lamina.build+zip": "zip",
    "application/x-npz": "npz",
    "application/x-nifti": "nii",
    "application/pdf": "pdf",
    "application/json": "json",
    "image/png": "png",
    "image/jpeg": "jpg",
    "text/plain": "txt",
}
DRAWABLE = frozenset({"stl", "ply"})
INLINE = frozenset({"image/png", "model/stl", "model/ply", "application/sla"})
HEADERS = {
    "X-Content-Type-Options": "nosniff",
    "Content-Security-Policy": "sandbox; default-src 'none'",
    "Cross-Origin-Resource-Policy": "same-origin",
}


@dataclass(frozen=True)
class Source:
    """`page` is "device", "build" or "lot"; `permission` is what reading its files takes."""

    id: str
    page: str
    permission: str
    named: Callable[[Any], Iterable[Named]]


SOURCES: Registry[Source] = Registry("source of files")


def files(id: str, *, page: str, permission: str) -> Callable[[Callable[[Any], Iterable[Named]]], Callable[[Any], Iterable[Named]]]:  # fmt: skip
    """Register the files of a page's subject ("package.name")."""

    def declare(named: Callable[[Any], Iterable[Named]]) -> Callable[[Any], Iterable[Named]]:
        SOURCES.add(id, Source(id, page, permission, named))
        return named

    return declare


@dataclass(frozen=True)
class File:
    """A file under a name of ours: nothing that came from outside stands in it. `size` is in bytes."""

    name: str
    sha256: str
    size: int
    media_type: str

    @property
    def drawable(self) -> str:
        """The ending of a shape that the viewer can draw, or ""."""
        ending = ENDINGS.get(self.media_type, "")
        return ending if ending in DRAWABLE else ""


def files_of(page: str, subject: Any, actor: Actor) -> list[File]:
    """The files of a device, build or lot that the actor may read, the oldest first; one file may have two names.

    Raises NotPermitted for who may read none of them.
    """
    names = list(dict.fromkeys(_named(page, subject, actor)))
    artefacts = {row.pk: row for row in Artefact.objects.filter(pk__in={sha256 for sha256, _ in names})}
    found = [(artefacts[sha256], name) for sha256, name in names if sha256 in artefacts]
    return [_file(row, name) for row, name in sorted(found, key=lambda pair: pair[0].created_at)]


def file_of(page: str, subject: Any, sha256: str, actor: Actor) -> File:
    """One of those files. Raises NotPermitted, and Http404 for a file of somebody else."""
    name = next((name for digest, name in _named(page, subject, actor) if digest == sha256), None)
    artefact = by_key(Artefact, sha256) if name else None
    if name is None or artefact is None:
        raise Http404
    return _file(artefact, name)


def sent(file: File, *, inline: bool = False) -> FileResponse:
    """The file, checked against its digest before it leaves (G-INT-01): an attachment, or in the page where it may be."""
    return _answered(file, intact_path(file.sha256), inline=inline)


def _answered(file: File, path: Path, *, inline: bool = False) -> FileResponse:
    return FileResponse(
        path.open("rb"),
        as_attachment=not inline or file.media_type not in INLINE,
        filename=file.name,
        content_type=file.media_type,
        headers=HEADERS,
    )


def taken(file: File, *, subject: Model, actor: Actor) -> FileResponse:
    """The file as an attachment; that it was taken away, and its digest, is a fact first (EV-10, P11-10b)."""
    path = intact_path(file.sha256)
    note_copy(name=file.name, sha256=file.sha256, size=file.size, actor=actor, subject=subject)
    return _answered(file, path)


def shown(file: File, *, subject: Model, actor: Actor) -> FileResponse:
    """A picture or a shape that a page draws, in the page. What no page draws is given as a copy."""
    return sent(file, inline=True) if file.media_type in INLINE else taken(file, subject=subject, actor=actor)


def _named(page: str, subject: Any, actor: Actor) -> Iterator[tuple[str, str]]:
    for source in _open_to(page, actor):
        yield from ((sha256, name) for sha256, name in source.named(subject) if sha256)


def _open_to(page: str, actor: Actor) -> list[Source]:
    sources = [source for source in SOURCES.values() if source.page == page]
    asked = sorted({source.permission for source in sources})
    granted = {action for action in asked if may(actor, action)}
    if asked and not granted:
        require(actor, asked[0])
    return [source for source in sources if source.permission in granted]


def _file(artefact: Artefact, name: str) -> File:
    ending = ENDINGS.get(artefact.media_type)
    full = f"{name}.{ending}" if ending else name
    return File(full, artefact.sha256, artefact.size, artefact.media_type)
