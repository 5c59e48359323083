"""The values of a parameter set: each within its bounds, as it was given; the distance between parts is one of them."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from devices.mesh.io import read_mesh
from mes.exceptions import InvalidInput
from mes.services.artefacts import artefact_path
from printing.models import Build, ParameterSet
from printing.services.parameters import check_values, part_spacing_mm
from tests.devices.makers import Staff
from tests.printing.makers import VALUES, make_build, make_parameters

pytestmark = pytest.mark.django_db


def corner_of(build: Build) -> list[float]:
    """The part's lowest x and y on the plate (mm)."""
    (item,) = build.items.all()
    pose = np.array(item.transform).reshape(4, 4)
    placed = read_mesh(artefact_path(item.mesh_sha256)).vertices @ pose[:3, :3].T + pose[:3, 3]
    return [round(float(low), 6) for low in placed.min(axis=0)[:2]]


@pytest.mark.parametrize(
    ("given", "corner"), [({}, 3.0), ({"spacing_mm": 1.5}, 1.5), ({"spacing_mm": 0}, 0.0)]
)
def test_parts_keep_the_distance_of_the_parameter_set(given: dict[str, float], corner: float) -> None:
    staff = Staff()
    parameters = make_parameters(staff, values=VALUES | given)
    assert parameters.values["spacing_mm"] == corner
    assert corner_of(make_build(staff, parameters=parameters)) == [corner, corner]


def test_a_distance_that_no_plate_has_room_for_stops_the_build() -> None:
    staff = Staff()
    build = make_build(staff, parameters=make_parameters(staff, values=VALUES | {"spacing_mm": 30.0}))
    assert build.state == "unprepared"
    assert build.problems


@pytest.mark.parametrize("spacing", [-1, 101, float("nan"), float("inf"), 1e300, "wide", None])
def test_a_distance_that_is_none_is_refused(spacing: Any) -> None:
    with pytest.raises(InvalidInput):
        make_parameters(values=VALUES | {"spacing_mm": spacing})
    assert not ParameterSet.objects.exists()


def test_a_set_from_before_says_what_it_was_sliced_with() -> None:
    assert part_spacing_mm(VALUES) == 3.0


@pytest.mark.requirement("G-BLD-01")
@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("layer_height_mm", 100),
        ("layer_height_mm", 8.0),
        ("layer_height_mm", "0.05"),
        ("layer_height_mm", True),
        ("pixel_mm", 15),
        ("pixel_mm", 0.001),
        ("exposure_s", 0),
        ("exposure_s", 10**400),
        ("bottom_exposure_s", 0),
        ("bottom_layers", 1.5),
        ("bottom_layers", 2.0),
        ("bottom_layers", 10**9),
        ("lift_s", float("nan")),
        ("loss_share", 2),
        ("loss_share", None),
        ("plate_size_mm", [120.0, 68.0]),
        ("plate_size_mm", {"x": 1}),
        ("plate_size_mm", [120.0, "68", 150.0]),
        ("plate_size_mm", [1e9, 1e9, 1e9]),
    ],
)
def test_a_value_outside_its_bounds_is_named_with_its_cure(name: str, value: Any) -> None:
    with pytest.raises(InvalidInput) as refusal:
        check_values(VALUES | {name: value})
    assert all(reason.text.startswith(name) and reason.cure for reason in refusal.value.reasons)


def test_every_value_that_is_wrong_is_named_at_once_and_a_right_one_is_kept() -> None:
    with pytest.raises(InvalidInput) as refusal:
        check_values(VALUES | {"layer_height_mm": 100, "pixel_mm": "fine", "bottom_layers": 1.5})
    assert len(refusal.value.reasons) == 3
    assert check_values(VALUES) == VALUES | {"spacing_mm": 3.0}
