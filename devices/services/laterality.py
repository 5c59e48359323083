"""On which side of the patient a design lies, measured from the patient's middle and not from a box about the bone (G-LAT-01).

The middle is the bone's own plane of symmetry. Where the images cut the bone, or the bone is no mirror image of itself,
there is none, and a person gives it: the author among the values of the design, confirmed by the reviewer's signature
over them. Until then no side is known, and nothing passes.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from devices.generators.base import LEFTWARD, MIDLINE
from devices.imaging.base import Volume
from devices.mesh.base import Mesh
from devices.mesh.midline import LEAST_MATCHED, Midplane, given_plane, mirror_plane
from mes.exceptions import Reason

RULE = "G-LAT-01"
CUT_MM = 1.0
DEAD_BAND_MM = 2.0
GIVEN_AGREES_MM = 10.0
MEASURES = frozenset({
    "lateral_offset_mm", "lateral_low_mm", "lateral_high_mm", "midline_uncertainty_mm", "midline_matched_share",
    "midline_differs_mm", "midline_inside_images_mm", "bone_to_left_edge_mm", "bone_to_right_edge_mm",
})  # fmt: skip
OPPOSITE = {"left": "right", "right": "left"}


def side_measures(design: Mesh, bone: Mesh, volume: Volume, values: Mapping[str, Any]) -> dict[str, float]:
    """What G-LAT-01 judges by, mm, positive on the patient's left: the design's middle and both ends from the patient's
    middle, how sure that is, and whether the images hold the whole bone."""
    left, right = lateral_margins_mm(volume, bone)
    found = mirror_plane(bone)
    given = values.get(MIDLINE.name)
    middle = found if given is None else given_plane(float(given))
    across = middle.lateral_mm(design.vertices)
    low, high = float(across.min()), float(across.max())
    return {
        "lateral_offset_mm": (low + high) / 2.0,
        "lateral_low_mm": low,
        "lateral_high_mm": high,
        "midline_uncertainty_mm": middle.uncertainty_mm,
        "midline_matched_share": found.matched,
        "midline_differs_mm": float(found.lateral_mm(design.vertices).mean() - across.mean()),
        "midline_inside_images_mm": _inside(volume, middle, design),
        "bone_to_left_edge_mm": left,
        "bone_to_right_edge_mm": right,
    }


def _inside(volume: Volume, middle: Midplane, design: Mesh) -> float:
    """How far inside the images the middle crosses the patient at the height of the design, mm; negative outside."""
    k, j, i = volume.shape
    ends = [(z, y, x) for z in (0, k - 1) for y in (0, j - 1) for x in (0, i - 1)]
    across = volume.to_patient(ends)[:, 0]
    _, y, z = design.vertices.mean(axis=0)
    x = (middle.offset_mm - middle.normal[1] * y - middle.normal[2] * z) / middle.normal[0]
    return float(min(x - across.min(), across.max() - x))


def lateral_margins_mm(volume: Volume, bone: Mesh) -> tuple[float, float]:
    """How far the bone stays from the outermost voxels of the images on the patient's left and right, mm; 0 or less
    where it reaches them."""
    indices = volume.to_indices(bone.vertices)
    axes = (volume.normal, volume.column_direction, volume.row_direction)
    steps = (volume.slice_spacing_mm, volume.spacing_ij[1], volume.spacing_ij[0])
    axis = int(np.argmax([abs(float(direction[0])) for direction in axes]))
    ends = _ends(indices[:, axis], volume.shape[axis] - 1, steps[axis])
    return ends if axes[axis][0] > 0 else (ends[1], ends[0])


def _ends(places: NDArray[np.float64], last: int, step: float) -> tuple[float, float]:
    return (last - float(places.max())) * step, float(places.min()) * step


def side_faults(wanted: str, measures: Mapping[str, Any], given: bool) -> list[Reason]:
    """Why a design with these measures may not be taken for one of the side `wanted`; none where it lies there.

    given: the patient's middle is a person's, among the design's values.
    """
    if not measures.keys() >= MEASURES:
        return [Reason("The side of the design is not known.", "Request a design.", RULE)]
    if measures["midline_inside_images_mm"] < 0:
        text = f"The patient's middle lies {-measures['midline_inside_images_mm']:.1f} mm outside the images."
        return [Reason(text, "Pick it on images that hold it.", RULE)]
    unsound = _unsound_middle(measures)
    if unsound and not given:
        cure = (
            f"Pick the patient's middle on the images and give it as {MIDLINE.name}; the reviewer confirms it. "
            "Or send in images of the whole bone."
        )
        return [Reason(text, cure, RULE) for text in unsound]
    apart = abs(measures["midline_differs_mm"])
    if given and not unsound and apart > GIVEN_AGREES_MM:
        text = f"The patient's middle that was given lies {apart:.1f} mm from the bone's plane of symmetry."
        return [Reason(text, "Pick the middle again on the images, or leave it to the symmetry.", RULE)]
    return _wrong_side(wanted, measures)


def picked_side_faults(wanted: str, measures: Mapping[str, Any]) -> list[Reason]:
    """As `side_faults`, of a part on a scan: its side is what the picks on the scan say."""
    if LEFTWARD not in measures:
        return [Reason("The side of the design is not known.", "Request a design.", RULE)]
    found = "left" if measures[LEFTWARD] > 0.0 else "right"
    if found == wanted:
        return []
    text = f"The picks are those of the patient's {found}; the order is for the {wanted}."
    return [Reason(text, "Check side and picks; a scan that is mirrored is exported again.", RULE)]


def _unsound_middle(measures: Mapping[str, Any]) -> list[str]:
    cut = [side for side in ("left", "right") if measures[f"bone_to_{side}_edge_mm"] < CUT_MM]
    said = []
    if cut:
        said.append(
            f"The images cut the bone on the patient's {' and '.join(cut)}: the patient's middle cannot be found from it."
        )
    if measures["midline_matched_share"] < LEAST_MATCHED:
        share = measures["midline_matched_share"]
        said.append(
            f"Only {share:.0%} of the bone is the mirror image of the rest ({LEAST_MATCHED:.0%} are needed): "
            "the patient's middle cannot be found from it."
        )
    return said


def _wrong_side(wanted: str, measures: Mapping[str, Any]) -> list[Reason]:
    low, high = measures["lateral_low_mm"], measures["lateral_high_mm"]
    band = dead_band_mm(measures)
    near, far = (low, high) if wanted == "left" else (-high, -low)
    if near >= band:
        return []
    offset = abs(measures["lateral_offset_mm"])
    if far <= 0:
        lies = f"lies on the patient's {OPPOSITE[wanted]}, its centre {offset:.1f} mm from the middle"
    elif near <= 0:
        lies = f"crosses the patient's middle, reaching {-near:.1f} mm onto the {OPPOSITE[wanted]}"
    else:
        lies = f"comes within {near:.1f} mm of the patient's middle, which is known to {band:.1f} mm"
    return [
        Reason(
            f"The order is for the {wanted} side; the design {lies}.",
            f"Check the side with the prescriber, then request a design on the {wanted} side of the patient.",
            RULE,
        )
    ]


def dead_band_mm(measures: Mapping[str, Any]) -> float:
    """How far a design has to keep from the middle: as far as the middle is unsure, and no less than `DEAD_BAND_MM`."""
    return max(DEAD_BAND_MM, float(measures["midline_uncertainty_mm"]))
