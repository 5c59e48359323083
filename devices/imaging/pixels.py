"""Stored pixels to Hounsfield units: decode, rescale slice by slice, padding to air."""

from __future__ import annotations

from collections import Counter
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from devices.imaging.base import AIR_HU, Finding, ImagingRefused, Voxels, refuse_on_error
from devices.imaging.calibration import value_findings
from devices.imaging.dicom import DICOM, Frame, frame_count, load_pixels, quiet
from mes.lazy import lazily

if TYPE_CHECKING:
    from pydicom.dataset import Dataset

ITK: Any = lazily("SimpleITK")

MAX_VOXELS = 1_500_000_000
LOWEST_HU = -1024
# A declared padding value above this could be tissue: blanking it would cut holes into the patient.
PADDING_BELOW_HU = -200
Stored = NDArray[np.integer[Any]]
INT16, INT32 = np.iinfo(np.int16), np.iinfo(np.int32)
LOSSY_SYNTAXES = frozenset({
    "1.2.840.10008.1.2.4.50", "1.2.840.10008.1.2.4.51", "1.2.840.10008.1.2.4.81", "1.2.840.10008.1.2.4.91",
    "1.2.840.10008.1.2.4.112", "1.2.840.10008.1.2.4.203",
})  # fmt: skip
PIXEL_ATTRIBUTES = (
    "SamplesPerPixel", "PhotometricInterpretation", "NumberOfFrames", "Rows", "Columns", "BitsAllocated", "BitsStored",
    "HighBit", "PixelRepresentation", "PixelData",
)  # fmt: skip


class Undecodable(Exception):
    """No decoder here reads these pixels."""


def stored_pixels(dataset: Dataset) -> Stored:
    """Stored values, shape (frames, rows, columns), neither rescaled nor masked. Raises Undecodable."""
    try:
        with quiet():
            values = (
                _plain(dataset)
                if not dataset.file_meta.TransferSyntaxUID.is_compressed
                else _decoded(dataset)
            )
    except DICOM.UNREADABLE as error:
        raise Undecodable(type(error).__name__) from error
    expected = (frame_count(dataset), int(dataset.Rows), int(dataset.Columns))
    if values.size != np.prod(expected):
        raise Undecodable("the decoded image has another size than its header states")
    return values.reshape(expected)


def _plain(dataset: Dataset) -> Stored:
    big = dataset.file_meta.TransferSyntaxUID == DICOM.ExplicitVRBigEndian
    kind = "i" if int(dataset.PixelRepresentation) else "u"
    dtype = np.dtype(f"{'>' if big else '<'}{kind}{int(dataset.BitsAllocated) // 8}")
    count = frame_count(dataset) * int(dataset.Rows) * int(dataset.Columns)
    return np.frombuffer(dataset.PixelData, dtype=dtype, count=count)


def _decoded(dataset: Dataset) -> Stored:
    try:
        return np.asarray(DICOM.pixel_array(dataset, raw=True))
    except DICOM.UNREADABLE:
        return _decoded_by_gdcm(dataset)


def _decoded_by_gdcm(dataset: Dataset) -> Stored:
    """SimpleITK's own codecs. It sees the pixel module alone: no rescale to apply, no identity on disk."""
    bare = DICOM.Dataset()
    for keyword in PIXEL_ATTRIBUTES:
        if keyword in dataset:
            bare[keyword] = dataset[keyword]
    bare.SOPClassUID, bare.SOPInstanceUID = DICOM.CTImageStorage, DICOM.generate_uid()
    bare.ensure_file_meta()
    bare.file_meta.TransferSyntaxUID = dataset.file_meta.TransferSyntaxUID
    with TemporaryDirectory(prefix="lamina-pixels-") as scratch:
        path = Path(scratch) / "image"
        bare.save_as(path, enforce_file_format=True)
        return np.asarray(ITK.GetArrayFromImage(ITK.ReadImage(str(path), imageIO="GDCMImageIO")))


def hounsfield(frames: list[Frame]) -> tuple[Voxels, list[Finding]]:
    """The frames' values in HU, shape (k, j, i), in the order given, with what was found on the way.

    int16 where every rescaled value is a whole number in range, float32 otherwise. Raises ImagingRefused.
    """
    _check_count(frames)
    dataset = frames[0].header.dataset
    shape = (len(frames), int(dataset.Rows), int(dataset.Columns))
    whole = all(float(f.slope or 1).is_integer() and float(f.intercept or 0).is_integer() for f in frames)
    voxels = np.zeros(shape, dtype=np.int16 if whole else np.float32)
    tally: Counter[str] = Counter()
    open_file: tuple[str, Dataset, Stored] | None = None
    for slot, frame in enumerate(frames):
        if open_file is None or open_file[0] != frame.header.file.digest:
            open_file = (frame.header.file.digest, *_open(frame))
        try:
            values = _slice_hu(frame, open_file[1], open_file[2][frame.index], tally)
        except DICOM.UNREADABLE:
            raise _undecodable(frame, "damaged") from None
        if voxels.dtype == np.int16 and (values.min() < INT16.min or values.max() > INT16.max):
            voxels = voxels.astype(np.float32)
        voxels[slot] = values
    return voxels, _said(tally, voxels)


def _check_count(frames: list[Frame]) -> None:
    dataset = frames[0].header.dataset
    if len(frames) * int(dataset.Rows) * int(dataset.Columns) > MAX_VOXELS:
        raise ImagingRefused(
            [Finding("too_large", "error", f"The volume has more than {MAX_VOXELS} voxels.", "Crop it.")]
        )


def _open(frame: Frame) -> tuple[Dataset, Stored]:
    """What a parser says of a damaged file may quote it, so its words go no further."""
    try:
        dataset = load_pixels(frame.header)
        return dataset, stored_pixels(dataset)
    except Undecodable as error:
        raise _undecodable(frame, str(error)) from None
    except DICOM.UNREADABLE:
        raise _undecodable(frame, "damaged") from None


def _undecodable(frame: Frame, reason: str) -> ImagingRefused:
    message = f"The pixels of {frame.header.file.label} cannot be decoded ({reason})."
    return ImagingRefused(
        [Finding("undecodable", "error", message, "Export the series again, uncompressed.")]
    )


def _slice_hu(
    frame: Frame, dataset: Dataset, stored: Stored, tally: Counter[str]
) -> NDArray[np.int32] | NDArray[np.float32]:
    slope, intercept = 1.0 if frame.slope is None else frame.slope, frame.intercept or 0.0
    padded = _padding(dataset, stored, slope, intercept, tally)
    tally["beyond_stored"] += _beyond_stored(dataset, stored, padded)
    low, high = (float(value) * slope + intercept for value in (stored.min(), stored.max()))
    if frame.header.modality == "CT":
        # What lies below air is padding that nobody declared, and is set to air; only the top tells of another scale.
        refuse_on_error(value_findings(max(low, LOWEST_HU), high))
    if slope.is_integer() and intercept.is_integer() and max(abs(low), abs(high)) < INT32.max:
        values: NDArray[np.int32] | NDArray[np.float32] = stored.astype(np.int32) * int(slope) + int(
            intercept
        )
    else:
        values = (stored.astype(np.float64) * slope + intercept).astype(np.float32)
    if padded is not None:
        values[padded] = AIR_HU
        tally["padded"] += int(np.count_nonzero(padded))
    if frame.header.modality == "CT":
        tally["clamped"] += int(np.count_nonzero(values < LOWEST_HU))
        np.maximum(values, LOWEST_HU, out=values)
    return values


def _padding(
    dataset: Dataset,
    stored: Stored,
    slope: float,
    intercept: float,
    tally: Counter[str],
) -> NDArray[np.bool_] | None:
    """Which pixels carry PixelPaddingValue (PS3.3 C.7.5.1.1.2), or the range up to its limit."""
    value = _as_stored(dataset, "PixelPaddingValue")
    if value is None:
        return None
    limit = _as_stored(dataset, "PixelPaddingRangeLimit")
    low, high = sorted((value, value if limit is None else limit))
    if high * slope + intercept > PADDING_BELOW_HU:
        tally["padding_is_tissue"] += 1
        return None
    return (stored >= low) & (stored <= high)


def _as_stored(dataset: Dataset, keyword: str) -> int | None:
    """A value of VR "US or SS"; many writers state the unsigned pattern of a signed one."""
    value, bits = dataset.get(keyword), int(dataset.BitsAllocated)
    if not isinstance(value, int):
        return None
    return value - (1 << bits) if int(dataset.PixelRepresentation) and value >= 1 << (bits - 1) else value


def _beyond_stored(dataset: Dataset, stored: Stored, padded: NDArray[np.bool_] | None) -> int:
    bits = int(dataset.get("BitsStored") or dataset.BitsAllocated)
    if bits >= int(dataset.BitsAllocated):
        return 0
    low, high = (
        (-(1 << (bits - 1)), (1 << (bits - 1)) - 1)
        if int(dataset.PixelRepresentation)
        else (0, (1 << bits) - 1)
    )
    if stored.min() >= low and stored.max() <= high:
        return 0
    outside = (stored < low) | (stored > high)
    return int(np.count_nonzero(outside if padded is None else outside & ~padded))


def _said(tally: Counter[str], voxels: Voxels) -> list[Finding]:
    share = f"{100 * tally['padded'] / voxels.size:.1f} %"
    found = []
    if tally["padded"]:
        found.append(
            Finding(
                "padding", "info", f"{share} of the voxels were padding and were set to air ({AIR_HU} HU)."
            )
        )
    if tally["clamped"]:
        found.append(
            Finding(
                "below_air",
                "info",
                f"{tally['clamped']} voxels below {LOWEST_HU} HU were set to {LOWEST_HU} HU.",
            )
        )
    if tally["padding_is_tissue"]:
        message = "The declared padding value lies in the range of tissue and was not applied."
        found.append(
            Finding("padding_is_tissue", "warning", message, "Look at the slices for a bright or dark frame.")
        )
    if tally["beyond_stored"]:
        message = f"{tally['beyond_stored']} pixels use bits that the header says are not stored."
        found.append(
            Finding(
                "bits_outside_stored", "error", message, "Export again without overlays in the pixel data."
            )
        )
    return found
