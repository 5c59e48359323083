"""DICOM Segmentation objects (PS3.3 A.51 and C.8.20): what segments one has, and the voxels of those that are wanted."""

from __future__ import annotations

from collections import defaultdict
from typing import Any

import numpy as np
from numpy.typing import NDArray

from devices.imaging.dicom import (
    DICOM,
    MAX_ROWS,
    Frame,
    Header,
    Rejection,
    attribute,
    code_of,
    cut_short,
    frame_count,
    frames_of,
    load_pixels,
    quiet,
    read_header,
)
from devices.imaging.labelled import Choice, Listing, Origin, Segment, Stack, refused
from devices.imaging.pixels import MAX_VOXELS
from devices.imaging.series import decimal, identity, text
from devices.imaging.sources import SourceFile

FORMAT = "DICOM SEG"
BINARY, FRACTIONAL, LABELMAP = "BINARY", "FRACTIONAL", "LABELMAP"
KINDS = {BINARY: "binary", FRACTIONAL: "fractional", LABELMAP: "labels"}
BITS = {BINARY: (1,), FRACTIONAL: (8,), LABELMAP: (8, 16)}
MAX_FRAMES = 50_000
MAX_SEGMENTS = 1_000
AGAIN = "Export the segmentation again from its source."
LISTED = [
    "SpecificCharacterSet", "SOPClassUID", "SOPInstanceUID", "StudyInstanceUID", "SeriesInstanceUID", "FrameOfReferenceUID",
    "Modality", "PatientID", "PatientName", "PatientBirthDate", "PatientSex", "ImageType", "BurnedInAnnotation",
    "Manufacturer", "ManufacturerModelName", "SoftwareVersions", "SegmentationType", "MaximumFractionalValue",
    "SegmentSequence", "ReferencedSeriesSequence", "Rows", "Columns", "NumberOfFrames", "SamplesPerPixel",
    "PhotometricInterpretation", "BitsAllocated", "BitsStored", "HighBit", "PixelRepresentation", "PixelPaddingValue",
]  # fmt: skip
PLACED = [*LISTED, "SharedFunctionalGroupsSequence", "PerFrameFunctionalGroupsSequence"]
"""What lists thousands of frames is decoded only where their voxels are wanted."""


def is_segmentation(header: Header | Rejection) -> bool:
    known = header.header if isinstance(header, Rejection) else header
    return known is not None and known.sop_class in DICOM.SEGMENTATION_CLASSES


def header_of(file: SourceFile, keywords: list[str]) -> Header:
    """Raises ImagingRefused for what is no whole Segmentation object of a usable size."""
    read = read_header(file, keywords)
    header = read.header if isinstance(read, Rejection) else read
    if header is None or not is_segmentation(read):
        reason = read.file.reason if isinstance(read, Rejection) else "it holds images"
        raise refused(
            "wrong_type",
            f"The file is no DICOM Segmentation object: {reason}.",
            "Send a DICOM SEG, or a NIfTI label map.",
        )
    if isinstance(read, Rejection) and read.file.code != "not_a_slice":
        raise refused(read.file.code, f"The segmentation cannot be used: {read.file.reason}.", AGAIN)
    _refuse_unfit(header)
    return header


def _refuse_unfit(header: Header) -> None:
    dataset = header.dataset
    rows, columns, frames = (
        int(dataset.get("Rows") or 0),
        int(dataset.get("Columns") or 0),
        frame_count(dataset),
    )
    if not (1 <= rows <= MAX_ROWS and 1 <= columns <= MAX_ROWS and 1 <= frames <= MAX_FRAMES):
        message = f"The segmentation states {frames} frames of {rows} rows and {columns} columns."
        raise refused(
            "absurd_size", message, f"At most {MAX_FRAMES} frames of {MAX_ROWS} are accepted. Crop it."
        )
    if int(dataset.get("BitsAllocated") or 0) not in BITS.get(_kind(header), ()):
        message = f"The segmentation is of the type {_kind(header) or 'unknown'}, which is not read."
        raise refused("unknown_kind", message, "Export it as a binary segmentation.")
    if short := cut_short(header, header.file.path.stat().st_size - header.pixels_at):
        raise refused(short[0], f"The segmentation {short[1]}.", AGAIN)


def _kind(header: Header) -> str:
    return code_of(header.dataset.get("SegmentationType") or "")


def listed(file: SourceFile) -> Listing:
    """What a Segmentation object says of itself, without its voxels. Raises ImagingRefused."""
    header = header_of(file, LISTED)
    dataset = header.dataset
    maker = {
        name: said
        for name, keyword in (("manufacturer", "Manufacturer"), ("model", "ManufacturerModelName"), ("software", "SoftwareVersions"))
        if (said := text(dataset.get(keyword)))
    }  # fmt: skip
    return Listing(
        FORMAT,
        KINDS[_kind(header)],
        _segments(header),
        maker,
        identity([header], [])[0],
        origin_of(dataset),
        file.digest,
    )


def origin_of(dataset: Any) -> Origin:
    """Of a Segmentation object the series is that of the images it was made on, as far as it names one."""
    referenced = [
        str(one.get("SeriesInstanceUID") or "") for one in dataset.get("ReferencedSeriesSequence") or ()
    ]
    own = str(dataset.get("SeriesInstanceUID") or "")
    series = referenced[0] if len(referenced) == 1 else ""
    return Origin(
        str(dataset.get("FrameOfReferenceUID") or ""),
        str(dataset.get("StudyInstanceUID") or ""),
        series if "SegmentSequence" in dataset else own,
    )


def _segments(header: Header) -> tuple[Segment, ...]:
    """Of a label map the background may be listed too (C.8.20.2.3.2); it is no segment that could be chosen."""
    background = _background(header)
    try:
        found = tuple(
            Segment(
                int(item.SegmentNumber),
                text(item.get("SegmentLabel")) or "",
                code_of(item.get("SegmentAlgorithmType") or ""),
                text(item.get("SegmentAlgorithmName")) or "",
            )
            for item in header.dataset.get("SegmentSequence") or ()
            if background is None or int(item.SegmentNumber) != background
        )
    except DICOM.UNREADABLE:
        raise refused("bad_segments", "A segment of the file has no number.", AGAIN) from None
    numbers = {one.number for one in found}
    if not found or len(numbers) < len(found) or min(numbers) < 1 or len(found) > MAX_SEGMENTS:
        message = f"The file lists {len(found)} segments, {len(numbers)} of them with a number of their own."
        raise refused("bad_segments", message, AGAIN)
    return found


def _background(header: Header) -> int | None:
    """The value of a label map's voxels that are in no segment; None for what is no label map."""
    return int(header.dataset.get("PixelPaddingValue") or 0) if _kind(header) == LABELMAP else None


def stack_of(file: SourceFile, choice: Choice) -> Stack:
    """The voxels of the chosen segments as one. Raises ImagingRefused."""
    header = header_of(file, PLACED)
    every = frames_of(header)
    if isinstance(every, Rejection):
        raise refused(every.file.code, f"The segmentation cannot be placed: {every.file.reason}.", AGAIN)
    labels = _kind(header) == LABELMAP
    frames = [frame for frame in every if labels or _segment_of(frame) in choice.segments]
    if not frames:
        raise refused("empty_segment", "The segments that were chosen have no voxel.", "Choose others.")
    _refuse_turned(frames)
    slices: dict[tuple[float, ...], list[Frame]] = defaultdict(list)
    for frame in frames:
        slices[tuple(np.round(frame.position, 3).tolist())].append(frame)
    first = frames[0]
    shape = (len(slices), int(header.dataset.Rows), int(header.dataset.Columns))
    if int(np.prod(shape)) > MAX_VOXELS:
        raise refused("too_large", f"The segmentation has more than {MAX_VOXELS} voxels.", "Crop it.")
    values, overlapping = _merged(header, list(slices.values()), shape, choice)
    return Stack(
        values,
        np.array([one[0].position for one in slices.values()]),
        first.row * first.spacing_ij[0],
        first.column * first.spacing_ij[1],
        overlapping,
        _step_mm(first),
    )


def _segment_of(frame: Frame) -> int:
    number = attribute(frame.header, frame.index, "SegmentIdentificationSequence", "ReferencedSegmentNumber")
    return int(number or 0)


def _step_mm(frame: Frame) -> float:
    """Empty frames are left out of these objects, so that the distance of two neighbours says nothing."""
    for keyword in ("SpacingBetweenSlices", "SliceThickness"):
        if step := decimal(attribute(frame.header, frame.index, "PixelMeasuresSequence", keyword)):
            return abs(step)
    return 0.0


def _refuse_turned(frames: list[Frame]) -> None:
    first = frames[0]
    for frame in frames:
        same = (
            np.allclose(frame.row, first.row, atol=1e-4)
            and np.allclose(frame.column, first.column, atol=1e-4)
            and np.allclose(frame.spacing_ij, first.spacing_ij, rtol=1e-4)
        )
        if not same:
            message = "The frames of the segmentation lie at an angle to one another, or differ in spacing."
            raise refused("bad_geometry", message, AGAIN)


def _merged(
    header: Header, slices: list[list[Frame]], shape: tuple[int, ...], choice: Choice
) -> tuple[NDArray[np.uint8], int]:
    """Zeros and ones, and how many voxels more than one of the segments has."""
    values, overlapping = np.zeros(shape, dtype=np.uint8), 0
    inside = _decoder(header, choice)
    for merged, frames in zip(values, slices, strict=True):
        for frame in frames:
            ones = inside(frame.index)
            overlapping += int(np.count_nonzero(merged & ones))
            merged |= ones
    return values, overlapping


def _decoder(header: Header, choice: Choice) -> Any:
    """From the index of a frame to its zeros and ones."""
    whole = load_pixels(header)
    if _kind(header) == BINARY:
        return lambda index: _bits(whole, index)
    if _kind(header) == LABELMAP:
        return lambda index: np.isin(_decoded(whole, index), choice.segments).astype(np.uint8)
    least = _least(header, choice)
    return lambda index: (_decoded(whole, index) >= least).astype(np.uint8)


def _least(header: Header, choice: Choice) -> float:
    """From which stored value on a voxel of a fractional segmentation is inside."""
    most = decimal(header.dataset.get("MaximumFractionalValue"))
    if not most or most <= 0.0 or choice.threshold is None:
        raise refused(
            "fractional",
            "The segmentation holds fractions, and it is not said from which one on a voxel is inside.",
            "State a threshold above 0 and up to 1, or export a binary segmentation.",
        )
    return choice.threshold * most


def _decoded(whole: Any, index: int) -> NDArray[Any]:
    try:
        with quiet():
            return np.asarray(DICOM.pixel_array(whole, index=index))
    except DICOM.UNREADABLE:
        raise refused("undecodable", "The pixels of the segmentation cannot be decoded.", AGAIN) from None


def _bits(whole: Any, index: int) -> NDArray[np.uint8]:
    """Frames follow each other bit by bit, and one may begin within a byte (PS3.5 8.1.1): pydicom unpacks single frames only where they
    do not, and all of them at once would take eight times the memory of the file."""
    rows, columns = int(whole.Rows), int(whole.Columns)
    begins = index * rows * columns
    ends = begins + rows * columns
    packed = np.frombuffer(whole.PixelData, dtype=np.uint8)[begins // 8 : (ends + 7) // 8]
    bits = np.unpackbits(packed, bitorder="little")[begins % 8 :][: rows * columns]
    return bits.reshape(rows, columns)
