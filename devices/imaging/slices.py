"""One slice at a time, out of the stored files, for a screen: never the whole volume.

A volume is laid over its file (a memory map), and a slice is copied out of that; of a mask, which is kept as bits, only the
bits of the slice are looked at. Rows run down the screen and columns to the right, as `render.VIEWS` has it.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from devices.imaging.base import Volume
from devices.imaging.render import VIEWS, View, letters_of, view_of
from devices.imaging.storage import StoredMask

LOWEST, HIGHEST = -32_768, 32_767


def hu_slice(volume: Volume, plane: str, index: int) -> NDArray[np.int16]:
    """HU of one slice, shape (rows, columns), as the screen has it. Raises IndexError, KeyError for a plane there is none of."""
    view = _checked(volume.shape, volume, plane, index)
    flat = np.moveaxis(volume.voxels, (view.depth, view.down, view.right), (0, 1, 2))[index]
    turned = flat[:: view.down_sign, :: view.right_sign]
    if turned.dtype != np.int16:
        turned = np.rint(np.clip(turned, LOWEST, HIGHEST))
    return np.ascontiguousarray(turned, "<i2")


def mask_slice(mask: StoredMask, volume: Volume, plane: str, index: int) -> NDArray[np.uint8]:
    """Zeros and ones of one slice of a mask of a volume, as `hu_slice` lays it out."""
    if mask.shape != volume.shape:
        raise ValueError("the mask is of another volume")
    view = _checked(mask.shape, volume, plane, index)
    strides = (mask.shape[1] * mask.shape[2], mask.shape[2], 1)
    rows = np.arange(mask.shape[view.down])[:: view.down_sign, None] * strides[view.down]
    columns = np.arange(mask.shape[view.right])[None, :: view.right_sign] * strides[view.right]
    return mask.at(index * strides[view.depth] + rows + columns)


def _checked(shape: tuple[int, int, int], volume: Volume, plane: str, index: int) -> View:
    if plane not in VIEWS:
        raise KeyError(plane)
    view = view_of(volume, plane)
    if not 0 <= index < shape[view.depth]:
        raise IndexError(f"slice {index} of {shape[view.depth]}")
    return view


def screen_geometry(volume: Volume) -> dict[str, Any]:
    """What a screen needs to draw slices in millimetres and to say where in the patient a pixel lies: plain JSON, LPS mm.

    planes: by name, how many slices there are, their rows and columns, which array axes (0 k, 1 j, 2 i) run into the screen,
    down and to the right and in which sense, and where rows and columns lie. Of a plane whose rows are the slices of the
    stack, shift_mm says how far each row lies to the right of the first: the shear of a tilted gantry is drawn, and
    nothing is resampled. letters: which side of the patient lies left, right, up and down on the screen.
    """
    return {
        "positions": volume.positions.tolist(),
        "row_direction": volume.row_direction.tolist(),
        "column_direction": volume.column_direction.tolist(),
        "spacing_ij": list(volume.spacing_ij),
        "planes": {plane: _plane(volume, plane, view_of(volume, plane)) for plane in VIEWS},
    }


def _plane(volume: Volume, plane: str, view: View) -> dict[str, Any]:
    shift = np.zeros(volume.shape[view.down])
    if view.down == 0:
        across = volume.column_direction if view.right == 1 else volume.row_direction
        shift = (volume.positions - volume.positions[0]) @ across * view.right_sign
    return {
        "count": volume.shape[view.depth],
        "rows": volume.shape[view.down],
        "columns": volume.shape[view.right],
        "axes": [view.depth, view.down, view.right],
        "signs": [1, view.down_sign, view.right_sign],
        "down_mm": _steps(volume, view.down, view.down_sign),
        "right_mm": _steps(volume, view.right, view.right_sign),
        "shift_mm": shift[:: view.down_sign].tolist(),
        "letters": letters_of(plane),
    }


def _steps(volume: Volume, axis: int, sign: int) -> list[float]:
    """Where the rows or columns lie along the screen, mm from the first."""
    along = volume.heights_mm if axis == 0 else np.arange(volume.shape[axis]) * volume.spacing_ij[2 - axis]
    turned = along[::sign]
    return [float(place) for place in np.abs(turned - turned[0])]
