"""What an upload says of itself, from its headers alone: for a person who vouches for it before it is read."""

from __future__ import annotations

import gzip
from dataclasses import dataclass
from io import BytesIO
from pathlib import Path
from typing import Any

from devices.imaging.base import RejectedFile
from devices.imaging.dicom import sorted_out
from devices.imaging.nifti import HEADER_BYTES, UNREADABLE, is_nifti
from devices.imaging.series import Series, grouped, identity
from devices.imaging.sources import GZIP_MAGIC, SourceFile, opened
from mes.lazy import lazily

nib: Any = lazily("nibabel")
CT_ONLY = ("CT",)


@dataclass(frozen=True)
class Seen:
    """One series or image. size: columns, rows and slices, in voxels, as the headers state them.

    key: by what a DICOM series is chosen; usable: whether it is a CT of more than one slice, which may be a volume.
    apart: in what it differs from other scans of the same series.
    """

    kind: str
    size: tuple[int, ...]
    key: str = ""
    number: int | None = None
    thickness_mm: float | None = None
    kernel: str | None = None
    usable: bool = False
    apart: tuple[str, ...] = ()


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
    )


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
