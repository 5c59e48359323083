"""A pedicle guide that somebody draws in another program from the approved plan, for training: its bores have to be the planned ones.

Nobody measures on a drawn part how a pedicle guide seats, and its error budget is not known. So there is no clinical master of it, and this one
has neither those limits nor a budget; a design of the house's own generator is asked for under `pedicle_guide_training`.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from devices.catalog.base import MASTERS
from devices.catalog.pedicle_guide_training import TRAINING

EXTERNAL_CAD: dict[str, Any] = {
    "values": [],
    "limits": {
        "solids": [1, 1],
        "longest_mm": [20.0, 160.0],
        "nearest_to_anatomy_mm": [None, 0.6],
        "inside_anatomy_mm": [None, 0.05],
        "unspoken_bores": [0, 4],
    },
}
"""One piece on the bone and not in it. Beside the planned bores it may have a few, such as for pins; each is named in a warning."""
DESIGN: dict[str, Any] = {
    name: value for name, value in TRAINING.design.items() if name not in {"limits", "errors"}
} | {"external_cad": EXTERNAL_CAD}

MASTERS.add(
    "pedicle_guide_drawn_training",
    replace(
        TRAINING,
        code="pedicle_guide_drawn_training",
        title="Pedicle drill guide drawn elsewhere, training",
        design=DESIGN,
        label={"text": "Pedicle drill guide drawn elsewhere, training", "notice": "Not for clinical use"},
    ),
)
