"""The scanner of the demo: known noise, known pose, a hole, and the same scan for the same seed."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from manifold3d import Manifold

from devices.mesh.distance import Surface
from devices.mesh.solid import mesh_of
from mes.demo.scan import TRAVEL_MM, simulate_scan

PART = mesh_of(Manifold.cube([30.0, 20.0, 10.0]))


def test_the_scan_lies_on_the_part_once_the_pose_is_undone() -> None:
    scan = simulate_scan(PART, seed=3, noise_mm=0.05, dropout_share=0.0, resolution_mm=0.7)
    back = np.linalg.inv(scan.pose)
    home = scan.mesh.vertices @ back[:3, :3].T + back[:3, 3]
    distances = Surface(PART).signed(home)
    assert distances.std() == pytest.approx(0.05, abs=0.005)
    assert np.linalg.norm(scan.mesh.vertices.mean(axis=0)) < TRAVEL_MM * 1.8
    edges = scan.mesh.vertices[scan.mesh.faces]
    assert np.linalg.norm(edges[:, 0] - edges[:, 1], axis=1).max() < 2 * 0.7 + 0.3


def test_a_blind_spot_takes_the_share_it_should() -> None:
    whole = simulate_scan(PART, seed=3, dropout_share=0.0)
    holed = simulate_scan(PART, seed=3, dropout_share=0.25)
    assert len(holed.mesh.faces) == pytest.approx(0.75 * len(whole.mesh.faces), abs=1)
    assert len(np.unique(holed.mesh.faces)) == len(holed.mesh.vertices)


def test_a_seed_is_a_scan() -> None:
    first, same, other = (simulate_scan(PART, seed=seed) for seed in (5, 5, 6))
    assert first.mesh.vertices.tobytes() == same.mesh.vertices.tobytes()
    assert not np.allclose(first.pose, other.pose)


@pytest.mark.parametrize("wrong", [{"dropout_share": 1.0}, {"noise_mm": -0.1}, {"resolution_mm": 0.0}])
def test_an_impossible_scanner_is_refused(wrong: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match="needed"):
        simulate_scan(PART, seed=1, **wrong)
