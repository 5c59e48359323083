"""A series of moulds over one scan: prepared once, checked as a whole, then any stage of it made by itself.

Everything inside is in the arch's frame (w from the gum to the crowns); what comes out is where the scan was.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np

from devices.generators.base import DesignRefused
from devices.generators.dental.arch_model import (
    Base,
    BaseShape,
    Gum,
    label_plate,
    mould,
    one_piece,
    plan_base,
    prepare_gum,
)
from devices.generators.dental.collisions import Contact, collision_reasons, contacts, overlaps
from devices.generators.dental.crowns import (
    Tooth,
    build_teeth,
    crown_points,
    reduce_contacts,
    with_attachments,
)
from devices.generators.dental.frames import Landmarks, occlusal_frame, tooth_frames
from devices.generators.dental.poses import Pose, pose
from devices.generators.dental.teeth import RULE, LabelledScan, checked_scan
from devices.generators.shell import Frame
from devices.mesh.base import Mesh
from devices.mesh.check import check_mesh, signed_volume_mm3
from devices.mesh.distance import Surface
from devices.mesh.settled import settled
from devices.mesh.solid import NotASolid, mesh_of
from devices.mesh.wall import measure_wall
from devices.planning.movements import Movement, Reduction, Treatment
from devices.planning.staging import Staging, StepLimits, stage_treatment
from mes.exceptions import Reason

ROOT_MM = 8.0
CROWN_MM = 0.05
FLAT_MM = 1e-3
UPRIGHT = Frame(np.zeros(3), np.eye(3))
STILL = Movement()


@dataclass(frozen=True)
class SeriesLimits:
    """What the device master allows of each stage, and what its process builds; mm and degrees."""

    steps: StepLimits = field(default_factory=StepLimits)
    overlap_mm: float = 0.1
    minimum_wall_mm: float = 0.8
    base: BaseShape = field(default_factory=BaseShape)


@dataclass(frozen=True, eq=False)
class Series:
    """A checked series. teeth: with attachments, before reductions.  contacts: every pair at every stage, the scan as stage 0."""

    scan: LabelledScan
    arch: Frame
    staging: Staging
    limits: SeriesLimits
    teeth: Mapping[int, Tooth]
    gum: Gum
    base: Base
    contacts: tuple[Contact, ...]
    warnings: tuple[str, ...]

    def poses(self, stage: int) -> dict[int, Pose]:
        return _poses(self.teeth, self.staging, stage)


@dataclass(frozen=True, eq=False)
class StageMould:
    """The mould of one stage, where the scan lies, with its measures (units in the names)."""

    stage: int
    mesh: Mesh
    measures: Mapping[str, float]


def prepare_series(
    scan: Mesh,
    labels: np.ndarray[tuple[int], np.dtype[np.int16]],
    treatment: Treatment,
    limits: SeriesLimits,
    picked: Mapping[int, Landmarks] | None = None,
    warnings: tuple[str, ...] = (),
) -> Series:
    """The series that carries a plan out. Deterministic. Raises DesignRefused with every collision, by teeth, stage and depth."""
    whole, strays = checked_scan(scan, labels)
    arch = occlusal_frame(whole)
    local = LabelledScan(Mesh(arch.to_local(whole.mesh.vertices), whole.mesh.faces), whole.labels)
    staging = stage_treatment(treatment, limits.steps)
    frames = tooth_frames(local, UPRIGHT, _local(picked or {}, arch))
    teeth = with_attachments(build_teeth(local, frames, ROOT_MM), treatment.attachments)
    found, started = _contacts(teeth, staging, limits)
    gum = prepare_gum(local)
    base = plan_base(gum, _footprints(teeth, staging), limits.base)
    return Series(
        whole, arch, staging, limits, teeth, gum, base, found, (*warnings, *strays, *started, *gum.warnings)
    )


def _local(picked: Mapping[int, Landmarks], arch: Frame) -> dict[int, Landmarks]:
    def carried(place: np.ndarray | None) -> np.ndarray | None:
        return None if place is None else arch.to_local(np.asarray(place, dtype=np.float64)[None])[0]

    return {
        tooth: Landmarks(carried(one.mesial), carried(one.distal), carried(one.occlusal))
        for tooth, one in picked.items()
    }


def _poses(teeth: Mapping[int, Tooth], staging: Staging, stage: int) -> dict[int, Pose]:
    moves = staging.at(stage)
    return {number: pose(tooth.frame, moves.get(number, STILL)) for number, tooth in teeth.items()}


def _due(staging: Staging, stage: int) -> tuple[Reduction, ...]:
    """What was reduced by the time a stage is worn."""
    return tuple(one for one in staging.treatment.reductions if one.before_stage <= stage)


def _contacts(
    teeth: Mapping[int, Tooth], staging: Staging, limits: SeriesLimits
) -> tuple[tuple[Contact, ...], tuple[str, ...]]:
    """Every pair at every stage, and warnings of those that overlap in the scan; raises DesignRefused for those of the plan."""
    stages = range(staging.count + 1)
    due = {stage: _due(staging, stage) for stage in stages}
    ready = {cuts: reduce_contacts(teeth, cuts) for cuts in set(due.values())}
    found = [contacts(stage, ready[due[stage]], _poses(teeth, staging, stage)) for stage in stages]
    start = {one.teeth: one.depth_mm for one in found[0]}
    refused = collision_reasons(
        (one for row in found[1:] for one in overlaps(row, start, limits.overlap_mm)), limits.overlap_mm
    )
    if refused:
        raise DesignRefused(refused)
    warnings = tuple(
        f"Teeth {one.teeth[0]} and {one.teeth[1]} overlap by {one.depth_mm:.2f} mm as they were scanned and labelled."
        for one in found[0]
        if one.depth_mm > limits.overlap_mm
    )
    return tuple(one for row in found for one in row), warnings


def _footprints(teeth: Mapping[int, Tooth], staging: Staging) -> list[np.ndarray]:
    """Points of each crown from the first stage to the last, so that one base serves all of them."""
    points = {number: crown_points(tooth) for number, tooth in teeth.items()}
    every = [_poses(teeth, staging, stage) for stage in range(staging.count + 1)]
    return [np.concatenate([poses[number].moved(points[number]) for poses in every]) for number in teeth]


def make_mould(series: Series, stage: int, lines: tuple[str, ...]) -> StageMould:
    """The mould of a stage, `lines` cut into its plate. Deterministic. Raises DesignRefused."""
    if not 0 <= stage <= series.staging.count:
        raise DesignRefused(
            [Reason(f"The series has no stage {stage}.", f"Choose 0 to {series.staging.count}.", RULE)]
        )
    teeth = reduce_contacts(series.teeth, _due(series.staging, stage))
    poses = series.poses(stage)
    plate, letters = label_plate(series.base, lines, series.limits.base.plate_mm)
    plain = mould(series.gum, teeth, poses, series.base, plate)
    placed = np.column_stack([series.arch.axes.T, series.arch.origin])
    try:
        mesh = settled(one_piece(plain - letters).transform(placed))
    except NotASolid as refusal:
        raise DesignRefused(refusal.reasons) from refusal
    local = Mesh(series.arch.to_local(mesh.vertices), mesh.faces)
    return StageMould(stage, mesh, _measured(local, mesh_of(plain), series.limits, teeth, poses))


def _measured(
    local: Mesh, plain: Mesh, limits: SeriesLimits, teeth: Mapping[int, Tooth], poses: Mapping[int, Pose]
) -> dict[str, float]:
    report, surface = check_mesh(local), Surface(local)
    wall = measure_wall(Surface(plain))  # between the strokes of a letter is no wall
    crowns = np.concatenate([poses[number].moved(crown_points(tooth)) for number, tooth in teeth.items()])
    deviation = float(np.quantile(surface.unsigned(crowns), 0.95))
    problems = []
    if not report.sound:
        problems.append(
            Reason(f"The mould is not sound: {', '.join(report.problems)}.", "Check the labels.", "G-MSH-01")
        )
    if wall.p01_mm < limits.minimum_wall_mm:
        text = f"The mould is only {wall.p01_mm:.2f} mm thick in places; {limits.minimum_wall_mm:.2f} mm are needed."
        problems.append(Reason(text, "Show more gum, or check the labels.", RULE))
    if deviation > CROWN_MM:
        text = f"The mould departs from the planned crowns by {deviation:.2f} mm (95th percentile)."
        problems.append(Reason(text, "Check the labels for teeth that stand in each other.", RULE))
    if problems:
        raise DesignRefused(problems)
    (left, back, foot), (right, front, top) = report.bounds_mm
    return {
        "volume_ml": signed_volume_mm3(local) / 1000.0,
        "area_mm2": report.area_mm2,
        "width_mm": right - left,
        "depth_mm": front - back,
        "height_mm": top - foot,
        "wall_p01_mm": wall.p01_mm,
        "crown_p95_mm": deviation,
        "flat_bottom_mm2": _bottom(local, foot),
    }


def _bottom(local: Mesh, foot: float) -> float:
    """The area that stands on the printer's plate, mm²."""
    flat = local.faces[(local.vertices[:, 2][local.faces] < foot + FLAT_MM).all(axis=1)]
    a, b, c = (local.vertices[flat[:, corner], :2] for corner in range(3))
    one, two = b - a, c - a
    return float(np.abs(one[:, 0] * two[:, 1] - one[:, 1] * two[:, 0]).sum() / 2.0)
