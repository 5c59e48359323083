"""The tilted phantom against its own untilted scan: the error that other readers make silently, not made here."""

from __future__ import annotations

import pytest

from benchmarks.work.imaging.tilt import scanned, tilt_error
from devices.mesh.base import Mesh
from tests.devices.conftest import RealData

pytestmark = [pytest.mark.requirement("G-IMG-01"), pytest.mark.requirement("G-MSH-01")]


@pytest.fixture(scope="module")
def truth(real_data: RealData) -> Mesh:
    return scanned(real_data("phantom-head/S21570/S2030"))[1]


@pytest.mark.slow
@pytest.mark.parametrize(("folder", "angle"), [("S2010", -18.5), ("S3010", 16.5)])
def test_a_tilted_scan_meets_the_untilted_truth(
    real_data: RealData, truth: Mesh, folder: str, angle: float
) -> None:
    error = tilt_error(real_data(f"phantom-head/S21610/{folder}"), truth)
    assert error.shared > 0.9
    assert error.mean_mm <= 0.4
    assert error.p95_mm <= 0.8
    assert abs(error.longer_mm) <= 1
    assert error.angle_degrees == pytest.approx(angle, abs=0.05)


@pytest.mark.slow
def test_the_mesh_lies_where_the_positions_say(truth: Mesh) -> None:
    """Volume and box as measured independently: 394.06 mL, 693.8 to 827.6 mm."""
    low, high = truth.vertices.min(axis=0), truth.vertices.max(axis=0)
    assert (low[2], high[2]) == pytest.approx((693.8, 827.6), abs=0.2)
    assert high[1] - low[1] == pytest.approx(187, abs=1)
