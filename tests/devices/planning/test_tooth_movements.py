"""A plan of teeth has one form, and gives a design its values as text that the generator reads again."""

from __future__ import annotations

import base64
import json
import zlib
from typing import Any

import numpy as np
import pytest

from devices.planning.base import PLAN_KINDS, Ground, PlanRefused
from devices.planning.marks import MOST_RUNS, packed, unpacked

GROUND = Ground("none", lambda points: np.ones(len(points), dtype=np.bool_))
CENTRES = {str(tooth): [float(tooth), 0.0, 0.0] for tooth in (42, 41, 31)}
PLAN: dict[str, Any] = {
    "teeth": {"centres": CENTRES},
    "treatment": {
        "movements": {"41": {"buccal_mm": 0.5}},
        "reductions": [{"teeth": [41, 31], "amount_mm": 0.2}],
    },
}


def test_a_plan_read_again_is_the_same() -> None:
    kind = PLAN_KINDS["tooth_movements"]
    once = kind.canonical(PLAN, GROUND)
    assert kind.canonical(json.loads(json.dumps(once)), GROUND) == once
    values = kind.values(once)
    assert json.loads(values["treatment"])["movements"] == {"41": {"buccal_mm": 0.5}}
    assert json.loads(values["teeth"])["centres"]["42"] == [42.0, 0.0, 0.0]
    assert PLAN_KINDS["marked_teeth"].values(once) == {"teeth": values["teeth"]}


@pytest.mark.requirement("G-DES-01")
@pytest.mark.parametrize(
    "changed",
    [
        {"teeth": {"centres": {**CENTRES, "91": [0.0, 0.0, 0.0]}}},
        {"teeth": {"centres": {**CENTRES, "11": [0.0, 0.0, 0.0]}}},
        {"teeth": {"centres": {"41": [0.0, 0.0]}}},
        {"teeth": {"labels": "?"}},
        {"teeth": {"centres": CENTRES, "mouth": 1}},
        {"teeth": {}},
        {"treatment": {"movements": {"33": {"buccal_mm": 0.5}}}},
        {"notes": "none"},
    ],
    ids=str,
)
def test_a_plan_for_other_teeth_is_refused(changed: dict[str, Any]) -> None:
    with pytest.raises(PlanRefused):
        PLAN_KINDS["tooth_movements"].canonical({**PLAN, **changed}, GROUND)


@pytest.mark.requirement("G-DES-01")
def test_labels_that_swell_are_not_read_to_their_end() -> None:
    labels = np.tile(np.array([0, 41, 42], dtype=np.int16), 100)
    assert (unpacked(packed(labels)) == labels).all()
    with pytest.raises(PlanRefused):
        unpacked(packed(labels), most=len(labels) - 1)
    # What is read of it ends with a whole run: it could be taken for all of it.
    runs = b"41*11" + b" 41*1" * (2 * MOST_RUNS // 5)
    with pytest.raises(PlanRefused):
        unpacked(base64.b85encode(zlib.compress(runs)).decode())
