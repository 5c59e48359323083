"""Reading and writing surfaces: STL and PLY, told apart by content and believed in nothing.

A file is a stranger's: its counts, types and numbers are checked against its size before anything is allocated.
STL and PLY carry no unit; Lamina takes millimetres and `plausible_units` says when that cannot be true.
"""

from __future__ import annotations

import codecs
import re
import struct
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from devices.mesh.base import Mesh
from devices.mesh.colours import colour_scale, deviation_colours
from devices.mesh.distance import face_normals
from devices.mesh.ply import PlyRefused, numbers, read_ply
from mes.exceptions import InvalidInput

__all__ = [
    "MeshRefused", "UnitGuess", "checked", "colour_scale", "places_in", "plausible_units", "read_mesh", "weld", "write_deviation_ply", "write_ply",
    "write_stl",
]  # fmt: skip

MAXIMUM_BYTES = 512 * 1024 * 1024
MAXIMUM_TRIANGLES = 5_000_000
MAXIMUM_COORDINATE_MM = 1e5
STL_HEADER = b"Lamina binary STL, millimetres, patient coordinates LPS".ljust(80, b" ")
PLY_COMMENT = b"comment Lamina, millimetres, LPS"
STL_RECORD = np.dtype([("normal", "<f4", 3), ("corners", "<f4", (3, 3)), ("attribute", "<u2")])

Problem = Literal[
    "empty", "too_large", "wrong_type", "truncated", "wrong_size", "too_many_triangles", "not_finite", "absurd_size",
    "bad_header", "bad_index", "no_surface",
]  # fmt: skip
Unit = Literal["mm", "m", "inch", "unknown"]

CURES: dict[str, str] = {
    "empty": "Export the surface again: the file holds nothing.",
    "too_large": "Simplify the surface before sending it.",
    "wrong_type": "Send binary or ASCII STL, or PLY.",
    "truncated": "Send the file again: its end is missing.",
    "wrong_size": "Export the surface again: the file's size and its triangle count disagree.",
    "too_many_triangles": f"Simplify the surface to at most {MAXIMUM_TRIANGLES:,} triangles.",
    "not_finite": "Repair the surface: coordinates must be numbers.",
    "absurd_size": "Check the unit of the export: Lamina reads millimetres.",
    "bad_header": "Export the surface again with a common program.",
    "bad_index": "Export the surface again: a face names a vertex that does not exist.",
    "no_surface": "Send a surface with triangles, not a bare point cloud.",
}


class MeshRefused(InvalidInput):
    """The file holds no surface that can be used. `problem` names why."""

    code = "mesh_refused"

    def __init__(self, problem: Problem, text: str) -> None:
        self.problem = problem
        super().__init__(text, cure=CURES[problem])


@dataclass(frozen=True)
class UnitGuess:
    """Whether the numbers can be millimetres. `scale_to_mm` converts when `unit` is another one."""

    plausible: bool
    unit: Unit
    scale_to_mm: float
    extent: float
    text: str


def read_mesh(source: Path | str | bytes, *, name_hint: str | None = None) -> Mesh:
    """The surface in a file, its equal vertices welded; float64 mm as the file has them.

    The type is decided by content; `name_hint` (a file name) is only used to word a refusal and is never opened.
    Raises MeshRefused.
    """
    data = _content(source)
    if not data.strip(b"\0 \t\r\n"):
        raise MeshRefused("empty", "The file is empty.")
    return checked(_parse(data, _suffix(name_hint)))


def checked(mesh: Mesh) -> Mesh:
    """The surface of a file, its equal vertices welded. Raises MeshRefused where its numbers are none or nothing is left."""
    _check_numbers(mesh.vertices)
    welded = weld(mesh)
    if not len(welded.faces):
        raise MeshRefused(
            "no_surface", f"All {len(mesh.faces):,} triangles of the file have two corners in one place."
        )
    return welded


def write_stl(mesh: Mesh) -> bytes:
    """Binary STL, little-endian float32, the same bytes for the same mesh."""
    records = np.zeros(len(mesh.faces), dtype=STL_RECORD)
    records["normal"] = face_normals(mesh)
    records["corners"] = mesh.vertices.astype(np.float32)[mesh.faces]
    return b"".join((STL_HEADER, struct.pack("<I", len(records)), records.data.cast("B")))


def write_ply(mesh: Mesh, *, colours: NDArray[np.uint8] | None = None) -> bytes:
    """Binary little-endian PLY, float32 mm, with RGB per vertex where `colours` (n, 3) are given."""
    layout: list[tuple[str, str]] = [(axis, "<f4") for axis in "xyz"]
    if colours is not None:
        layout += [(channel, "u1") for channel in ("red", "green", "blue")]
    rows = np.zeros(len(mesh.vertices), dtype=layout)
    for place, axis in enumerate("xyz"):
        rows[axis] = mesh.vertices[:, place]
    for place, (channel, _) in enumerate(layout[3:]):
        rows[channel] = colours[:, place] if colours is not None else 0
    faces = np.zeros(len(mesh.faces), dtype=[("count", "u1"), ("corners", "<i4", 3)])
    faces["count"], faces["corners"] = 3, mesh.faces
    return _ply_header(layout, len(rows), len(faces)) + rows.tobytes() + faces.tobytes()


def write_deviation_ply(
    surface: Mesh | NDArray[np.float64], distances: NDArray[np.float64], tolerance_mm: float
) -> bytes:
    """The deviation map in 3D: PLY coloured per vertex, saturated beyond twice the tolerance.

    surface: a mesh or points (n, 3) mm; distances: (n,) signed mm, positive where there is too much material.
    """
    mesh = surface if isinstance(surface, Mesh) else Mesh(surface, np.zeros((0, 3), dtype=np.int32))
    if len(distances) != len(mesh.vertices):
        raise ValueError(f"{len(mesh.vertices)} vertices need as many distances, not {len(distances)}")
    return write_ply(mesh, colours=deviation_colours(distances, tolerance_mm))


def _ply_header(layout: list[tuple[str, str]], vertices: int, faces: int) -> bytes:
    words = {"<f4": "float", "u1": "uchar"}
    lines = [
        "ply",
        "format binary_little_endian 1.0",
        PLY_COMMENT.decode(),
        f"element vertex {vertices}",
    ]
    lines += [f"property {words[scalar]} {name}" for name, scalar in layout]
    lines += [f"element face {faces}", "property list uchar int vertex_indices", "end_header", ""]
    return "\n".join(lines).encode()


def weld(mesh: Mesh) -> Mesh:
    """The same surface with bit-equal vertices made one, in order of first use, and collapsed faces dropped."""
    used = mesh.vertices[mesh.faces.ravel()] + 0.0
    _, first, inverse = np.unique(_keys(used), return_index=True, return_inverse=True)
    order = np.argsort(first, kind="stable")
    rank = np.zeros(len(order), dtype=np.int32)
    rank[order] = np.arange(len(order), dtype=np.int32)
    faces = rank[inverse.reshape(-1, 3)]
    distinct = (faces[:, 0] != faces[:, 1]) & (faces[:, 1] != faces[:, 2]) & (faces[:, 2] != faces[:, 0])
    return Mesh(used[first[order]], faces[distinct])


def places_in(mesh: Mesh, points: NDArray[np.float64]) -> NDArray[np.int64]:
    """Which vertex of a welded mesh lies at exactly each of the points (n, 3); -1 where none does."""
    known, order = np.unique(_keys(mesh.vertices), return_index=True)
    keys = _keys(points)
    at = np.minimum(np.searchsorted(known, keys), len(known) - 1)
    return np.where(known[at] == keys, order[at], -1)


def _keys(places: NDArray[np.float64]) -> NDArray[np.void]:
    """Equal for places that are bit-equal."""
    # -0.0 and 0.0 are one place.
    return np.ascontiguousarray(places + 0.0).view(np.dtype((np.void, 24))).ravel()


def plausible_units(mesh: Mesh, *, smallest_mm: float = 5.0, largest_mm: float = 2500.0) -> UnitGuess:
    """Whether the largest side lies between a small implant and a whole person; a guess, for a person to confirm."""
    extent = float(np.ptp(mesh.vertices, axis=0).max()) if len(mesh.vertices) else 0.0
    if smallest_mm <= extent <= largest_mm:
        return UnitGuess(True, "mm", 1.0, extent, f"The largest side is {extent:.1f} mm.")
    candidates: tuple[tuple[Unit, float], ...] = (("m", 1000.0), ("inch", 25.4))
    for unit, scale in candidates:
        if extent < smallest_mm and smallest_mm <= extent * scale <= largest_mm:
            return UnitGuess(
                False, unit, scale, extent,
                f"The largest side is {extent:.4g}: as millimetres that is too small; it may be in {unit}.",
            )  # fmt: skip
    return UnitGuess(
        False, "unknown", 1.0, extent, f"The largest side is {extent:.4g}: no usual unit explains it."
    )


def _content(source: Path | str | bytes) -> bytes:
    if isinstance(source, bytes):
        size, data = len(source), source
    else:
        size = Path(source).stat().st_size
        data = Path(source).read_bytes() if size <= MAXIMUM_BYTES else b""
    if size > MAXIMUM_BYTES:
        raise MeshRefused("too_large", f"The file has {size:,} bytes; the limit is {MAXIMUM_BYTES:,}.")
    return data


def _suffix(name_hint: str | None) -> str:
    """Only a short plain suffix is ever repeated in a message: a file name may hold a patient's name."""
    match = re.search(r"\.([A-Za-z0-9]{1,5})$", name_hint or "")
    return match.group(1).lower() if match else ""


def _parse(data: bytes, suffix: str) -> Mesh:
    text = data.removeprefix(codecs.BOM_UTF8)
    if data[:4] in (b"ply\n", b"ply\r"):
        try:
            return read_ply(data, MAXIMUM_TRIANGLES)
        except PlyRefused as refusal:
            raise MeshRefused(refusal.problem, str(refusal)) from refusal
    if len(data) >= 84 and len(data) == 84 + 50 * _stl_count(data):
        return _read_binary_stl(data)
    if text.lstrip()[:5].lower() == b"solid" and b"facet" in text[:4096].lower():
        return _read_ascii_stl(text)
    raise _not_a_surface(data, suffix)


def _stl_count(data: bytes) -> int:
    return int.from_bytes(data[80:84], "little")


def _not_a_surface(data: bytes, suffix: str) -> MeshRefused:
    if suffix != "stl" and b"\0" not in data[:512]:
        return MeshRefused("wrong_type", "The content is neither STL nor PLY.")
    if len(data) < 84:
        return MeshRefused("truncated", f"A binary STL has at least 84 bytes; this file has {len(data)}.")
    count = _stl_count(data)
    text = f"The header announces {count:,} triangles ({84 + 50 * count:,} bytes), the file has {len(data):,} bytes."
    return MeshRefused("truncated" if 84 + 50 * count > len(data) else "wrong_size", text)


def _read_binary_stl(data: bytes) -> Mesh:
    count = _stl_count(data)
    _check_count(count)
    corners = np.frombuffer(data, dtype=STL_RECORD, offset=84, count=count)["corners"]
    return _soup(corners.reshape(-1, 3).astype(np.float64))


def _read_ascii_stl(data: bytes) -> Mesh:
    lowered = data.lower()
    tokens = re.findall(rb"\bvertex[ \t]+(\S+)[ \t]+(\S+)[ \t]+(\S+)", lowered)
    facets = len(re.findall(rb"\bfacet\s+normal\b", lowered))
    _check_count(facets)
    if len(tokens) != 3 * facets or b"endsolid" not in lowered[-512:]:
        raise MeshRefused(
            "truncated", f"{facets} facets need {3 * facets} vertices; {len(tokens)} are there."
        )
    try:
        corners = numbers(tokens)
    except ValueError as error:
        raise MeshRefused("not_finite", "A vertex coordinate is not a number.") from error
    return _soup(corners)


def _soup(corners: NDArray[np.float64]) -> Mesh:
    return Mesh(corners, np.arange(len(corners), dtype=np.int32).reshape(-1, 3))


def _check_count(count: int) -> None:
    if count == 0:
        raise MeshRefused("no_surface", "The file holds no triangle.")
    if count > MAXIMUM_TRIANGLES:
        raise MeshRefused(
            "too_many_triangles", f"The file holds {count:,} triangles; {MAXIMUM_TRIANGLES:,} are taken."
        )


def _check_numbers(vertices: NDArray[np.float64]) -> None:
    if not np.isfinite(vertices).all():
        raise MeshRefused("not_finite", "A vertex coordinate is NaN or infinite.")
    largest = float(np.abs(vertices).max())
    if largest > MAXIMUM_COORDINATE_MM:
        raise MeshRefused("absurd_size", f"A vertex lies {largest:.3g} mm from the origin.")
