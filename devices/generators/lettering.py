"""Letters for engraving: strokes of one width with round ends, as a tool path would mill them.

No font file is needed: each letter is a few straight lines on a grid of 4 by 6, so the same text gives the same outline on
every machine. Strokes of one width fill evenly with resin or stay open evenly, which letters with serifs do not.
"""

from __future__ import annotations

from dataclasses import dataclass

from manifold3d import CrossSection, FillRule
from shapely import LineString, Polygon, unary_union
from shapely.affinity import translate
from shapely.geometry.base import BaseGeometry

from devices.generators.base import DesignRefused

COLUMNS, ROWS, GAP = 4.0, 6.0, 2.0
STROKE_SHARE = 0.14
ROUND = 4
"""Segments of a quarter of a stroke's end."""

STROKES: dict[str, str] = {
    "A": "00 04 16 36 44 40,03 43", "B": "00 06 36 45 44 33 03,33 42 41 30 00", "C": "45 36 16 05 01 10 30 41",
    "D": "00 06 26 44 42 20 00", "E": "46 06 00 40,03 33", "F": "46 06 00,03 33", "G": "45 36 16 05 01 10 30 41 43 23",
    "H": "00 06,40 46,03 43", "I": "10 30,20 26,16 36", "J": "01 10 20 31 36,16 46", "K": "00 06,46 03 40",
    "L": "06 00 40", "M": "00 06 23 46 40", "N": "00 06 40 46", "O": "10 01 05 16 36 45 41 30 10",
    "P": "00 06 36 45 44 33 03", "Q": "10 01 05 16 36 45 41 30 10,22 40", "R": "00 06 36 45 44 33 03,23 40",
    "S": "45 36 16 05 04 13 33 42 41 30 10 01", "T": "06 46,26 20", "U": "06 01 10 30 41 46", "V": "06 20 46",
    "W": "06 10 23 30 46", "X": "00 46,06 40", "Y": "06 23 46,23 20", "Z": "06 46 00 40",
    "0": "10 01 05 16 36 45 41 30 10,12 34", "1": "14 26 20,10 30", "2": "05 16 36 45 44 00 40",
    "3": "05 16 36 45 44 33 13,33 42 41 30 10 01", "4": "30 36 02 42", "5": "46 06 03 33 42 41 30 00",
    "6": "45 36 16 05 01 10 30 41 42 33 03", "7": "06 46 10", "8": "13 04 05 16 36 45 44 33 13 02 01 10 30 41 42 33",
    "9": "01 10 30 41 45 36 16 05 04 13 43", "-": "13 33", "/": "00 46", " ": "",
}  # fmt: skip
"""Each letter as lines of grid points "column row"; lines are parted by commas. A slash through 0 tells it from O."""


@dataclass(frozen=True, eq=False)
class Lettering:
    """A line of text about its middle, mm: its outline, and how wide and high it is with its strokes."""

    outline: CrossSection
    width_mm: float
    height_mm: float
    stroke_mm: float


def lettering(text: str, height_mm: float) -> Lettering:
    """The text in letters of this height. Raises DesignRefused for a sign that cannot be engraved."""
    lacking = sorted(set(text) - set(STROKES))
    if lacking or not text.strip():
        raise DesignRefused(
            f"'{text}' cannot be engraved.",
            cure="Use capital letters, digits, and the signs - and / only.",
            rule="G-DES-01",
        )
    stroke = STROKE_SHARE * height_mm
    scale = (height_mm - stroke) / ROWS
    drawn = unary_union([_letter(sign, column * (COLUMNS + GAP)) for column, sign in enumerate(text)])
    left, low, right, high = drawn.bounds
    centred = translate(drawn, -(left + right) / 2.0, -(low + high) / 2.0)
    outline = centred.buffer(stroke / scale / 2.0, quad_segs=ROUND)
    rings = [ring for polygon in _polygons(outline) for ring in (polygon.exterior, *polygon.interiors)]
    section = CrossSection([list(ring.coords)[:-1] for ring in rings], FillRule.EvenOdd).scale((scale, scale))
    return Lettering(section, (right - left) * scale + stroke, (high - low) * scale + stroke, stroke)


def _letter(sign: str, left: float) -> BaseGeometry:
    lines = [
        LineString([(left + float(point[0]), float(point[1])) for point in line.split()])
        for line in STROKES[sign].split(",")
        if line
    ]
    return unary_union(lines)


def _polygons(shape: BaseGeometry) -> list[Polygon]:
    return [shape] if isinstance(shape, Polygon) else list(shape.geoms)
