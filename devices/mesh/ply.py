"""PLY, as far as a surface or a scan needs it: ASCII or binary, any scalar types, triangles and convex polygons."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import BinaryIO, Literal, cast

import numpy as np
from numpy.typing import NDArray

from devices.mesh.base import Mesh

MAXIMUM_HEADER_BYTES = 16 * 1024
MAXIMUM_HEADER_LINES = 100
MAXIMUM_VERTICES = 10_000_000
MAXIMUM_CORNERS = 16
LONGEST_NUMBER = 64
LONGEST_LIST = 1024
SCALARS = {
    "char": "i1", "int8": "i1", "uchar": "u1", "uint8": "u1", "short": "i2", "int16": "i2", "ushort": "u2",
    "uint16": "u2", "int": "i4", "int32": "i4", "uint": "u4", "uint32": "u4", "float": "f4", "float32": "f4",
    "double": "f8", "float64": "f8",
}  # fmt: skip
INTEGERS = SCALARS.keys() - {"float", "float32", "double", "float64"}
ORDERS = {"binary_little_endian": "<", "binary_big_endian": ">", "ascii": ""}

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
        if all((rows[f"n{i}"] == 3).all() for i, p in enumerate(face.properties) if p.length):
            return cast("NDArray[np.int64]", rows[f"v{place}"].astype(np.int64))
    return _binary_polygons(data, start, order, face, place)


def _triangle_record(face: Element, order: str) -> np.dtype[np.void]:
    """The layout of one face when every list of it has three entries, the usual case."""
    fields: list[tuple[str, str] | tuple[str, str, int]] = []
    for i, p in enumerate(face.properties):
        if p.length:
            fields += [(f"n{i}", order + SCALARS[p.length]), (f"v{i}", order + SCALARS[p.scalar], 3)]
        else:
            fields.append((f"s{i}", order + SCALARS[p.scalar]))
    return np.dtype(fields)


def _binary_polygons(data: bytes, start: int, order: str, face: Element, place: int) -> NDArray[np.int64]:
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
    return _fans(polygons)


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
    if any(len(word) > LONGEST_NUMBER for word in words) or set(b"".join(words)) - set(b"0123456789+-.eE"):
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


def ends_of(file: BinaryIO, order: str, elements: Sequence[Element], start: int) -> list[int]:
    """The offset in a binary PLY at which each element is over, by what the header says of it. Raises PlyRefused.

    Past the end of the file where a scalar element is longer than the file is.
    """
    ends = list[int]()
    for element in elements:
        start = _end_of(file, ORDERS[order], element, start)
        ends.append(start)
    return ends


def _end_of(file: BinaryIO, order: str, element: Element, start: int) -> int:
    if not any(p.length for p in element.properties):
        return start + element.count * sum(_size(p.scalar) for p in element.properties)
    if not element.count:
        return start
    file.seek(start)
    data = file.read(_longest_row(element))
    lengths, _ = _row(data, 0, order, element)
    alike = np.dtype(list(_alike(element, order, lengths)))
    file.seek(start)
    data = file.read(alike.itemsize * element.count)
    if len(data) == alike.itemsize * element.count:
        rows = np.frombuffer(data, dtype=alike)
        if all((rows[f"n{i}"] == length).all() for i, length in lengths.items()):
            return start + len(data)
    file.seek(start)
    data, place = file.read(), 0
    for _ in range(element.count):
        _, place = _row(data, place, order, element)
    return start + place


def _longest_row(element: Element) -> int:
    return sum(8 + (LONGEST_LIST if p.length else 1) * 8 for p in element.properties)


def _alike(element: Element, order: str, lengths: Mapping[int, int]) -> Iterator[tuple[str, str, int]]:
    """The fields of one row of an element whose rows all have lists of these lengths."""
    for i, p in enumerate(element.properties):
        if p.length:
            yield f"n{i}", order + SCALARS[p.length], 1
        yield f"v{i}", order + SCALARS[p.scalar], lengths.get(i, 1)


def _row(data: bytes, place: int, order: str, element: Element) -> tuple[dict[int, int], int]:
    """The lengths of the lists of one row, by property, and where the row is over."""
    lengths = dict[int, int]()
    for i, p in enumerate(element.properties):
        count = 1
        if p.length:
            count = int(_take(data, place, order + SCALARS[p.length], 1)[0])
            place += _size(p.length)
            if not 0 <= count <= LONGEST_LIST:
                raise PlyRefused("wrong_size", f"A list of {element.name} has {count} entries.")
            lengths[i] = count
        place += _size(p.scalar) * count
    return lengths, place
