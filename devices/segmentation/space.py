"""Masks in millimetres: distances, neighbourhoods and components on a stack whose slices lie where they lie.

A ball of 3 mm is 3 mm in every direction: heights of slices are their own, so uneven spacing is right, and the shear of a
tilted gantry is followed to the nearest pixel. Nothing is resampled. All of it works on the box around what there is.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from devices.imaging.base import Volume
from devices.segmentation.base import LISTED_COMPONENTS, Segmentation, ToolIdentity, volume_ml
from mes.lazy import lazily

Mask = NDArray[np.uint8]
Box = tuple[slice, slice, slice]
Floats = NDArray[np.float32]
ITK: Any = lazily("SimpleITK")
ROUNDING = 1 + 1e-6
"""Distances are computed in single precision: what lies exactly on the edge of a ball belongs to it."""
GAUSSIAN_REACH = 3.0
"""Standard deviations after which a Gaussian is cut off: 99.7 % of it."""


def box_of(mask: Mask) -> Box | None:
    """The smallest box around the ones of a mask; None where there are none."""
    slices = np.flatnonzero(mask.any(axis=(1, 2)))
    if not len(slices):
        return None
    deep = slice(int(slices[0]), int(slices[-1]) + 1)
    flat = mask[deep].max(axis=0)
    rows, columns = np.flatnonzero(flat.any(axis=1)), np.flatnonzero(flat.any(axis=0))
    return deep, slice(int(rows[0]), int(rows[-1]) + 1), slice(int(columns[0]), int(columns[-1]) + 1)


@dataclass(frozen=True, eq=False)
class Stack:
    """The geometry of a box of voxels. heights_mm, thick_mm: shape (k,), where each slice lies and the height it stands
    for.  drift: shape (k, 2), by how many rows and columns each slice lies beside the first."""

    spacing_ji: tuple[float, float]
    heights_mm: NDArray[np.float64]
    thick_mm: NDArray[np.float64]
    drift: NDArray[np.float64]

    def near(self, index: int, radius_mm: float) -> Iterator[tuple[int, float, tuple[int, int]]]:
        """The slices no further than a radius: which, how far in mm, and by how many (rows, columns) `index` lies beside it."""
        apart = np.abs(self.heights_mm - self.heights_mm[index])
        for other in np.flatnonzero(apart <= radius_mm * ROUNDING):
            rows, columns = np.rint(self.drift[index] - self.drift[other]).astype(int)
            yield int(other), float(apart[other]), (int(rows), int(columns))


@dataclass(frozen=True, eq=False)
class Room:
    """A part of a volume with space around it, which may reach beyond the volume. within: where the volume's own part
    lies in `mask`; box: where that part lies in the volume."""

    stack: Stack
    mask: Mask
    box: Box
    within: Box

    def back(self, result: Mask, shape: tuple[int, int, int]) -> Mask:
        """A result of this room as a mask of the whole volume."""
        whole = np.zeros(shape, np.uint8)
        whole[self.box] = result[self.within]
        return whole


def room_around(volume: Volume, mask: Mask, margin_mm: float, *, beyond: bool = False) -> Room | None:
    """The box of a mask with a margin; `beyond`: also outside the volume, where nothing is. None for an empty mask."""
    box = box_of(mask)
    if box is None:
        return None
    margins = _margins(volume, margin_mm)
    wide = [(side.start - margin, side.stop + margin) for side, margin in zip(box, margins, strict=True)]
    inside = [(max(low, 0), min(high, size)) for (low, high), size in zip(wide, mask.shape, strict=True)]
    outside = [(a - low, high - b) for (low, high), (a, b) in zip(wide, inside, strict=True)]
    if not beyond:
        outside = [(0, 0)] * 3
    cut = slice(*inside[0]), slice(*inside[1]), slice(*inside[2])
    within = [slice(low, low + b - a) for (low, _), (a, b) in zip(outside, inside, strict=True)]
    stack = _stack(volume, inside[0], outside[0])
    return Room(stack, np.pad(mask[cut], outside), cut, (within[0], within[1], within[2]))


def _margins(volume: Volume, margin_mm: float) -> tuple[int, int, int]:
    steps = (float(volume.slice_spacings_mm.min()), volume.spacing_ij[1], volume.spacing_ij[0])
    k, j, i = (int(np.ceil(margin_mm / step)) + 1 for step in steps)
    sideways = np.abs(_drift(volume)).max(axis=0) if len(volume.positions) > 1 else np.zeros(2)
    per_slice = sideways / max(len(volume.positions) - 1, 1)
    return k, j + int(np.ceil(per_slice[0] * k)), i + int(np.ceil(per_slice[1] * k))


def _drift(volume: Volume) -> NDArray[np.float64]:
    moved = volume.positions - volume.positions[0]
    across = np.stack([moved @ volume.column_direction, moved @ volume.row_direction], axis=1)
    return np.asarray(across / (volume.spacing_ij[1], volume.spacing_ij[0]))


def _stack(volume: Volume, inside: tuple[int, int], outside: tuple[int, int]) -> Stack:
    """Beyond the first and the last slice the stack goes on as it ended."""
    index = np.arange(inside[0] - outside[0], inside[1] + outside[1])
    last = len(volume.positions) - 1
    held = np.clip(index, 0, last)
    ends = np.where(index < 0, 0, last - 1)
    steps, drift = np.diff(volume.heights_mm), _drift(volume)
    heights = volume.heights_mm[held] + (index - held) * steps[ends]
    moved = drift[held] + (index - held)[:, None] * np.diff(drift, axis=0)[ends]
    spacing = volume.spacing_ij[1], volume.spacing_ij[0]
    return Stack(spacing, heights, volume.slice_heights_mm[held], moved)


def dilated(volume: Volume, mask: Mask, radius_mm: float) -> Mask:
    """Every voxel whose centre lies no further than `radius_mm` from the centre of one that is inside."""
    room = room_around(volume, mask, radius_mm)
    return mask.copy() if room is None else room.back(spread(room.stack, room.mask, radius_mm), volume.shape)


def eroded(volume: Volume, mask: Mask, radius_mm: float) -> Mask:
    """Every voxel that lies further than `radius_mm` from all outside. Beyond the volume nothing is known: there the
    anatomy goes on, and nothing is taken from it."""
    room = room_around(volume, mask, radius_mm)
    return mask.copy() if room is None else room.back(shrunk(room.stack, room.mask, radius_mm), volume.shape)


def shrunk(stack: Stack, mask: Mask, radius_mm: float) -> Mask:
    return mask & (1 - spread(stack, 1 - mask, radius_mm))


def spread(stack: Stack, mask: Mask, radius_mm: float) -> Mask:
    """Dilation by a ball, slice by slice: the distance within each slice is exact (Maurer 2003), and what is left of the
    radius at the height of another slice is that one's circle."""
    result = np.zeros_like(mask)
    for source in np.flatnonzero(mask.any(axis=(1, 2))):
        nearest = _squared_mm(stack, mask[source])
        for target, apart, (rows, columns) in stack.near(int(source), radius_mm):
            left = (radius_mm**2 - apart**2) * ROUNDING if apart < radius_mm else 0.0
            _shift_into(result[target], nearest <= left, rows, columns)
    return result


def _squared_mm(stack: Stack, flat: Mask) -> Floats:
    """Squared distance of each pixel of a slice from the nearest that is inside, mm². Inside, 0 or less."""
    image = ITK.GetImageFromArray(flat)
    image.SetSpacing((stack.spacing_ji[1], stack.spacing_ji[0]))
    found = ITK.SignedMaurerDistanceMap(
        image, insideIsPositive=False, squaredDistance=True, useImageSpacing=True
    )
    distances: Floats = ITK.GetArrayFromImage(found)
    return distances


def _shift_into(target: Mask, found: NDArray[np.bool_], rows: int, columns: int) -> None:
    """Add what was found in another slice, moved by the shear between the two."""
    height, width = target.shape
    to = slice(max(rows, 0), height + min(rows, 0)), slice(max(columns, 0), width + min(columns, 0))
    of = slice(max(-rows, 0), height + min(-rows, 0)), slice(max(-columns, 0), width + min(-columns, 0))
    if to[0].start < to[0].stop and to[1].start < to[1].stop:
        target[to] |= found[of]


def blurred(stack: Stack, values: Floats, sigma_mm: float) -> Floats:
    """Gaussian average, each slice weighed by the height it stands for; at the edges of the box the last values go on."""
    flat = _convolved(values, 1, _kernel(stack.spacing_ji[0], sigma_mm))
    flat = _convolved(flat, 2, _kernel(stack.spacing_ji[1], sigma_mm))
    result = np.zeros_like(flat)
    for target in range(len(flat)):
        total = 0.0
        for other, apart, (rows, columns) in stack.near(target, GAUSSIAN_REACH * sigma_mm):
            weight = float(np.exp(-0.5 * (apart / sigma_mm) ** 2) * stack.thick_mm[other])
            result[target] += np.float32(weight) * _rolled(flat[other], -rows, -columns)
            total += weight
        result[target] /= np.float32(total)
    return result


def _kernel(step_mm: float, sigma_mm: float) -> Floats:
    half = int(GAUSSIAN_REACH * sigma_mm / step_mm)
    weights = np.exp(-0.5 * (np.arange(-half, half + 1) * step_mm / sigma_mm) ** 2)
    return np.asarray(weights / weights.sum(), np.float32)


def _convolved(values: Floats, axis: int, kernel: Floats) -> Floats:
    half = len(kernel) // 2
    padding = [(half, half) if a == axis else (0, 0) for a in range(values.ndim)]
    padded = np.moveaxis(np.pad(values, padding, mode="edge"), axis, 0)
    size = values.shape[axis]
    result = np.zeros((size, *padded.shape[1:]), np.float32)
    for at, weight in enumerate(kernel):
        result += weight * padded[at : at + size]
    return np.moveaxis(result, 0, axis)


def _rolled(flat: Floats, rows: int, columns: int) -> Floats:
    if not (rows or columns):
        return flat
    row = np.clip(np.arange(flat.shape[0]) + rows, 0, flat.shape[0] - 1)
    column = np.clip(np.arange(flat.shape[1]) + columns, 0, flat.shape[1] - 1)
    return flat[np.ix_(row, column)]


def labelled(mask: Mask) -> tuple[NDArray[np.uint32], int]:
    """Face-connected components, numbered from 1 by falling number of voxels, and how many there are."""
    box = box_of(mask)
    labels = np.zeros(mask.shape, np.uint32)
    if box is None:
        return labels, 0
    found = ITK.ConnectedComponent(ITK.GetImageFromArray(mask[box]), False)
    labels[box] = ITK.GetArrayFromImage(ITK.RelabelComponent(found, sortByObjectSize=True))
    return labels, int(labels[box].max())


def component_ml(volume: Volume, labels: NDArray[np.uint32], count: int) -> NDArray[np.float64]:
    """The volume of each component, mL, at its number; at 0 that of what is no component."""
    totals = np.zeros(count + 1)
    for flat, height in zip(labels, volume.slice_heights_mm, strict=True):
        totals += np.bincount(flat.ravel(), minlength=count + 1) * height
    return totals * volume.spacing_ij[0] * volume.spacing_ij[1] / 1000


def measured(volume: Volume, mask: Mask, parameters: Mapping[str, Any], tool: ToolIdentity) -> Segmentation:
    """A mask as a segmentation: its volume and its components, the largest first."""
    labels, count = labelled(mask)
    listed = sorted(component_ml(volume, labels, count)[1:], reverse=True)[:LISTED_COMPONENTS]
    return Segmentation(
        mask, parameters, volume_ml(volume, mask), count, tuple(float(ml) for ml in listed), tool
    )


def voxel_at(volume: Volume, point_mm: tuple[float, float, float]) -> tuple[int, int, int] | None:
    """The voxel around a point in LPS mm; None outside the volume."""
    index = volume.to_indices([point_mm])[0]
    if (index < -0.5).any() or (index > np.array(volume.shape) - 0.5).any():
        return None
    k, j, i = np.clip(np.rint(index).astype(int), 0, np.array(volume.shape) - 1)
    return int(k), int(j), int(i)


def slice_points(volume: Volume, k: int, rows: slice, columns: slice) -> tuple[NDArray[np.float64], ...]:
    """x, y and z, LPS mm, of the voxels of a part of a slice, each of shape (rows, columns)."""
    j = np.arange(rows.start, rows.stop)[:, None] * volume.spacing_ij[1]
    i = np.arange(columns.start, columns.stop)[None, :] * volume.spacing_ij[0]
    return tuple(
        volume.positions[k, axis] + j * volume.column_direction[axis] + i * volume.row_direction[axis]
        for axis in range(3)
    )
