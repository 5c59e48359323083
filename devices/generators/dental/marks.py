"""Which vertex is which tooth, as text that fits into a plan: labels that came with the scan, or centres that a person picked.

Labels are runs, "0*1203 41*22", deflated and in base 85: a scan of 100,000 vertices takes a few kilobytes. They belong to one surface:
its digest stands beside them.
"""

from __future__ import annotations

import base64
import json
import zlib
from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from devices.generators.base import DesignRefused
from devices.generators.dental.frames import Landmarks
from devices.generators.dental.partition import label_by_centres
from devices.generators.dental.teeth import FDI, RULE
from devices.mesh.base import Mesh
from devices.mesh.kept import digest_of
from mes.exceptions import Reason

LONGEST = 400_000
MOST_VERTICES = 5_000_000
PICKS = ("mesial", "distal", "occlusal")


def packed_labels(mesh: Mesh, labels: NDArray[np.int16]) -> dict[str, str]:
    """The labels (n,) of a surface's vertices as text, with the surface that they belong to."""
    turns = np.flatnonzero(np.diff(labels, prepend=labels[:1] - 1))
    counts = np.diff(np.append(turns, len(labels)))
    runs = " ".join(f"{labels[at]}*{count}" for at, count in zip(turns, counts, strict=True))
    return {
        "surface": digest_of(mesh).hex(),
        "labels": base64.b85encode(zlib.compress(runs.encode(), 9)).decode(),
    }


def _unpacked(mesh: Mesh, packed: str) -> NDArray[np.int16]:
    try:
        inflate = zlib.decompressobj()
        runs = inflate.decompress(base64.b85decode(packed), 16 * LONGEST).decode("ascii")
        pairs = np.array([pair.split("*") for pair in runs.split(" ")], dtype=np.int64)
    except (ValueError, zlib.error) as fault:
        raise _refused("The labels cannot be read.", "Send them in again.") from fault
    if pairs.ndim != 2 or (pairs < 0).any() or pairs[:, 1].sum() != len(mesh.vertices):
        raise _refused("The labels are not those of this scan.", "Send in the labels of this very surface.")
    return np.repeat(pairs[:, 0], pairs[:, 1]).astype(np.int16)


def labels_of(mesh: Mesh, marks: Mapping[str, Any]) -> tuple[NDArray[np.int16], tuple[str, ...]]:
    """The label (n,) of each vertex, and warnings. `marks`: {surface, labels}, or {centres: {tooth: [x, y, z]}} mm. Raises DesignRefused."""
    if "labels" in marks:
        if marks.get("surface") != digest_of(mesh).hex():
            raise _refused("The labels were made on another surface.", "Label the scan that the order has.")
        return _unpacked(mesh, str(marks["labels"])), ()
    centres = _places(marks.get("centres", {}), ("centre",))
    labels = label_by_centres(mesh, {tooth: place["centre"] for tooth, place in centres.items()})
    return labels, ("The teeth were parted by a research-only segmenter: look at every margin.",)


def landmarks_of(marks: Mapping[str, Any]) -> dict[int, Landmarks]:
    """What was picked on the teeth: {landmarks: {tooth: {mesial, distal, occlusal}}} mm, each of the three or not. Raises DesignRefused."""
    found = _places(marks.get("landmarks", {}), PICKS)
    return {tooth: Landmarks(**places) for tooth, places in found.items()}


def _places(given: Any, names: tuple[str, ...]) -> dict[int, dict[str, NDArray[np.float64]]]:
    found: dict[int, dict[str, NDArray[np.float64]]] = {}
    if not isinstance(given, Mapping):
        raise _refused("What was picked is no list of teeth.", "Pick a place on each tooth.")
    for key, picked in given.items():
        rows = picked if isinstance(picked, Mapping) else {names[0]: picked}
        if not str(key).isdigit() or int(key) not in FDI or not set(rows) <= set(names):
            raise _refused(
                f"'{str(key)[:10]}' is no tooth with a place.", "Pick a place on a tooth by its FDI number."
            )
        found[int(key)] = {name: _place(key, row) for name, row in rows.items()}
    return found


def _place(key: Any, row: Any) -> NDArray[np.float64]:
    try:
        place = np.asarray(row, dtype=np.float64)
    except (TypeError, ValueError):
        place = np.zeros(0)
    if place.shape != (3,) or not np.isfinite(place).all():
        raise _refused(
            f"The place picked on tooth {str(key)[:10]} is none.", "Give three finite numbers, mm."
        )
    return place


def read_marks(text: str) -> dict[str, Any]:
    """A JSON object from a text value. Raises DesignRefused."""
    try:
        found = json.loads(text)
    except ValueError:
        found = None
    if not isinstance(found, dict):
        raise _refused("The teeth of the plan cannot be read.", "Plan the teeth again.")
    return found


def _refused(text: str, cure: str) -> DesignRefused:
    return DesignRefused([Reason(text, cure, RULE)])
