"""Labels that come with a surface scan: which of its vertices is which tooth, as a list in a JSON file beside it.

`{"labels": [0, 0, 41, …]}`, one number for each vertex in the order of the scan's file, 0 for the gum: what public data sets and
segmenters of teeth write. Whatever else stands in the file may name the patient, and is not kept.
"""

from __future__ import annotations

import json

import numpy as np
from numpy.typing import NDArray

from devices.imaging.base import Finding, ImagingRefused
from devices.imaging.sources import SourceFile
from devices.mesh.io import places_in
from devices.mesh.scan import Scan

MAXIMUM_BYTES = 64 * 1024**2
HIGHEST = 48
GUM = 0


def is_labels(file: SourceFile) -> bool:
    with file.path.open("rb") as stream:
        return stream.read(64).lstrip()[:1] == b"{"


def read_labels(files: list[SourceFile], scan: Scan) -> NDArray[np.int16] | None:
    """The label of each vertex of the scan's mesh; None where no labels came with it. Raises ImagingRefused.

    Vertices of the file that lie in one place and are labelled differently are gum: nobody can tell.
    """
    found = [file for file in files if is_labels(file)]
    if not found:
        return None
    if len(found) > 1:
        raise _refused(f"{len(found)} files of labels came with the scan.", "Send one.")
    if scan.format == "STL":
        raise _refused(
            "The vertices of an STL have no order that labels could follow.", "Send PLY, OBJ or 3MF."
        )
    given = _numbers(found[0])
    if len(given) != len(scan.places):
        text = f"The scan has {len(scan.places):,} vertices, and {len(given):,} labels came with it."
        raise _refused(text, "Export scan and labels from the same program, at the same time.")
    at = places_in(scan.mesh, scan.places)
    labels = np.full(len(scan.mesh.vertices), GUM, dtype=np.int16)
    labels[at[at >= 0]] = given[at >= 0]
    torn = at[(at >= 0) & (labels[at] != given)]
    labels[torn] = GUM
    return labels


def _numbers(file: SourceFile) -> NDArray[np.int16]:
    if file.path.stat().st_size > MAXIMUM_BYTES:
        raise _refused("The file of labels is too large.", "Send labels of the vertices alone.")
    try:
        said = json.loads(file.path.read_bytes())
        listed = said["labels"]
    except (ValueError, KeyError, TypeError, RecursionError):
        raise _refused(
            "The labels cannot be read.", 'Send {"labels": [one number for each vertex]}.'
        ) from None
    whole = isinstance(listed, list) and all(type(one) is int and 0 <= one <= HIGHEST for one in listed)
    if not whole:
        raise _refused(
            "A label is no number of a tooth.", "Name teeth by FDI numbers, 11 to 48, and the gum 0."
        )
    return np.array(listed, dtype=np.int16)


def _refused(text: str, cure: str) -> ImagingRefused:
    return ImagingRefused([Finding("bad_labels", "error", text, cure)])
