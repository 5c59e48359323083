"""OBJ, as far as a surface needs it: vertices and polygons. Nothing that it names is ever opened, and no name is kept."""

from __future__ import annotations

from collections import Counter

import numpy as np

from devices.mesh.base import Mesh
from devices.mesh.io import MeshRefused
from devices.mesh.ply import LONGEST_NUMBER, MAXIMUM_CORNERS, MAXIMUM_VERTICES, numbers

LEFT_OUT = {
    b"#": "comments", b"o": "names", b"g": "names", b"s": "names", b"mtllib": "materials", b"usemtl": "materials",
    b"vn": "normals", b"vt": "texture coordinates",
}  # fmt: skip
"""What the other statements are, as far as a scanner writes them."""
STATEMENTS = frozenset({b"v", b"f", *LEFT_OUT})


def read_obj(data: bytes, maximum_triangles: int) -> tuple[Mesh, Counter[str]]:
    """The triangles of an OBJ (polygons become fans) as its numbers are, and how many statements of each kind were left out.

    Raises MeshRefused.
    """
    places: list[list[bytes]] = []
    faces: list[tuple[int, int, int]] = []
    left_out: Counter[str] = Counter()
    for line in data.replace(b"\\\r\n", b" ").replace(b"\\\n", b" ").splitlines():
        match line.split():
            case [b"v", x, y, z, *_]:
                places.append([x, y, z])
            case [b"f", *corners]:
                faces += _fan([_index(corner, len(places)) for corner in corners])
            case [b"v", *_]:
                raise MeshRefused("truncated", "A vertex has fewer than three coordinates.")
            case [word, *_]:
                left_out[LEFT_OUT.get(word if word[:1] != b"#" else b"#", "other statements")] += 1
        if len(places) > MAXIMUM_VERTICES or len(faces) > maximum_triangles:
            raise MeshRefused(
                "too_many_triangles", f"The file holds more than {maximum_triangles:,} triangles."
            )
    return _mesh(places, faces), left_out


def _mesh(places: list[list[bytes]], faces: list[tuple[int, int, int]]) -> Mesh:
    if not faces:
        raise MeshRefused("no_surface", "The file holds no triangle.")
    try:
        vertices = numbers(places)
    except ValueError as error:
        raise MeshRefused("not_finite", "A vertex coordinate is not a number.") from error
    indices = np.array(faces, dtype=np.int64)
    if indices.min() < 0 or indices.max() >= len(vertices):
        raise MeshRefused("bad_index", f"A face names a vertex outside 1..{len(vertices)}.")
    return Mesh(vertices, indices.astype(np.int32))


def _index(corner: bytes, so_far: int) -> int:
    """From 0. A face counts from 1, or back from the vertex before it; what follows a slash is texture and normal."""
    word = corner.partition(b"/")[0]
    if len(word) > LONGEST_NUMBER or not word.removeprefix(b"-").isdigit() or int(word) == 0:
        raise MeshRefused("bad_index", "A face names a vertex by something that is no number.")
    number = int(word)
    return number - 1 if number > 0 else so_far + number


def _fan(corners: list[int]) -> list[tuple[int, int, int]]:
    if not 3 <= len(corners) <= MAXIMUM_CORNERS:
        raise MeshRefused(
            "bad_index", f"A face has {len(corners)} corners; 3 to {MAXIMUM_CORNERS} are taken."
        )
    return [(corners[0], corners[at], corners[at + 1]) for at in range(1, len(corners) - 1)]
