"""What an upload says of itself, from its headers alone: for a person who vouches for it before it is read."""

from __future__ import annotations

import gzip
from collections.abc import Sequence
from dataclasses import dataclass
from io import BytesIO
from pathlib import Path
from typing import Any

from devices.imaging.dicom import Header, Rejection, frame_count, read_header
from devices.imaging.nifti import HEADER_BYTES, UNREADABLE, is_nifti
from devices.imaging.series import MIN_SLICES, decimal, identity, series_key, text, whole
from devices.imaging.sources import GZIP_MAGIC, SourceFile, opened
from mes.lazy import lazily

nib: Any = lazily("nibabel")


@dataclass(frozen=True)
class Seen:
    """One series or image. size: columns, rows and slices, in voxels, as the headers state them.

    key: by what a DICOM series is chosen; usable: whether it is a CT of more than one slice, which may be a volume.
    """

    kind: str
    size: tuple[int, ...]
    key: str = ""
    number: int | None = None
    thickness_mm: float | None = None
    kernel: str | None = None
    usable: bool = False


@dataclass(frozen=True)
class Glance:
    """files: how many, unpacked; size_bytes: together. others: files that are no image.  identified: whether any names a patient."""

    files: int
    size_bytes: int
    images: tuple[Seen, ...]
    others: int
    identified: bool


def glance(source: Path) -> Glance:
    """Nothing is judged here: a full reading (G-IMG-01) follows. Raises ImagingRefused for what cannot be opened."""
    with opened(source) as files:
        plain = [file for file in files if is_nifti(file)]
        read = [read_header(file) for file in files if file not in plain]
        headers = [one for one in read if isinstance(one, Header)]
        rejected = [one.header for one in read if isinstance(one, Rejection) and one.header]
        who, findings = identity(headers, rejected)
        return Glance(
            files=len(files),
            size_bytes=sum(file.path.stat().st_size for file in files),
            images=(*_series(headers), *(Seen("NIfTI", _stated(file)) for file in plain)),
            others=len(read) - len(headers),
            identified=bool(who.patient_id or who.family_name or who.birth_date or findings),
        )


def _series(headers: Sequence[Header]) -> list[Seen]:
    found: dict[tuple[str, str], list[Header]] = {}
    for header in headers:
        found.setdefault((header.series_uid, header.modality), []).append(header)
    return [_seen(uid, modality, found[uid, modality]) for uid, modality in sorted(found)]


def _seen(uid: str, modality: str, headers: Sequence[Header]) -> Seen:
    first: Any = headers[0].dataset
    slices = sum(frame_count(header.dataset) for header in headers)
    return Seen(
        f"DICOM {modality}",
        (int(first.Columns), int(first.Rows), slices),
        key=series_key(uid),
        number=whole(first.get("SeriesNumber")),
        thickness_mm=decimal(first.get("SliceThickness")),
        kernel=text(first.get("ConvolutionKernel")),
        usable=modality == "CT" and slices >= MIN_SLICES,
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
