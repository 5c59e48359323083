"""What an upload says of itself, from its headers alone: for a person who vouches for it before it is read."""

from __future__ import annotations

import gzip
from dataclasses import dataclass
from io import BytesIO
from pathlib import Path
from typing import Any

import numpy as np

from devices.imaging.base import RejectedFile, tilt_degrees
from devices.imaging.dicom import Frame, code_of, image_type, sorted_out
from devices.imaging.geometry import heights_of, stacked
from devices.imaging.nifti import HEADER_BYTES, UNREADABLE, is_nifti
from devices.imaging.series import Series, grouped, identity
from devices.imaging.sources import GZIP_MAGIC, SourceFile, opened
from mes.lazy import lazily

nib: Any = lazily("nibabel")
CT_ONLY = ("CT",)
KIND_OF_IMAGE = 3


@dataclass(frozen=True)
class Seen:
    """One series or image. size: columns, rows and slices, in voxels, as the headers state them.

    key: by what a DICOM series is chosen; usable: whether it is a CT of more than one slice, which may be a volume.
    apart: in what it differs from other scans of the same series.  spacing_mm: between columns, rows and, from positions, slices.
    shows: the part of the body and the kind of image, by their codes; a description in words may hold a name, and is not repeated.
    uneven: whether the slices lie unevenly.
    """

    kind: str
    size: tuple[int, ...]
    key: str = ""
    number: int | None = None
    thickness_mm: float | None = None
    kernel: str | None = None
    usable: bool = False
    apart: tuple[str, ...] = ()
    spacing_mm: tuple[float, ...] = ()
    tilt_degrees: float | None = None
    uneven: bool = False
    shows: tuple[str, ...] = ()


@dataclass(frozen=True)
class Glance:
    """files: how many, unpacked; size_bytes: together. rejected: files that are no slice, each with its reason.
    identified: whether any names a patient."""

    files: int
    size_bytes: int
    images: tuple[Seen, ...]
    rejected: tuple[RejectedFile, ...]
    identified: bool


def glance(source: Path) -> Glance:
    """Nothing is judged here: a full reading (G-IMG-01) follows. Raises ImagingRefused for what cannot be opened."""
    with opened(source) as files:
        plain = [file for file in files if is_nifti(file)]
        headers, frames, rejected = sorted_out([file for file in files if file not in plain])
        who, findings = identity(headers, (one.header for one in rejected if one.header))
        series = [_seen(one) for one in grouped(frames, rejected)]
        return Glance(
            files=len(files),
            size_bytes=sum(file.path.stat().st_size for file in files),
            images=(*series, *(Seen("NIfTI", _stated(file)) for file in plain)),
            rejected=tuple(one.file for one in rejected),
            identified=bool(who.patient_id or who.family_name or who.birth_date or findings),
        )


def _seen(series: Series) -> Seen:
    one = series.summary(CT_ONLY)
    return Seen(
        f"DICOM {one.modality}",
        (one.columns, one.rows, one.images),
        key=series.key,
        number=one.number,
        thickness_mm=one.slice_thickness_mm,
        kernel=one.kernel,
        usable=one.usable,
        apart=series.traits if series.values else (),
        shows=_shows(series.frames[0]),
        **_laid(series.frames),
    )


def _shows(frame: Frame) -> tuple[str, ...]:
    parts = (
        code_of(frame.header.dataset.get("BodyPartExamined") or ""),
        *image_type(frame.header)[:KIND_OF_IMAGE],
    )
    return tuple(part for part in parts if part not in ("", "unknown"))


def _laid(frames: list[Frame]) -> dict[str, Any]:
    """Spacing and tilt, by positions; nothing where the images are no parallel slices at places of their own."""
    stack = stacked(frames)
    steps = np.diff(heights_of(stack.frames))
    if any(finding.severity == "error" for finding in stack.findings) or not len(steps):
        return {}
    first = stack.frames[0]
    positions = np.array([frame.position for frame in stack.frames])
    return {
        "spacing_mm": (*first.spacing_ij, float(np.median(steps))),
        "tilt_degrees": round(tilt_degrees(positions, first.row, first.column), 2),
        "uneven": any(finding.code == "uneven_spacing" for finding in stack.findings),
    }


def _stated(file: SourceFile) -> tuple[int, ...]:
    """() where the header cannot be understood."""
    try:
        with file.path.open("rb") as stream:
            zipped = stream.read(2) == GZIP_MAGIC
        with gzip.open(file.path, "rb") if zipped else file.path.open("rb") as stream:
            head = stream.read(HEADER_BYTES)
        kind = nib.Nifti2Header if head[4:8] in (b"n+2\0", b"ni2\0") else nib.Nifti1Header
        return tuple(int(side) for side in kind.from_fileobj(BytesIO(head)).get_data_shape())
    except (*UNREADABLE, nib.spatialimages.HeaderDataError):
        return ()
