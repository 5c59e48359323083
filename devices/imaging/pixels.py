"""Stored pixels to Hounsfield units: decode, rescale slice by slice, padding to air."""

from __future__ import annotations

from collections import Counter
from io import RawIOBase
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
from numpy.typing import NDArray

from devices.imaging.base import AIR_HU, Finding, ImagingRefused, Voxels, refuse_on_error
from devices.imaging.calibration import value_findings
from devices.imaging.dicom import DICOM, PIXEL_DATA, Frame, Header, frame_count, load_pixels, quiet
from mes.lazy import lazily

if TYPE_CHECKING:
    from pydicom.dataset import Dataset

ITK: Any = lazily("SimpleITK")

MAX_VOXELS = 1_500_000_000
LOWEST_HU = -1024
# A declared padding value above this could be tissue: blanking it would cut holes into the patient.
PADDING_BELOW_HU = -200
Stored = NDArray[np.integer[Any]]
Rescaled = NDArray[np.int16] | NDArray[np.int32] | NDArray[np.float32]
UNDEFINED_LENGTH = 0xFFFFFFFF
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


def pixels_of(header: Header) -> Stored:
    """Stored values of a file, shape (frames, rows, columns), neither rescaled nor masked. Raises Undecodable."""
    try:
        with quiet():
            values = _uncompressed(header)
            if values is None:
                values = _decoded(load_pixels(header))
    except DICOM.UNREADABLE as error:
        raise Undecodable(type(error).__name__) from error
    expected = _shape(header)
    if values.size != np.prod(expected):
        raise Undecodable("the decoded image has another size than its header states")
    return values.reshape(expected)


def _shape(header: Header) -> tuple[int, int, int]:
    return frame_count(header.dataset), int(header.dataset.Rows), int(header.dataset.Columns)


def _uncompressed(header: Header, into: NDArray[np.int16] | None = None) -> Stored | None:
    """Straight from where the file has them: to parse it a second time would take longer than all the rest. None where a decoder
    has to look, or an element of another kind or size stands there than the header announces.

    into: the memory to put 16-bit values in, of their number.
    """
    dataset, syntax = header.dataset, header.dataset.file_meta.TransferSyntaxUID
    if syntax.is_compressed:
        return None
    order: Literal["little", "big"] = "little" if syntax.is_little_endian else "big"
    kind, width = "i" if int(dataset.PixelRepresentation) else "u", int(dataset.BitsAllocated) // 8
    count = frame_count(dataset) * int(dataset.Rows) * int(dataset.Columns)
    with header.file.path.open("rb", buffering=0) as stream:
        stream.seek(header.pixels_at)
        head = stream.read(8 if syntax.is_implicit_VR else 12)
        length = int.from_bytes(head[-4:], order)
        if head[:4] != PIXEL_DATA[order] or not count * width <= length < UNDEFINED_LENGTH:
            return None
        of_kind = np.dtype(f"{'<' if order == 'little' else '>'}{kind}{width}")
        stored = np.zeros(count, of_kind) if into is None else into.view(of_kind).reshape(-1)
        return stored if _filled(stored, stream) else None


def _filled(stored: Stored, stream: RawIOBase) -> bool:
    """Whether a file holds as much as it was to give."""
    rest = memoryview(stored.view(np.uint8).data)
    while rest:
        count = stream.readinto(rest)
        if not count:
            return False
        rest = rest[count:]
    return True


def _decoded(dataset: Dataset) -> Stored:
    if not dataset.file_meta.TransferSyntaxUID.is_compressed:
        raise Undecodable("there are fewer pixels than its header states")
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
    voxels: Any = np.zeros(shape, dtype=np.int16 if whole else np.float32)
    opened: tuple[str, Stored] | None = None
    tally: Counter[str] = Counter()
    for slot, frame in enumerate(frames):
        try:
            if voxels.dtype == np.int16 and _put_in_place(frame, voxels[slot], tally):
                continue
            if opened is None or opened[0] != frame.header.file.digest:
                opened = (frame.header.file.digest, _open(frame))
            voxels = _written(voxels, slot, _slice_hu(frame, opened[1][frame.index], tally))
        except DICOM.UNREADABLE:
            raise _undecodable(frame, "damaged") from None
    return voxels, _said(tally, voxels)


def _put_in_place(frame: Frame, place: NDArray[np.int16], tally: Counter[str]) -> bool:
    """Read plain pixels straight into their place. False for what is not plain: a decoder has to look at it, or its values in HU do not
    fit where they are stored."""
    header = frame.header
    plain = (
        frame_count(header.dataset) == 1
        and int(header.dataset.BitsAllocated) == 16
        and frame.slope in (None, 1.0)
    )
    stored = _uncompressed(header, place) if plain and _is_little_endian(header) else None
    if stored is None:
        return False
    counted: Counter[str] = Counter()
    values = _slice_hu(frame, stored.reshape(place.shape), counted)
    if not np.may_share_memory(values, place):
        return False
    tally.update(counted)
    return True


def _is_little_endian(header: Header) -> bool:
    return bool(header.dataset.file_meta.TransferSyntaxUID.is_little_endian)


def _written(voxels: Voxels, slot: int, values: Rescaled) -> Voxels:
    """The volume with one slice more; as float32 from the first value on that int16 does not hold."""
    if voxels.dtype == np.int16 != values.dtype and not _fits(values.min(), values.max()):
        voxels = voxels.astype(np.float32)
    voxels[slot] = values
    return voxels


def _check_count(frames: list[Frame]) -> None:
    dataset = frames[0].header.dataset
    if len(frames) * int(dataset.Rows) * int(dataset.Columns) > MAX_VOXELS:
        raise ImagingRefused(
            [Finding("too_large", "error", f"The volume has more than {MAX_VOXELS} voxels.", "Crop it.")]
        )


def _open(frame: Frame) -> Stored:
    """What a parser says of a damaged file may quote it, so its words go no further."""
    try:
        return pixels_of(frame.header)
    except Undecodable as error:
        raise _undecodable(frame, str(error)) from None
    except DICOM.UNREADABLE:
        raise _undecodable(frame, "damaged") from None


def _undecodable(frame: Frame, reason: str) -> ImagingRefused:
    message = f"The pixels of {frame.header.file.label} cannot be decoded ({reason})."
    return ImagingRefused(
        [Finding("undecodable", "error", message, "Export the series again, uncompressed.")]
    )


def _slice_hu(frame: Frame, stored: Stored, tally: Counter[str]) -> Rescaled:
    dataset = frame.header.dataset
    slope, intercept = 1.0 if frame.slope is None else frame.slope, frame.intercept or 0.0
    padded = _padding(dataset, stored, slope, intercept, tally)
    extremes = int(stored.min()), int(stored.max())
    tally["beyond_stored"] += _beyond_stored(dataset, stored, padded, extremes)
    low, high = (value * slope + intercept for value in extremes)
    if frame.header.modality == "CT":
        # What lies below air is padding that nobody declared, and is set to air; only the top tells of another scale.
        refuse_on_error(value_findings(max(low, LOWEST_HU), high))
    values = _rescaled(stored, slope, intercept, (low, high))
    if padded is not None:
        values[padded] = AIR_HU
        tally["padded"] += int(np.count_nonzero(padded))
    if frame.header.modality == "CT" and low < LOWEST_HU:
        tally["clamped"] += int(np.count_nonzero(values < LOWEST_HU))
        np.maximum(values, LOWEST_HU, out=values)
    return values


def _rescaled(stored: Stored, slope: float, intercept: float, bounds: tuple[float, float]) -> Rescaled:
    """Whole numbers stay whole, and where they were stored if they fit there. bounds: the smallest and the largest of the result."""
    if not (slope.is_integer() and intercept.is_integer() and max(map(abs, bounds)) < INT32.max):
        return (stored.astype(np.float64) * slope + intercept).astype(np.float32)
    if slope == 1.0 and stored.dtype.itemsize == 2 and stored.dtype.isnative and _fits(*bounds, intercept):
        # Modulo 2^16 a sum that fits comes out right, whether what is stored has a sign or not.
        whole = stored.view(np.int16)
        return np.add(whole, np.int16(intercept), out=whole if whole.flags.writeable else None)
    return stored.astype(np.int32) * int(slope) + int(intercept)


def _fits(*values: float) -> bool:
    return all(INT16.min <= value <= INT16.max for value in values)


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


def _beyond_stored(
    dataset: Dataset, stored: Stored, padded: NDArray[np.bool_] | None, extremes: tuple[int, int]
) -> int:
    bits = int(dataset.get("BitsStored") or dataset.BitsAllocated)
    if bits >= int(dataset.BitsAllocated):
        return 0
    low, high = (
        (-(1 << (bits - 1)), (1 << (bits - 1)) - 1)
        if int(dataset.PixelRepresentation)
        else (0, (1 << bits) - 1)
    )
    if low <= extremes[0] and extremes[1] <= high:
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
