"""The orthosis around an analytic limb: one thickness at one distance, open or in halves, with its holes and slots; or refused."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from devices.generators import limb_orthosis as module
from devices.generators.base import Design
from devices.generators.limb_orthosis import LimbOrthosis
from devices.mesh.base import Mesh
from devices.mesh.distance import Surface, sample_surface
from devices.services.laterality import picked_side_faults
from mes.exceptions import InvalidInput
from tests.devices.generators.attempts import agreeing, made_or_refused, sound
from tests.devices.generators.bodies import limb

ORTHOSIS = LimbOrthosis()
RADIUS = 28.0
ENDS: dict[str, Any] = {
    "proximal_mm": (RADIUS, 0.0, 48.0),
    "distal_mm": (RADIUS, 0.0, -48.0),
    "front_mm": (0.0, -RADIUS, 0.0),
    "towards_middle_mm": (-RADIUS, 0.0, 0.0),
    "straps": 2,
    "strap_mm": 18.0,
    "letters_mm": 4.0,
    "case_code": "D12",
}
PICKS = ("proximal_mm", "distal_mm", "front_mm", "towards_middle_mm")
MIRROR = np.array([-1.0, 1.0, 1.0])


@pytest.fixture(scope="module")
def arm() -> Mesh:
    return limb(RADIUS, 130.0)


@pytest.fixture(scope="module", autouse=True)
def coarse() -> Iterator[None]:
    """Fewer samples than a part is made with: the wall keeps its thickness all the same."""
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(module, "SPACING_MM", 2.0)
        yield


@pytest.fixture(scope="module")
def shell(arm: Mesh) -> Design:
    return ORTHOSIS.generate(arm, ENDS)


@pytest.mark.requirement("G-DES-01")
def test_a_shell_has_one_thickness_at_one_distance_from_the_limb(shell: Design) -> None:
    """Against the equation of the limb, whose scan is up to 0.04 mm inside it."""
    assert sound(shell)
    points, faces = sample_surface(shell.mesh, 8000, np.random.default_rng(3))
    away = np.hypot(points[:, 0], points[:, 1])
    outward = (Surface(shell.mesh).normals[faces][:, :2] * points[:, :2]).sum(axis=1) / away
    inner, outer = away[outward < -0.995], away[outward > 0.995]
    assert np.quantile(np.abs(inner - (RADIUS + 3.0)), 0.99) < 0.12
    # Floors of letters lie 0.4 mm deeper.
    assert np.quantile(np.abs(outer[outer > RADIUS + 5.7] - (RADIUS + 6.0)), 0.97) < 0.12


def test_a_shell_is_open_behind_and_ends_where_it_was_picked(shell: Design) -> None:
    behind = np.abs(np.rad2deg(np.arctan2(shell.mesh.vertices[:, 1], shell.mesh.vertices[:, 0]))).max()
    assert behind == pytest.approx(115.0, abs=2.0)
    assert shell.mesh.vertices[:, 2].max() == pytest.approx(48.0, abs=0.6)
    assert shell.measures["length_mm"] == pytest.approx(96.0, abs=0.5)


def test_every_hole_goes_through(shell: Design) -> None:
    """As many handles as it has holes and slots, and light through each slot."""
    mesh = shell.mesh
    holes = 1 - (len(mesh.vertices) - len(mesh.faces) // 2) // 2
    assert holes >= 4 + 6
    across = np.deg2rad(np.arange(80.0, 112.0, 0.5))
    for side in (-1.0, 1.0):
        looks = np.column_stack([np.cos(side * across), np.sin(side * across), np.zeros_like(across)])
        starts = looks * 1.0 + np.array([0.0, 0.0, -24.0])
        met = np.isfinite(Surface(mesh).first_hits(starts, looks))
        open_run = np.flatnonzero(~met)
        assert len(open_run) > 4, "the slot"
        assert met[: open_run.min()].any(), "and something beside it"


@pytest.fixture(scope="module")
def halves(arm: Mesh) -> Design:
    """Two halves with a leaning trim on the mirror image of the arm, its upper end picked 0.3 rad beside the lower one."""
    picks = {name: tuple(np.array(ENDS[name]) * MIRROR) for name in PICKS}
    turned = {"proximal_mm": (-RADIUS * np.cos(0.3), RADIUS * np.sin(0.3), 48.0)}
    shape = {"halves": 1, "gap_mm": 12.0, "proximal_lean_deg": 20.0, "hole_mm": 0.0, "straps": 0}
    return ORTHOSIS.generate(
        Mesh(arm.vertices * MIRROR, arm.faces[:, ::-1]), {**ENDS, **picks, **turned, **shape}
    )


@pytest.mark.requirement("G-LAT-01")
def test_a_shell_from_the_other_limb_is_its_mirror_image_and_of_the_other_side(
    arm: Mesh, shell: Design
) -> None:
    """Mirrored back by hand, the shell lies on the one that was made without; its own volume is positive, so it was not turned inside
    out. What it says of its side is the other side, by which the order's is judged."""
    other = ORTHOSIS.generate(arm, {**shell.values, "mirror": 1})
    assert sound(other)
    assert other.values["mirror"] == 1, "by which exports say that it is mirrored"
    assert other.measures["leftward"] == -shell.measures["leftward"]
    assert other.measures["mirrored"] == 1.0
    assert any("of the other limb" in said for said in other.warnings)
    across = float(arm.vertices[:, 0].min() + arm.vertices[:, 0].max())
    back = np.column_stack([across - other.mesh.vertices[:, 0], other.mesh.vertices[:, 1:]])
    assert np.quantile(Surface(shell.mesh).unsigned(back), 0.95) < 0.25
    wanted = "right" if shell.measures["leftward"] > 0.0 else "left"
    assert not picked_side_faults(wanted, other.measures)
    assert picked_side_faults(wanted, shell.measures)


@pytest.mark.requirement("G-MSH-01")
def test_two_halves_are_two_closed_pieces_with_a_gap_between(halves: Design) -> None:
    assert sound(halves)
    middle = np.array([-np.cos(0.15), np.sin(0.15), 0.0])
    assert 2.0 * np.abs(halves.mesh.vertices @ middle).min() == pytest.approx(12.0, rel=0.2)


def test_a_pick_beside_the_middle_turns_the_shell_and_does_not_tilt_it(halves: Design) -> None:
    assert halves.measures["limb_radius_mm"] == pytest.approx(RADIUS, abs=0.1)
    assert halves.measures["fit_error_p99_mm"] < 0.15


def test_trims_lean_as_planes_do(halves: Design) -> None:
    angle = np.arctan2(halves.mesh.vertices[:, 1], -halves.mesh.vertices[:, 0]) - 0.15
    front, back = (
        halves.mesh.vertices[np.abs(np.abs(angle) - turn) < 0.06][:, 2].max() for turn in (0.0, np.pi)
    )
    assert front - back == pytest.approx(2.0 * RADIUS * np.tan(np.deg2rad(20.0)), abs=1.0)


@pytest.mark.requirement("G-LAT-01")
def test_the_picks_tell_left_from_right_also_on_a_mirrored_scan(
    arm: Mesh, shell: Design, halves: Design
) -> None:
    """A left arm in LPS: its front towards -y, its inner side towards -x. The same picks on its mirror image are a right arm's."""
    assert (shell.measures["leftward"], halves.measures["leftward"]) == (1.0, -1.0)
    with pytest.raises(InvalidInput, match="do not tell left from right"):
        ORTHOSIS.generate(arm, {**ENDS, "towards_middle_mm": (0.0, RADIUS, 0.0)})


@pytest.mark.parametrize(
    ("changed", "said"),
    [
        ({"proximal_mm": (RADIUS, 0.0, -20.0)}, "nearer to each other"),
        ({"proximal_mm": (RADIUS, 0.0, 64.9)}, "scan ends"),
        ({"distal_mm": (300.0, 0.0, 0.0)}, "from the scan"),
        ({"thickness_mm": 1.5}, "cannot keep"),
        ({"edge_mm": 2.0}, "Edges rounded"),
        ({"hole_mm": 18.0, "hole_pitch_mm": 20.0}, "too little between"),
        ({"straps": 5, "strap_mm": 40.0}, "come nearer"),
        (
            {
                "proximal_mm": (RADIUS, 0.0, 20.0),
                "proximal_lean_deg": 30.0,
                "distal_lean_deg": 30.0,
                "cover_deg": 330.0,
            },
            "trims",
        ),
    ],
    ids=lambda one: str(one)[:40],
)
@pytest.mark.requirement("G-DES-01")
def test_a_shell_that_cannot_be_made_is_refused(arm: Mesh, changed: dict[str, Any], said: str) -> None:
    with pytest.raises(InvalidInput, match=said) as refusal:
        ORTHOSIS.generate(arm, {**ENDS, **changed})
    assert all(reason.cure for reason in refusal.value.reasons)


def test_what_is_no_limb_is_refused(arm: Mesh) -> None:
    flat = Mesh(arm.vertices * np.array([1.0, 0.2, 1.0]), arm.faces)
    with pytest.raises(InvalidInput, match="as a limb does"):
        ORTHOSIS.generate(flat, ENDS)


@pytest.mark.slow
@pytest.mark.requirement("G-DES-01")
@settings(max_examples=200, deadline=None)
@given(
    values=st.fixed_dictionaries(
        {
            "proximal_mm": st.tuples(st.floats(-0.6, 0.6), st.floats(30.0, 52.0)).map(
                lambda at: (RADIUS * float(np.cos(at[0])), RADIUS * float(np.sin(at[0])), at[1])
            ),
            "clearance_mm": st.floats(0.0, 10.0),
            "halves": st.integers(0, 1),
            "cover_deg": st.floats(150.0, 330.0),
            "gap_mm": st.floats(3.0, 30.0),
            "proximal_lean_deg": st.floats(-20.0, 15.0),
            "distal_lean_deg": st.floats(-20.0, 15.0),
            "corner_mm": st.floats(3.0, 12.0),
            "hole_mm": st.sampled_from([0.0, 4.0, 8.0, 14.0]),
            "hole_pitch_mm": st.floats(14.0, 60.0),
            "straps": st.integers(0, 2),
            "strap_mm": st.floats(10.0, 20.0),
            "relief_1_mm": st.tuples(st.floats(-3.0, 3.0), st.floats(-40.0, 40.0)).map(
                lambda at: (RADIUS * float(np.cos(at[0])), RADIUS * float(np.sin(at[0])), at[1])
            ),
            "relief_height_mm": st.floats(0.5, 6.0),
            "relief_radius_mm": st.floats(8.0, 40.0),
        }
    ),
    walls=agreeing((2.0, 8.0), 0.6, 0.4),
)
def test_any_values_give_a_closed_shell_or_a_refusal(
    arm: Mesh, values: dict[str, Any], walls: dict[str, float]
) -> None:
    made_or_refused(ORTHOSIS, arm, {**ENDS, **values, **walls})
