"""What every part has to be for whatever values it is asked with: made and sound as a file, or refused with reason and cure."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

from hypothesis import HealthCheck, event, given, settings
from hypothesis import strategies as st

from devices.generators.base import Design, DesignGenerator, DesignRefused
from devices.generators.pad import WALL_MARGIN
from devices.mesh.base import Mesh
from devices.mesh.check import check_mesh
from devices.mesh.io import read_mesh, write_stl
from mes.exceptions import InvalidInput, Reason

STATED_MM = 0.15
SHARE = st.floats(0.0, 1.0)


def between(low: float, high: float, share: float) -> float:
    return low + share * (high - low)


def agreeing(
    thickness: tuple[float, float], edge: float, wall: float, both: bool = True
) -> st.SearchStrategy[dict[str, float]]:
    """A thickness with a rounding, at least `edge`, and a minimum wall, at least `wall`, that it can have: random values of each are
    mostly refused before anything is made. both: whether both edges are rounded."""

    def values(thick: float, rounding: float, least: float) -> dict[str, float]:
        minimum = between(wall, max(wall, min(4.0, thick / WALL_MARGIN - 0.01)), least)
        most = thick / 2.0 if both else min(20.0, thick - minimum)
        return {
            "thickness_mm": thick,
            "edge_mm": between(min(edge, most), most, rounding),
            "minimum_wall_mm": minimum,
        }

    return st.builds(values, st.floats(*thickness), SHARE, SHARE)


def holds_or_says_why(make: Callable[[], Design], check: Callable[[Design], None]) -> bool:
    """Whether it was made, and then keeps what it promises; else each reason has its cure."""
    reasons: tuple[Reason, ...] = ()
    try:
        check(make())
    except DesignRefused as refusal:
        reasons = tuple(refusal.reasons)
        if not reasons:
            raise
    assert all(reason.text and reason.cure for reason in reasons)
    return not reasons


def two_hundred(
    values: st.SearchStrategy[dict[str, Any]], attempt: Callable[[dict[str, Any]], bool], *, least: int
) -> None:
    """Ask with so many sets of values; at least `least` have to be made, or the test says little."""
    outcomes: list[bool] = []

    @settings(max_examples=200, deadline=None, derandomize=True, suppress_health_check=list(HealthCheck))
    @given(asked=values)
    def every(asked: dict[str, Any]) -> None:
        outcomes.append(attempt(asked))

    every()
    assert len(outcomes) >= 200
    assert sum(outcomes) >= least


def sound(design: Design) -> bool:
    return check_mesh(read_mesh(write_stl(design.mesh))).sound


def made_or_refused(generator: DesignGenerator, scan: Mesh, values: dict[str, Any]) -> None:
    design, refusal = _attempt(generator, scan, values)
    event("made" if design else "refused: " + re.sub(r"[\d.]+", "n", refusal[0].text)[:60])
    if design is None:
        assert refusal
        assert all(reason.text and reason.cure for reason in refusal)
        return
    assert sound(design)
    assert design.measures["minimum_wall_mm"] >= float(str(design.values["minimum_wall_mm"]))
    assert design.measures["thickness_error_p99_mm"] <= STATED_MM
    assert design.measures["fit_error_p99_mm"] <= STATED_MM


def _attempt(
    generator: DesignGenerator, scan: Mesh, values: dict[str, Any]
) -> tuple[Design | None, tuple[Reason, ...]]:
    try:
        return generator.generate(scan, values), ()
    except InvalidInput as refusal:
        return None, tuple(refusal.reasons)
