"""Does the part match its nominal surface? Registration, signed distance at every point of the scan, and the way back:
whether all of the nominal surface that can be seen is there.

Rigid best fit only, so a part that came out too small shows it instead of being stretched until it fits. A scan that
cannot be laid on the nominal, covers too little of it, or is another part is refused, never averaged away (G-INS-01).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from devices.mesh.base import Mesh
from devices.mesh.cover import Coverage, Region, covered
from devices.mesh.distance import Surface, vertex_areas
from devices.mesh.register import Registration, register, stretches_of
from devices.mesh.solid import solid_of
from devices.mesh.tube import Placement, placement
from mes.exceptions import InvalidInput, Reason

MINIMUM_FITNESS = 0.60
MINIMUM_COVERAGE = 0.50
MAXIMUM_POINTS = 2_000_000
SIZE_RATIO = (0.3, 1.8)
MEANINGFUL_UNREGISTERED_MM = 5.0


class ScanRefused(InvalidInput):
    """The scan says nothing about this part: another part, another unit, too little seen, or no fit."""

    code = "scan_refused"


@dataclass(frozen=True)
class DeviationFigures:
    """Over the scanned area, mm. p95 and maximum are of the absolute deviation; mean is signed."""

    mean_mm: float
    rms_mm: float
    p95_mm: float
    maximum_mm: float
    share_in_tolerance: float


@dataclass(frozen=True, eq=False)
class Deviation:
    """A scan against its nominal surface.

    Distances are signed mm, positive where there is too much material.  points: the scan's vertices (n, 3) in the nominal
    frame; faces: as in the scan; pose: 4x4 from the scan's frame to the nominal one.  coverage: share of the nominal
    surface a scanner can see with scan within the tolerance, and region_coverage the same of each region by name;
    placements: where each region with a bore lies, None where the scan does not show it; hidden:
    share of the nominal surface that no scanner sees.  stretches (3,): the scan's size over the nominal's in
    three directions at right angles, reported, never applied.  unregistered: the same figures without best fit, where the
    scan already lay near the nominal.
    """

    mean_mm: float
    rms_mm: float
    p95_mm: float
    maximum_mm: float
    share_in_tolerance: float
    tolerance_mm: float
    pose: NDArray[np.float64]
    registration_fitness: float
    points: NDArray[np.float64]
    distances: NDArray[np.float64]
    faces: NDArray[np.int32]
    coverage: float
    region_coverage: Mapping[str, float]
    placements: Mapping[str, Placement | None]
    hidden: float
    stretches: NDArray[np.float64]
    unregistered: DeviationFigures | None

    @property
    def scale_estimate(self) -> float:
        """The scan's size over the nominal's as a whole."""
        return float(self.stretches.mean())

    @property
    def scale_error(self) -> float:
        """How far off (a share) the scan's size is in the direction in which it is most."""
        return float(np.abs(self.stretches - 1.0).max())

    @property
    def surface(self) -> Mesh:
        """The scan in the nominal frame, vertex by vertex with `distances`."""
        return Mesh(self.points, self.faces)


def inspect_scan(
    nominal: Mesh, scan: Mesh, *, tolerance_mm: float, regions: Sequence[Region] = (), seed: int = 0
) -> Deviation:
    """Register `scan` to `nominal` (any start pose) and measure it. The same seed gives the same answer.

    Raises ScanRefused with every reason, NotASolid when the nominal bounds no volume.
    """
    _check(nominal, scan, tolerance_mm)
    solid_of(nominal)
    surface = Surface(nominal)
    reach = max(4.0 * tolerance_mm, 0.01 * _diagonal(nominal))
    registration = register(surface, scan, reach_mm=reach, seed=seed)
    points = scan.vertices @ registration.pose[:3, :3].T + registration.pose[:3, 3]
    placed = Mesh(points, scan.faces)
    coverage = covered(
        surface,
        placed,
        tolerance_mm=tolerance_mm,
        reach_mm=reach,
        regions=regions,
        seed=seed,
    )
    _refuse_misfit(registration, coverage)
    weights = vertex_areas(scan)
    distances = surface.signed(points)
    figures = _figures(distances, weights, tolerance_mm)
    return Deviation(
        mean_mm=figures.mean_mm,
        rms_mm=figures.rms_mm,
        p95_mm=figures.p95_mm,
        maximum_mm=figures.maximum_mm,
        share_in_tolerance=figures.share_in_tolerance,
        tolerance_mm=tolerance_mm,
        pose=registration.pose,
        registration_fitness=registration.fitness,
        points=points,
        distances=distances,
        faces=scan.faces,
        coverage=coverage.found,
        region_coverage=coverage.regions,
        placements={part.name: placement(surface, points, part) for part in regions if part.bore_mm},
        hidden=coverage.hidden,
        stretches=stretches_of(surface, placed, reach_mm=reach, seed=seed),
        unregistered=_unregistered(surface, scan, weights, tolerance_mm),
    )


def _check(nominal: Mesh, scan: Mesh, tolerance_mm: float) -> None:
    if not (np.isfinite(tolerance_mm) and tolerance_mm > 0.0):
        raise ScanRefused(
            f"A tolerance of {tolerance_mm} mm cannot be checked.", cure="Give a positive tolerance."
        )
    if len(scan.faces) == 0 or not np.isfinite(scan.vertices).all() or vertex_areas(scan).sum() <= 0.0:
        raise ScanRefused("The scan has no surface.", cure="Export the scan as a triangle mesh.")
    if len(scan.vertices) > MAXIMUM_POINTS:
        raise ScanRefused(
            f"The scan has {len(scan.vertices):,} points; {MAXIMUM_POINTS:,} are taken.",
            cure="Export it coarser.",
        )
    ratio = _diagonal(scan) / _diagonal(nominal)
    if not SIZE_RATIO[0] <= ratio <= SIZE_RATIO[1]:
        raise ScanRefused(
            f"The scan is {_diagonal(scan):.4g} mm across, the part {_diagonal(nominal):.4g} mm.",
            cure="Check the unit of the scan, trim what is not the part, or scan the right part.",
        )


def _diagonal(mesh: Mesh) -> float:
    used = mesh.vertices[mesh.faces.ravel()]
    return float(np.linalg.norm(np.ptp(used, axis=0)))


def _refuse_misfit(registration: Registration, coverage: Coverage) -> None:
    problems = []
    if registration.fitness < MINIMUM_FITNESS:
        problems.append(
            Reason(
                f"Only {registration.fitness:.0%} of the scan lies within {registration.reach_mm:.2f} mm of the part.",
                "Check that it is this part, trim the holder from the scan, or scan again.",
                "G-INS-01",
            )
        )
    if coverage.seen < MINIMUM_COVERAGE:
        problems.append(
            Reason(
                f"The scan shows only {coverage.seen:.0%} of the part's visible surface; {MINIMUM_COVERAGE:.0%} are needed.",
                "Scan the missing sides too.",
                "G-INS-01",
            )
        )
    if problems:
        raise ScanRefused(problems)


def _figures(
    distances: NDArray[np.float64], weights: NDArray[np.float64], tolerance: float
) -> DeviationFigures:
    used = weights > 0
    distances, weights = distances[used], weights[used] / weights[used].sum()
    size = np.abs(distances)
    order = np.argsort(size, kind="stable")
    place = int(np.searchsorted(np.cumsum(weights[order]), 0.95))
    return DeviationFigures(
        mean_mm=float(distances @ weights),
        rms_mm=float(np.sqrt(distances**2 @ weights)),
        p95_mm=float(size[order][min(place, len(order) - 1)]),
        maximum_mm=float(size.max()),
        share_in_tolerance=float(min(1.0, weights[size <= tolerance].sum())),
    )


def _unregistered(
    surface: Surface, scan: Mesh, weights: NDArray[np.float64], tolerance: float
) -> DeviationFigures | None:
    figures = _figures(surface.signed(scan.vertices), weights, tolerance)
    return figures if figures.rms_mm <= MEANINGFUL_UNREGISTERED_MM else None
