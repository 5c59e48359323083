"""Which vertex is which tooth, as text that fits into a plan: labels that came with the scan, or centres that a person picked.

Labels are runs, "0*1203 41*22", deflated and in base 85: a scan of 100,000 vertices takes a few kilobytes. They belong to one surface:
its digest stands beside them.
"""

from __future__ import annotations

import base64
import json
import zlib
from collections.abc import Iterable, Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from devices.planning.base import PlanRefused, Reading
from devices.planning.fdi import FDI, along_arch
from mes.exceptions import Reason

GUM = 0
LONGEST = 400_000
MOST_RUNS = 16 * LONGEST
PICKS = ("mesial", "distal", "occlusal")
PARTS = ("surface", "labels", "centres", "landmarks")


def packed(labels: NDArray[np.int16]) -> str:
    """The labels (n,) of a surface's vertices as text."""
    turns = np.flatnonzero(np.diff(labels, prepend=labels[:1] - 1))
    counts = np.diff(np.append(turns, len(labels)))
    runs = " ".join(f"{labels[at]}*{count}" for at, count in zip(turns, counts, strict=True))
    return base64.b85encode(zlib.compress(runs.encode(), 9)).decode()


def unpacked(text: str, *, most: int = 5_000_000) -> NDArray[np.int16]:
    """The labels (n,), at most so many. Raises PlanRefused for what is no such text; one that swells is not read to its end."""
    try:
        inflate = zlib.decompressobj()
        runs = inflate.decompress(base64.b85decode(text), MOST_RUNS).decode("ascii")
        if inflate.unconsumed_tail:
            raise _unreadable()
        pairs = np.array([pair.split("*") for pair in runs.split(" ")], dtype=np.int64)
    except (ValueError, zlib.error) as fault:
        raise _unreadable() from fault
    known = pairs.ndim == 2 and pairs.shape[1] == 2 and np.isin(pairs[:, 0], [GUM, *FDI]).all()
    if not known or (pairs[:, 1] < 1).any() or pairs[:, 1].sum() > most:
        raise _unreadable()
    return np.repeat(pairs[:, 0], pairs[:, 1]).astype(np.int16)


def _unreadable() -> PlanRefused:
    return PlanRefused([Reason("The labels cannot be read.", "Send them in again.", "G-DES-01")])


def read_marks(reading: Reading, given: object) -> tuple[dict[str, Any], tuple[int, ...]]:
    """What marks the teeth, in its one form, and the teeth that it marks, from the patient's right to the left."""
    marks = given if isinstance(given, Mapping) else {}
    reading.known("the marks of the teeth", marks, PARTS)
    found: dict[str, Any] = {"landmarks": _landmarks(reading, marks.get("landmarks", {}))}
    if "labels" in marks:
        found |= {
            "surface": reading.text("The surface's digest", marks.get("surface"), 64),
            "labels": str(marks["labels"]),
        }
        teeth = {int(one) for one in np.unique(unpacked(found["labels"]))} - {GUM}
    else:
        centres = marks.get("centres", {})
        named = centres if isinstance(centres, Mapping) else {}
        found["centres"] = {
            str(tooth): reading.point(f"The centre of tooth {tooth}", named[key])
            for tooth, key in _numbered(reading, named)
        }
        teeth = {int(tooth) for tooth in found["centres"]}
    for tooth in sorted({int(one) for one in found["landmarks"]} - teeth):
        reading.fault(
            f"Landmarks are picked on tooth {tooth}, which is not marked.", "Mark it, or leave them out."
        )
    reading.refuse()
    return found, along_arch(tuple(teeth))


def _landmarks(reading: Reading, given: object) -> dict[str, Any]:
    named = given if isinstance(given, Mapping) else {}
    found = {}
    for tooth, key in _numbered(reading, named):
        picked = named[key] if isinstance(named[key], Mapping) else {}
        reading.known(f"the landmarks of tooth {tooth}", picked, PICKS)
        found[str(tooth)] = {
            name: reading.point(f"The {name} landmark of tooth {tooth}", picked[name])
            for name in PICKS
            if name in picked
        }
    return found


def _numbered(reading: Reading, named: Mapping[Any, Any]) -> Iterable[tuple[int, Any]]:
    """The teeth that a mapping names, in order."""
    found = []
    for key in named:
        if str(key).isdigit() and int(key) in FDI:
            found.append((int(key), key))
        else:
            reading.fault(f"'{str(key)[:10]}' is no tooth.", "Name permanent teeth by FDI numbers, 11 to 48.")
    return sorted(found, key=lambda pair: pair[0])


def as_text(content: Mapping[str, Any]) -> str:
    """Plain data as a value of a design: the same text for the same data."""
    return json.dumps(content, sort_keys=True, separators=(",", ":"))
