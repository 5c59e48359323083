"""The front door for segmentations that other programs made: one DICOM Segmentation object or one NIfTI label map becomes a mask of the
images that were accepted, or a refusal with every reason (G-SEG-01).

It belongs where its frame of reference and its grid say that it does. What names the patient is compared by others, and not kept.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
from numpy.typing import NDArray

from devices.imaging import dicomseg, labelmap
from devices.imaging.base import Volume
from devices.imaging.dicom import Rejection, is_dicom, read_header
from devices.imaging.labelled import Choice, Listing, Origin, Segment, placed, refused
from devices.imaging.nifti import is_nifti
from devices.imaging.sources import SourceFile, opened


@dataclass(frozen=True, eq=False)
class Fitted:
    """mask: uint8, zeros and ones, in the shape of the volume.  said: what the record keeps of where it comes from."""

    mask: NDArray[np.uint8]
    said: dict[str, Any]


def list_segments(source: Path) -> Listing:
    """What segments an upload has. Raises ImagingRefused."""
    with _only(source) as (kind, file):
        found: Listing = kind.listed(file)
        return found


@contextmanager
def _only(source: Path) -> Iterator[tuple[ModuleType, SourceFile]]:
    with opened(source) as files:
        if len(files) != 1:
            message = f"The upload holds {len(files)} files."
            raise refused("several_files", message, "Send one segmentation: a DICOM SEG or a NIfTI.")
        if is_nifti(files[0]):
            yield labelmap, files[0]
        elif is_dicom(files[0]):
            yield dicomseg, files[0]
        else:
            message = "The file is neither a DICOM Segmentation object nor a NIfTI image, or is cut at its beginning."
            raise refused("wrong_type", message, "Send a DICOM SEG or a NIfTI label map.")


def fit(
    source: Path,
    choice: Choice,
    onto: Volume,
    *,
    origin: Origin,
    mapped: Callable[[str], str] = lambda uid: uid,
    names: Callable[[str], bool] = lambda text: False,
) -> Fitted:
    """The chosen segments as a mask of the volume. Raises ImagingRefused with the reason. G-SEG-01.

    origin: of the images, as they are stored; mapped: how an identifier of the file is mapped before it is compared with it.
    names: whether a text names the patient; such a one is left out of what is kept.
    """
    with _only(source) as (kind, file):
        found: Listing = kind.listed(file)
        chosen = _chosen(found, choice)
        belongs = _belonging(found.origin, origin, mapped)
        stack = kind.stack_of(file, choice)
    mask, resampled = placed(stack, onto, resample=choice.resample)
    if not mask.any():
        raise refused("empty_segment", "The segments that were chosen have no voxel.", "Choose others.")
    said = {
        "format": found.format,
        "kind": found.kind,
        "sha256": found.sha256,
        "segments": [_kept(one, names) for one in chosen],
        "of_segments": len(found.segments),
        "maker": {name: said for name, said in found.maker.items() if not names(said)},
        "threshold": choice.threshold,
        "resampled": resampled,
        "overlapping_voxels": stack.overlapping,
        **belongs,
    }
    return Fitted(mask, said)


def _chosen(found: Listing, choice: Choice) -> list[Segment]:
    known = {one.number: one for one in found.segments}
    if not choice.segments or not set(choice.segments) <= set(known):
        raise refused("no_such_segment", "The file has no such segment.", "Choose from those that it has.")
    return [known[number] for number in sorted(set(choice.segments))]


def _kept(segment: Segment, names: Callable[[str], bool]) -> dict[str, Any]:
    return {
        name: value
        for name, value in asdict(segment).items()
        if value not in ("", None) and not (isinstance(value, str) and names(value))
    }


def _belonging(theirs: Origin, ours: Origin, mapped: Callable[[str], str]) -> dict[str, str]:
    """How far its identifiers are those of the images. What one of both does not state is said to be unstated."""
    if (place := _agrees(theirs.frame_of_reference, ours.frame_of_reference, mapped)) is False:
        raise refused(
            "other_frame_of_reference",
            "The segmentation was made in another frame of reference than that of the images.",
            "Send the segmentation of the images that were accepted, or accept the images that it was made on.",
        )
    if (study := _agrees(theirs.study, ours.study, mapped)) is False:
        raise refused(
            "other_study",
            "The segmentation is of another study than the images.",
            "Send the segmentation of the images that were accepted, or accept the images that it was made on.",
        )
    said = {True: "same", False: "another", None: "unstated"}
    series = said[_agrees(theirs.series, ours.series, mapped)]
    return {"frame_of_reference": said[place], "study": said[study], "series": series}


def _agrees(theirs: str, ours: str, mapped: Callable[[str], str]) -> bool | None:
    return mapped(theirs) == ours if theirs and ours else None


def origin_of_series(series: Path) -> Origin:
    """The identifiers of a stored series, of its first image; none where it is no DICOM."""
    with opened(series) as files:
        read = read_header(files[0])
    return Origin() if isinstance(read, Rejection) else dicomseg.origin_of(read.dataset)
