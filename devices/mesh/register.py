"""Rigid registration of a scan to its nominal surface: rotation and translation only, never scale, never a mirror.

A coarse search over the principal axes (24 proper ways to lay one frame on another) and one over local shape (FPFH
with fast global registration, Zhou et al. 2016) finds where to start; point-to-plane steps under Tukey's
weights, against the exact surface instead of samples of it, end it.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import permutations, product
from typing import Any

import numpy as np
from numpy.typing import NDArray

from devices.mesh.base import Mesh
from devices.mesh.distance import Closest, Surface, sample_surface
from mes.lazy import lazily

o3d: Any = lazily("open3d")

COARSE_POINTS = 2_000
FINE_POINTS = 20_000
# (reach as a part of the diagonal, points of the scan, every how many-th of the nominal's, starts that are kept): what is
# drawn from afar is told from few points, and against points that lie far closer together than the reach.
ROUNDS = ((1 / 5, 250, 4, 10), (1 / 10, 500, 2, 5), (1 / 20, COARSE_POINTS, 1, 3))
ROUND_STEPS = 15
# (most steps, shortest step in mm worth another): to choose between poses, and to keep one. Below 0.02 um it is noise.
ROUGHLY = (12, 1e-2)
EXACTLY = (25, 1e-4)
SMALLEST_SCALE_MM = 0.05
STRETCH_POINTS, STRETCH_STEPS = 4_000, 3


@dataclass(frozen=True, eq=False)
class Registration:
    """pose: 4x4 from the scan's to the nominal frame; fitness: share of the scan within `reach_mm` of the surface."""

    pose: NDArray[np.float64]
    fitness: float
    reach_mm: float


def register(nominal: Surface, scan: Mesh, *, reach_mm: float, seed: int = 0) -> Registration:
    """The best rigid pose of `scan` on `nominal`; the same seed gives the same pose."""
    rng = np.random.default_rng(seed)
    points, _ = sample_surface(scan, FINE_POINTS, rng)
    coarse = points[rng.permutation(len(points))[:COARSE_POINTS]]
    target, target_faces = sample_surface(nominal.mesh, COARSE_POINTS * 4, rng)
    cloud = _cloud(target, nominal.normals[target_faces])
    diagonal = float(np.linalg.norm(np.ptp(nominal.mesh.vertices, axis=0)))
    starts = [*_principal_starts(coarse, target), _shape_start(scan, points, cloud, diagonal, seed)]
    best = _finalists(nominal, cloud, coarse, starts, diagonal)
    poses = [settled(nominal, coarse, pose, ROUGHLY) for pose in best]
    start = min(poses, key=lambda pose: _misfit(nominal, coarse, pose, reach_mm))
    # Parallel sums upstream differ in their last bits; from a rounded start the rest is reproducible.
    pose = settled(nominal, points, np.round(start, 6), EXACTLY)
    fitness = float((nominal.unsigned(_moved(points, pose)) <= reach_mm).mean())
    return Registration(pose, fitness, reach_mm)


def _cloud(points: NDArray[np.float64], normals: NDArray[np.float64]) -> Any:
    cloud = o3d.geometry.PointCloud(o3d.utility.Vector3dVector(points))
    cloud.normals = o3d.utility.Vector3dVector(normals)
    return cloud


def _moved(points: NDArray[np.float64], pose: NDArray[np.float64]) -> NDArray[np.float64]:
    moved: NDArray[np.float64] = points @ pose[:3, :3].T + pose[:3, 3]
    return moved


def _principal_starts(scan: NDArray[np.float64], nominal: NDArray[np.float64]) -> list[NDArray[np.float64]]:
    (from_frame, from_centre), (to_frame, to_centre) = _principal_frame(scan), _principal_frame(nominal)
    starts = []
    for turn in _proper_turns():
        pose = np.eye(4)
        pose[:3, :3] = to_frame @ turn @ from_frame.T
        pose[:3, 3] = to_centre - pose[:3, :3] @ from_centre
        starts.append(pose)
    return starts


def _principal_frame(points: NDArray[np.float64]) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    centre = points.mean(axis=0)
    _, frame = np.linalg.eigh(np.cov((points - centre).T))
    if np.linalg.det(frame) < 0:
        frame[:, 0] *= -1.0
    return frame, centre


def _proper_turns() -> list[NDArray[np.float64]]:
    """The 24 rotations of a cube."""
    turns = []
    for order, signs in product(permutations(range(3)), product((1.0, -1.0), repeat=3)):
        turn = np.zeros((3, 3))
        turn[range(3), order] = signs
        if np.linalg.det(turn) > 0:
            turns.append(turn)
    return turns


def _shape_start(
    scan: Mesh, points: NDArray[np.float64], nominal: Any, diagonal: float, seed: int
) -> NDArray[np.float64]:
    voxel = diagonal / 40.0
    source = o3d.geometry.PointCloud(o3d.utility.Vector3dVector(points)).voxel_down_sample(voxel)
    scan_surface = Surface(scan)
    source.normals = o3d.utility.Vector3dVector(scan_surface.closest(np.asarray(source.points)).normals)
    target = nominal.voxel_down_sample(voxel)
    pipeline = o3d.pipelines.registration
    around = o3d.geometry.KDTreeSearchParamHybrid(radius=5.0 * voxel, max_nn=100)
    features = [pipeline.compute_fpfh_feature(cloud, around) for cloud in (source, target)]
    o3d.utility.random.seed(seed)
    option = pipeline.FastGlobalRegistrationOption(maximum_correspondence_distance=voxel)
    found = pipeline.registration_fgr_based_on_feature_matching(source, target, *features, option)
    return np.array(found.transformation, dtype=np.float64)


def _finalists(
    nominal: Surface,
    cloud: Any,
    coarse: NDArray[np.float64],
    starts: list[NDArray[np.float64]],
    diagonal: float,
) -> list[NDArray[np.float64]]:
    """The best few starts, drawn closer in rounds with a shorter reach each."""
    pipeline = o3d.pipelines.registration
    poses = starts
    for part, count, every, kept in ROUNDS:
        reach, points = diagonal * part, coarse[:count]
        target = cloud.uniform_down_sample(every)
        source = o3d.geometry.PointCloud(o3d.utility.Vector3dVector(points))
        estimation = pipeline.TransformationEstimationPointToPlane(pipeline.TukeyLoss(k=reach / 2.0))
        criteria = pipeline.ICPConvergenceCriteria(max_iteration=ROUND_STEPS)
        drawn = [
            np.array(
                pipeline.registration_icp(source, target, reach, pose, estimation, criteria).transformation
            )
            for pose in poses
        ]
        poses = sorted(drawn, key=lambda pose: _misfit(nominal, points, pose, reach / 2.0))[:kept]
    return poses


def _misfit(nominal: Surface, points: NDArray[np.float64], pose: NDArray[np.float64], limit: float) -> float:
    """Mean squared distance, cut off at `limit` so that strays and missing parts do not decide."""
    return float((np.minimum(nominal.unsigned(_moved(points, pose)), limit) ** 2).mean())


def settled(
    nominal: Surface, points: NDArray[np.float64], pose: NDArray[np.float64], effort: tuple[int, float]
) -> NDArray[np.float64]:
    """Point-to-plane steps against the exact surface until they move no point further than is worth it."""
    steps, shortest = effort
    radius = float(np.linalg.norm(nominal.mesh.vertices - nominal.centre, axis=1).max())
    found = pose.copy()
    found[:3, :3] = _nearest_rotation(pose[:3, :3])
    for _ in range(steps):
        moved = _moved(points, found)
        closest = nominal.closest(moved)
        residual = ((moved - closest.points) * closest.normals).sum(axis=1)
        arms = moved - nominal.centre
        rows = np.concatenate([np.cross(arms, closest.normals), closest.normals], axis=1)
        weights = tukey_weights(residual)
        step = _solved(rows, -residual, weights)
        found = _stepped(found, step, nominal.centre)
        if np.linalg.norm(step[:3]) * radius + np.linalg.norm(step[3:]) < shortest:
            break
    return found


def tukey_weights(residual: NDArray[np.float64]) -> NDArray[np.float64]:
    """Weights (n,) in 0..1: zero beyond 4.685 robust standard deviations."""
    scale = max(1.4826 * float(np.median(np.abs(residual))), SMALLEST_SCALE_MM)
    return np.clip(1.0 - (residual / (4.685 * scale)) ** 2, 0.0, None) ** 2


def _solved(
    rows: NDArray[np.float64], right: NDArray[np.float64], weights: NDArray[np.float64]
) -> NDArray[np.float64]:
    """Weighted least squares of least norm: what the shape leaves free (a turn of a sphere) stays as it is."""
    root = np.sqrt(weights)[:, None]
    normal = (rows * root).T @ (rows * root)
    solution = np.linalg.lstsq(normal, rows.T @ (weights * right), rcond=1e-10)[0]
    return np.asarray(solution, dtype=np.float64)


def _stepped(
    pose: NDArray[np.float64], step: NDArray[np.float64], centre: NDArray[np.float64]
) -> NDArray[np.float64]:
    x, y, z = step[:3]
    turn = _nearest_rotation(np.eye(3) + np.array([[0.0, -z, y], [z, 0.0, -x], [-y, x, 0.0]]))
    moved = pose.copy()
    moved[:3, :3] = _nearest_rotation(turn @ pose[:3, :3])
    moved[:3, 3] = turn @ (pose[:3, 3] - centre) + centre + step[3:]
    return moved


def _nearest_rotation(matrix: NDArray[np.float64]) -> NDArray[np.float64]:
    left, _, right = np.linalg.svd(matrix)
    if np.linalg.det(left @ right) < 0:
        left[:, -1] *= -1.0
    turn: NDArray[np.float64] = left @ right
    return turn


def stretches_of(nominal: Surface, placed: Mesh, *, reach_mm: float, seed: int = 0) -> NDArray[np.float64]:
    """How much longer the registered scan `placed` is than the nominal (3,), along three directions at right angles, among
    them those of the most and of the least. Measured, and applied to nothing.

    The ends of a part that is too long in one direction lie far off while most of it agrees: weights that begin at the
    reach and only then close in on the noise keep what tells its length. That the material is thicker or thinner
    everywhere alike (light that cures beyond the edge) is no stretch and has an unknown of its own.
    """
    points, _ = sample_surface(placed, STRETCH_POINTS, np.random.default_rng(seed))
    shape, thicker = np.eye(3), 0.0
    for width in (reach_mm, reach_mm / 2.0, *(0.0,) * STRETCH_STEPS):
        closest = nominal.closest(points)
        residual = ((points - closest.points) * closest.normals).sum(axis=1)
        near = residual - thicker
        weights = np.clip(1.0 - (near / width) ** 2, 0.0, None) ** 2 if width else tukey_weights(near)
        step = _solved(_affine_rows(closest, nominal.centre), residual, weights)
        change, thicker = np.eye(3) + step[:9].reshape(3, 3), float(step[12])
        points = (points - nominal.centre - step[9:12]) @ np.linalg.inv(change).T + nominal.centre
        shape = shape @ change
    return np.asarray(np.linalg.svd(shape, compute_uv=False), dtype=np.float64)


def _affine_rows(closest: Closest, centre: NDArray[np.float64]) -> NDArray[np.float64]:
    """What each residual says (n, 13) of the linear part, row by row, of the travel, and of how much thicker all is."""
    linear = closest.normals[:, :, None] * (closest.points - centre)[:, None, :]
    return np.concatenate([linear.reshape(-1, 9), closest.normals, np.ones((len(linear), 1))], axis=1)
