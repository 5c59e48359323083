"""A guide for the twelfth thoracic vertebra of a real chest CT, segmented with the house's own operations.

Which vertebra it is follows from its ribs; the pedicles were found by the way through them that stays furthest inside.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from numpy.typing import NDArray

from devices.generators.base import GENERATORS, DesignRefused
from devices.imaging.base import Volume
from devices.imaging.intake import read_images
from devices.mesh.base import Mesh
from devices.mesh.bore import measure_bore
from devices.mesh.check import check_mesh
from devices.mesh.distance import Surface, sample_surface
from devices.mesh.io import read_mesh, write_stl
from devices.mesh.surface import Smoothing, surface_of_mask
from devices.planning.base import PLAN_KINDS, Ground, Points
from devices.segmentation.operations.close import Close
from devices.segmentation.operations.fill_holes import FillHoles
from devices.segmentation.operations.keep_largest import KeepLargest
from devices.segmentation.operations.threshold import Threshold
from tests.devices.conftest import RealData
from tests.devices.generators.test_pedicle_guide import ANY, holds, turned
from tests.devices.planned import SLEEVE

pytestmark = pytest.mark.slow
SLICES, ROWS, COLUMNS = slice(26, 58), slice(335, 430), slice(205, 290)
MIDDLE_X, BEHIND_Y = -9.9, 330.0
AXES: dict[str, tuple[list[float], list[float]]] = {
    "left": ([3.80, 252.33, -640.97], [-0.086, -0.981, 0.174]),
    "right": ([-23.66, 250.35, -640.56], [0.171, -0.970, 0.174]),
}
WIDE = {"contact_radius_mm": 8.0, "relief_mm": 1.0}


@pytest.fixture(scope="module")
def chest(real_data: RealData) -> Volume:
    return read_images(real_data("chest-ct")).volume


@pytest.fixture(scope="module")
def bone(chest: Volume) -> Mesh:
    return segmented(chest, 160.0)


def segmented(chest: Volume, lower_hu: float) -> Mesh:
    """The vertebra with what touches it, cut out of the chest: its cancellous bone filled, its canal open."""
    corner = chest.to_patient([(k, ROWS.start, COLUMNS.start) for k in range(SLICES.start, SLICES.stop)])
    voxels = chest.voxels[SLICES, ROWS, COLUMNS].astype(np.int16)
    part = Volume(voxels, corner, chest.row_direction, chest.column_direction, chest.spacing_ij)
    mask = Threshold(lower_hu=lower_hu, upper_hu=3000.0).apply(part, np.zeros(part.shape, np.uint8))
    for operation in (Close(radius_mm=1.5), FillHoles(), KeepLargest()):
        mask = operation.apply(part, mask)
    return surface_of_mask(part, mask, smoothing=Smoothing(iterations=15)).mesh


def on_bone(bone: Mesh, x: float, z: float) -> list[float]:
    """What one meets from behind."""
    reach = float(Surface(bone).first_hits(np.array([[x, BEHIND_Y, z]]), np.array([[0.0, -1.0, 0.0]]))[0])
    return [x, BEHIND_Y - reach, z]


@pytest.fixture(scope="module")
def values(chest: Volume, bone: Mesh) -> dict[str, Any]:
    """What the plan gives the design. The count follows the spine of the images from its first rib down."""
    last = np.array(chest.shape) - 1

    def inside(points: Points) -> NDArray[np.bool_]:
        indices = chest.to_indices(points)
        return np.asarray(((indices >= 0) & (indices <= last)).all(axis=1), dtype=np.bool_)

    kind = PLAN_KINDS["trajectories"]
    contacts = {
        side: on_bone(bone, MIDDLE_X + away, -643.0) for side, away in (("left", 11.0), ("right", -11.0))
    }
    typed = {
        "level": "T12",
        "counted": [
            {"level": f"T{n}", "point_mm": [-10.0, 218.0, -409.0 - 21.0 * (n - 1)]} for n in range(1, 13)
        ],
        "side": "bilateral",
        "spinous_mm": [MIDDLE_X, 267.0, -648.0],
        "body_mm": [MIDDLE_X, 218.0, -640.0],
        "sleeve": SLEEVE,
        "insertion": [0.0, -1.0, 0.0],
        "trajectories": [
            {"side": side, "entry_mm": entry, "axis": axis, "depth_mm": 36.0}
            for side, (entry, axis) in AXES.items()
        ],
        "contacts": contacts,
    }
    return {**kind.values(kind.canonical(typed, Ground("bilateral", inside))), **WIDE}


@pytest.mark.requirement("G-BLD-01")
def test_the_guide_of_a_real_vertebra_sits_and_aims_as_planned(bone: Mesh, values: dict[str, Any]) -> None:
    design = GENERATORS["pedicle_guide"].generate(bone, values)
    assert check_mesh(design.mesh).sound
    stored = read_mesh(write_stl(design.mesh))
    for side in ("left", "right"):
        entry, axis = np.array(values[f"{side}_entry_mm"]), np.array(values[f"{side}_axis"])
        found = measure_bore(stored, entry, axis, values["sleeve_seat_diameter_mm"])
        assert found is not None
        assert found.shift_from(entry) <= 0.05
        assert found.tilt_from(axis) <= 0.1
    assert design.measures["bone_margin_mm"] > 2.0
    assert design.measures["contact_area_mm2"] > 200.0
    assert design.measures["seat_support_mm"] > 0.0
    assert design.measures["seat_uniqueness"] > 0.05
    points, _ = sample_surface(design.mesh, 30_000, np.random.default_rng(3))
    assert Surface(bone).unsigned(points).min() > 0.0
    assert not np.isfinite(Surface(bone).first_hits(points, np.array([0.0, 1.0, 0.0]))).any()


def test_an_axis_through_the_canal_of_a_real_vertebra_is_refused(bone: Mesh, values: dict[str, Any]) -> None:
    """Ten millimetres nearer to the middle, the same axis runs through the spinal canal."""
    x, _, z = values["left_entry_mm"]
    medial = {**values, "left_entry_mm": tuple(on_bone(bone, x - 9.0, z)), "left_axis": (0.0, -1.0, 0.0)}
    with pytest.raises(DesignRefused, match="axis on the left leaves the bone"):
        GENERATORS["pedicle_guide"].generate(bone, medial)


def test_values_in_the_envelope_give_a_sound_guide_of_a_real_vertebra_or_a_reason(
    bone: Mesh, values: dict[str, Any]
) -> None:
    outcomes: list[bool] = []

    @given(**ANY)
    @settings(
        max_examples=20,
        deadline=None,
        derandomize=True,
        suppress_health_check=list(HealthCheck),
        database=None,
    )
    def each(chosen: dict[str, float], tilt: float, lift: float) -> None:
        outcomes.append(holds(bone, {**turned(values, tilt / 4.0, lift / 2.0), **chosen}))

    each()
    assert any(outcomes)
