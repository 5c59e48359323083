"""The tilted phantom against its own untilted scan: the error that other readers make silently, not made here."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import open3d as o3d
import pytest

from devices.imaging.base import Volume
from devices.imaging.intake import read_images
from devices.mesh.base import Mesh
from devices.mesh.distance import Surface, sample_surface
from devices.mesh.surface import NO_SMOOTHING, surface_of_mask
from devices.segmentation.bone import segment
from tests.devices.conftest import RealData

pytestmark = [pytest.mark.requirement("G-IMG-01"), pytest.mark.requirement("G-MSH-01")]
LEVEL = 200


def _scanned(source: Path) -> tuple[Volume, Mesh]:
    volume = read_images(source).volume
    mask = segment(volume, {"lower_hu": LEVEL}).mask
    surface = surface_of_mask(
        volume, mask, level=LEVEL - 0.5, smoothing=NO_SMOOTHING, tolerance_mm=0.02, samples=1000
    )
    return volume, surface.mesh


@pytest.fixture(scope="module")
def truth(real_data: RealData) -> Mesh:
    return _scanned(real_data("phantom-head/S21570/S2030"))[1]


def _cloud(points: np.ndarray) -> o3d.geometry.PointCloud:
    return o3d.geometry.PointCloud(o3d.utility.Vector3dVector(points))


def _registered(points: np.ndarray, truth: Mesh) -> np.ndarray:
    """Rigid, no scale, point to plane: first with outliers down-weighted, then least squares over everything near."""
    target = _cloud(sample_surface(truth, 60_000, np.random.default_rng(0))[0])
    target.estimate_normals(o3d.geometry.KDTreeSearchParamKNN(20))
    pose = np.eye(4)
    losses = (o3d.pipelines.registration.TukeyLoss(4.0), o3d.pipelines.registration.L2Loss())
    for reach, loss in zip((8.0, 3.0), losses, strict=True):
        estimation = o3d.pipelines.registration.TransformationEstimationPointToPlane(loss)
        pose = o3d.pipelines.registration.registration_icp(
            _cloud(points), target, reach, pose, estimation
        ).transformation
    return points @ pose[:3, :3].T + pose[:3, 3]


@pytest.mark.slow
@pytest.mark.parametrize("folder", ["S2010", "S3010"])
def test_a_tilted_scan_meets_the_untilted_truth(real_data: RealData, truth: Mesh, folder: str) -> None:
    volume, mesh = _scanned(real_data(f"phantom-head/S21610/{folder}"))
    sampled = sample_surface(mesh, 30_000, np.random.default_rng(0))[0]
    k = volume.to_indices(sampled)[:, 0]
    points = _registered(sampled, truth)
    # Where a scan ends it cuts the phantom: those caps are no surface of it, and the scans end at different places.
    low, high = truth.vertices[:, 2].min() + 3, truth.vertices[:, 2].max() - 3
    shared = (k > 1) & (k < len(volume.positions) - 2) & (points[:, 2] > low) & (points[:, 2] < high)
    distances = Surface(truth).unsigned(points[shared])
    assert shared.mean() > 0.9
    assert distances.mean() <= 0.4
    assert np.percentile(distances, 95) <= 0.8
    assert np.ptp(points[:, 1]) == pytest.approx(np.ptp(truth.vertices[:, 1]), abs=6)


@pytest.mark.slow
def test_the_mesh_lies_where_the_positions_say(truth: Mesh) -> None:
    """Volume and box as measured independently: 394.06 mL, 693.8 to 827.6 mm."""
    low, high = truth.vertices.min(axis=0), truth.vertices.max(axis=0)
    assert (low[2], high[2]) == pytest.approx((693.8, 827.6), abs=0.2)
    assert high[1] - low[1] == pytest.approx(187, abs=1)
