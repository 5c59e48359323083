"""The front of a frame on an analytic head: boxes, groove, angles and hinges where the equations have them; clear of the face, or refused."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import strategies as st

from devices.generators.base import Design
from devices.generators.conformal import Skin
from devices.generators.spectacle_frame import SpectacleFrame
from devices.mesh.base import Mesh
from devices.mesh.distance import Surface
from mes.exceptions import InvalidInput
from tests.devices.generators.attempts import SHARE, between, holds_or_says_why, sound, two_hundred
from tests.devices.generators.bodies import WEARER, on_wearer, wearer

FRAME = SpectacleFrame()
PICKS: dict[str, Any] = {name: on_wearer(place) for name, place in WEARER.items()} | {"case_code": "D12"}
A, B, DBL, TILT, FORM, RADIUS, VERTEX, THICK = 48.0, 36.0, 18.0, 8.0, 5.0, 530.0 / 5.0, 13.0, 2.0


@pytest.fixture(scope="module")
def head() -> Mesh:
    return wearer(2.5)


@pytest.fixture(scope="module")
def made(head: Mesh) -> Design:
    return FRAME.generate(head, PICKS)


def turned(axis: int, degrees: float) -> np.ndarray[Any, np.dtype[np.float64]]:
    """The matrix of a turn about a coordinate axis."""
    c, s = np.cos(np.radians(degrees)), np.sin(np.radians(degrees))
    one, two = (axis + 1) % 3, (axis + 2) % 3
    matrix = np.eye(3)
    matrix[one, one], matrix[one, two], matrix[two, one], matrix[two, two] = c, -s, s, c
    return matrix


def bottom_of_left_groove(out_mm: float) -> np.ndarray[Any, np.dtype[np.float64]]:
    """From the words of ISO 8624 alone: a superellipse in its box on the lens's sphere, turned by face form and tilt, half the
    distance between lenses from the middle, and its back the vertex distance before the pupil. Moved outwards in its own plane. LPS mm."""
    round_ = np.arange(0.0, 2.0 * np.pi, 0.13)
    flat = np.stack([np.cos(round_), np.sin(round_)], axis=1)
    flat *= ((np.abs(flat[:, 0]) * 2 / A) ** 2.5 + (np.abs(flat[:, 1]) * 2 / B) ** 2.5)[:, None] ** -0.4
    around = np.linspace(0.0, 2.0 * np.pi, 4001)
    edge = np.stack([np.cos(around), np.sin(around)], axis=1)
    edge *= ((np.abs(edge[:, 0]) * 2 / A) ** 2.5 + (np.abs(edge[:, 1]) * 2 / B) ** 2.5)[:, None] ** -0.4

    def lens(places: Any) -> Any:
        """x to the left, y up, z to the front."""
        ball = np.column_stack([places, np.sqrt(RADIUS**2 - (places**2).sum(axis=1)) - RADIUS])
        return ball @ turned(1, FORM).T

    aside = np.array([DBL / 2.0 - lens(edge)[:, 0].min(), 0.0, 0.0])
    tilt = turned(0, TILT).T
    eye = np.array([WEARER["left_pupil_mm"][0], 3.0, 0.0])
    sphere = (aside + turned(1, FORM) @ np.array([0.0, 0.0, -RADIUS])) @ tilt
    ahead = sphere[2] + np.sqrt(RADIUS**2 - ((eye - sphere)[:2] ** 2).sum())
    lift = VERTEX + THICK / 2.0 - ahead
    x, y, z = ((lens(flat * (1.0 + out_mm / np.linalg.norm(flat, axis=1))[:, None]) + aside) @ tilt).T
    pupil = on_wearer(WEARER["left_pupil_mm"])
    return np.stack([x, pupil[1] - z - lift, pupil[2] - 3.0 + y], axis=1)


@pytest.mark.requirement("G-DES-01")
def test_the_groove_runs_where_the_boxing_system_has_it(made: Design) -> None:
    """Its bottom lies on the mesh at the places of the equation; 0.5 mm further in there is air, and 0.5 mm further out material."""
    assert sound(made)
    surface = Surface(made.mesh)
    assert surface.unsigned(bottom_of_left_groove(0.0)).max() < 0.08
    assert surface.signed(bottom_of_left_groove(-0.5)).min() > 0.1
    assert surface.signed(bottom_of_left_groove(0.5)).max() < -0.1


@pytest.mark.requirement("G-DES-01")
def test_a_front_has_two_openings_and_four_holes_and_no_other(made: Design) -> None:
    """By Euler's formula, whatever their places: vertices less edges and faces are 2 less twice the holes of a body."""
    assert (len(made.mesh.vertices) - len(made.mesh.faces) / 2 - 2) / -2 == 2 + 4


@pytest.mark.requirement("G-DES-01")
def test_a_front_reports_its_boxes_groove_angles_and_hinges(made: Design) -> None:
    measures = made.measures
    for side in ("right", "left"):
        assert measures[f"lens_width_{side}_mm"] == pytest.approx(A, abs=0.03)
        assert measures[f"lens_height_{side}_mm"] == pytest.approx(B, abs=0.03)
        assert measures[f"vertex_{side}_mm"] == pytest.approx(VERTEX, abs=0.1)
        assert measures[f"pupil_inset_{side}_mm"] == pytest.approx((A + DBL) / 2.0 - 32.0, abs=0.3)
        assert measures[f"pupil_height_{side}_mm"] == pytest.approx(B / 2.0 + 3.0, abs=0.5)
    assert measures["distance_between_lenses_mm"] == pytest.approx(DBL, abs=0.03)
    assert measures["groove_depth_minimum_mm"] == pytest.approx(0.8, abs=0.03)
    assert measures["groove_width_p50_mm"] == pytest.approx(1.6 * np.tan(np.radians(55.0)), abs=0.05)
    assert measures["pantoscopic_measured_degrees"] == pytest.approx(TILT, abs=0.1)
    assert measures["face_form_measured_degrees"] == pytest.approx(FORM, abs=0.1)
    assert measures["minimum_wall_mm"] >= 1.0
    assert measures["hinge_bore_mm"] == pytest.approx(1.5, abs=0.03)
    assert 60.0 < measures["temple_to_bend_left_mm"] < 90.0


@pytest.mark.requirement("G-DES-01")
def test_a_front_touches_the_face_with_its_pads_alone(made: Design, head: Mesh) -> None:
    """Of the nearest places, all lie on the flanks of the nose, and none in the skin."""
    distance, _ = Skin(head).nearest(made.mesh.vertices)
    assert distance.min() > -0.1
    near = made.mesh.vertices[distance < 0.9]
    assert len(near) > 50
    assert (np.abs(near[:, 0]) < 12.0).all()
    assert ((near[:, 2] > 15.0) & (near[:, 2] < 34.0)).all()
    assert made.measures["pad_fit_error_p99_mm"] < 0.15
    for name in ("bridge", "brow", "cheek", "nose"):
        assert made.measures[f"{name}_clearance_mm"] >= 1.0
    assert min(made.measures[f"lash_clearance_{side}_mm"] for side in ("left", "right")) >= 8.0


@pytest.mark.requirement("G-DES-01")
@pytest.mark.parametrize(
    ("changed", "said"),
    [
        ({"rim_mm": 2.0, "groove_mm": 1.0}, "Behind the groove"),
        ({"depth_mm": 3.0, "groove_mm": 1.2}, "Beside the groove"),
        ({"end_piece_mm": 3.0, "minimum_wall_mm": 2.5}, "Between rim and hinge"),
        ({"lens_height_mm": 22.0, "bridge_above_mm": 12.0}, "bridge stands above"),
        ({"vertex_mm": 8.0, "dbl_mm": 14.0}, "No bridge"),
        ({"nasion_mm": on_wearer((25.0, 28.0))}, "beside their middle"),
        ({"right_pupil_mm": (0.0, -300.0, 0.0)}, "from the scan"),
    ],
    ids=lambda one: str(one)[:40],
)
def test_a_front_that_cannot_be_made_is_refused(head: Mesh, changed: dict[str, Any], said: str) -> None:
    with pytest.raises(InvalidInput, match=said) as refusal:
        FRAME.generate(head, {**PICKS, **changed})
    assert all(reason.cure for reason in refusal.value.reasons)


@pytest.mark.requirement("G-LAT-01")
def test_a_mirrored_scan_and_swapped_picks_are_refused(head: Mesh) -> None:
    """On a mirrored scan the patient's right eye and ear lie where the left ones did: picked rightly, they are those that are swapped."""
    swapped = {
        f"{one}_{what}_mm": PICKS[f"{other}_{what}_mm"]
        for one, other in (("right", "left"), ("left", "right"))
        for what in ("pupil", "ear")
    }
    for changed in (swapped, {name: swapped[name] for name in ("right_ear_mm", "left_ear_mm")}):
        with pytest.raises(InvalidInput, match="swapped, or the scan is mirrored"):
            FRAME.generate(head, {**PICKS, **changed})


@pytest.mark.slow
@pytest.mark.requirement("G-DES-01")
@pytest.mark.parametrize(
    ("changed", "said"),
    [
        ({"lens_height_mm": 50.0}, "to the nose"),
        ({"clearance_mm": 5.0, "vertex_mm": 20.0, "end_piece_mm": 3.0, "lens_width_mm": 40.0}, "to the"),
        ({"lash_clearance_mm": 14.0}, "lashes"),
    ],
    ids=lambda one: str(one)[:40],
)
def test_a_front_that_comes_too_near_is_refused(head: Mesh, changed: dict[str, Any], said: str) -> None:
    with pytest.raises(InvalidInput, match=said):
        FRAME.generate(head, {**PICKS, **changed})


@pytest.mark.slow
def test_the_holes_of_every_hinge_are_there_on_the_mesh(head: Mesh) -> None:
    for hinge, wide in ((1, 1.3), (3, 1.7)):
        front = FRAME.generate(head, {**PICKS, "hinge": hinge})
        assert front.measures["hinge_bore_mm"] == pytest.approx(wide, abs=0.03)
        assert front.measures["hinge_bore_error_mm"] < 0.03


def _values(parts: tuple[float, ...]) -> dict[str, Any]:
    limits = {
        "lens_width_mm": (40.0, 56.0), "lens_height_mm": (26.0, 42.0), "dbl_mm": (16.0, 24.0), "squareness": (2.0, 4.0),
        "base_curve_d": (2.0, 8.0), "vertex_mm": (12.0, 18.0), "pupil_above_mm": (0.0, 5.0), "pantoscopic_degrees": (0.0, 15.0),
        "face_form_degrees": (0.0, 12.0), "rim_mm": (2.5, 6.0), "depth_mm": (4.5, 7.0), "brow_mm": (3.5, 6.0), "groove_mm": (0.6, 1.0),
        "groove_degrees": (90.0, 120.0), "bridge_above_mm": (4.0, 8.0), "end_piece_mm": (4.0, 9.0), "pad_spread_mm": (12.0, 18.0),
        "hinge_above_mm": (3.0, 8.0),
    }  # fmt: skip
    return {
        name: between(low, high, part)
        for (name, (low, high)), part in zip(limits.items(), parts, strict=True)
    }


@pytest.mark.slow
@pytest.mark.requirement("G-DES-01")
def test_any_values_give_a_closed_front_or_a_refusal(head: Mesh) -> None:
    def attempt(asked: dict[str, Any]) -> bool:
        def check(front: Design) -> None:
            assert sound(front)
            assert front.measures["box_error_mm"] <= 0.1 >= front.measures["groove_error_mm"]
            assert front.measures["angle_error_degrees"] <= 0.3
            assert front.measures["minimum_wall_mm"] >= 1.0

        return holds_or_says_why(lambda: FRAME.generate(head, {**PICKS, **asked}), check)

    two_hundred(st.tuples(*[SHARE] * 18).map(_values), attempt, least=40)
