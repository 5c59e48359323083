"""Voxels that another program labelled, and how they come to lie on the voxels of our own images.

The same grid is pasted, voxel for voxel, also where it was cropped or its rows run the other way. Another grid is refused, or sampled
at the nearest neighbour where a person said so. Nothing that is labelled is lost on the way without a word.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from devices.imaging.base import Finding, ImagingRefused, PatientIdentifiers, Volume
from devices.imaging.pixels import MAX_VOXELS

TOLERANCE_VOXELS = 0.1
EVEN_MM = 0.05
HALF = 0.5


@dataclass(frozen=True)
class Segment:
    """number: as the file counts; 0 is the background.  label, algorithm_name: in the words of the file.  algorithm: DICOM's code
    (AUTOMATIC, SEMIAUTOMATIC, MANUAL), "" where nothing is said.  voxels: how many, where the file shows it at a glance."""

    number: int
    label: str = ""
    algorithm: str = ""
    algorithm_name: str = ""
    voxels: int | None = None


@dataclass(frozen=True)
class Origin:
    """Identifiers of DICOM, of the file or mapped; "" where nothing is said."""

    frame_of_reference: str = ""
    study: str = ""
    series: str = ""


@dataclass(frozen=True)
class Listing:
    """What a file says of itself.  kind: binary, fractional or labels.  maker: manufacturer, model and software, where they are said."""

    format: str
    kind: str
    segments: tuple[Segment, ...]
    maker: dict[str, str]
    identity: PatientIdentifiers
    origin: Origin
    sha256: str


@dataclass(frozen=True)
class Choice:
    """What a person wants of a file.  threshold: from which fraction on a voxel is inside, above 0 to 1, of a fractional one alone.
    resample: whether another grid than that of the images may be sampled at the nearest neighbour."""

    segments: tuple[int, ...]
    threshold: float | None = None
    resample: bool = False


@dataclass(frozen=True, eq=False)
class Stack:
    """values: uint8, zeros and ones, shape (n, rows, columns).  origins: shape (n, 3), LPS mm of the centre of the first voxel of each
    slice.  across, down: mm from one column, and from one row, to the next.  overlapping: voxels that several segments have.
    step_mm: from slice to slice, where the file leaves out empty ones; 0 where it leaves out none."""

    values: NDArray[np.uint8]
    origins: NDArray[np.float64]
    across: NDArray[np.float64]
    down: NDArray[np.float64]
    overlapping: int = 0
    step_mm: float = 0.0


def refused(code: str, message: str, cure: str) -> ImagingRefused:
    return ImagingRefused([Finding(code, "error", message, cure)])


def placed(stack: Stack, onto: Volume, *, resample: bool) -> tuple[NDArray[np.uint8], bool]:
    """The mask of a volume, and whether it had to be resampled. Raises ImagingRefused."""
    facing = _facing(stack, onto)
    at, off = _on_grid(facing, onto)
    if off <= TOLERANCE_VOXELS:
        return _pasted(facing, onto, at), False
    if not resample:
        raise refused(
            "other_grid",
            f"The segmentation lies on another grid than the images: up to {off:.2f} voxels beside it.",
            "Export it on the grid of the images that were sent in, or allow that it is resampled.",
        )
    return _resampled(facing, onto), True


def _facing(stack: Stack, onto: Volume) -> Stack:
    """With columns and rows running the way that the volume's do: turning a grid round moves no voxel."""
    _, rows, columns = stack.values.shape
    if stack.across @ onto.row_direction < 0:
        origins = stack.origins + (columns - 1) * stack.across
        stack = replace(stack, values=stack.values[:, :, ::-1], origins=origins, across=-stack.across)
    if stack.down @ onto.column_direction < 0:
        origins = stack.origins + (rows - 1) * stack.down
        stack = replace(stack, values=stack.values[:, ::-1], origins=origins, down=-stack.down)
    return stack


def _on_grid(stack: Stack, onto: Volume) -> tuple[NDArray[np.int64], float]:
    """Which voxel (k, j, i) each slice begins at, shape (n, 3), and by how many voxels its corners miss those of the grid."""
    _, rows, columns = stack.values.shape
    reach = np.array([[0, 0, 0], [0, rows - 1, 0], [0, 0, columns - 1]])
    corners = stack.origins[:, None] + reach[:, 1:2] * stack.down + reach[:, 2:3] * stack.across
    found = onto.to_indices(corners).reshape(-1, 3, 3)
    at = np.rint(found[:, 0])
    return at.astype(np.int64), float(np.abs(found - (at[:, None] + reach)).max())


def _pasted(stack: Stack, onto: Volume, at: NDArray[np.int64]) -> NDArray[np.uint8]:
    mask = np.zeros(onto.shape, dtype=np.uint8)
    beyond = 0
    for values, (k, j, i) in zip(stack.values, at.tolist(), strict=True):
        inside = values[max(0, -j) : max(0, onto.shape[1] - j), max(0, -i) : max(0, onto.shape[2] - i)]
        if 0 <= k < onto.shape[0]:
            rows, columns = inside.shape
            mask[k, max(0, j) : max(0, j) + rows, max(0, i) : max(0, i) + columns] |= inside
            beyond += int(np.count_nonzero(values)) - int(np.count_nonzero(inside))
        else:
            beyond += int(np.count_nonzero(values))
    if beyond:
        raise _outside(beyond)
    return mask


def _outside(voxels: int) -> ImagingRefused:
    return refused(
        "outside",
        f"At least {voxels:,} voxels of the segmentation lie outside the images.",
        "Send the segmentation of the images that were accepted, or accept the images that it was made on.",
    )


def _resampled(stack: Stack, onto: Volume) -> NDArray[np.uint8]:
    if beyond := _beyond(stack, onto):
        raise _outside(beyond)
    values, origin, along = _filled_up(stack)
    back = np.linalg.inv(np.stack((along, stack.down, stack.across), axis=1))
    _, rows, columns = onto.shape
    down = np.arange(rows)[:, None, None] * (back @ onto.column_direction) * onto.spacing_ij[1]
    across = np.arange(columns)[:, None] * (back @ onto.row_direction) * onto.spacing_ij[0]
    mask = np.zeros(onto.shape, dtype=np.uint8)
    for target, position in zip(mask, onto.positions, strict=True):
        nearest = np.rint(down + across + back @ (position - origin)).astype(np.int64)
        known = ((nearest >= 0) & (nearest < values.shape)).all(axis=-1)
        target[known] = values[tuple(nearest[known].T)]
    return mask


def _beyond(stack: Stack, onto: Volume) -> int:
    """How many ends of labelled rows lie outside the volume. It is convex in its own indices: between two ends within it all is."""
    found = 0
    for values, origin in zip(stack.values, stack.origins, strict=True):
        j = np.flatnonzero(values.any(axis=1))
        first, last = values[j].argmax(axis=1), values.shape[1] - 1 - values[j, ::-1].argmax(axis=1)
        rows, columns = np.tile(j, 2)[:, None], np.concatenate((first, last))[:, None]
        index = onto.to_indices(origin + rows * stack.down + columns * stack.across)
        found += int(((index < -HALF) | (index > np.array(onto.shape) - HALF)).any(axis=1).sum())
    return found


def _filled_up(stack: Stack) -> tuple[NDArray[np.uint8], NDArray[np.float64], NDArray[np.float64]]:
    """The slices in their order with the empty ones between them, the origin of the first, and the step to the next."""
    heights = stack.origins @ np.cross(stack.across, stack.down)
    order = np.argsort(heights)
    origins = stack.origins[order]
    lengths = np.linalg.norm(origins - origins[0], axis=1)
    step = stack.step_mm or float(np.diff(lengths).min(initial=np.inf))
    slots = np.rint(lengths / step).astype(np.int64)
    if (np.diff(slots) < 1).any() or not slots[-1]:
        raise _uneven()
    along = (origins[-1] - origins[0]) / slots[-1]
    if np.abs(origins[0] + slots[:, None] * along - origins).max() > EVEN_MM:
        raise _uneven()
    _, rows, columns = stack.values.shape
    if (int(slots[-1]) + 1) * rows * columns > MAX_VOXELS:
        raise refused("too_large", f"The segmentation has more than {MAX_VOXELS} voxels.", "Crop it.")
    values = np.zeros((int(slots[-1]) + 1, rows, columns), dtype=np.uint8)
    values[slots] = stack.values[order]
    return values, origins[0], along


def _uneven() -> ImagingRefused:
    return refused(
        "uneven_segmentation",
        "The slices of the segmentation are unevenly placed, so that it cannot be resampled.",
        "Export it on the grid of the images that were sent in.",
    )
