"""The front door for parts that somebody drew in another program: one STL, PLY, OBJ or 3MF, with its unit and its axes.

It is read as a surface scan is (`devices.imaging.scans`). Unlike a scan's its file is kept whole, as the evidence of what was sent; so
every text in it is looked through first, and a file that names the patient is refused (G-IMG-03).
"""

from __future__ import annotations

import re
import zipfile
from collections.abc import Callable, Iterator
from pathlib import Path

from devices.imaging.base import Finding, ImagingRefused
from devices.imaging.scans import Declared, ReadScan, read_surface
from devices.imaging.sources import inflated_parts
from devices.mesh.io import CURES, STL_RECORD
from devices.mesh.ply import MAXIMUM_HEADER_BYTES, PlyRefused, header_texts, require_whole
from devices.mesh.scan import STL_HEADER_BYTES, Format, scan_format

DATA_LINES = re.compile(
    rb"^[ \t]*(?:(?:facet[ \t]+normal|vertex|vn|vt|v|f)(?:[ \t]+[\d.eE+/-]+)+|outer[ \t]+loop|endloop|endfacet)[ \t]*\r?$",
    re.IGNORECASE | re.MULTILINE,
)
"""Of an OBJ or an ASCII STL: lines that are numbers and nothing else."""
GEOMETRY = re.compile(rb"<(?:\w+:)?(?:vertex|triangle)\s(?:\w+=\"[\d.eE+-]*\"\s*)*/>")
"""Of a 3MF: elements that are numbers and nothing else."""
SILENT = re.compile(rb"\s(?:xmlns(?::\w+)?|unit|xml:lang|transform)\s*=\s*(?:\"[^\"]*\"|'[^']*')")
"""Attributes that no program writes a name into; the words of the format would be taken for one."""
SPOKEN = re.compile(rb"=\s*\"([^\"]*)\"|=\s*'([^']*)'|>([^<>]+)<|<!--(.*?)-->", re.DOTALL)
PRINTED = re.compile(rb"[\x20-\x7e\x80-\xff]{4,}")
NAMES_PATIENT = Finding(
    "names_patient",
    "error",
    "The file names the patient: in a comment, a header, the name of a part or its metadata.",
    "Export the part again without it; the file of a design never says whose it is.",
)
SEVERAL = Finding(
    "several_files",
    "error",
    "The upload is no single surface file.",
    "Send one STL, PLY, OBJ or 3MF, not zipped.",
)


def read_part(source: Path, declared: Declared, names: Callable[[str], bool]) -> ReadScan:
    """Read an upload that its sender calls a designed part. names: whether a text names the patient.

    Raises ImagingRefused with every finding.
    """
    kind = scan_format(source) if source.is_file() else None
    if kind is None and (source.is_dir() or zipfile.is_zipfile(source)):
        raise ImagingRefused([SEVERAL])
    part = read_surface(source, declared)
    if any(names(text) for text in texts_of(source, part.facts["acquisition"]["source_format"])):
        raise ImagingRefused([NAMES_PATIENT])
    return part


def texts_of(source: Path, kind: Format) -> Iterator[str]:
    """Every text in a surface file: what is neither a number nor a word of its format. Raises ImagingRefused for a file that hides
    something where no reader looks."""
    if kind == "3MF":
        yield from _texts_of_package(source)
    elif kind == "PLY":
        yield from _texts_of_ply(source)
    else:
        data = source.read_bytes()
        count = int.from_bytes(data[STL_HEADER_BYTES - 4 : STL_HEADER_BYTES], "little")
        binary = kind == "STL" and len(data) == STL_HEADER_BYTES + count * STL_RECORD.itemsize
        yield from _printed(data[: STL_HEADER_BYTES - 4] if binary else DATA_LINES.sub(b"", data))


def _texts_of_package(source: Path) -> Iterator[str]:
    with zipfile.ZipFile(source) as package:
        yield from package.namelist()
    with inflated_parts(source) as parts:
        for part in parts:
            data = part.read_bytes()
            if not data.lstrip(b"\xef\xbb\xbf\xff\xfe \r\n\t").startswith(b"<"):
                yield from _printed(data)
                continue
            spoken = SILENT.sub(b"", GEOMETRY.sub(b"", data.replace(b"\0", b"")))
            for found in SPOKEN.finditer(spoken):
                yield _text(next(part for part in found.groups() if part is not None))


def _texts_of_ply(source: Path) -> Iterator[str]:
    try:
        with source.open("rb") as stream:
            require_whole(stream, source.stat().st_size)
            stream.seek(0)
            yield from map(_text, header_texts(stream.read(MAXIMUM_HEADER_BYTES)))
    except PlyRefused as refusal:
        finding = Finding(refusal.problem, "error", str(refusal), CURES[refusal.problem])
        raise ImagingRefused([finding]) from None


def _printed(data: bytes) -> Iterator[str]:
    """What could be read in bytes, a run of letters at a time."""
    return map(_text, PRINTED.findall(data))


def _text(data: bytes) -> str:
    """As UTF-8 where it is, for an accented name is another one in Latin-1."""
    try:
        return data.decode("utf-8")
    except UnicodeDecodeError:
        return data.decode("latin-1")
