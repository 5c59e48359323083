"""A plate becomes layers: closed, complete, the same every time, and refused with every reason when it cannot."""

from __future__ import annotations

import io
import math
import time
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from manifold3d import Manifold
from numpy.typing import NDArray
from PIL import Image

from devices.mesh.base import Mesh
from devices.mesh.solid import mesh_of
from printing.slicing.base import (
    BOUNDS,
    SLICERS,
    PlateItem,
    PlateRefused,
    SlicedPlate,
    SlicingCancelled,
    plate_digest,
)
from printing.slicing.layers import slice_plate
from printing.slicing.packing import place_on_plate
from printing.slicing.raster import BadMask, decode_png, encode_png, rasterise

PLATE = (60.0, 40.0, 50.0)


def at(x: float, y: float, z: float) -> NDArray[np.float64]:
    pose = np.eye(4)
    pose[:3, 3] = x, y, z
    return pose


def item(solid: Manifold, x: float, y: float, z: float = 0.0, ref: str = "D-1") -> PlateItem:
    return PlateItem(ref, mesh_of(solid), at(x, y, z))


def cut(*items: PlateItem, layer: float = 0.1, pixel: float = 0.1, **more: Any) -> SlicedPlate:
    settings = {"exposure_s": 2.0, "plate_size_mm": PLATE, **more}
    return slice_plate(items, layer_height_mm=layer, pixel_mm=pixel, **settings)


def ring() -> Manifold:
    return Manifold.cylinder(5.0, 8.0, 8.0, 128) - Manifold.cylinder(5.0, 5.0, 5.0, 128)


def hourglass(waist: float) -> Manifold:
    """Two blocks of 6 mm with a neck between them that is `waist` wide."""
    block, neck = (
        Manifold.cube([6.0, 6.0, 3.0]),
        Manifold.cube([waist, waist, 1.2]).translate([2.6, 2.6, 2.9]),
    )
    return block + neck + block.translate([0.0, 0.0, 4.0])


SHAPES: dict[str, Callable[[], Manifold]] = {
    "ring": ring,
    "guide tube": lambda: Manifold.cylinder(8.0, 2.5, 2.5, 48) - Manifold.cylinder(8.0, 1.2, 1.2, 48),
    "flat": lambda: Manifold.cube([9.0, 12.0, 1.1]),
    "leaning": lambda: Manifold.cube([4.0, 6.0, 3.0]).rotate([20.0, 30.0, 0.0]).translate([0.0, 0.0, 2.0]),
    "hourglass": lambda: hourglass(0.9),
}


BORED_BALLS = {
    "radius": st.floats(4.0, 12.0),
    "bore": st.floats(0.0, 3.0),
    "layer": st.floats(0.03, 0.1),
    "turn": st.tuples(*[st.floats(-180, 180)] * 3),
}


@settings(max_examples=4, deadline=None)
@given(**BORED_BALLS)
def test_the_layers_hold_the_meshs_volume(**ball: Any) -> None:
    holds_the_volume(**ball)


@pytest.mark.slow
@settings(max_examples=50, deadline=None)
@given(**BORED_BALLS)
def test_the_layers_of_fifty_meshes_hold_their_volume(**ball: Any) -> None:
    holds_the_volume(**ball)


def holds_the_volume(radius: float, bore: float, layer: float, turn: tuple[float, ...]) -> None:
    solid = Manifold.sphere(radius, 96)
    if bore > 0.2:
        solid = (solid - Manifold.cylinder(40.0, bore, bore, 48, True)).rotate(list(turn))
    plate = cut(item(solid, 20.0, 20.0, -solid.bounding_box()[2]), layer=layer, pixel=0.5)
    assert plate.volume_ml * 1000.0 == pytest.approx(solid.volume(), rel=1e-4)
    assert all(entry.contour_count >= 1 for entry in plate.layers[2:-2])
    assert [entry.index for entry in plate.layers] == list(range(len(plate.layers)))


@pytest.mark.requirement("G-BLD-01")
@settings(max_examples=15, deadline=None)
@given(
    st.sampled_from(sorted(SHAPES)),
    st.floats(0.05, BOUNDS["layer_height_mm"].most),
    st.floats(0.05, BOUNDS["pixel_mm"].most),
    st.tuples(*[st.floats(-0.5, 0.5)] * 2),
)
def test_masks_and_layers_hold_the_part_or_the_plate_is_refused(
    shape: str, layer: float, pixel: float, offset: tuple[float, float]
) -> None:
    """Every other refusal would be a mistake: each of these shapes is sound and lies within the plate."""
    solid = SHAPES[shape]()
    try:
        plate = cut(item(solid, 20.0 + offset[0], 20.0 + offset[1]), layer=layer, pixel=pixel)
    except PlateRefused as refusal:
        refused_for = {reason.rule for reason in refusal.reasons}
    else:
        refused_for = {"G-BLD-01"}
        agrees_with(solid, plate)
    assert refused_for == {"G-BLD-01"}


def agrees_with(solid: Manifold, plate: SlicedPlate) -> None:
    pixel, layer = plate.settings.pixel_mm, plate.settings.layer_height_mm
    columns, rows = plate.settings.pixels
    lit = sum(int(np.bitwise_count(decode_png(mask, columns, rows)).sum()) for mask in plate.masks)
    assert plate.volume_ml * 1000.0 == pytest.approx(solid.volume(), rel=0.05)
    assert lit * pixel**2 * layer == pytest.approx(solid.volume(), rel=0.05)
    assert plate.material_ml > 0


@pytest.mark.requirement("G-BLD-01")
@pytest.mark.parametrize(
    ("words", "solid", "more"),
    [
        ("layers hold 0.000 mL", lambda: Manifold.cube([9.0, 9.0, 0.4]), {"layer": 1.0}),
        ("layers hold 0.081 mL of the part's 0.105", lambda: Manifold.cube([9.0, 9.0, 1.3]), {"layer": 1.0}),
        ("masks hold", lambda: Manifold.cube([0.5, 30.0, 5.0]), {"pixel": 0.9}),
        ("layer 4 is empty in the middle", lambda: hourglass(0.3), {"pixel": 1.0, "layer": 1.0}),
    ],
)
def test_a_part_that_the_layers_do_not_hold_is_refused(
    words: str, solid: Callable[[], Manifold], more: dict[str, float]
) -> None:
    """Beside a part that is whole, and much larger."""
    whole = item(Manifold.cube([20.0, 20.0, 10.0]), 5.0, 5.0, ref="D-9")
    with pytest.raises(PlateRefused) as refusal:
        cut(whole, item(solid(), 40.0, 5.0), **more)
    assert any(words in reason.text and reason.text.startswith("D-1") for reason in refusal.value.reasons)
    assert not any(reason.text.startswith("D-9") for reason in refusal.value.reasons)
    assert all(reason.cure and reason.rule == "G-BLD-01" for reason in refusal.value.reasons)


@pytest.mark.requirement("G-BLD-01")
@pytest.mark.parametrize(
    ("more", "words"),
    [({"pixel": 0.6}, "wall of 1.00 mm spans fewer than 2 pixels"), ({"layer": 0.55}, "2 layers of 0.55 mm")],
)
def test_a_wall_smaller_than_two_steps_is_refused(more: dict[str, float], words: str) -> None:
    part = replace(item(ring(), 20.0, 20.0), smallest={"a wall": 1.0})
    with pytest.raises(PlateRefused, match=words):
        cut(part, **more)
    cut(part, layer=0.5, pixel=0.5)


def test_a_block_is_its_layers_to_the_digit() -> None:
    plate = cut(
        item(Manifold.cube([10.0, 20.0, 5.0]), 5.0, 5.0), bottom_layers=3, bottom_exposure_s=30.0, lift_s=4.0
    )
    assert len(plate.layers) == 50
    assert {round(entry.area_mm2, 9) for entry in plate.layers} == {200.0}
    assert plate.layers[0].z_mm == 0.05
    assert plate.layers[-1].z_mm == 4.95
    assert plate.volume_ml == pytest.approx(1.0)
    assert plate.material_ml == pytest.approx(1.1)
    assert plate.print_seconds == pytest.approx(3 * 30.0 + 47 * 2.0 + 50 * 4.0)


def test_a_hole_and_the_island_in_it_come_out_right_in_the_mask() -> None:
    solid = ring() + Manifold.cylinder(5.0, 2.0, 2.0, 128)
    layer = cut(item(solid, 20.0, 20.0)).layers[10]
    mask = np.array(Image.open(io.BytesIO(layer.mask_png)))
    assert mask.shape == (400, 600)
    assert layer.contour_count == 3
    assert mask[200, 200]
    assert not mask[200, 235]
    assert mask[200, 265]
    assert not mask[200, 290]
    assert mask.sum() * 0.01 == pytest.approx(layer.area_mm2, rel=0.01)


def test_a_mask_is_exact_at_pixel_centres() -> None:
    square = np.array([[2.0, 1.0], [5.0, 1.0], [5.0, 4.0], [2.0, 4.0]])
    lit = np.unpackbits(rasterise([square], 11, 6), axis=1)[:, :11]
    expected = np.zeros((6, 11), dtype=np.uint8)
    expected[1:4, 2:5] = 1
    assert np.array_equal(lit, expected)


@settings(max_examples=40, deadline=None)
@given(
    st.lists(st.tuples(st.floats(-3.0, 14.0), st.floats(-3.0, 14.0)), min_size=3, max_size=9),
    st.integers(1, 13),
    st.integers(1, 13),
)
def test_a_mask_agrees_with_counting_crossings_one_by_one(
    points: list[tuple[float, float]], columns: int, rows: int
) -> None:
    """Also with self-crossing outlines and ones that leave the plate."""
    lit = np.unpackbits(rasterise([np.array(points)], columns, rows), axis=1)[:, :columns]
    for row in range(rows):
        for column in range(columns):
            assert lit[row, column] == crossings_left_of(points, column + 0.5, row + 0.5) % 2


def crossings_left_of(points: list[tuple[float, float]], x: float, y: float) -> int:
    count = 0
    for (ax, ay), (bx, by) in zip(points, points[1:] + points[:1], strict=True):
        if ay > by:
            ax, ay, bx, by = bx, by, ax, ay
        if ay <= y < by:
            count += ax + (y - ay) * ((bx - ax) / (by - ay)) <= x
    return count


def test_the_digest_is_the_same_again_and_another_for_any_change() -> None:
    digests = [cut(item(ring(), 20.0, 20.0)).digest for _ in range(2)]
    digests += [
        cut(item(ring(), 20.1, 20.0)).digest,
        cut(item(ring(), 20.0, 20.0, ref="D-2")).digest,
        cut(item(ring(), 20.0, 20.0), layer=0.2).digest,
        cut(item(ring(), 20.0, 20.0), pixel=0.2).digest,
        cut(item(ring(), 20.0, 20.0), exposure_s=2.1).digest,
    ]
    assert digests[0] == digests[1]
    assert len(set(digests)) == 6


def test_progress_is_told_for_every_layer() -> None:
    told: list[tuple[int, int]] = []
    cut(item(ring(), 20.0, 20.0), progress=lambda done, total: told.append((done, total)))
    assert told == [(done, 50) for done in range(1, 51)]


def test_a_stop_is_heard_between_layers() -> None:
    told: list[int] = []
    with pytest.raises(SlicingCancelled, match="of 50"):
        cut(
            item(ring(), 20.0, 20.0),
            progress=lambda done, _: told.append(done),
            cancelled=lambda: len(told) >= 10,
        )
    assert 10 <= len(told) < 50


@pytest.mark.parametrize(
    ("words", "more"),
    [
        ("layer_height_mm", {"layer": 0.0}),
        ("layer_height_mm", {"layer": math.nan}),
        ("layer_height_mm is 8", {"layer": 8.0}),
        ("pixel_mm is 15", {"pixel": 15.0}),
        ("loss_share is 2", {"loss_share": 2.0}),
        ("bottom_layers is 1.5", {"bottom_layers": 1.5}),
        ("bottom_exposure_s is 0", {"bottom_exposure_s": 0.0}),
        ("pixel_mm", {"pixel": -0.1}),
        ("exposure_s", {"exposure_s": math.inf}),
        ("too many layers", {"layer": 0.006, "plate_size_mm": (60.0, 40.0, 150.0)}),
        ("pixels", {"pixel": 0.002}),
        ("bottom_layers", {"bottom_layers": -1}),
    ],
)
def test_impossible_settings_are_refused(words: str, more: dict[str, float]) -> None:
    with pytest.raises(PlateRefused, match=words):
        cut(item(ring(), 20.0, 20.0), **more)


def test_every_reason_comes_at_once_with_its_cure() -> None:
    with pytest.raises(PlateRefused) as refusal:
        cut(
            item(ring(), 3.0, 20.0, ref="D-1"),
            item(ring(), 30.0, 20.0, ref="D-2"),
            item(ring(), 33.0, 20.0, ref="D-3"),
            item(ring(), 50.0, 20.0, -1.0, ref="D-4"),
            item(ring(), 12.0, 20.0, 9.0, ref="D-5"),
        )
    texts = [reason.text for reason in refusal.value.reasons]
    assert len(texts) == 4
    assert texts[0].startswith("D-1 reaches -5.0")
    assert texts[1].startswith("D-4 reaches")
    assert texts[2] == "D-5 floats 9.00 mm above the plate."
    assert texts[3] == "D-2 and D-3 overlap."
    assert all(reason.cure for reason in refusal.value.reasons)


@pytest.mark.parametrize(
    ("_case", "transform"),
    [
        ("scaled", np.diag([1.01, 1.01, 1.01, 1.0])),
        ("mirrored", np.diag([-1.0, 1.0, 1.0, 1.0])),
        ("not a number", np.full((4, 4), np.nan)),
        ("not a matrix", np.eye(3)),
    ],
)
def test_a_placement_that_is_not_rigid_is_refused(_case: str, transform: NDArray[np.float64]) -> None:
    with pytest.raises(PlateRefused, match="scales, mirrors or bends"):
        cut(PlateItem("D-1", mesh_of(ring()), transform))


def test_an_empty_plate_and_an_open_mesh_are_refused() -> None:
    with pytest.raises(PlateRefused, match="empty"):
        cut()
    mesh = mesh_of(ring())
    with pytest.raises(PlateRefused, match="D-1: The surface does not bound a volume"):
        cut(PlateItem("D-1", Mesh(mesh.vertices, mesh.faces[:-1]), at(20.0, 20.0, 0.0)))


def test_parts_lie_flat_apart_and_inside() -> None:
    slab = Manifold.cube([20.0, 12.0, 4.0]).rotate([31.0, 47.0, 12.0])
    cone = Manifold.cylinder(9.0, 6.0, 2.0, 64).rotate([75.0, 0.0, 10.0]).translate([-400.0, 90.0, 1000.0])
    meshes = [mesh_of(solid) for solid in (slab, cone, slab, cone)]
    poses = place_on_plate(meshes, PLATE, spacing_mm=2.0)
    boxes = []
    for mesh, pose in zip(meshes, poses, strict=True):
        placed = mesh.vertices @ pose[:3, :3].T + pose[:3, 3]
        boxes.append((placed.min(axis=0), placed.max(axis=0)))
        assert np.linalg.det(pose[:3, :3]) == pytest.approx(1.0)
        assert placed[:, 2].min() == pytest.approx(0.0, abs=1e-9)
    assert boxes[0][1][2] == pytest.approx(4.0)
    assert boxes[1][1][2] == pytest.approx(9.0)
    for low, high in boxes:
        assert (low[:2] >= 2.0 - 1e-9).all()
        assert (high[:2] <= np.array(PLATE[:2]) - 2.0 + 1e-9).all()
    for i, (low, high) in enumerate(boxes):
        for other_low, other_high in boxes[i + 1 :]:
            assert ((low[:2] >= other_high[:2] + 2.0 - 1e-9) | (other_low[:2] >= high[:2] + 2.0 - 1e-9)).any()
    cut(*(PlateItem(f"D-{i}", mesh, pose) for i, (mesh, pose) in enumerate(zip(meshes, poses, strict=True))))


def test_what_does_not_fit_is_named_with_its_size() -> None:
    with pytest.raises(PlateRefused, match=r"Part 2 is 90\.0 x 10\.0 x 5\.0 mm"):
        place_on_plate([mesh_of(ring()), mesh_of(Manifold.cube([90.0, 10.0, 5.0]))], PLATE, 3.0)
    with pytest.raises(PlateRefused, match="do not fit on one plate"):
        place_on_plate([mesh_of(ring())] * 9, PLATE, 3.0)


def test_a_mask_survives_its_png_and_damage_is_seen() -> None:
    packed = rasterise([np.array([[1.0, 1.0], [30.0, 2.0], [12.0, 25.0]])], 37, 29)
    png = encode_png(packed, 37)
    assert np.array_equal(decode_png(png, 37, 29), packed)
    with pytest.raises(BadMask):
        decode_png(png, 37, 30)
    with pytest.raises(BadMask):
        decode_png(png[:50] + bytes([png[50] ^ 1]) + png[51:], 37, 29)


def test_the_slicer_is_found_by_its_name() -> None:
    assert SLICERS["layers"] is slice_plate


@pytest.mark.parametrize("layers", [200, pytest.param(800, marks=pytest.mark.slow)])
def test_eight_hundred_fine_layers_take_seconds(layers: int) -> None:
    guide = (Manifold.cube([60.0, 38.0, 40.0]) - Manifold.sphere(18.0, 128)).refine_to_length(1.0)
    mesh = mesh_of(guide.trim_by_plane([0.0, 0.0, -1.0], -0.05 * layers))
    assert len(mesh.faces) > 12_000
    start = time.perf_counter()
    plate = slice_plate(
        [PlateItem("D-1", mesh, at(2.0, 2.0, 0.0))],
        layer_height_mm=0.05,
        pixel_mm=0.05,
        plate_size_mm=(65.0, 42.0, 160.0),
        exposure_s=2.5,
    )
    assert len(plate.layers) == layers
    assert time.perf_counter() - start < 15.0 * layers / 800


def test_the_digest_covers_contours_and_masks_alike() -> None:
    plate = cut(item(ring(), 20.0, 20.0), layer=1.0)
    lines = [(layer.contours_sha256, layer.mask_sha256) for layer in plate.layers]
    assert plate_digest(plate.settings, plate.devices, lines) == plate.digest
    other = "ab" * 32
    for changed in ([(other, lines[0][1]), *lines[1:]], [(lines[0][0], other), *lines[1:]]):
        assert plate_digest(plate.settings, plate.devices, changed) != plate.digest
