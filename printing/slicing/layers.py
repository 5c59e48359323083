"""The slicer of the house: manifold3d cuts, exact scanlines make the masks, one digest covers all of it."""

from __future__ import annotations

import hashlib
import math
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from itertools import combinations

import numpy as np
from manifold3d import Manifold
from numpy.typing import NDArray

from devices.mesh.solid import NotASolid, solid_of
from mes.exceptions import Reason
from printing.slicing.base import (
    SLICERS,
    Cancelled,
    Layer,
    PlateItem,
    PlateRefused,
    Progress,
    SlicedPlate,
    SliceSettings,
    SlicingCancelled,
    plate_digest,
)
from printing.slicing.raster import encode_png, light
from printing.slicing.whole import Section, not_whole, too_coarse

NM_PER_MM = 1_000_000
AHEAD = 16
PLATE_SLACK_MM = 1e-3


@SLICERS.register("layers")
def slice_plate(
    items: Sequence[PlateItem],
    *,
    layer_height_mm: float,
    pixel_mm: float,
    plate_size_mm: tuple[float, float, float],
    exposure_s: float,
    bottom_exposure_s: float = 25.0,
    bottom_layers: int = 5,
    lift_s: float = 4.0,
    loss_share: float = 0.10,
    progress: Progress | None = None,
    cancelled: Cancelled | None = None,
) -> SlicedPlate:
    """The load as layers: contours cut at mid-height, masks at pixel centres, time and material.

    progress(done, total) is called after each layer; cancelled() is asked before each. Raises PlateRefused with
    every reason, or SlicingCancelled. The same input gives the same digest.
    """
    width, depth, height = (float(side) for side in plate_size_mm)
    settings = SliceSettings(
        layer_height_mm=float(layer_height_mm),
        pixel_mm=float(pixel_mm),
        plate_size_mm=(width, depth, height),
        exposure_s=float(exposure_s),
        bottom_exposure_s=float(bottom_exposure_s),
        bottom_layers=bottom_layers,
        lift_s=float(lift_s),
        loss_share=float(loss_share),
    )
    solids = _placed_solids(items, settings)
    top = max(solid.bounding_box()[5] for solid in solids)
    cut = _cut(solids, math.ceil(top / layer_height_mm - 0.5), settings, progress, cancelled)
    if problems := not_whole(items, solids, [sections for _, sections in cut], settings):
        raise PlateRefused(problems)
    return _summed(items, settings, tuple(layer for layer, _ in cut))


def _placed_solids(items: Sequence[PlateItem], settings: SliceSettings) -> list[Manifold]:
    problems = list(settings.problems())
    if not items:
        problems.append(Reason("The plate is empty.", "Place at least one device."))
    if not problems:
        problems += [
            fault for item in items for fault in too_coarse(item.device_ref, item.smallest, settings)
        ]
    if problems:
        raise PlateRefused(problems)
    solids: list[Manifold] = []
    for item in items:
        try:
            solids.append(place(item))
        except NotASolid as refusal:
            problems += [
                Reason(f"{item.device_ref}: {reason.text}", reason.cure) for reason in refusal.reasons
            ]
    if not problems:
        problems += _outside(items, solids, settings) + _overlaps(items, solids)
    if problems:
        raise PlateRefused(problems)
    return solids


def place(item: PlateItem) -> Manifold:
    """The item's solid on the plate; its transform must be rigid. Raises NotASolid or PlateRefused."""
    matrix = np.asarray(item.transform, dtype=np.float64)
    rigid = (
        matrix.shape == (4, 4)
        and bool(np.isfinite(matrix).all())
        and np.allclose(matrix[:3, :3] @ matrix[:3, :3].T, np.eye(3), atol=1e-9)
        and np.linalg.det(matrix[:3, :3]) > 0
    )
    if not rigid:
        raise PlateRefused(
            f"{item.device_ref}: the placement scales, mirrors or bends.", cure="Place it again."
        )
    return solid_of(item.mesh).transform(matrix[:3, :])


def _outside(items: Sequence[PlateItem], solids: Sequence[Manifold], settings: SliceSettings) -> list[Reason]:
    found = []
    limit = np.array(settings.plate_size_mm) + PLATE_SLACK_MM
    for item, solid in zip(items, solids, strict=True):
        box = np.array(solid.bounding_box()).reshape(2, 3)
        if (box[0] < -PLATE_SLACK_MM).any() or (box[1] > limit).any():
            reach = " x ".join(f"{low:.1f}..{high:.1f}" for low, high in box.T)
            found.append(
                Reason(f"{item.device_ref} reaches {reach} mm, outside the build space.", "Place it again.")
            )
        elif box[0, 2] > settings.layer_height_mm:
            found.append(Reason(f"{item.device_ref} floats {box[0, 2]:.2f} mm above the plate.", "Lower it."))
    return found


def _overlaps(items: Sequence[PlateItem], solids: Sequence[Manifold]) -> list[Reason]:
    found = []
    for (one, a), (two, b) in combinations(zip(items, solids, strict=True), 2):
        boxes = np.array([a.bounding_box(), b.bounding_box()])
        apart = (boxes[:, :3].max(axis=0) > boxes[:, 3:].min(axis=0)).any()
        if not apart and not (a ^ b).is_empty():
            found.append(Reason(f"{one.device_ref} and {two.device_ref} overlap.", "Place them apart."))
    return found


def _cut(
    solids: Sequence[Manifold],
    count: int,
    settings: SliceSettings,
    progress: Progress | None,
    cancelled: Cancelled | None,
) -> list[tuple[Layer, tuple[Section, ...]]]:
    """Two threads: the mask of one layer is packed (outside the interpreter lock) while the next ones are cut."""
    cut: list[tuple[Layer, tuple[Section, ...]]] = []
    with ThreadPoolExecutor(max_workers=2) as pool:
        for first in range(0, count, AHEAD):
            if cancelled is not None and cancelled():
                raise SlicingCancelled(
                    f"Slicing was stopped before layer {first + 1} of {count}.", cure="Slice again."
                )
            batch = range(first, min(first + AHEAD, count))
            for layer in pool.map(lambda index: _layer(solids, index, settings), batch):
                cut.append(layer)
                if progress is not None:
                    progress(len(cut), count)
    return cut


def _layer(
    solids: Sequence[Manifold], index: int, settings: SliceSettings
) -> tuple[Layer, tuple[Section, ...]]:
    z = (index + 0.5) * settings.layer_height_mm
    columns, rows = settings.pixels
    packed = np.zeros((rows, (columns + 7) // 8), dtype=np.uint8)
    contours: list[NDArray[np.int32]] = []
    sections = []
    for solid in solids:
        found = _contours(solid, z, index)
        contours += found
        scaled = [contour / (settings.pixel_mm * NM_PER_MM) for contour in found]
        area = sum(_signed_area(contour) for contour in found)
        sections.append(Section(area, sum(map(_length, found)), light(packed, scaled, columns)))
    digest = hashlib.sha256(packed.tobytes()).hexdigest()
    area = sum(section.area_mm2 for section in sections)
    layer = Layer(index, round(z, 6), area, tuple(contours), encode_png(packed, columns), digest)
    return layer, tuple(sections)


def _contours(solid: Manifold, z: float, index: int) -> list[NDArray[np.int32]]:
    if z >= solid.bounding_box()[5]:
        return []
    section = solid.slice(z)
    contours = [np.round(p * NM_PER_MM).astype(np.int32) for p in section.to_polygons()]
    _check_section(index, contours, sum(_signed_area(contour) for contour in contours), section.area())
    return contours


def _length(contour: NDArray[np.int32]) -> float:
    """mm, all the way round."""
    steps = np.diff(contour.astype(np.float64), axis=0, append=contour[:1].astype(np.float64))
    return float(np.hypot(steps[:, 0], steps[:, 1]).sum()) / NM_PER_MM


def _signed_area(contour: NDArray[np.int32]) -> float:
    """mm², positive when counter-clockwise; exact in integers before the last division."""
    x, y = (contour.astype(np.int64) - contour[0]).T
    doubled = x * np.roll(y, -1) - np.roll(x, -1) * y
    return float(doubled.astype(np.float64).sum()) / 2.0 / NM_PER_MM**2


def _check_section(index: int, contours: Sequence[NDArray[np.int32]], area: float, expected: float) -> None:
    """What the cutter promises, looked at: closed rings of three points or more that enclose what it says."""
    if any(len(contour) < 3 for contour in contours) or not math.isclose(
        area, expected, rel_tol=1e-5, abs_tol=1e-4
    ):
        raise PlateRefused(
            f"Layer {index + 1} is not closed: contours enclose {area:.4f} mm², the cut {expected:.4f} mm².",
            cure="Repair the mesh and slice again.",
        )


def _summed(items: Sequence[PlateItem], settings: SliceSettings, layers: tuple[Layer, ...]) -> SlicedPlate:
    devices = tuple((item.device_ref, tuple(float(v) for v in np.ravel(item.transform))) for item in items)
    volume = sum(layer.area_mm2 for layer in layers) * settings.layer_height_mm / 1000.0
    seconds = sum(settings.exposure_of(layer.index) + settings.lift_s for layer in layers)
    digest = plate_digest(settings, devices, [(layer.contours_sha256, layer.mask_sha256) for layer in layers])
    return SlicedPlate(
        settings, devices, layers, volume, volume * (1.0 + settings.loss_share), seconds, digest
    )
