"""PLY, as far as a surface or a scan needs it: ASCII or binary, any scalar types, triangles and convex polygons."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from os import SEEK_CUR
from typing import BinaryIO, Literal, cast

import numpy as np
from numpy.typing import NDArray

from devices.mesh.base import Mesh

MAXIMUM_HEADER_BYTES = 16 * 1024
MAXIMUM_HEADER_LINES = 100
MAXIMUM_VERTICES = 10_000_000
MAXIMUM_CORNERS = 16
LONGEST_NUMBER = 64
SCALARS = {
    "char": "i1", "int8": "i1", "uchar": "u1", "uint8": "u1", "short": "i2", "int16": "i2", "ushort": "u2",
    "uint16": "u2", "int": "i4", "int32": "i4", "uint": "u4", "uint32": "u4", "float": "f4", "float32": "f4",
    "double": "f8", "float64": "f8",
}  # fmt: skip
INTEGERS = SCALARS.keys() - {"float", "float32", "double", "float64"}
NUMERIC = frozenset(b"0123456789+-.eE")
NUMBER = re.compile(rb"[\d.eE+-]+|[+-]?(?:nan|inf)", re.IGNORECASE)
LINE, ROWS = 1 << 16, 1 << 18
ORDERS = {"binary_little_endian": "<", "binary_big_endian": ">", "ascii": ""}
VOCABULARY = frozenset({
    "ply", "format", "1.0", "element", "property", "list", "end_header", "vertex", "face", "vertex_indices", "vertex_index",
    "x", "y", "z", "nx", "ny", "nz", "red", "green", "blue", "alpha", *SCALARS, *ORDERS,
})  # fmt: skip
"""The words of a header that say nothing but its shape."""

PlyProblem = Literal[
    "bad_header",
    "truncated",
    "wrong_size",
    "too_many_triangles",
    "too_large",
    "not_finite",
    "bad_index",
    "no_surface",
]


class PlyRefused(ValueError):
    """The bytes are no PLY surface; `problem` is one of the reasons of `devices.mesh.io`."""

    def __init__(self, problem: PlyProblem, text: str) -> None:
        self.problem = problem
        super().__init__(text)


@dataclass
class Property:
    name: str
    scalar: str
    length: str = ""


@dataclass
class Element:
    name: str
    count: int
    properties: list[Property] = field(default_factory=list)


def read_ply(data: bytes, maximum_triangles: int) -> Mesh:
    """The triangles of a PLY (polygons become fans), vertices float64 as written. Raises PlyRefused."""
    order, elements, start = read_header(data)
    vertex, face = _surface_elements(elements, maximum_triangles)
    if order == "ascii":
        vertices, faces = _read_ascii(data[start:], vertex, face)
    else:
        vertices, faces = _read_binary(data, start, ORDERS[order], vertex, face)
    if len(faces) > maximum_triangles:
        raise PlyRefused("too_many_triangles", f"The polygons make {len(faces):,} triangles.")
    if faces.size and (faces.min() < 0 or faces.max() >= len(vertices)):
        raise PlyRefused("bad_index", f"A face names a vertex outside 0..{len(vertices) - 1}.")
    return Mesh(vertices, faces.astype(np.int32))


def read_header(data: bytes) -> tuple[str, list[Element], int]:
    """Format, elements, and the offset of the first byte after the header."""
    end = re.search(rb"(?:^|\n)end_header\r?\n", data[:MAXIMUM_HEADER_BYTES])
    if end is None:
        raise PlyRefused("bad_header", f"No end_header within the first {MAXIMUM_HEADER_BYTES} bytes.")
    lines = [line.split() for line in data[: end.end()].decode("latin-1").splitlines()]
    if len(lines) > MAXIMUM_HEADER_LINES:
        raise PlyRefused("bad_header", f"The header has more than {MAXIMUM_HEADER_LINES} lines.")
    order, elements = "", list[Element]()
    for words in lines[1:-1]:
        match words:
            case ["format", ("ascii" | "binary_little_endian" | "binary_big_endian") as word, "1.0"]:
                order = word
            case ["comment" | "obj_info", *_] | []:
                continue
            case _:
                _declare(words, elements)
    if not order:
        raise PlyRefused("bad_header", "The header names no known format.")
    return order, elements, end.end()


def header_texts(data: bytes) -> Iterator[bytes]:
    """Every free text of a header: its comments, and the words in it that are none of the format's. Raises PlyRefused."""
    *_, end = read_header(data)
    for line in data[:end].decode("latin-1").splitlines():
        words = line.split()
        if words[:1] not in (["comment"], ["obj_info"]):
            named = words[:-1] if words[:1] == ["element"] else words
            words = [word for word in named if word not in VOCABULARY]
        if words:
            yield " ".join(words).encode("latin-1")


def require_whole(file: BinaryIO, size: int) -> None:
    """Raises PlyRefused unless `size` bytes from here hold the header, the vertices and faces that it announces, and no more.

    Whatever else a file carries would be stored with it and be read by nobody. Reads the stream a block at a time.
    """
    place, head = file.tell(), file.read(MAXIMUM_HEADER_BYTES)
    order, elements, start = read_header(head)
    if not {element.name for element in elements} <= {"vertex", "face"}:
        raise PlyRefused("bad_header", "The header announces something besides vertices and faces.")
    file.seek(place + start)
    for element in elements:
        if order == "ascii":
            _pass_lines(file, element)
        else:
            _pass_rows(file, ORDERS[order], element)
    left = place + size - file.tell()
    if order == "ascii":
        left = sum(1 for line in _lines(file) if line.strip())
    if left:
        raise _ends_elsewhere(left)


def _ends_elsewhere(left: int) -> PlyRefused:
    if left < 0:
        return PlyRefused(
            "truncated", "The file ends before the vertices and faces that its header announces."
        )
    return PlyRefused("wrong_size", "Something lies behind the vertices and faces that the header announces.")


def _lines(file: BinaryIO) -> Iterator[bytes]:
    return iter(lambda: file.readline(LINE), b"")


def _pass_lines(file: BinaryIO, element: Element) -> None:
    lines = (line.split() for line in _lines(file) if line.strip())
    for _ in range(element.count):
        words = next(lines, None)
        if words is None:
            raise _ends_elsewhere(-1)
        try:
            plain = len(words) == _announced(words, element) and _are_numbers(words)
        except (ValueError, IndexError):
            plain = False
        if not plain:
            raise PlyRefused(
                "wrong_size", f"A line of '{element.name}' is not the numbers that are announced."
            )


def _are_numbers(words: list[bytes]) -> bool:
    """Also such as no surface is made of: what is not finite is said by whoever reads it."""
    return NUMERIC.issuperset(b"".join(words)) or all(NUMBER.fullmatch(word) for word in words)


def _announced(words: list[bytes], element: Element) -> int:
    """How many words a line of an element has."""
    place = 0
    for prop in element.properties:
        place += _whole(words[place]) + 1 if prop.length else 1
    return place


def _pass_rows(file: BinaryIO, order: str, element: Element) -> None:
    """Leaves the stream behind the element's last row; behind the end of a file that is cut."""
    row, left = _triangle_record(element, order), element.count
    if not any(prop.length for prop in element.properties):
        file.seek(row.itemsize * left, SEEK_CUR)
        return
    while left:
        place, taken = file.tell(), min(left, ROWS)
        block = file.read(row.itemsize * taken)
        if len(block) < row.itemsize * taken or not _all_triangles(np.frombuffer(block, dtype=row), element):
            file.seek(place)
            _, end = _binary_polygons(file.read(), 0, order, Element("", left, element.properties), -1)
            file.seek(place + end)
            return
        left -= taken


def _all_triangles(rows: NDArray[np.void], element: Element) -> bool:
    return all((rows[f"n{i}"] == 3).all() for i, p in enumerate(element.properties) if p.length)


def _declare(words: list[str], elements: list[Element]) -> None:
    match words:
        case ["element", name, count] if count.isascii() and count.isdigit() and len(count) < 11:
            elements.append(Element(name, int(count)))
        case ["property", "list", length, scalar, name] if (
            elements and length in INTEGERS and scalar in SCALARS
        ):
            elements[-1].properties.append(Property(name, scalar, length))
        case ["property", scalar, name] if elements and scalar in SCALARS:
            elements[-1].properties.append(Property(name, scalar))
        case _:
            raise PlyRefused("bad_header", "The header has a line that is no PLY declaration.")


def _surface_elements(elements: list[Element], maximum_triangles: int) -> tuple[Element, Element]:
    names = [element.name for element in elements]
    if names[:2] != ["vertex", "face"]:
        raise PlyRefused("no_surface", "The file has no vertices followed by faces.")
    vertex, face = elements[:2]
    if vertex.count > MAXIMUM_VERTICES:
        raise PlyRefused("too_large", f"The header announces {vertex.count:,} vertices.")
    if face.count > maximum_triangles:
        raise PlyRefused("too_many_triangles", f"The header announces {face.count:,} faces.")
    if vertex.count < 3 or face.count == 0:
        raise PlyRefused("no_surface", f"{vertex.count} vertices and {face.count} faces are no surface.")
    named = [p.name for p in vertex.properties]
    if (
        any(p.length for p in vertex.properties)
        or len(set(named)) != len(named)
        or not {"x", "y", "z"} <= set(named)
    ):
        raise PlyRefused("bad_header", "Vertices need one scalar each for x, y and z.")
    return vertex, face


def _index_property(face: Element) -> int:
    for place, prop in enumerate(face.properties):
        if prop.length and prop.scalar in INTEGERS and prop.name in ("vertex_indices", "vertex_index"):
            return place
    raise PlyRefused("bad_header", "Faces have no list of vertex indices.")


def _read_binary(
    data: bytes, start: int, order: str, vertex: Element, face: Element
) -> tuple[NDArray[np.float64], NDArray[np.int64]]:
    record = np.dtype([(p.name, order + SCALARS[p.scalar]) for p in vertex.properties])
    body = start + record.itemsize * vertex.count
    if body > len(data):
        raise PlyRefused("truncated", f"{vertex.count:,} vertices need more bytes than the file has.")
    rows = np.frombuffer(data, dtype=record, offset=start, count=vertex.count)
    vertices = np.stack([rows[axis].astype(np.float64) for axis in "xyz"], axis=1)
    return vertices, _binary_faces(data, body, order, face)


def _binary_faces(data: bytes, start: int, order: str, face: Element) -> NDArray[np.int64]:
    place = _index_property(face)
    triangle = _triangle_record(face, order)
    if start + triangle.itemsize * face.count <= len(data):
        rows = np.frombuffer(data, dtype=triangle, offset=start, count=face.count)
        if _all_triangles(rows, face):
            return cast("NDArray[np.int64]", rows[f"v{place}"].astype(np.int64))
    return _fans(_binary_polygons(data, start, order, face, place)[0])


def _triangle_record(face: Element, order: str) -> np.dtype[np.void]:
    """The layout of one face when every list of it has three entries, the usual case."""
    fields: list[tuple[str, str] | tuple[str, str, int]] = []
    for i, p in enumerate(face.properties):
        if p.length:
            fields += [(f"n{i}", order + SCALARS[p.length]), (f"v{i}", order + SCALARS[p.scalar], 3)]
        else:
            fields.append((f"s{i}", order + SCALARS[p.scalar]))
    return np.dtype(fields)


def _binary_polygons(
    data: bytes, start: int, order: str, face: Element, place: int
) -> tuple[list[list[int]], int]:
    """The values of the property at `place`, a list for each face, and the offset behind the last one."""
    polygons, offset = list[list[int]](), start
    for _ in range(face.count):
        for i, p in enumerate(face.properties):
            count = 1
            if p.length:
                count = int(_take(data, offset, order + SCALARS[p.length], 1)[0])
                offset += _size(p.length)
                _check_corners(count)
            values = _take(data, offset, order + SCALARS[p.scalar], count)
            offset += _size(p.scalar) * count
            if i == place:
                polygons.append([int(v) for v in values])
    return polygons, offset


def _size(scalar: str) -> int:
    return np.dtype(SCALARS[scalar]).itemsize


def _take(data: bytes, offset: int, scalar: str, count: int) -> NDArray[np.generic]:
    if offset + np.dtype(scalar).itemsize * count > len(data):
        raise PlyRefused("truncated", "The faces need more bytes than the file has.")
    return np.frombuffer(data, dtype=scalar, offset=offset, count=count)


def _check_corners(count: int) -> None:
    if not 3 <= count <= MAXIMUM_CORNERS:
        raise PlyRefused("bad_index", f"A face has {count} corners; 3 to {MAXIMUM_CORNERS} are taken.")


def _fans(polygons: list[list[int]]) -> NDArray[np.int64]:
    fans = [(p[0], p[i], p[i + 1]) for p in polygons for i in range(1, len(p) - 1)]
    return np.array(fans, dtype=np.int64).reshape(-1, 3)


def _read_ascii(body: bytes, vertex: Element, face: Element) -> tuple[NDArray[np.float64], NDArray[np.int64]]:
    lines = [line for line in body.split(b"\n") if line.strip()]
    if len(lines) < vertex.count + face.count:
        raise PlyRefused(
            "truncated", f"{vertex.count + face.count:,} lines are announced, {len(lines):,} are there."
        )
    columns = [p.name for p in vertex.properties]
    rows = [line.split() for line in lines[: vertex.count]]
    if any(len(row) != len(columns) for row in rows):
        raise PlyRefused("wrong_size", f"Every vertex needs {len(columns)} numbers.")
    try:
        table = numbers(rows)
        places = [
            _ascii_polygon(line.split(), face) for line in lines[vertex.count : vertex.count + face.count]
        ]
    except ValueError as error:
        if isinstance(error, PlyRefused):
            raise
        raise PlyRefused("not_finite", "A value is not a number.") from error
    return table[:, [columns.index(axis) for axis in "xyz"]], _fans(places)


def numbers(rows: Sequence[Sequence[bytes]]) -> NDArray[np.float64]:
    """Words as numbers, shape (rows, columns). Raises ValueError for a word that is no plain decimal number, or so long
    that nothing measured it: numpy would read a cut word, or `1_0`, as another number."""
    words = [word for row in rows for word in row]
    if any(len(word) > LONGEST_NUMBER for word in words) or not NUMERIC.issuperset(b"".join(words)):
        raise ValueError("a word is no plain number")
    return np.array(rows, dtype=f"S{LONGEST_NUMBER}").astype(np.float64)


def _whole(word: bytes) -> int:
    if not word.isdigit():
        raise ValueError("a count is no plain number")
    return int(word)


def _ascii_polygon(words: list[bytes], face: Element) -> list[int]:
    wanted, offset = _index_property(face), 0
    for place, prop in enumerate(face.properties):
        if offset >= len(words):
            break
        count = _whole(words[offset]) if prop.length else 1
        offset += 1 if prop.length else 0
        if prop.length:
            _check_corners(count)
        if place == wanted:
            if offset + count > len(words):
                break
            return [_index(word) for word in words[offset : offset + count]]
        offset += count
    raise PlyRefused("truncated", "A face has fewer numbers than it announces.")


def _index(word: bytes) -> int:
    value = int(word) if word.removeprefix(b"-").isdigit() else _whole(word)
    if not 0 <= value <= MAXIMUM_VERTICES:
        raise PlyRefused("bad_index", "A face names a vertex that cannot exist.")
    return value
