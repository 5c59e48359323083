"""The volume's geometry: where a voxel lies in the patient."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from devices.imaging.base import PatientIdentifiers, Volume
from tests.devices.imaging.making import make_volume

ANGLES = st.floats(-25, 25)
SPACINGS = st.floats(0.2, 3)


@st.composite
def volumes(draw: st.DrawFn) -> Volume:
    """Any orientation, tilted, unevenly spaced."""
    steps = draw(st.lists(st.floats(0.3, 8), min_size=2, max_size=6))
    axis = np.array([draw(st.floats(-1, 1)) for _ in range(3)]) + np.array([0, 0, 1e-3])
    turn = _rotation(axis / np.linalg.norm(axis), np.radians(draw(st.floats(0, 180))))
    lean = np.array([np.tan(np.radians(draw(ANGLES))), np.tan(np.radians(draw(ANGLES))), 1.0])
    heights = np.concatenate([[0.0], np.cumsum(steps)])
    positions = (heights[:, None] * lean + np.array([5.0, -7.0, 11.0])) @ turn.T
    voxels = np.zeros((len(heights), 4, 3), dtype=np.int16)
    return Volume(voxels, positions, turn[:, 0], turn[:, 1], (draw(SPACINGS), draw(SPACINGS)))


def _rotation(axis: np.ndarray, angle: float) -> np.ndarray:
    x, y, z = axis
    cross = np.array([[0, -z, y], [z, 0, -x], [-y, x, 0]])
    return np.asarray(np.eye(3) + np.sin(angle) * cross + (1 - np.cos(angle)) * cross @ cross)


@settings(max_examples=60, deadline=None)
@given(
    volumes(),
    st.lists(st.tuples(st.floats(-1, 6), st.floats(-1, 4), st.floats(-1, 3)), min_size=1, max_size=8),
)
def test_indices_survive_the_way_to_the_patient_and_back(
    volume: Volume, indices: list[tuple[float, float, float]]
) -> None:
    there = volume.to_patient(indices)
    assert np.allclose(volume.to_indices(there), indices, atol=1e-6)


@settings(max_examples=60, deadline=None)
@given(volumes())
def test_growing_k_always_climbs_the_normal(volume: Volume) -> None:
    k = np.linspace(-1, len(volume.positions), 50)
    points = volume.to_patient(np.stack([k, np.zeros(50), np.zeros(50)], axis=1))
    assert (np.diff(points @ volume.normal) > 0).all()


@settings(max_examples=40, deadline=None)
@given(volumes())
def test_first_voxels_lie_at_the_positions(volume: Volume) -> None:
    firsts = [(k, 0, 0) for k in range(len(volume.positions))]
    assert np.allclose(volume.to_patient(firsts), volume.positions, atol=1e-9)


def test_uneven_steps_are_kept_at_the_voxels_and_extended_by_one() -> None:
    base = make_volume((4, 3, 3))
    positions = np.array([[0, 0, 0], [0, 0, 4.002], [0, 0, 5.083], [0, 0, 12.082]], dtype=float)
    volume = Volume(base.voxels, positions, base.row_direction, base.column_direction, (1, 1))
    z = volume.to_patient([(k, 0, 0) for k in (-1, 0, 0.5, 1.5, 3, 4)])[:, 2]
    assert np.allclose(z, [-4.002, 0, 2.001, 4.5425, 12.082, 19.081])
    assert volume.slice_spacing_mm == pytest.approx(4.002)


def test_spacing_is_along_its_own_axis() -> None:
    volume = make_volume(spacing_ij=(0.5, 0.8))
    steps = volume.to_patient([(0, 0, 1), (0, 1, 0)]) - volume.positions[0]
    assert np.allclose(steps, [[0.5, 0, 0], [0, 0.8, 0]])
    assert volume.field_of_view_mm == pytest.approx((2.5, 5.6, 12.0))


@pytest.mark.parametrize("tilt", [-18.5, 16.5, 0.0])
def test_tilt_comes_from_positions_and_normal(tilt: float) -> None:
    volume = make_volume(tilt=tilt, step=2.5)
    assert volume.tilt_degrees == pytest.approx(tilt, abs=1e-9)
    assert volume.slice_spacing_mm == pytest.approx(2.5 * np.cos(np.radians(tilt)))


@pytest.mark.parametrize(
    ("_case", "changes", "reason"),
    [
        ("one slice", {"voxels": np.zeros((1, 4, 4), np.int16)}, "k >= 2"),
        ("wrong type", {"voxels": np.zeros(make_volume().shape, np.float64)}, "int16 or float32"),
        ("descending", {"positions": make_volume().positions[::-1]}, "ascend"),
        ("not a number", {"positions": make_volume().positions * np.nan}, "finite"),
        ("not a unit", {"row_direction": np.array([2.0, 0, 0])}, "unit"),
        ("no spacing", {"spacing_ij": (0.0, 1.0)}, "above 0"),
    ],
)
def test_what_is_no_volume_is_refused(_case: str, changes: dict[str, object], reason: str) -> None:
    volume = make_volume()
    fields = {
        name: getattr(volume, name)
        for name in ("voxels", "positions", "row_direction", "column_direction", "spacing_ij")
    }
    with pytest.raises(ValueError, match=reason):
        Volume(**(fields | changes))


def test_identity_is_never_printed() -> None:
    person = PatientIdentifiers("P-0815", "Mustermann", "Erika")
    assert repr(person) == str(person) == f"{person}" == "PatientIdentifiers(redacted)"
