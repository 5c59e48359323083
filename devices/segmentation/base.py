"""What a segmenter is: a volume and typed parameters in, a mask with its provenance out."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, fields
from typing import Any, Literal, Protocol

import numpy as np
from numpy.typing import NDArray

from devices.imaging.base import Volume
from mes.registry import Registry

LISTED_COMPONENTS = 10
ValidationStatus = Literal["cleared", "validated_in_house", "research_only"]


@dataclass(frozen=True)
class ToolIdentity:
    """Which tool made a result. A research-only tool's output blocks clinical release (G-SW-01)."""

    name: str
    version: str
    validation_status: ValidationStatus


@dataclass(frozen=True, eq=False)
class Segmentation:
    """mask: uint8, shape (k, j, i), ones inside.  volume_ml: its volume.  component_ml: every component the threshold
    gave, largest first, at most `LISTED_COMPONENTS` of them; components_found counts them all."""

    mask: NDArray[np.uint8]
    parameters: Mapping[str, Any]
    volume_ml: float
    components_found: int
    component_ml: tuple[float, ...]
    tool: ToolIdentity


class SegmentationRefused(Exception):
    """No mask can be made, or none that may be trusted. Carries every reason and its cure."""

    def __init__(self, *reasons: str, cure: str) -> None:
        self.reasons, self.cure = reasons, cure
        super().__init__(f"{'; '.join(reasons)}. {cure}")


class Segmenter(Protocol):
    """parameters: a mapping as stored in a device master; unknown names and values out of limits are refused."""

    def __call__(self, volume: Volume, parameters: Mapping[str, Any]) -> Segmentation: ...


SEGMENTERS: Registry[Segmenter] = Registry("segmenter")
TOOLS: Registry[ToolIdentity] = Registry("segmentation tool")
"""What each segmenter is, by the same name: gates ask before anything is computed (G-SW-01)."""


def known_only(parameters: Mapping[str, Any], kind: type[Any]) -> dict[str, Any]:
    """The parameters as keyword arguments of the typed `kind`, or SegmentationRefused naming what is unknown."""
    known = [field.name for field in fields(kind)]
    unknown = sorted(set(parameters) - set(known))
    if unknown:
        raise SegmentationRefused(
            f"unknown parameters: {', '.join(unknown)}", cure=f"Known are: {', '.join(known)}."
        )
    return dict(parameters)


def volume_ml(volume: Volume, mask: NDArray[np.uint8]) -> float:
    """A mask's volume in mL: each slice counts with the height it stands for, so uneven spacing is right."""
    voxels = np.array([np.count_nonzero(one) for one in mask.view(np.bool_)])
    area_mm2 = voxels * volume.spacing_ij[0] * volume.spacing_ij[1]
    return float(area_mm2 @ volume.slice_heights_mm) / 1000
