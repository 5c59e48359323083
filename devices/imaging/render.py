"""Slices as PNG: right proportions, radiological orientation with its letters, the mask's outline over it.

The picture is sampled in millimetres from the volume's own geometry, so a sheared or unevenly spaced stack looks as the
patient does. It is for looking; nothing is measured on it.
"""

from __future__ import annotations

from dataclasses import dataclass
from io import BytesIO
from typing import Literal

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFont

from devices.imaging.base import Volume

Plane = Literal["axial", "coronal", "sagittal"]
# For each plane, the LPS axis it is seen along, and the patient directions that point right and down on the screen:
# the viewer stands at the feet (axial), in front (coronal), at the patient's left (sagittal).
VIEWS: dict[str, tuple[int, tuple[int, int], tuple[int, int]]] = {
    "axial": (2, (0, 1), (1, 1)),
    "coronal": (1, (0, 1), (2, -1)),
    "sagittal": (0, (1, 1), (2, -1)),
}
LETTERS = (("L", "R"), ("P", "A"), ("S", "I"))
OUTLINE = np.array([255, 176, 0], dtype=np.float64)
FILL_SHARE = 0.22
LETTER_COLOUR = (120, 220, 255)
MAX_SIDE_PIXELS = 1024
FINEST_MM = 0.1


@dataclass(frozen=True)
class View:
    """Array axes (0 k, 1 j, 2 i) of depth, right and down, and whether growing indices run with the screen."""

    depth: int
    right: int
    down: int
    right_sign: int
    down_sign: int


def slice_png(
    volume: Volume,
    plane: Plane,
    index: int,
    *,
    window: float,
    level: float,
    mask: NDArray[np.uint8] | None = None,
) -> bytes:
    """One slice as PNG. index: along the array axis nearest to the plane's own.  window, level: HU, width and centre.

    mask: uint8, shape (k, j, i); shown as outline and tint. Raises ValueError, IndexError.
    """
    view = _checked(volume, plane, index, window, mask)
    down, right = _grid(volume, view, index)
    grey = (_sampled(volume.voxels, down, right, view, index, linear=True) - (level - window / 2)) / window
    pixels = np.repeat((np.clip(grey, 0, 1) * 255)[:, :, None], 3, axis=2)
    if mask is not None:
        _overlay(pixels, _sampled(mask, down, right, view, index, linear=False) > 0.5)
    picture = Image.fromarray(np.rint(pixels).astype(np.uint8))
    _letters(picture, plane)
    stream = BytesIO()
    picture.save(stream, "PNG")
    return stream.getvalue()


def _checked(volume: Volume, plane: str, index: int, window: float, mask: NDArray[np.uint8] | None) -> View:
    if plane not in VIEWS:
        raise ValueError(f"no plane '{plane}'; known: {', '.join(VIEWS)}")
    if not window > 0:
        raise ValueError("the window must be above 0 HU")
    if mask is not None and mask.shape != volume.shape:
        raise ValueError("the mask must have the volume's shape")
    view = view_of(volume, plane)
    if not 0 <= index < volume.shape[view.depth]:
        raise IndexError(f"slice {index} of {volume.shape[view.depth]}")
    return view


def slice_count(volume: Volume, plane: Plane) -> int:
    """How many slices a plane has."""
    return volume.shape[view_of(volume, plane).depth]


def view_of(volume: Volume, plane: str) -> View:
    axes: NDArray[np.float64] = np.stack([volume.normal, volume.column_direction, volume.row_direction])
    nearest = _assigned(np.abs(axes))
    depth, (right, right_sign), (down, down_sign) = VIEWS[plane]
    array = {patient: axis for axis, patient in enumerate(nearest)}
    return View(
        array[depth],
        array[right],
        array[down],
        int(np.sign(axes[array[right], right])) * right_sign,
        int(np.sign(axes[array[down], down])) * down_sign,
    )


def _assigned(closeness: NDArray[np.float64]) -> tuple[int, int, int]:
    """For each array axis the patient axis it runs along, each used once."""
    orders = ((0, 1, 2), (0, 2, 1), (1, 0, 2), (1, 2, 0), (2, 0, 1), (2, 1, 0))
    return max(orders, key=lambda order: sum(closeness[axis, patient] for axis, patient in enumerate(order)))


def _along(volume: Volume, axis: int) -> NDArray[np.float64]:
    """Where each index of an array axis lies, mm, ascending."""
    if axis == 0:
        return volume.heights_mm
    return np.arange(volume.shape[axis], dtype=np.float64) * volume.spacing_ij[2 - axis]


def _grid(volume: Volume, view: View, index: int) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Fractional indices along (down, right) of every screen pixel, each of shape (rows, columns)."""
    downs, rights = _along(volume, view.down), _along(volume, view.right)
    shifts = _shifts(volume, view)
    low, high = float(rights[0] + shifts.min()), float(rights[-1] + shifts.max())
    pitch = max(
        FINEST_MM, _finest(downs, rights), (high - low) / MAX_SIDE_PIXELS, np.ptp(downs) / MAX_SIDE_PIXELS
    )
    down_mm = _ticks(float(downs[0]), float(downs[-1]), pitch, view.down_sign)
    right_mm = _ticks(low, high, pitch, view.right_sign)
    down = np.interp(down_mm, downs, np.arange(len(downs)))
    moved = np.interp(down, np.arange(len(shifts)), shifts) if view.down == 0 else np.zeros(len(down))
    within = right_mm[None, :] - moved[:, None]
    right = np.interp(within, rights, np.arange(len(rights)), left=-1, right=-1)
    return np.repeat(down[:, None], right.shape[1], axis=1), right


def _finest(*axes: NDArray[np.float64]) -> float:
    return float(min(np.diff(axis).min() for axis in axes if len(axis) > 1))


def _ticks(low: float, high: float, pitch: float, sign: int) -> NDArray[np.float64]:
    ticks = low + np.arange(int((high - low) / pitch) + 1, dtype=np.float64) * pitch
    return ticks[::sign]


def _shifts(volume: Volume, view: View) -> NDArray[np.float64]:
    """How far each slice of a sheared stack lies to the side on this screen, mm, shape (k,)."""
    if view.down != 0:
        return np.zeros(1)
    direction = volume.column_direction if view.right == 1 else volume.row_direction
    return np.asarray((volume.positions - volume.positions[0]) @ direction)


def _sampled(
    values: NDArray[np.generic],
    down: NDArray[np.float64],
    right: NDArray[np.float64],
    view: View,
    index: int,
    *,
    linear: bool,
) -> NDArray[np.float64]:
    plane = np.moveaxis(values, (view.depth, view.down, view.right), (0, 1, 2))[index].astype(np.float64)
    outside = float(plane.min())
    if linear:
        found = _bilinear(plane, down, np.maximum(right, 0))
    else:
        found = plane[np.rint(down).astype(int), np.rint(np.maximum(right, 0)).astype(int)]
    return np.where(right < 0, outside, found)


def _bilinear(
    plane: NDArray[np.float64], down: NDArray[np.float64], right: NDArray[np.float64]
) -> NDArray[np.float64]:
    row, column = np.floor(down).astype(int), np.floor(right).astype(int)
    below, beside = np.minimum(row + 1, plane.shape[0] - 1), np.minimum(column + 1, plane.shape[1] - 1)
    s, t = down - row, right - column
    upper = plane[row, column] * (1 - t) + plane[row, beside] * t
    lower = plane[below, column] * (1 - t) + plane[below, beside] * t
    return np.asarray(upper * (1 - s) + lower * s)


def _overlay(pixels: NDArray[np.float64], inside: NDArray[np.bool_]) -> None:
    padded = np.pad(inside, 1)
    core = padded[:-2, 1:-1] & padded[2:, 1:-1] & padded[1:-1, :-2] & padded[1:-1, 2:]
    pixels[inside] = (1 - FILL_SHARE) * pixels[inside] + FILL_SHARE * OUTLINE
    pixels[inside & ~core] = OUTLINE


def letters_of(plane: str) -> tuple[str, str, str, str]:
    """The sides of the patient on a screen: left, right, up and down."""
    _, (right, right_sign), (down, down_sign) = VIEWS[plane]
    sides = ((right, -right_sign), (right, right_sign), (down, -down_sign), (down, down_sign))
    left, beside, above, below = (LETTERS[axis][0 if sign > 0 else 1] for axis, sign in sides)
    return left, beside, above, below


def _letters(picture: Image.Image, plane: str) -> None:
    width, height = picture.size
    draw, font = ImageDraw.Draw(picture), ImageFont.load_default(size=max(10, min(width, height) // 16))
    places = (
        ((3, height // 2), "lm"),
        ((width - 3, height // 2), "rm"),
        ((width // 2, 3), "mt"),
        ((width // 2, height - 3), "mb"),
    )
    for letter, (at, anchor) in zip(letters_of(plane), places, strict=True):
        draw.text(
            at, letter, fill=LETTER_COLOUR, font=font, anchor=anchor, stroke_width=2, stroke_fill=(0, 0, 0)
        )
