"""A picture of a surface for the printed record, cast ray by ray: no display, no graphics driver, the same everywhere."""

from __future__ import annotations

import io
import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFont

from devices.mesh.base import Mesh
from devices.mesh.colours import colour_scale, deviation_colours
from devices.mesh.distance import Seen, Surface, face_areas, face_normals

SAMPLES = 2
MARGIN = 0.08
MATERIAL = (176, 196, 214)
PAPER = (255, 255, 255)
INK = (40, 44, 52)
CREASE = 0.75
KEY_LIGHT = np.array([-0.45, 0.55, 0.70], np.float32) / np.float32(math.sqrt(0.45**2 + 0.55**2 + 0.70**2))
SMALLEST, LARGEST = 16, 4096

# Where the onlooker stands, patient coordinates LPS: x to the left, y to the back, z to the head.
VIEWS: Mapping[str, tuple[float, float, float]] = {
    "oblique": (0.7, -1.0, 0.6),
    "front": (0.0, -1.0, 0.0),
    "back": (0.0, 1.0, 0.0),
    "left": (1.0, 0.0, 0.0),
    "right": (-1.0, 0.0, 0.0),
    "top": (0.0, 0.0, 1.0),
    "bottom": (0.0, 0.0, -1.0),
}
View = str | tuple[float, float, float]


@dataclass(frozen=True, eq=False)
class _Camera:
    """Parallel projection: rows right, up and towards the onlooker; middle (3,) mm; mm per sample; how far in front of the
    middle the looks begin, mm; the rows and columns of samples in which the part lies, whole pixels."""

    axes: NDArray[np.float64]
    middle: NDArray[np.float64]
    pixel: float
    depth: float
    rows: slice
    columns: slice


def render_png(
    mesh: Mesh,
    *,
    colours: NDArray[np.uint8] | None = None,
    size: tuple[int, int] = (900, 640),
    view: View = "oblique",
) -> bytes:
    """The surface as PNG on white, with a scale bar. colours: RGB (n, 3) per vertex.

    view: a name of `VIEWS`, or where the onlooker stands as a direction in LPS.
    """
    image, camera = _render(mesh, colours, size, view)
    _draw_scale_bar(image, camera)
    return _png(image)


def render_deviation_png(
    surface: Mesh,
    distances: NDArray[np.float64],
    tolerance_mm: float,
    *,
    size: tuple[int, int] = (900, 640),
    view: View = "oblique",
) -> bytes:
    """The deviation map with its legend. distances: signed mm (n,), one per vertex of `surface`."""
    if len(distances) != len(surface.vertices):
        raise ValueError(f"{len(surface.vertices)} vertices need as many distances, not {len(distances)}")
    image, camera = _render(surface, deviation_colours(distances, tolerance_mm), size, view)
    _draw_scale_bar(image, camera)
    _draw_legend(image, tolerance_mm)
    return _png(image)


def _render(
    mesh: Mesh, colours: NDArray[np.uint8] | None, size: tuple[int, int], view: View
) -> tuple[Image.Image, _Camera]:
    width, height = size
    if not (SMALLEST <= width <= LARGEST and SMALLEST <= height <= LARGEST):
        raise ValueError(f"a picture of {width} x {height} pixels; {SMALLEST} to {LARGEST} are drawn")
    camera = _camera(mesh, width * SAMPLES, height * SAMPLES, view)
    seen = Surface(mesh).looked_at(_rays(camera, width * SAMPLES, height * SAMPLES), -camera.axes[2])
    lit = _shaded(mesh, colours, seen, camera)
    rows, columns = (slice(s.start // SAMPLES, s.stop // SAMPLES) for s in (camera.rows, camera.columns))
    fine = lit.reshape(rows.stop - rows.start, SAMPLES, columns.stop - columns.start, SAMPLES, 3)
    picture = np.full((height, width, 3), PAPER, dtype=np.uint8)
    looks = [fine[:, row, :, column] for row in range(SAMPLES) for column in range(SAMPLES)]
    picture[rows, columns] = np.round(sum(looks) / len(looks))
    return Image.fromarray(picture, "RGB"), camera


def _camera(mesh: Mesh, columns: int, rows: int, view: View) -> _Camera:
    towards = np.array(VIEWS[view] if isinstance(view, str) else view, dtype=np.float64)
    towards /= np.linalg.norm(towards)
    head = np.array([0.0, 0.0, 1.0]) if abs(towards[2]) < 0.95 else np.array([0.0, -1.0, 0.0])
    right = np.cross(head, towards)
    right /= np.linalg.norm(right)
    axes = np.stack([right, np.cross(towards, right), towards])
    placed = mesh.vertices[np.unique(mesh.faces)] @ axes.T
    low, high = placed.min(axis=0), placed.max(axis=0)
    room = np.array([columns, rows]) * (1.0 - 2.0 * MARGIN)
    pixel = max(float(((high - low)[:2] / room).max()), 1e-6)
    across, up, deep = (float(size) for size in high - low)
    filled = _filled(rows, up / pixel), _filled(columns, across / pixel)
    return _Camera(axes, (low + high) / 2.0 @ axes, pixel, deep / 2.0 + 1.0, *filled)


def _filled(count: int, samples: float) -> slice:
    """The pixels about the middle of `count` samples that so many of them reach into: beside the part nothing is looked for."""
    first = int((count - 1 - samples) / 2.0 - 1.0) // SAMPLES * SAMPLES
    return slice(max(first, 0), count - max(first, 0))


def _rays(camera: _Camera, columns: int, rows: int) -> NDArray[np.float64]:
    x = ((np.arange(columns) - (columns - 1) / 2.0) * camera.pixel)[camera.columns]
    y = (((rows - 1) / 2.0 - np.arange(rows)) * camera.pixel)[camera.rows]
    places = (y[:, None, None] * camera.axes[1] + camera.depth * camera.axes[2]) + x[:, None] * camera.axes[0]
    return np.asarray(places.reshape(-1, 3) + camera.middle, dtype=np.float64)


def _shaded(
    mesh: Mesh, colours: NDArray[np.uint8] | None, seen: Seen, camera: _Camera
) -> NDArray[np.float32]:
    """The colour (n, 3) of every look, 0 to 255. In float32 and in the camera's axes: a picture keeps eight bits of it."""
    flat, corners = face_normals(mesh), mesh.faces[seen.faces]
    facing = (flat @ camera.axes.T).astype(np.float32)[seen.faces]
    smooth = _blended(_vertex_normals(mesh, flat) @ camera.axes.T, corners, seen.weights)
    smooth /= np.maximum(np.sqrt(_dot(smooth, smooth)), 1e-12)[:, None]
    normals = np.where((_dot(smooth, facing) < CREASE)[:, None], facing, smooth)
    # A scan is open: its back is seen too, and lit as well.
    normals[normals[:, 2] < 0.0] *= -1.0
    light = 0.34 + 0.50 * np.clip(normals @ KEY_LIGHT, 0.0, 1.0) + 0.20 * normals[:, 2]
    paint = np.array([MATERIAL], np.float32) if colours is None else _blended(colours, corners, seen.weights)
    picture = np.full((len(seen.hit), 3), PAPER, dtype=np.float32)
    picture[seen.hit] = np.clip(paint * light[:, None], 0.0, 255.0)
    return picture


def _blended(
    values: NDArray[Any], corners: NDArray[np.int32], weights: NDArray[np.float32]
) -> NDArray[np.float32]:
    """Values (v, 3) of vertices where rays meet faces: of the corners (k, 3), by their weights (k, 3)."""
    fine = values.astype(np.float32)
    first, second, third = (fine[corners[:, at]] * weights[:, at, None] for at in range(3))
    return np.asarray(first + second + third, dtype=np.float32)


def _dot(a: NDArray[np.float32], b: NDArray[np.float32]) -> NDArray[np.float32]:
    return np.asarray(np.einsum("ij,ij->i", a, b), dtype=np.float32)


def _vertex_normals(mesh: Mesh, flat: NDArray[np.float64]) -> NDArray[np.float64]:
    weighted = np.repeat(flat * face_areas(mesh)[:, None], 3, axis=0)
    corners = mesh.faces.ravel()
    sums = [
        np.bincount(corners, weights=weighted[:, axis], minlength=len(mesh.vertices)) for axis in range(3)
    ]
    return np.stack(sums, axis=1)


def _draw_scale_bar(image: Image.Image, camera: _Camera) -> None:
    pixel = camera.pixel * SAMPLES
    longest = image.width * pixel * 0.25
    length = max((n for n in (0.1, 0.5, 1, 2, 5, 10, 20, 50, 100, 200, 500) if n <= longest), default=longest)
    draw = ImageDraw.Draw(image)
    left, base = 14, image.height - 14
    draw.line([(left, base), (left + round(length / pixel), base)], fill=INK, width=3)
    draw.text((left, base - 22), f"{length:g} mm", fill=INK, font=ImageFont.load_default(14))


def _draw_legend(image: Image.Image, tolerance_mm: float) -> None:
    draw, font = ImageDraw.Draw(image), ImageFont.load_default(13)
    stops = colour_scale(tolerance_mm)[::-1]
    left, top, step = image.width - 190, 14, 20
    for row, stop in enumerate(stops):
        y = top + row * step
        draw.rectangle([left, y, left + 24, y + step - 1], fill=stop.rgb)
        sign = "over " if row == 0 else "under " if row == len(stops) - 1 else ""
        text = f"{stop.distance_mm:+.2f} mm"
        draw.text((left + 32, y + 2), sign + text if sign else text, fill=INK, font=font)
    words = f"in tolerance: -{tolerance_mm:g} to +{tolerance_mm:g} mm"
    draw.text((left, top + len(stops) * step + 4), words, fill=INK, font=font)


def _png(image: Image.Image) -> bytes:
    stream = io.BytesIO()
    image.save(stream, "PNG")
    return stream.getvalue()
