"""A surface scan as somebody's scanner or program exported it: STL, PLY, OBJ or 3MF, told apart by content and believed in nothing.

Only vertices and triangles are taken. Comments, names, metadata, colours and textures may carry who was scanned: they are
counted, and left where they are.
"""

from __future__ import annotations

import codecs
import zipfile
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from devices.mesh.base import Mesh
from devices.mesh.io import MAXIMUM_BYTES, MAXIMUM_TRIANGLES, STL_RECORD, MeshRefused, checked, read_mesh
from devices.mesh.obj import STATEMENTS, read_obj
from devices.mesh.ply import MAXIMUM_HEADER_BYTES, PlyRefused, header_texts, read_ply
from devices.mesh.threemf import read_merged

Format = Literal["STL", "PLY", "OBJ", "3MF"]
HEAD_BYTES = 1 << 16
STL_HEADER_BYTES = 84
ZIP_MAGIC = b"PK\x03\x04"
CONTENT_TYPES, MODEL = "[Content_Types].xml", ".model"
MM_PER_UNIT: Mapping[str, float] = MappingProxyType({"mm": 1.0, "cm": 10.0, "m": 1000.0, "inch": 25.4})


@dataclass(frozen=True, eq=False)
class Scan:
    """mesh: welded, in the file's own unit and axes.  unit: as the file states it, "" where its format states none.
    left_out: how much of what was not taken, by kind.  places: the vertices (n, 3) as the file lists them."""

    mesh: Mesh
    format: Format
    unit: str
    left_out: Mapping[str, int]
    places: NDArray[np.float64]


def scan_format(path: Path) -> Format | None:
    """What kind of surface a file looks like from its beginning and size; None for any other file."""
    with path.open("rb") as stream:
        head = stream.read(HEAD_BYTES)
    if head.startswith(ZIP_MAGIC):
        return "3MF" if is_3mf(path) else None
    if head[:4] in (b"ply\n", b"ply\r"):
        return "PLY"
    announced = STL_HEADER_BYTES + STL_RECORD.itemsize * int.from_bytes(head[80:84], "little")
    if len(head) >= STL_HEADER_BYTES and path.stat().st_size == announced:
        return "STL"
    text = head.removeprefix(codecs.BOM_UTF8).lstrip()
    if text[:5].lower() == b"solid" and b"facet" in text.lower():
        return "STL"
    return "OBJ" if _is_obj(text) else None


def is_3mf(path: Path) -> bool:
    """Whether a zip is the package of a 3MF and not a folder of images: by the names of its parts alone."""
    try:
        with zipfile.ZipFile(path) as package:
            names = package.namelist()
    except (zipfile.BadZipFile, OSError, ValueError, NotImplementedError):
        return False
    return CONTENT_TYPES in names and any(name.lower().endswith(MODEL) for name in names)


def _is_obj(text: bytes) -> bool:
    """Text of an OBJ's statements alone, a vertex among them. The last line may be cut."""
    lines = [words for line in text.splitlines()[:-1] if (words := line.split())]
    known = all(words[0] in STATEMENTS or words[0][:1] == b"#" for words in lines)
    return b"\0" not in text and known and any(words[0] == b"v" for words in lines)


def read_scan(path: Path) -> Scan:
    """The surface in a file. Raises MeshRefused."""
    kind = scan_format(path)
    if kind is None:
        raise _no_scan(path)
    if path.stat().st_size > MAXIMUM_BYTES:
        raise MeshRefused("too_large", f"The file is above the limit of {MAXIMUM_BYTES:,} bytes.")
    if kind == "3MF":
        merged, unit, left_out = read_merged(path, MAXIMUM_TRIANGLES)
        return Scan(checked(merged), kind, unit, left_out, merged.vertices)
    data = path.read_bytes()
    if kind == "OBJ":
        mesh, said = read_obj(data, MAXIMUM_TRIANGLES)
        return Scan(checked(mesh), kind, "", said, mesh.vertices)
    if kind == "PLY":
        mesh, texts = _read_ply(data)
        return Scan(checked(mesh), kind, "", Counter({"comments and names": texts}), mesh.vertices)
    # Of an ASCII STL, what follows `solid` is free text; of a binary one, the first 80 bytes.
    mesh = read_mesh(data)
    return Scan(mesh, kind, "", Counter({"header": 1}), mesh.vertices)


def _no_scan(path: Path) -> MeshRefused:
    """A file that is no surface, or is a binary STL that was cut: the reader of meshes says which."""
    data = path.read_bytes() if path.stat().st_size <= MAXIMUM_BYTES else b""
    try:
        read_mesh(data)
    except MeshRefused as refusal:
        if refusal.problem != "wrong_type":
            return refusal
    return MeshRefused("wrong_type", "The content is no STL, PLY, OBJ or 3MF.")


def _read_ply(data: bytes) -> tuple[Mesh, int]:
    """Its surface, and how many free texts its header has."""
    try:
        return read_ply(data, MAXIMUM_TRIANGLES), sum(1 for _ in header_texts(data[:MAXIMUM_HEADER_BYTES]))
    except PlyRefused as refusal:
        raise MeshRefused(refusal.problem, str(refusal)) from refusal
