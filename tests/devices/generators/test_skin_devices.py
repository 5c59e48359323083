"""Bolus and mask over analytic skin: uniform, fitting, closed, marked; or refused with a reason."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from devices.generators import bolus as bolus_module
from devices.generators import face_mask as mask_module
from devices.generators.base import Design
from devices.generators.bolus import Bolus
from devices.generators.face_mask import FaceMask
from devices.mesh.base import Mesh
from devices.mesh.check import check_mesh
from devices.mesh.distance import Surface
from devices.mesh.io import write_stl
from mes.exceptions import InvalidInput
from tests.devices.generators.attempts import agreeing, made_or_refused, sound
from tests.devices.generators.bodies import LANDMARKS, cap, face, on_face, wart

BOLUS, MASK = Bolus(), FaceMask()
RADIUS = 60.0
REGION: dict[str, Any] = {
    "centre_mm": (0.0, 0.0, RADIUS),
    "radius_mm": 18.0,
    "letters_mm": 3.0,
    "case_code": "D12",
}
MARKS: dict[str, Any] = {name: on_face(place) for name, place in LANDMARKS.items()} | {"case_code": "D12"}


@pytest.fixture(scope="module")
def skin() -> Mesh:
    return cap(RADIUS, 38.0)


@pytest.fixture(scope="module")
def head() -> Mesh:
    return face(3.0)


@pytest.fixture(scope="module", autouse=True)
def coarse() -> Iterator[None]:
    """Fewer samples than a part is made with: the wall keeps its thickness all the same."""
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(bolus_module, "SPACING_MM", 1.5)
        patched.setattr(mask_module, "SPACING_MM", 2.0)
        yield


def corners(*places: tuple[float, float]) -> dict[str, Any]:
    """Picked corners of a region on the ball."""
    return {
        f"corner_{number}_mm": (x, y, float(np.sqrt(RADIUS**2 - x * x - y * y)))
        for number, (x, y) in enumerate(places, 1)
    }


def from_middle(mesh: Mesh) -> np.ndarray[Any, np.dtype[np.float64]]:
    """How far faces lie from the ball's middle, those of edges and of the flanks of letters left out."""
    middles = mesh.vertices[mesh.faces].mean(axis=1)
    away = np.linalg.norm(middles, axis=1)
    upright = np.abs((Surface(mesh).normals * middles).sum(axis=1) / away) > 0.98
    return np.asarray(away[upright & (np.hypot(middles[:, 0], middles[:, 1]) < 14.0)])


# --- the bolus


@pytest.fixture(scope="module")
def made(skin: Mesh) -> Design:
    return BOLUS.generate(skin, {**REGION, "thickness_mm": 6.0, "clearance_mm": 0.5})


@pytest.mark.requirement("G-DES-01")
def test_a_bolus_has_one_thickness_over_a_ball(made: Design) -> None:
    """Against the ball's equation, whose scan is up to 0.02 mm inside it, and not against what the generator measured."""
    assert sound(made)
    away = from_middle(made.mesh)
    inner, outer = away[away < RADIUS + 3.0], away[away > RADIUS + 6.2]
    assert np.abs(inner - (RADIUS + 0.5)).max() < 0.06
    assert np.abs(outer - (RADIUS + 6.5)).max() < 0.06
    assert len(inner) > 100 < len(outer)


def test_a_bolus_reports_what_it_is(made: Design) -> None:
    assert made.measures["thickness_error_p99_mm"] < 0.05 > made.measures["fit_error_p99_mm"]
    assert made.measures["gap_filled_maximum_mm"] == 0.0
    assert made.measures["volume_ml"] == pytest.approx(check_mesh(made.mesh).volume_ml)
    low, high = (np.pi * 18.0**2 * 6.0 / 1000.0) * np.array([0.9, 1.3])
    assert low < made.measures["volume_ml"] < high
    assert made.measures["minimum_wall_mm"] > 4.0


def test_the_same_values_give_the_same_bolus(skin: Mesh, made: Design) -> None:
    assert write_stl(BOLUS.generate(skin, made.values).mesh) == write_stl(made.mesh)


def test_the_code_is_cut_into_the_outer_side(skin: Mesh, made: Design) -> None:
    deep = from_middle(made.mesh)
    assert ((deep > RADIUS + 6.0) & (deep < RADIUS + 6.2)).any(), (
        "floors of letters 0.4 mm below the outer side"
    )
    assert from_middle(made.mesh).min() > RADIUS + 0.4, "nothing is cut into the side of the skin"


@pytest.mark.requirement("G-DES-01")
def test_a_flat_bolus_is_flat_towards_the_beam_and_nowhere_thinner(skin: Mesh) -> None:
    flat = BOLUS.generate(skin, {**REGION, "thickness_mm": 5.0, "flat_outside": 1})
    assert sound(flat)
    assert flat.mesh.vertices[:, 2].max() == pytest.approx(RADIUS + 5.0, abs=0.05)
    assert flat.measures["thickness_minimum_mm"] >= 4.95
    rise = RADIUS - np.sqrt(RADIUS**2 - 16.0**2)
    assert flat.measures["thickness_maximum_mm"] > 5.0 + 0.8 * rise
    assert "thick" in flat.warnings[-1]


def test_a_region_is_what_was_marked(skin: Mesh) -> None:
    picked = corners((20.0, 10.0), (-12.0, 14.0), (-20.0, -10.0), (16.0, -12.0))
    square = BOLUS.generate(skin, {**REGION, **picked})
    assert sound(square)
    assert square.mesh.vertices[:, 0].max() == pytest.approx(20.0, abs=2.5)
    assert square.mesh.vertices[:, 1].max() == pytest.approx(14.0, abs=2.5)


def test_a_bolus_comes_off_over_an_overhang_and_says_what_gap_it_leaves(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Lifted along the beam's way it meets no skin at any height; under the bulb it leaves free what bars the way."""
    monkeypatch.setattr(bolus_module, "SPACING_MM", 0.9)
    skin = wart()
    top = float(skin.vertices[:, 2].max())
    over = BOLUS.generate(
        skin, {**REGION, "centre_mm": (0.0, 0.0, top), "direction": (0.0, 0.0, -1.0), "radius_mm": 24.0}
    )
    assert sound(over)
    surface, bulb = Surface(over.mesh), skin.vertices[skin.vertices[:, 2] > 1.5]
    for lift in (0.0, 1.0, 3.0, 6.0, 12.0):
        assert surface.signed(bulb - np.array([0.0, 0.0, lift])).min() > -0.15, (
            f"it catches {lift} mm on its way"
        )
    assert 1.0 < over.measures["gap_filled_maximum_mm"] < 4.0
    assert any("air gap" in warning for warning in over.warnings)


@pytest.mark.parametrize(
    ("changed", "said"),
    [
        ({"centre_mm": (0.0, 0.0, 90.0)}, "from the scan"),
        ({"radius_mm": 39.0}, "scan ends"),
        ({"direction": (1.0, 0.0, -0.2)}, "leans"),
        ({"thickness_mm": 2.0, "minimum_wall_mm": 2.0}, "cannot keep a wall"),
        ({"thickness_mm": 4.0, "edge_mm": 3.5}, "edge rounded"),
        (corners((10.0, 0.0)), "no inside"),
        (corners((10.0, 10.0), (-10.0, -10.0), (-10.0, 10.0), (10.0, -10.0)), "once around"),
        (corners((20.0, 5.0), (10.0, 15.0), (10.0, 5.0)), "once around"),
        (corners((20.0, 1.0), (-20.0, 1.0), (-20.0, -1.0), (20.0, -1.0)), "too narrow"),
        ({"letters_mm": 12.0, "case_code": "D0000042"}, "does not fit"),
    ],
    ids=lambda one: str(one)[:40],
)
@pytest.mark.requirement("G-DES-01")
def test_a_bolus_that_cannot_be_made_is_refused(skin: Mesh, changed: dict[str, Any], said: str) -> None:
    with pytest.raises(InvalidInput, match=said) as refusal:
        BOLUS.generate(skin, {**REGION, **changed})
    assert all(reason.cure for reason in refusal.value.reasons)


@pytest.mark.requirement("G-MSH-01")
def test_a_scan_that_is_inside_out_is_refused(skin: Mesh) -> None:
    with pytest.raises(InvalidInput, match="look into the body"):
        BOLUS.generate(Mesh(skin.vertices, skin.faces[:, ::-1]), REGION)


def test_a_hole_under_the_region_is_refused(skin: Mesh) -> None:
    middle = skin.vertices[skin.faces].mean(axis=1)
    pierced = Mesh(skin.vertices, skin.faces[np.hypot(middle[:, 0] - 8.0, middle[:, 1]) > 3.0])
    with pytest.raises(InvalidInput, match="has a hole"):
        BOLUS.generate(pierced, REGION)


# --- the mask


@pytest.fixture(scope="module")
def mask(head: Mesh) -> Design:
    relief = {"relief_1_mm": on_face((45.0, -5.0)), "relief_height_mm": 3.0, "relief_radius_mm": 14.0}
    return MASK.generate(head, {**MARKS, **relief})


@pytest.mark.requirement("G-DES-01")
def test_a_mask_fits_the_face_and_lifts_where_it_must_not_press(mask: Design, head: Mesh) -> None:
    assert sound(mask)
    assert mask.measures["thickness_error_p99_mm"] < 0.15 > mask.measures["fit_error_p99_mm"]
    surface = Surface(mask.mesh)
    cheek, relieved = np.array([on_face((-45.0, -5.0)), on_face((45.0, -5.0))])
    gaps = surface.unsigned(np.stack([cheek, relieved]))
    assert gaps[0] == pytest.approx(0.5, abs=0.1), "the clearance"
    assert gaps[1] == pytest.approx(3.5, abs=0.25), "and as much more as was asked for"


def test_a_mask_leaves_eyes_nose_mouth_and_straps_open(mask: Design) -> None:
    """Looked at from the front: nothing lies before the landmarks, something beside each; five holes, four slots, no more."""
    surface = Surface(mask.mesh)
    into = np.array([0.0, 1.0, 0.0])

    def covered(x: float, z: float) -> bool:
        return bool(np.isfinite(surface.first_hits(np.array([[x, -200.0, z]]), into[None]))[0])

    assert not any(covered(*place) for name, place in LANDMARKS.items() if name != "nose_mm")
    assert not covered(0.0, -4.0)
    assert all(covered(*place) for place in ((0.0, 40.0), (-50.0, 0.0), (0.0, -17.0)))
    edges, handles = len(mask.mesh.faces) * 3 // 2, 8
    assert len(mask.mesh.vertices) - edges + len(mask.mesh.faces) == 2 - 2 * handles


@pytest.mark.parametrize(
    ("changed", "said"),
    [
        ({"right_eye_mm": MARKS["left_eye_mm"], "left_eye_mm": MARKS["right_eye_mm"]}, "swapped"),
        ({"left_eye_mm": on_face((-2.0, 30.0))}, "too near"),
        ({"mouth_mm": on_face((0.0, 8.0))}, "not below"),
        ({"eye_width_mm": 61.0, "straps_per_side": 0}, "nearer to each other"),
        ({"width_mm": 190.0}, "scan ends"),
        ({"thickness_mm": 1.5, "minimum_wall_mm": 1.4}, "cannot keep"),
        ({"edge_mm": 2.0}, "Edges rounded"),
        ({"relief_1_mm": (0.0, 0.0, 300.0)}, "relief 1"),
    ],
    ids=lambda one: str(one)[:30],
)
def test_a_mask_that_cannot_be_made_is_refused(head: Mesh, changed: dict[str, Any], said: str) -> None:
    with pytest.raises(InvalidInput, match=said) as refusal:
        MASK.generate(head, {**MARKS, **changed})
    assert all(reason.cure for reason in refusal.value.reasons)


@pytest.mark.requirement("G-LAT-01")
def test_a_mirrored_face_is_refused(head: Mesh) -> None:
    """The patient's right eye, picked as such on a mirrored scan, lies where the left one belongs."""
    mirror = np.array([-1.0, 1.0, 1.0])
    mirrored = Mesh(head.vertices * mirror, head.faces[:, ::-1])
    marks = {name: tuple(np.array(MARKS[name]) * mirror) for name in LANDMARKS}
    with pytest.raises(InvalidInput, match="mirrored"):
        MASK.generate(mirrored, {**MARKS, **marks})


# --- any values


BOLUSES = st.fixed_dictionaries(
    {
        "centre_mm": st.tuples(st.floats(-12.0, 12.0), st.floats(-12.0, 12.0)).map(
            lambda at: (at[0], at[1], float(np.sqrt(RADIUS**2 - at[0] ** 2 - at[1] ** 2)))
        ),
        "radius_mm": st.floats(10.0, 30.0),
        "flat_outside": st.integers(0, 1),
        "clearance_mm": st.floats(0.0, 2.0),
        "direction": st.tuples(*[st.floats(-0.6, 0.6)] * 2).map(lambda lean: (*lean, -1.0)),
    }
)
MASKS = st.fixed_dictionaries(
    {
        "clearance_mm": st.floats(0.0, 3.0),
        "width_mm": st.floats(130.0, 160.0),
        "above_eyes_mm": st.floats(22.0, 62.0),
        "below_mouth_mm": st.floats(16.0, 50.0),
        "eye_width_mm": st.sampled_from([0.0, 20.0, 30.0, 40.0]),
        "eye_height_mm": st.floats(5.0, 32.0),
        "nose_width_mm": st.sampled_from([0.0, 20.0, 34.0]),
        "nose_height_mm": st.floats(5.0, 24.0),
        "mouth_width_mm": st.sampled_from([0.0, 30.0, 50.0, 70.0]),
        "mouth_height_mm": st.floats(5.0, 22.0),
        "straps_per_side": st.integers(0, 2),
        "strap_mm": st.floats(8.0, 22.0),
        "relief_1_mm": st.tuples(st.floats(-60.0, 60.0), st.floats(-60.0, 60.0)).map(on_face),
        "relief_height_mm": st.floats(0.5, 6.0),
        "relief_radius_mm": st.floats(4.0, 40.0),
    }
)


@settings(max_examples=2, deadline=None, derandomize=True)
@given(values=BOLUSES, walls=agreeing((3.0, 30.0), 1.0, 0.4, both=False))
def test_some_values_give_a_closed_bolus_or_a_refusal(
    skin: Mesh, values: dict[str, Any], walls: dict[str, float]
) -> None:
    made_or_refused(BOLUS, skin, {**REGION, **values, **walls})


@pytest.mark.slow
@pytest.mark.requirement("G-DES-01")
@settings(max_examples=200, deadline=None)
@given(values=BOLUSES, walls=agreeing((3.0, 30.0), 1.0, 0.4, both=False))
def test_any_values_give_a_closed_bolus_or_a_refusal(
    skin: Mesh, values: dict[str, Any], walls: dict[str, float]
) -> None:
    made_or_refused(BOLUS, skin, {**REGION, **values, **walls})


@pytest.mark.slow
@pytest.mark.requirement("G-DES-01")
@settings(max_examples=200, deadline=None)
@given(values=MASKS, walls=agreeing((1.8, 5.0), 0.6, 0.4))
def test_any_values_give_a_closed_mask_or_a_refusal(
    head: Mesh, values: dict[str, Any], walls: dict[str, float]
) -> None:
    made_or_refused(MASK, head, {**MARKS, **values, **walls})
