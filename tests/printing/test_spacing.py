"""The least distance between parts is the parameter set's, approved with it, and no constant of the slicer."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from devices.mesh.io import read_mesh
from mes.exceptions import InvalidInput
from mes.services.artefacts import artefact_path
from printing.models import Build, ParameterSet
from printing.services.parameters import part_spacing_mm
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
