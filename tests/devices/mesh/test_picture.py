"""Pictures for the record, without a display."""

from __future__ import annotations

import io
import math

import numpy as np
import pytest
from manifold3d import Manifold
from numpy.typing import NDArray
from PIL import Image

from devices.mesh.base import Mesh
from devices.mesh.picture import VIEWS, render_deviation_png, render_png
from devices.mesh.solid import mesh_of

PART = mesh_of(
    (
        Manifold.cube([40.0, 20.0, 10.0])
        - Manifold.cylinder(30.0, 4.0, 4.0, 48).translate([12.0, 10.0, -5.0])
    ).refine_to_length(3.0)
)


def pixels(png: bytes) -> NDArray[np.uint8]:
    return np.array(Image.open(io.BytesIO(png)).convert("RGB"))


def test_a_part_is_drawn_in_proportion_with_its_hole_seen_through() -> None:
    picture = pixels(render_png(PART, size=(400, 300), view="top"))
    assert picture.shape == (300, 400, 3)
    drawn = (picture[:250] != 255).any(axis=2)
    rows, columns = np.flatnonzero(drawn.any(axis=1)), np.flatnonzero(drawn.any(axis=0))
    assert (np.ptp(columns) + 1) / (np.ptp(rows) + 1) == pytest.approx(2.0, rel=0.03)
    pixel = 40.0 / (np.ptp(columns) + 1)
    assert drawn.sum() * pixel**2 == pytest.approx(40 * 20 - math.pi * 16, rel=0.02)


@pytest.mark.parametrize("view", [*VIEWS, (0.2, 0.5, -0.9)])
def test_every_view_shows_the_part(view: str | tuple[float, float, float]) -> None:
    picture = pixels(render_png(PART, size=(160, 120), view=view))
    assert 0.1 < (picture != 255).any(axis=2).mean() < 0.9


def test_the_map_shows_missing_material_blue_and_too_much_red() -> None:
    distances = np.where(PART.vertices[:, 0] > 20.0, 0.5, -0.5)
    picture = pixels(render_deviation_png(PART, distances, 0.1, size=(700, 400), view="top"))
    left, right = picture[200, 180].astype(int), picture[200, 480].astype(int)
    assert sorted([left[0] > left[2], right[0] > right[2]]) == [False, True]
    legend = picture[:220, -190:]
    assert (legend == (178, 24, 43)).all(axis=2).sum() > 200
    assert (legend == (33, 102, 172)).all(axis=2).sum() > 200


def test_a_picture_is_the_same_twice_and_the_back_of_an_open_scan_is_lit() -> None:
    assert render_png(PART, size=(100, 80)) == render_png(PART, size=(100, 80))
    sheet = Mesh(
        np.array([[0.0, 0, 0], [9, 0, 0], [9, 9, 0], [0, 9, 0]]),
        np.array([[0, 1, 2], [0, 2, 3]], dtype=np.int32),
    )
    below = pixels(render_png(sheet, size=(100, 80), view="bottom"))
    assert below[40, 50].mean() > 120


@pytest.mark.parametrize("size", [(0, 0), (10, 600), (600, 100_000)])
def test_an_absurd_size_is_refused(size: tuple[int, int]) -> None:
    with pytest.raises(ValueError, match="pixels"):
        render_png(PART, size=size)


def test_distances_must_match_the_surface() -> None:
    with pytest.raises(ValueError, match="as many distances"):
        render_deviation_png(PART, np.zeros(3), 0.1)
