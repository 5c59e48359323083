"""NIfTI label maps: each voxel holds the number of what it belongs to, 0 of nothing. They say neither whose nor made by whom."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from devices.imaging.base import PatientIdentifiers
from devices.imaging.labelled import Choice, Listing, Origin, Segment, Stack, refused
from devices.imaging.nifti import numbers_of, placed_image
from devices.imaging.sources import SourceFile

FORMAT = "NIfTI"
HIGHEST = 4_095
MOST = 1_000


def listed(file: SourceFile) -> Listing:
    """The labels of a map and how many voxels each has. Raises ImagingRefused."""
    labels = _labels(placed_image(file)[0])
    counts = np.zeros(HIGHEST + 1, dtype=np.int64)
    for one in labels:  # a slice at a time: counting takes numbers of 64 bits
        counts += np.bincount(one.ravel(), minlength=HIGHEST + 1)
    numbers = np.flatnonzero(counts[1:]) + 1
    if not 1 <= len(numbers) <= MOST:
        raise refused(
            "bad_segments",
            f"The map has {len(numbers)} labels beside 0; 1 to {MOST} are read.",
            "Send a label map: a whole number for each part, 0 for the rest.",
        )
    segments = tuple(Segment(int(number), voxels=int(counts[number])) for number in numbers)
    return Listing(FORMAT, "labels", segments, {}, PatientIdentifiers(), Origin(), file.digest)


def stack_of(file: SourceFile, choice: Choice) -> Stack:
    """The voxels of the chosen labels as one. Raises ImagingRefused."""
    image, affine, _ = placed_image(file)
    labels = _labels(image)
    values = np.isin(labels, choice.segments).astype(np.uint8)
    origins = affine[:3, 3] + np.arange(len(values))[:, None] * affine[:3, 2]
    return Stack(values, origins, affine[:3, 0], affine[:3, 1])


def _labels(image: Any) -> NDArray[np.int16]:
    """Shape (k, j, i)."""
    numbers = numbers_of(image)
    whole = numbers.dtype.kind in "iu" or bool((numbers == np.rint(numbers)).all())
    if not whole or numbers.min() < 0 or numbers.max() > HIGHEST:
        raise refused(
            "no_labels",
            f"The image holds values that are no labels from 0 to {HIGHEST}.",
            "Send a label map, not the image or a map of probabilities.",
        )
    return np.ascontiguousarray(numbers.transpose(2, 1, 0)).astype(np.int16)
