"""The scleral shell on an analytic eye: one thickness, the vault where it belongs, the landing around it; or refused."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from devices.generators import scleral_shell as module
from devices.generators.base import Design
from devices.generators.handed import leftward
from devices.generators.scleral_shell import ScleralShell
from devices.mesh.base import Mesh
from devices.mesh.distance import Surface
from mes.exceptions import InvalidInput
from tests.devices.generators.attempts import SHARE, agreeing, between, made_or_refused, sound
from tests.devices.generators.bodies import eye, on_eye

SHELL = ScleralShell()
PICKS: dict[str, Any] = {
    "apex_mm": on_eye(0.0, 0.0),
    "upward_mm": on_eye(0.0, 8.0),
    "towards_middle_mm": on_eye(-8.0, 0.0),
}


@pytest.fixture(scope="module")
def front() -> Mesh:
    return eye()


@pytest.fixture(scope="module", autouse=True)
def coarse() -> Iterator[None]:
    """Fewer samples than a part is made with: the wall keeps its thickness all the same."""
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(module, "SPACING_MM", 0.55)
        yield


@pytest.fixture(scope="module")
def shell(front: Mesh) -> Design:
    return SHELL.generate(front, PICKS)


@pytest.mark.requirement("G-DES-01")
def test_a_shell_vaults_the_cornea_and_lands_on_the_sclera(shell: Design) -> None:
    """The gap is measured from the equation of the eye, along its axis at the apex and off the ball on the sclera."""
    assert sound(shell)
    surface = Surface(shell.mesh)
    x, y, z = PICKS["apex_mm"]
    ahead = surface.first_hits(np.array([[x, y + 0.5, z]]), np.array([[0.0, -1.0, 0.0]]))[0] - 0.5
    assert ahead == pytest.approx(0.3, abs=0.03), "the vault"
    landing = np.array([on_eye(8.0 * np.cos(turn), 8.0 * np.sin(turn)) for turn in np.arange(0.0, 6.0, 0.7)])
    assert surface.unsigned(landing) == pytest.approx(0.05, abs=0.03), "the film of tears"


@pytest.mark.requirement("G-DES-01")
def test_a_shell_has_one_thickness_and_a_round_edge(shell: Design) -> None:
    assert shell.measures["thickness_error_p99_mm"] < 0.06 > shell.measures["fit_error_p99_mm"]
    assert shell.measures["minimum_wall_mm"] > 1.0
    across = np.hypot(*shell.mesh.vertices[:, (0, 2)].T)
    assert 10.4 < across.max() < 10.0 + 1.5 * 10.0 / 12.0, "upright on the sclera, and rounded"
    facing = Surface(shell.mesh).normals[(across[shell.mesh.faces] > 9.6).all(axis=1)]
    assert len(np.unique(np.round(facing[:, 1], 1))) > 10, "no sharp corner, but faces of every slope"


@pytest.mark.requirement("G-LAT-01")
@pytest.mark.parametrize("mirrored", [False, True])
def test_the_picks_tell_the_left_from_the_right_also_on_a_mirrored_scan(mirrored: bool) -> None:
    """In LPS: a left eye looks to the front, its nose lies towards -x; of a left arm the front, the shoulder, and the inner side."""
    front, up, inner = np.array([[0.0, -2.0, 0.3], [0.0, 0.0, 5.0], [-1.0, 0.1, 0.0]])
    mirror = np.array([-1.0, 1.0, 1.0]) if mirrored else np.ones(3)
    assert leftward(front * mirror, up * mirror, inner * mirror) == (-1.0 if mirrored else 1.0)


def test_a_left_eye_is_one(shell: Design) -> None:
    assert shell.measures["leftward"] == 1.0


@pytest.mark.parametrize(
    ("changed", "said"),
    [
        ({"apex_mm": (0.0, -30.0, 0.0)}, "from the scan"),
        ({"direction": (0.0, -0.5, 0.8)}, "leans"),
        ({"diameter_mm": 23.0}, "scan ends"),
        ({"thickness_mm": 0.9}, "cannot keep"),
        ({"edge_mm": 1.0}, "rounded"),
        ({"optic_mm": 13.0}, "do not follow"),
        ({"diameter_mm": 15.0}, "do not follow"),
        ({"towards_middle_mm": on_eye(0.5, -8.0)}, "do not tell left from right"),
    ],
    ids=lambda one: str(one)[:40],
)
@pytest.mark.requirement("G-DES-01")
def test_a_shell_that_cannot_be_made_is_refused(front: Mesh, changed: dict[str, Any], said: str) -> None:
    with pytest.raises(InvalidInput, match=said) as refusal:
        SHELL.generate(front, {**PICKS, **changed})
    assert all(reason.cure for reason in refusal.value.reasons)


@pytest.mark.slow
@pytest.mark.requirement("G-DES-01")
@settings(max_examples=200, deadline=None)
@given(
    values=st.fixed_dictionaries(
        {
            "apex_mm": st.tuples(st.floats(-1.5, 1.5), st.floats(-1.5, 1.5)).map(lambda at: on_eye(*at)),
            "diameter_mm": st.floats(14.0, 20.0),
            "optic_mm": st.floats(4.0, 10.0),
            "vault_mm": st.floats(0.0, 1.5),
            "landing_mm": st.floats(0.0, 0.5),
            "direction": st.tuples(*[st.floats(-0.3, 0.3)] * 2).map(lambda lean: (lean[0], -1.0, lean[1])),
        }
    ),
    walls=agreeing((0.6, 4.0), 0.2, 0.3),
    landing=SHARE,
)
def test_any_values_give_a_closed_shell_or_a_refusal(
    front: Mesh, values: dict[str, Any], walls: dict[str, float], landing: float
) -> None:
    start = between(values["optic_mm"] + 2.0, values["diameter_mm"] - 2.0, landing)
    made_or_refused(SHELL, front, {**PICKS, **values, **walls, "landing_from_mm": start})
