"""Where the slices lie: sorted by position along the normal, with every irregularity named.

Spacing is measured from positions. A gap, a shared position or mixed orientations is an error; tilt and uneven steps are
carried as they are and named.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from devices.imaging.base import Finding, tilt_degrees
from devices.imaging.dicom import Frame, attribute, quiet
from devices.imaging.series import decimal, whole

MINIMUM_SLICES = 5
MINIMUM_EXTENT_MM = 5.0
SAME_PLACE_MM = 0.005
SAME_DIRECTION = 1e-3
SAME_SPACING = 1e-3
UNEVEN_SHARE = 0.02
UNEVEN_MM = 0.02
WHOLE_STEPS = 0.05
TILT_DEGREES = 0.1
STRAY_MM = 0.5
NOMINAL_MM = 0.05
SHORTEST_RUN = 3
MOST_RUNS = 3


@dataclass(frozen=True)
class Stack:
    """Frames in order along the normal, and what is to be said of them."""

    frames: list[Frame]
    findings: list[Finding]


def heights_of(frames: list[Frame]) -> NDArray[np.float64]:
    """Where each slice lies along the normal of the first, mm."""
    normal = np.cross(frames[0].row, frames[0].column)
    return np.asarray(np.array([frame.position for frame in frames]) @ normal)


def too_thin(slices: int, extent_mm: float) -> list[Finding]:
    """A few slices are pictures of a place and no volume: no surface of a bone can be drawn through them (G-IMG-01)."""
    if slices >= MINIMUM_SLICES and extent_mm >= MINIMUM_EXTENT_MM:
        return []
    message = (
        f"The series has {slices} slices over {extent_mm:.1f} mm; at least {MINIMUM_SLICES} over "
        f"{MINIMUM_EXTENT_MM:g} mm are a volume."
    )
    return [
        Finding("too_few_slices", "error", message, "Upload the whole series, as the scanner exported it.")
    ]


def stacked(frames: list[Frame]) -> Stack:
    """Sort frames along the normal of the first and name every irregularity; errors are left to the caller to refuse on."""
    mixed = _mixed(frames)
    if mixed:
        return Stack(frames, mixed)
    normal = np.cross(frames[0].row, frames[0].column)
    # Ties are broken by digest, so that the order files came in can never show.
    frames = sorted(frames, key=lambda f: (float(f.position @ normal), f.header.file.digest, f.index))
    positions = np.array([frame.position for frame in frames])
    steps = np.diff(positions @ normal)
    return Stack(
        frames,
        [
            *_shared_places(steps),
            *_steps(steps, frames),
            *_left_out(steps, frames),
            *_tilt(frames, positions),
            *_strays(positions, normal),
        ],
    )


def _mixed(frames: list[Frame]) -> list[Finding]:
    first = frames[0]
    found = []
    turned = sum(_turned(first, frame) for frame in frames)
    if turned:
        message = f"{turned} of {len(frames)} images have another orientation than the first."
        found.append(Finding("mixed_orientation", "error", message, "Upload one series of parallel slices."))
    if any(_spacing_differs(first, frame) for frame in frames):
        found.append(
            Finding(
                "mixed_spacing",
                "error",
                "The images have different pixel spacings.",
                "Upload one reconstruction.",
            )
        )
    if len({(int(f.header.dataset.Rows), int(f.header.dataset.Columns)) for f in frames}) > 1:
        found.append(
            Finding(
                "mixed_size",
                "error",
                "The images have different numbers of rows or columns.",
                "Upload one reconstruction.",
            )
        )
    return found


def _turned(first: Frame, other: Frame) -> bool:
    return bool(
        max(np.abs(first.row - other.row).max(), np.abs(first.column - other.column).max()) > SAME_DIRECTION
    )


def _spacing_differs(first: Frame, other: Frame) -> bool:
    return max(abs(a - b) for a, b in zip(first.spacing_ij, other.spacing_ij, strict=True)) > SAME_SPACING


def _shared_places(steps: NDArray[np.float64]) -> list[Finding]:
    same = np.abs(steps) < SAME_PLACE_MM
    if not same.any():
        return []
    images = np.count_nonzero(np.append(same, False) | np.insert(same, 0, False))
    message = f"{images} different images share positions, the first at slice {np.argmax(same) + 1}: they are not one volume."
    return [
        Finding(
            "same_position", "error", message, "Upload one acquisition only, no repeats and no time series."
        )
    ]


def _steps(steps: NDArray[np.float64], frames: list[Frame]) -> list[Finding]:
    steps = steps[np.abs(steps) >= SAME_PLACE_MM]
    if not len(steps):
        return []
    base = float(np.median(steps))
    odd = np.flatnonzero(np.abs(steps - base) > max(UNEVEN_MM, UNEVEN_SHARE * base))
    ratios = steps[odd] / base
    gaps = [
        (int(slot), round(float(ratio)))
        for slot, ratio in zip(odd, ratios, strict=True)
        if _is_gap(float(ratio))
    ]
    if len(odd) > len(gaps):
        gaps = _against_units(steps, frames) or gaps
    found = [_missing(slot, count - 1, float(steps[slot])) for slot, count in gaps]
    if len(odd) > len(gaps):
        sizes = ", ".join(f"{size:.3f}" for size in sorted(set(np.round(steps, 3))))
        message = f"The slices are unevenly spaced ({sizes} mm); each keeps its own position."
        found.append(Finding("uneven_spacing", "warning", message, "Prefer an evenly spaced reconstruction."))
    return found


def _left_out(steps: NDArray[np.float64], frames: list[Frame]) -> list[Finding]:
    """Even steps, and yet slices between them were not sent: the numbers go up by more than one, and the gaps are wider
    than the slices are thick."""
    numbers = [whole(frame.header.dataset.get("InstanceNumber")) for frame in frames]
    thickness = stated(frames, "SliceThickness")
    if None in numbers or len(numbers) < SHORTEST_RUN or thickness is None:
        return []
    apart = np.abs(np.diff([number or 0 for number in numbers]))
    spacing = float(np.median(np.abs(steps)))
    if apart.min() < 2 or spacing <= thickness + NOMINAL_MM:
        return []
    message = (
        f"Slices were left out: their numbers go up by {int(np.median(apart))}, and slices {thickness:g} mm thick lie "
        f"{spacing:.3f} mm apart."
    )
    return [Finding("slices_left_out", "warning", message, "Send the series again, complete.")]


def _against_units(steps: NDArray[np.float64], frames: list[Frame]) -> list[tuple[int, int]]:
    """Gaps of a series so incomplete that its median step is a gap itself: (slot, steps in it).

    They show against the stated spacing, the smallest step that comes again, or the stated thickness. A few runs, each
    of one step, are a protocol and no loss.
    """
    if _is_in_runs(steps):
        return []
    spacing, thickness = (stated(frames, name) for name in ("SpacingBetweenSlices", "SliceThickness"))
    for unit in (spacing, _smallest_repeated(steps), thickness):
        ratios = steps / unit if unit else np.ones_like(steps)
        even = bool((np.abs(ratios - np.round(ratios)) <= WHOLE_STEPS).all())
        # Of the spacing itself, no whole number of steps need be left: a series cut at two places has none.
        if even or unit == spacing:
            lost = np.flatnonzero(ratios >= 2 - WHOLE_STEPS)
            if len(lost):
                return [(int(slot), round(float(ratios[slot]))) for slot in lost]
    return []


def _is_in_runs(steps: NDArray[np.float64]) -> bool:
    """Whether the steps come in runs of equal ones, with at most one other step where two runs meet."""
    edges = np.flatnonzero(np.abs(np.diff(steps)) > np.maximum(UNEVEN_MM, UNEVEN_SHARE * steps[:-1])) + 1
    lengths = np.diff([0, *edges, len(steps)])
    runs = int((lengths >= SHORTEST_RUN).sum())
    return 2 <= runs <= MOST_RUNS and len(lengths) - runs < runs


def _smallest_repeated(steps: NDArray[np.float64]) -> float | None:
    ordered = np.sort(steps)
    again = np.flatnonzero(np.diff(ordered) <= UNEVEN_MM)
    return float(ordered[again[0]]) if len(again) else None


def stated(frames: list[Frame], keyword: str) -> float | None:
    """The largest that any slice states in its header, mm: a protocol of several runs states several."""
    with quiet():
        said = [decimal(attribute(f.header, f.index, "PixelMeasuresSequence", keyword)) for f in frames]
    return max((abs(value) for value in said if value), default=None)


def _is_gap(ratio: float) -> bool:
    return ratio > 1.5 and abs(ratio - round(ratio)) <= WHOLE_STEPS * round(ratio)


def _missing(slot: int, count: int, gap: float) -> Finding:
    message = f"{count} slice{'s are' if count > 1 else ' is'} missing after slice {slot + 1}: a gap of {gap:.3f} mm."
    return Finding("missing_slice", "error", message, "Send the series again, complete.")


def _tilt(frames: list[Frame], positions: NDArray[np.float64]) -> list[Finding]:
    tilt = tilt_degrees(positions, frames[0].row, frames[0].column)
    if abs(tilt) < TILT_DEGREES or abs(tilt) > 80:
        return []
    message = f"The gantry was tilted by {tilt:.2f} degrees (from positions); the shear is kept and nothing is resampled."
    return [Finding("gantry_tilt", "warning", message, "Check that the protocol allows a tilted gantry.")]


def _strays(positions: NDArray[np.float64], normal: NDArray[np.float64]) -> list[Finding]:
    heights = positions @ normal
    span = heights[-1] - heights[0]
    if span < SAME_PLACE_MM:
        return []
    straight = positions[0] + ((heights - heights[0]) / span)[:, None] * (positions[-1] - positions[0])
    stray = float(np.linalg.norm(positions - straight, axis=1).max())
    if stray <= STRAY_MM:
        return []
    message = f"Slices lie up to {stray:.2f} mm beside a straight stack; each keeps its own position."
    return [
        Finding(
            "shifted_slices", "warning", message, "Check that the patient table did not move during the scan."
        )
    ]


def nominal_differs(nominal: float | None, measured: float) -> list[Finding]:
    """A header's slice spacing that disagrees with the positions is said, and not used."""
    if nominal is None or abs(abs(nominal) - measured) <= NOMINAL_MM:
        return []
    message = f"The header states {nominal:g} mm between slices or as thickness; positions give {measured:.3f} mm, which is used."
    return [Finding("spacing_from_positions", "info", message)]
