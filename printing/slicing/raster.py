"""Contours to 1-bit masks by exact even-odd scanlines at pixel centres, and the small PNG they travel in."""

from __future__ import annotations

import struct
import zlib
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

PNG_MAGIC = b"\x89PNG\r\n\x1a\n"


class BadMask(ValueError):
    """The bytes are not a mask as this module writes them."""


def rasterise(contours: Sequence[NDArray[np.float64]], columns: int, rows: int) -> NDArray[np.uint8]:
    """Packed bits (rows, ceil(columns / 8)), most significant bit first; contours (n, 2) in pixels.

    A pixel is lit when its centre lies inside an odd number of contours, so holes and islands come out right in
    any order and winding.
    """
    packed = np.zeros((rows, (columns + 7) // 8), dtype=np.uint8)
    light(packed, contours, columns)
    return packed


def light(packed: NDArray[np.uint8], contours: Sequence[NDArray[np.float64]], columns: int) -> int:
    """Light one part's pixels in a mask (changed in place); returns how many they are."""
    if not contours:
        return 0
    row, column = _crossings(contours)
    inside = (row >= 0) & (row < len(packed))
    row, column = row[inside], np.clip(column[inside], 0, columns)
    if not len(row):
        return 0
    top, left = int(row.min()), int(column.min()) // 8 * 8
    height, width = int(row.max()) - top + 1, (int(column.max()) - left) // 8 * 8 + 8
    toggles = np.bincount((row - top) * width + (column - left), minlength=height * width).astype(np.uint8)
    lit = np.bitwise_xor.accumulate(toggles.reshape(height, width) & 1, axis=1)
    bits = np.packbits(lit, axis=1)
    fits = min(bits.shape[1], packed.shape[1] - left // 8)
    packed[top : top + height, left // 8 : left // 8 + fits] ^= bits[:, :fits]
    return int(np.count_nonzero(lit))


def _crossings(contours: Sequence[NDArray[np.float64]]) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Row and first column right of each place where an edge crosses a row of pixel centres."""
    start = np.concatenate(contours)
    end = np.concatenate([np.roll(contour, -1, axis=0) for contour in contours])
    down = start[:, 1] > end[:, 1]
    low, high = np.where(down[:, None], end, start), np.where(down[:, None], start, end)
    first = np.ceil(low[:, 1] - 0.5).astype(np.int64)
    spans = np.ceil(high[:, 1] - 0.5).astype(np.int64) - first
    edge = np.repeat(np.arange(len(spans)), spans)
    row = np.arange(len(edge)) - np.repeat(np.cumsum(spans) - spans, spans) + first[edge]
    slope = (high[:, 0] - low[:, 0])[edge] / (high[:, 1] - low[:, 1])[edge]
    x = low[edge, 0] + (row + 0.5 - low[edge, 1]) * slope
    return row, np.ceil(x - 0.5).astype(np.int64)


def encode_png(packed: NDArray[np.uint8], columns: int) -> bytes:
    """A 1-bit greyscale PNG of packed rows."""
    rows = np.zeros((packed.shape[0], packed.shape[1] + 1), dtype=np.uint8)
    rows[:, 1:] = packed
    squeeze = zlib.compressobj(level=1, strategy=zlib.Z_RLE)
    body = squeeze.compress(rows.tobytes()) + squeeze.flush()
    header = struct.pack(">IIBBBBB", columns, packed.shape[0], 1, 0, 0, 0, 0)
    return PNG_MAGIC + _chunk(b"IHDR", header) + _chunk(b"IDAT", body) + _chunk(b"IEND", b"")


def decode_png(png: bytes, columns: int, rows: int) -> NDArray[np.uint8]:
    """The packed rows of a mask of known size; raises BadMask for anything else, however large it would unpack."""
    header = _chunk(b"IHDR", struct.pack(">IIBBBBB", columns, rows, 1, 0, 0, 0, 0))
    tail = _chunk(b"IEND", b"")
    if not png.startswith(PNG_MAGIC + header) or not png.endswith(tail):
        raise BadMask(f"not a 1-bit mask of {columns} x {rows} pixels")
    chunk = png[len(PNG_MAGIC) + len(header) : -len(tail)]
    body = chunk[8:-4]
    if chunk != _chunk(b"IDAT", body):
        raise BadMask("the mask's data chunk is damaged")
    width = (columns + 7) // 8 + 1
    try:
        inflate = zlib.decompressobj()
        raw = inflate.decompress(body, rows * width + 1)
    except zlib.error as error:
        raise BadMask("the mask does not unpack") from error
    if len(raw) != rows * width or not inflate.eof:
        raise BadMask("the mask has another size than it says")
    grid = np.frombuffer(raw, dtype=np.uint8).reshape(rows, width)
    if grid[:, 0].any():
        raise BadMask("the mask uses row filters that the house does not write")
    return np.ascontiguousarray(grid[:, 1:])


def _chunk(kind: bytes, body: bytes) -> bytes:
    return struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))
