"""Places where a conformal part must not press: picked on the skin, and kept free by more than the clearance, without a step."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray

from devices.generators.base import Parameter, Value
from devices.generators.conformal import Amount, Points, Skin

PLACES = tuple(f"relief_{number}_mm" for number in range(1, 5))
PARAMETERS = (
    *(
        Parameter(
            name, "mm", f"Pressure relief {number}", "vector", -3000.0, 3000.0, None,
            "On the skin, where the part must not press.", optional=True,
        )
        for number, name in enumerate(PLACES, 1)
    ),
    Parameter("relief_radius_mm", "mm", "Radius of a relief", "number", 4.0, 40.0, 12.0, "Where it has faded to nothing."),
    Parameter("relief_height_mm", "mm", "Height of a relief", "number", 0.5, 6.0, 2.0, "More clearance than elsewhere, in its middle."),
)  # fmt: skip


def relieved(skin: Skin, values: Mapping[str, Value], clearance_mm: float) -> Amount:
    """The clearance everywhere, with what the picked places have more. Raises DesignRefused for a place off the scan."""
    middles = [skin.place(values[name], f"relief {name[7]}") for name in PLACES if name in values]  # type: ignore[arg-type]  # a vector
    radius, height = float(values["relief_radius_mm"]), float(values["relief_height_mm"])  # type: ignore[arg-type]  # numbers

    def amount(points: Points) -> NDArray[np.float64]:
        most = np.zeros(len(points))
        for middle in middles:
            near = np.clip(1.0 - np.linalg.norm(points - middle, axis=1) / radius, 0.0, 1.0)
            most = np.maximum(most, height * near * near * (3.0 - 2.0 * near))
        return np.asarray(clearance_mm + most)

    return amount


def highest(values: Mapping[str, Value], clearance_mm: float) -> float:
    """The most clearance anywhere."""
    asked = any(name in values for name in PLACES)
    return clearance_mm + (float(values["relief_height_mm"]) if asked else 0.0)  # type: ignore[arg-type]  # a number
