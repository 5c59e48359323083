"""Revisions against each other: what was added, what was removed, and a piece that is gone altogether."""

from __future__ import annotations

import numpy as np
import pytest

from devices.mesh.base import Mesh
from devices.mesh.difference import difference
from devices.mesh.io import read_mesh
from devices.mesh.solid import NotASolid
from tests.devices.makers import make_block

PLATE = (20.0, 15.0, 5.0)


def together(*meshes: Mesh) -> Mesh:
    starts = np.cumsum([0, *(len(mesh.vertices) for mesh in meshes)])
    return Mesh(
        np.concatenate([mesh.vertices for mesh in meshes]),
        np.concatenate([mesh.faces + start for mesh, start in zip(meshes, starts, strict=False)]),
    )


def test_the_same_shape_differs_nowhere() -> None:
    facts = difference(make_block(PLATE), make_block(PLATE)).as_facts()
    assert facts["largest_mm"] == pytest.approx(0.0, abs=1e-4)
    assert (facts["share_changed"], facts["limit_mm"]) == (0.0, 0.1)


def test_a_side_that_came_forward_is_added_and_one_that_went_back_is_removed() -> None:
    older, newer = make_block(PLATE), make_block(PLATE, centre=(0.8, 0.0, 0.0))
    found = difference(older, newer)
    facts = found.as_facts()
    assert facts["added_mm"] == pytest.approx(0.8, abs=1e-3)
    assert facts["removed_mm"] == pytest.approx(0.8, abs=1e-3)
    assert facts["limit_mm"] == 1.0
    ahead = found.newer.vertices[:, 0] > 10.79
    assert found.added[ahead] == pytest.approx(0.8, abs=1e-3)
    assert facts["share_changed"] == pytest.approx(2 * 15 * 5 / 950, abs=0.1)


def test_a_piece_that_is_gone_counts_though_the_newer_surface_shows_nothing_of_it() -> None:
    piece = make_block((4.0, 4.0, 4.0), centre=(40.0, 0.0, 0.0))
    found = difference(together(make_block(PLATE), piece), make_block(PLATE))
    facts = found.as_facts()
    assert np.abs(found.added).max() == pytest.approx(0.0, abs=1e-3)
    assert facts["removed_mm"] == facts["largest_mm"] == pytest.approx(32.0, abs=0.2)
    assert facts["largest_at_mm"][0] == pytest.approx(42.0)


def test_the_map_is_the_newer_surface_in_colours() -> None:
    found = difference(make_block(PLATE), make_block(PLATE, centre=(0.8, 0.0, 0.0)))
    data = found.as_ply()
    assert len(read_mesh(data).faces) == len(found.newer.faces)
    assert b"property uchar red" in data[:600]


def test_an_open_surface_is_not_measured() -> None:
    block = make_block(PLATE)
    with pytest.raises(NotASolid):
        difference(Mesh(block.vertices, block.faces[:-1]), block)
