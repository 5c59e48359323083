"""What Lamina says of a mask that another program made: who made it is evidence, and no validation.

The tool named here is the one that put the mask on the grid of the images. Nobody has shown here that the program behind it is fit for
a clinical use, so it counts as research-only whatever it says of itself (G-SW-01).
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from devices.imaging.base import Volume
from devices.segmentation.base import TOOLS, Segmentation, SegmentationRefused, ToolIdentity
from devices.segmentation.space import measured

NAME = "external"
TOOL = TOOLS.add(NAME, ToolIdentity(NAME, "1.0", "research_only"))


def segmentation_of(
    volume: Volume, mask: NDArray[np.uint8], said: Mapping[str, Any], *, minimum_ml: float
) -> Segmentation:
    """said: where the mask comes from.  minimum_ml: less is an error. Raises SegmentationRefused."""
    found = measured(volume, mask, said, TOOL)
    if found.volume_ml < minimum_ml:
        raise SegmentationRefused(
            f"the chosen segments have only {found.volume_ml:.3f} mL, the minimum is {minimum_ml:g} mL",
            cure="Choose the segments of the whole anatomy.",
        )
    return found
