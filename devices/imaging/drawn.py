"""The front door for parts that somebody drew in another program: one STL, PLY, OBJ or 3MF, with its unit and its axes.

It is read as a surface scan is (`devices.imaging.scans`). Unlike a scan's its file is kept whole, as the evidence of what was sent; so
every text in it is looked through first, and a file that names the patient is refused (G-IMG-03).
"""

from __future__ import annotations

import codecs
import re
import zipfile
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from xml.parsers import expat

import numpy as np
from numpy.typing import NDArray

from devices.imaging.base import Finding, ImagingRefused
from devices.imaging.packages import HIDDEN, PLAINLY, extras_of, refuse_hidden
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
GEOMETRY = re.compile(r"<(?:\w{1,3}:)?(?:vertex|triangle)\s(?:(?:[xyz]|[vp][123]|pid)=\"[\d.eE+-]*\"\s*)*/>")
"""Of a 3MF: elements that are numbers and nothing else."""
VOCABULARY = frozenset({
    "xml", "xmlns", "lang", "model", "metadata", "metadatagroup", "resources", "object", "mesh", "vertices", "vertex", "triangles",
    "triangle", "components", "component", "build", "item", "basematerials", "base", "colorgroup", "color", "trianglesets",
    "triangleset", "ref", "refrange", "types", "default", "override", "relationships", "relationship", "id", "name", "type", "unit",
    "transform", "preserve", "objectid", "path", "uuid", "pid", "pindex", "p1", "p2", "p3", "v1", "v2", "v3", "x", "y", "z",
    "partnumber", "displaycolor", "thumbnail", "requiredextensions", "recommendedextensions", "extension", "contenttype", "partname",
    "target", "targetmode", "index", "identifier", "startindex", "endindex",
})  # fmt: skip
"""Of a 3MF: names of elements and attributes that say nothing; those of other namespaces are looked through like any text."""
NAMESPACE = re.compile(r"http://schemas\.(?:microsoft\.com|openxmlformats\.org|3mf\.io)/[\w/.-]+", re.ASCII)
SILENT = {
    "unit": re.compile("millimeter|micron|centimeter|meter|inch|foot"),
    "xml:lang": re.compile(r"[a-z]{2}(?:-[A-Za-z]{2})?"),
    "transform": re.compile(r"[\d.eE+\s-]*"),
}
"""Of attributes by their names: values that no program writes a name into. The words of the format would be taken for one."""
UNUSUAL = re.compile(r"<!\[CDATA\[|<!DOCTYPE|<\?(?!xml\s)", re.IGNORECASE)
"""Of XML: what holds text in a way that no 3MF needs."""
PRINTED = re.compile(rb"[\x20-\x7e\x80-\xff]{4,}")
WIDE = {
    "utf-16-le": re.compile(rb"(?:[\x00-\xff][\x00-\x06]){4,}", re.DOTALL),
    "utf-16-be": re.compile(rb"(?:[\x00-\x06][\x00-\xff]){4,}", re.DOTALL),
}
"""Runs of letters in 16 bits each: of every alphabet up to the Arabic, beyond which any bytes are letters."""
LENGTH_OFF = 0.01
NAMES_PATIENT = Finding(
    "names_patient",
    "error",
    "The file names the patient: in a comment, a header, the name of a part or its metadata.",
    "Export the part again without it; the file of a design never says whose it is.",
)
PRIVATE = frozenset({NAMES_PATIENT.code, HIDDEN})
NOT_XML = Finding(
    HIDDEN, "error", "A part of the package is no plain XML in UTF-8 or UTF-16, as 3MF asks for.", PLAINLY
)
BESIDE_SHAPE = Finding(
    HIDDEN,
    "error",
    "The STL has more in it than its shape: attributes of its triangles, or normals that are none.",
    "Export it again without colours and attributes, or as another format.",
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
        if kind == "STL" and len(data) == STL_HEADER_BYTES + count * STL_RECORD.itemsize:
            _refuse_beside_shape(np.frombuffer(data, dtype=STL_RECORD, offset=STL_HEADER_BYTES))
            yield from _read_in(data[: STL_HEADER_BYTES - 4])
        else:
            yield from _read_in(DATA_LINES.sub(b"", data))


def _refuse_beside_shape(records: NDArray[np.void]) -> None:
    """Two bytes of attributes and twelve of a normal for every triangle would be stored and read by nobody: the one says the same
    everywhere, the other is a direction or nothing."""
    lengths = np.linalg.norm(records["normal"].astype(np.float64), axis=1)
    directions = (lengths == 0.0) | (np.abs(lengths - 1.0) < LENGTH_OFF)
    if not directions.all() or np.ptp(records["attribute"]):
        raise ImagingRefused([BESIDE_SHAPE])


def _texts_of_package(source: Path) -> Iterator[str]:
    with inflated_parts(source) as parts:
        refuse_hidden(source)
        with zipfile.ZipFile(source) as package:
            yield from package.namelist()
        for extra in extras_of(source):
            yield from _read_in(extra)
        for part in parts:
            yield from _texts_of_xml(part.read_bytes())


def _texts_of_xml(data: bytes) -> Iterator[str]:
    wide = data.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE))
    try:
        text = data.decode("utf-16" if wide else "utf-8-sig")
    except UnicodeDecodeError:
        raise ImagingRefused([NOT_XML]) from None
    if "\0" in text or UNUSUAL.search(text):
        raise ImagingRefused([NOT_XML])
    said = list[str]()
    parser = expat.ParserCreate("utf-8")
    parser.buffer_text = True
    parser.StartElementHandler = lambda name, given: said.extend(_spoken_in(name, given))
    parser.CharacterDataHandler = parser.CommentHandler = said.append
    try:
        parser.Parse(GEOMETRY.sub("", text).encode(), True)
    except expat.ExpatError:
        raise ImagingRefused([NOT_XML]) from None
    yield from said


def _spoken_in(element: str, given: Mapping[str, str]) -> Iterator[str]:
    """What an element says by the names and values that are none of its format's."""
    yield from (
        word for name in (element, *given) for word in name.split(":") if word.lower() not in VOCABULARY
    )
    for name, value in given.items():
        if not SILENT.get(name, NAMESPACE).fullmatch(value):
            yield value


def _texts_of_ply(source: Path) -> Iterator[str]:
    try:
        with source.open("rb") as stream:
            require_whole(stream, source.stat().st_size)
            stream.seek(0)
            for said in header_texts(stream.read(MAXIMUM_HEADER_BYTES)):
                yield from (_text(said), *_in_wide_letters(said))
    except PlyRefused as refusal:
        finding = Finding(refusal.problem, "error", str(refusal), CURES[refusal.problem])
        raise ImagingRefused([finding]) from None


def _read_in(data: bytes) -> Iterator[str]:
    """What could be read in bytes, a run of letters at a time."""
    yield from map(_text, PRINTED.findall(data))
    yield from _in_wide_letters(data)


def _in_wide_letters(data: bytes) -> Iterator[str]:
    for encoding, runs in WIDE.items():
        yield from (run.decode(encoding) for run in runs.findall(data))


def _text(data: bytes) -> str:
    """As UTF-8 where it is, for an accented name is another one in Latin-1."""
    try:
        return data.decode("utf-8")
    except UnicodeDecodeError:
        return data.decode("latin-1")
