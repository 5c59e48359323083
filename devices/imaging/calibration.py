"""Whether grey values are what they are taken for: Hounsfield units, the same in every slice, of a day that has been (G-IMG-01)."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date, timedelta
from typing import Any

import numpy as np
from numpy.typing import NDArray

from devices.imaging.base import Finding
from devices.imaging.dicom import Frame, attribute

VALUE_LIMITS = (-32_768.0, 100_000.0)
"""No detector and no reconstruction gives more; beyond them the numbers are not Hounsfield units."""
MIDNIGHT = timedelta(days=1)
"""A scan may run over midnight."""
LOOKED_AT = 1_000_000
FEWEST_VALUES = 16
AIR_BELOW = -700
"""Air in a sinus, between coarse voxels, is seldom darker."""
AHEAD = timedelta(days=1)
"""A scanner's clock may be a time zone ahead."""
HOUNSFIELD = ("", "HU")
UNCERTAIN = ("US", "HU_MOD")
"""Unspecified, and modified Hounsfield units: they may be right for bone."""
PROJECTIONS = frozenset(
    {
        "MIP",
        "MINIP",
        "MAX_IP",
        "MIN_IP",
        "AVG_IP",
        "MAXIMUM",
        "MINIMUM",
        "PROJECTION IMAGE",
        "VRT",
        "SSD",
        "VOLREN",
    }
)
CURE = "Export the original images."


def rescale_findings(modality: str, frames: list[Frame]) -> list[Finding]:
    """What is wrong with how the slices turn stored values into Hounsfield units. Slices of their own scale each are the
    way of PET and MR; of a CT they are legal, rare, and said."""
    if modality != "CT":
        text = f"{modality} values are not Hounsfield units."
        return [Finding("not_hounsfield", "warning", text, "Use a CT for bone.")]
    if any(frame.slope is None or frame.intercept is None for frame in frames):
        message = "Slices state no rescale slope and intercept, so their values cannot be turned into Hounsfield units."
        return [Finding("no_rescale", "error", message, CURE)]
    if impossible := [frame for frame in frames if not _possible(frame.slope, frame.intercept)]:
        message = (
            f"{len(impossible)} slices state an impossible rescale: a slope has to be above zero, and it and the "
            "intercept within what a scanner gives."
        )
        return [Finding("no_rescale", "error", message, CURE)]
    return [*_mixed(frames), *_unit(value_unit(frames))]


def _possible(slope: Any, intercept: Any) -> bool:
    """Whether a slope keeps the order of values (water above air) and both stay among the values that can be."""
    largest = VALUE_LIMITS[1]
    return bool(0.0 < slope <= largest and abs(intercept) <= largest)


def _mixed(frames: list[Frame]) -> list[Finding]:
    found = []
    if len({int(frame.header.dataset.get("PixelRepresentation") or 0) for frame in frames}) > 1:
        message = "Some slices state signed and some unsigned pixels: the same grey would be air in one and metal in the next."
        found.append(Finding("mixed_representation", "error", message, CURE))
    scales = {(frame.slope, frame.intercept) for frame in frames}
    if len(scales) > 1:
        message = f"The slices state {len(scales)} different rescales; each is read by its own."
        cure = "Check that air and bone look the same in every slice."
        found.append(Finding("mixed_rescale", "warning", message, cure))
    return found


def value_unit(frames: Sequence[Frame]) -> str | None:
    """What the slices say their values are; where they differ, one that is not Hounsfield units."""
    said = {
        str(attribute(frame.header, frame.index, "PixelValueTransformationSequence", "RescaleType") or "")
        for frame in frames
    }
    return max(said, key=lambda unit: (unit not in HOUNSFIELD, unit)) or None


def _unit(unit: str | None) -> list[Finding]:
    if (unit or "") in HOUNSFIELD:
        return []
    if unit in UNCERTAIN:
        message = "The images do not say that their rescaled values are Hounsfield units."
        cure = "Check the value of air and of water; a master for clinical use does not take these images."
        return [Finding("rescale_not_hu", "warning", message, cure)]
    message = "The images say that their values are no Hounsfield units."
    return [Finding("rescale_not_hu", "error", message, "Send in the CT in Hounsfield units.")]


def kind_findings(kind: Sequence[str]) -> list[Finding]:
    """What DICOM's ImageType says against taking the slices for the scanner's own cross-sections (PS3.3 C.8.2.1.1.1)."""
    if projected := PROJECTIONS.intersection(kind):
        message = f"The images are projections through several slices ({', '.join(sorted(projected))})."
        return [
            Finding("projection", "error", message, "Send in the slices as the scanner reconstructed them.")
        ]
    if is_original(kind):
        return []
    message = "The images do not say that they are the scanner's own cross-sections."
    cure = "Prefer the original axial series; a master for clinical use takes no other."
    return [Finding("not_original", "warning", message, cure)]


def is_original(kind: Sequence[str]) -> bool:
    """Whether the values of an ImageType are ORIGINAL, PRIMARY and AXIAL, or VOLUME where it is multi-frame."""
    return tuple(kind[:2]) == ("ORIGINAL", "PRIMARY") and len(kind) > 2 and kind[2] in ("AXIAL", "VOLUME")


def value_findings(low: float, high: float) -> list[Finding]:
    """Values that are no Hounsfield units, by their smallest and largest."""
    if np.isfinite([low, high]).all() and VALUE_LIMITS[0] <= low and high <= VALUE_LIMITS[1]:
        return []
    message = f"The image's values run from {low:g} to {high:g}: these are not Hounsfield units."
    return [Finding("absurd_values", "error", message, "Export the image again from its source.")]


def date_findings(acquired_on: date | None, today: date) -> list[Finding]:
    """Images of a day that is still to come: no master allows them, whatever age it allows (G-IMG-02)."""
    if acquired_on is None or acquired_on <= today + AHEAD:
        return []
    message = f"The images are dated {acquired_on}, in the future."
    return [Finding("future_date", "error", message, "Correct the scanner's clock, and export again.")]


def hounsfield_findings(values: NDArray[Any]) -> list[Finding]:
    """Why values of an image that states no calibration cannot be Hounsfield units; nothing where they may be.

    A CT of a body holds air, tissue around zero, and hundreds of values. Looks at up to about a million voxels.
    """
    # An odd step meets every column of rows of an even length.
    seen = values.ravel(order="K")[:: values.size // LOOKED_AT | 1]
    for reason in (_few, _without_air, _shifted_up, _shifted_down):
        if text := reason(seen):
            return [
                Finding(
                    "not_hounsfield",
                    "error",
                    f"These are not Hounsfield units: {text}.",
                    "Send in the DICOM series.",
                )
            ]
    return []


def _few(seen: NDArray[Any]) -> str:
    count = len(np.unique(seen))
    return (
        f"the image holds {count} different values, as a mask or labels do" if count < FEWEST_VALUES else ""
    )


def _without_air(seen: NDArray[Any]) -> str:
    low, high = float(seen.min()), float(seen.max())
    return (
        f"its values run from {low:g} to {high:g}, and none is that of air (-1000)" if low > AIR_BELOW else ""
    )


def _shifted_up(seen: NDArray[Any]) -> str:
    """Air at zero and tissue at 1000, with a padding below that looks like air."""
    body = seen[seen != seen.min()]
    tissue_at_1000 = (body > 850) & (body < 1150)
    if (body < -300).any() or tissue_at_1000.mean() < 0.2:
        return ""
    return "most tissue lies about 1000, where it lies with air at 0"


def _shifted_down(seen: NDArray[Any]) -> str:
    """One value may be a padding; many below air are air, and water is not at zero."""
    share = float(((seen < -1300) & (seen != seen.min())).mean())
    return f"{share:.0%} of its values are lower than air can be" if share > 0.05 else ""


def acquired(days: Sequence[date | None]) -> tuple[date | None, list[Finding]]:
    """The day that counts for the age of images, from that of each slice: the oldest; none where a slice states none (G-IMG-02)."""
    known = sorted({day for day in days if day})
    if not known:
        return None, []
    if None in days:
        message = f"{days.count(None)} of {len(days)} slices state no date: the series has none."
        return None, [Finding("dates_missing", "warning", message, "Send images that keep their dates.")]
    if len(known) == 1:
        return known[0], []
    message = f"The slices are of {len(known)} days, {known[0]} to {known[-1]}"
    if known[-1] - known[0] > MIDNIGHT:
        message += ": they are no one scan."
        return known[0], [Finding("several_dates", "error", message, "Send in the slices of one scan only.")]
    return known[0], [
        Finding("several_dates", "warning", f"{message}; the older counts.", "Check the dates.")
    ]
