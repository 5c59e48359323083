"""What a plan marks on a scan: the label of each vertex, and what was picked on the teeth."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from devices.generators.base import DesignRefused
from devices.generators.dental.frames import Landmarks
from devices.generators.dental.partition import label_by_centres
from devices.generators.dental.teeth import RULE
from devices.mesh.base import Mesh
from devices.mesh.kept import digest_of
from devices.planning.base import Reading
from devices.planning.marks import packed, read_marks, unpacked
from mes.exceptions import Reason


def packed_labels(mesh: Mesh, labels: NDArray[np.int16]) -> dict[str, str]:
    """The labels (n,) of a surface's vertices as a plan has them, with the surface that they belong to."""
    return {"surface": digest_of(mesh).hex(), "labels": packed(labels)}


def labels_of(mesh: Mesh, text: str) -> tuple[NDArray[np.int16], dict[int, Landmarks], tuple[str, ...]]:
    """The label (n,) of each vertex of a scan, the landmarks on its teeth, and warnings; from the marks of a plan, JSON.

    Raises PlanRefused for what marks no teeth, DesignRefused for marks of another surface.
    """
    marks, teeth = read_marks(Reading(), read_object(text))
    picked = {
        int(tooth): Landmarks(**{name: np.array(place) for name, place in places.items()})
        for tooth, places in marks["landmarks"].items()
    }
    if "labels" not in marks:
        centres = {tooth: np.array(marks["centres"][str(tooth)]) for tooth in teeth}
        warning = "The teeth were parted by a research-only segmenter: look at every margin."
        return label_by_centres(mesh, centres), picked, (warning,)
    labels = unpacked(marks["labels"])
    if marks["surface"] != digest_of(mesh).hex() or len(labels) != len(mesh.vertices):
        raise _refused("The labels were made on another surface.", "Label the scan that the order has.")
    return labels, picked, ()


def read_object(text: str) -> dict[str, Any]:
    """A JSON object from a text value. Raises DesignRefused."""
    try:
        found: Any = json.loads(text)
    except ValueError:
        found = None
    if not isinstance(found, Mapping):
        raise _refused("A part of the plan cannot be read.", "Plan the teeth again.")
    return dict(found)


def _refused(text: str, cure: str) -> DesignRefused:
    return DesignRefused([Reason(text, cure, RULE)])
