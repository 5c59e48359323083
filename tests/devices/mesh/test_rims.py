"""Open edges are found, pinched ones too, and what is closed over them bounds a volume."""

from __future__ import annotations

import numpy as np
import pytest

from devices.mesh.base import Mesh
from devices.mesh.check import check_mesh
from devices.mesh.membrane import film
from devices.mesh.rims import capped, largest_piece, length_mm, pinches, rims, skirted

CUBE = Mesh(
    np.array([[x, y, z] for z in (0.0, 1.0) for y in (0.0, 1.0) for x in (0.0, 1.0)]),
    np.array([
        [0, 2, 1], [1, 2, 3], [4, 5, 6], [5, 7, 6], [0, 1, 4], [1, 5, 4], [2, 6, 3], [3, 6, 7], [0, 4, 2], [2, 4, 6],
        [1, 3, 5], [3, 7, 5],
    ]),
)  # fmt: skip


def without(*faces: int) -> Mesh:
    return Mesh(CUBE.vertices, np.delete(CUBE.faces, faces, axis=0).astype(np.int32))


def test_a_closed_surface_has_no_rim() -> None:
    assert check_mesh(CUBE).sound
    assert rims(CUBE.faces) == []


def test_a_hole_is_one_walk_and_its_cap_closes_it() -> None:
    open_cube = without(2, 3)
    (walk,) = rims(open_cube.faces)
    assert length_mm(open_cube, walk) == 4.0
    closed = check_mesh(capped(open_cube, walk))
    assert closed.sound
    assert closed.volume_ml == pytest.approx(0.001)


def test_two_holes_that_meet_in_one_vertex_are_closed_by_a_wall() -> None:
    pinched = without(1, 9)
    assert list(pinches(pinched.faces)) == [2]
    walks = rims(pinched.faces)
    assert sum(len(walk) for walk in walks) == 6
    for walk in walks:
        ring = pinched.vertices[walk] * 0.9
        pinched = skirted(pinched, walk, [ring], ring.mean(axis=0))
    report = check_mesh(pinched)
    assert report.watertight
    assert report.manifold


def test_the_piece_of_most_faces_is_kept() -> None:
    both = np.concatenate([CUBE.faces, CUBE.faces[:4] + 8])
    assert largest_piece(both).sum() == len(CUBE.faces)


def test_a_film_across_a_flat_edge_is_flat() -> None:
    """Whatever stood there: the crown leaves no trace in the gum that is left without it."""
    x, y = np.meshgrid(np.arange(9.0), np.arange(9.0), indexing="ij")
    height = np.where((abs(x - 4) < 3) & (abs(y - 4) < 3), 5.0 + x * y, 0.1 * x)
    index = np.arange(81).reshape(9, 9)
    a, b, c, d = (
        index[:-1, :-1].ravel(),
        index[1:, :-1].ravel(),
        index[:-1, 1:].ravel(),
        index[1:, 1:].ravel(),
    )
    sheet = Mesh(
        np.stack([x, y, height], axis=-1).reshape(-1, 3),
        np.concatenate([np.stack([a, b, c], 1), np.stack([b, d, c], 1)]).astype(np.int32),
    )
    found = film(sheet, sheet.vertices[:, 2] > 1.0)
    assert np.allclose(found.vertices[:, 2], 0.1 * found.vertices[:, 0], atol=0.01)
