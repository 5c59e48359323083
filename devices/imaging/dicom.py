"""Reads DICOM headers and says of each file what it is. Geometry comes from each frame, never from a reader's guess.

Multi-frame objects (PS3.3 C.7.6.16) and single-frame ones end up as the same `Frame`.
"""

from __future__ import annotations

import re
import warnings
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from copy import copy
from dataclasses import dataclass
from functools import cache, cached_property
from io import BytesIO
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from devices.imaging.base import RejectedFile, are_unit_and_square
from devices.imaging.elements import Elements
from devices.imaging.sources import SourceFile
from mes.lazy import lazily

if TYPE_CHECKING:
    from pydicom.dataset import Dataset

DICOM: Any = lazily("devices.imaging.standard")

MAX_ROWS = 4096
MAX_FRAMES = 5_000
SPACING_LIMITS_MM = (0.01, 20.0)
POSITION_LIMIT_MM = 10_000.0
PREAMBLE_BYTES = 132
NO_PREAMBLE = re.compile(rb"DICM|[\x02\x08]\0[\0-\x70]\0(?:[A-Z]{2}|[\0-\xff]{2}\0\0)", re.DOTALL)
"""The first element of the groups that a file begins with, VR stated or implied (PS3.5 7.1)."""
INSIDE = re.compile(rb"1\.2\.840\.10008\.|UI[\2-\x40]\0[12]\.[0-9.]+", re.DOTALL)
"""An identifier, of DICOM's own root or announced as one."""
HEAD_BYTES = 4096
BEGINNING_BYTES = 32 * 1024
"""Of a file with one slice the header is shorter."""
DEFLATED = b"1.2.840.10008.1.2.1.99"
PIXEL_DATA = {"little": b"\xe0\x7f\x10\x00", "big": b"\x7f\xe0\x00\x10"}
"""The tag (7FE0,0010), in either order of bytes."""
CODE = re.compile(r"[A-Z0-9_ ]{1,16}")
IDENTIFIER = re.compile(r"[0-9.]{0,64}")
IDENTIFIERS = (
    "SOPInstanceUID",
    "SeriesInstanceUID",
    "StudyInstanceUID",
    "FrameOfReferenceUID",
    "SOPClassUID",
)


ASKED = [
    "SpecificCharacterSet", "SOPClassUID", "SOPInstanceUID", "StudyInstanceUID", "SeriesInstanceUID",
    "FrameOfReferenceUID", "Modality", "ImageType", "PatientID", "PatientName", "PatientBirthDate", "PatientSex",
    "PatientPosition", "BurnedInAnnotation", "SeriesNumber", "InstanceNumber", "AcquisitionNumber", "AcquisitionDate",
    "AcquisitionTime", "AcquisitionDateTime", "ContentDate", "SeriesDate", "StudyDate", "BodyPartExamined", "Laterality",
    "ImageLaterality", "Manufacturer", "ManufacturerModelName", "ConvolutionKernel", "KVP", "ContrastBolusAgent", "GantryDetectorTilt",
    "ImagePositionPatient", "ImageOrientationPatient", "PixelSpacing", "SliceThickness", "SpacingBetweenSlices",
    "SharedFunctionalGroupsSequence", "PerFrameFunctionalGroupsSequence", "NumberOfFrames", "Rows", "Columns",
    "SamplesPerPixel", "PhotometricInterpretation", "PlanarConfiguration", "BitsAllocated", "BitsStored", "HighBit",
    "PixelRepresentation", "PixelPaddingValue", "PixelPaddingRangeLimit", "RescaleSlope", "RescaleIntercept",
    "RescaleType", "LossyImageCompression", "ExtendedOffsetTable", "ExtendedOffsetTableLengths",
]  # fmt: skip
"""What reading a volume asks of a header. To decode the other half of a scanner's attributes takes most of the time of reading."""


FUNCTIONAL_GROUPS = ("PerFrameFunctionalGroupsSequence", "SharedFunctionalGroupsSequence")


@dataclass(frozen=True, eq=False)
class Frame:
    """One slice. position: LPS mm of its first voxel's centre; spacing_ij: mm between columns, mm between rows."""

    header: Header
    index: int
    position: NDArray[np.float64]
    row: NDArray[np.float64]
    column: NDArray[np.float64]
    spacing_ij: tuple[float, float]
    slope: float | None
    intercept: float | None


@dataclass(frozen=True, eq=False)
class Header:
    """What one DICOM file says of itself, pixels left out.  pixels_at: where in the file the element of the pixels begins."""

    file: SourceFile
    dataset: Dataset
    sop_class: str
    sop_uid: str
    series_uid: str
    modality: str
    pixels_at: int

    @cached_property
    def multi_frame(self) -> bool:
        """Whether frames may have attributes of their own (PS3.3 C.7.6.16)."""
        return any(group in self.dataset for group in FUNCTIONAL_GROUPS)


@dataclass(frozen=True)
class Rejection:
    """A file that is no slice, with the header where there is one."""

    file: RejectedFile
    header: Header | None = None


@contextmanager
def quiet() -> Iterator[None]:
    """Keep pydicom from printing attribute values."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        yield


def reject(file: SourceFile, code: str, reason: str, header: Header | None = None) -> Rejection:
    return Rejection(RejectedFile(file.ordinal, file.digest[:8], code, reason), header)


def is_dicom(file: SourceFile) -> bool:
    """By content: 128 bytes of anything, then DICM (PS3.10 7.1)."""
    with file.path.open("rb") as stream:
        return stream.read(PREAMBLE_BYTES)[128:] == b"DICM"


def _is_left_of_dicom(file: SourceFile) -> bool:
    """Nothing, nothing but an empty preamble, or a data set that lost its beginning. No other kind of file looks so."""
    with file.path.open("rb") as stream:
        head = stream.read(HEAD_BYTES)
    begun = not head[: PREAMBLE_BYTES - 4].strip(b"\0") or NO_PREAMBLE.match(head)
    return bool(begun or (INSIDE.search(head) and b"\0" in head))


def read_header(
    file: SourceFile, keywords: list[str] | None = ASKED, elements: Elements | None = None
) -> Header | Rejection:
    """The header of a DICOM file, or why it cannot be a slice. Never raises on bad content.

    keywords: of the attributes that are decoded; None for all.  elements: those of other files of the upload. What is read with them
    shares its elements with these, and is not to be changed.
    """
    if not is_dicom(file):
        if _is_left_of_dicom(file):
            return reject(file, "incomplete", "is empty, or what is left of a DICOM file")
        return reject(file, "not_dicom", "is not a DICOM file")
    try:
        with quiet():
            return _read(file, keywords, elements or Elements())
    except DICOM.UNREADABLE as error:
        return reject(file, "malformed", f"has a DICOM header that cannot be read ({type(error).__name__})")


def _read(file: SourceFile, keywords: list[str] | None, elements: Elements) -> Header | Rejection:
    parsed = _parsed_beginning(file, keywords) or _parsed(file, keywords)
    if parsed is None:
        return reject(file, "deflated", "is in the deflated transfer syntax, which is not accepted")
    dataset, pixels_at = parsed
    header = _header(file, elements.decoded(dataset), pixels_at)
    reason = _unfit(header) or cut_short(header, file.path.stat().st_size - pixels_at)
    return reject(file, *reason, header) if reason else header


def _parsed_beginning(file: SourceFile, keywords: list[str] | None) -> tuple[Dataset, int] | None:
    """The data set up to its pixels, and where they begin, from one short read; None where that does not reach as far. What the parser
    sees names no deflated transfer syntax, so that nothing is inflated."""
    with file.path.open("rb") as stream:
        beginning = stream.read(BEGINNING_BYTES)
    if DEFLATED in beginning:
        return None
    with suppress(*DICOM.UNREADABLE), BytesIO(beginning) as stream:
        dataset = DICOM.dcmread(stream, stop_before_pixels=True, specific_tags=_tags(keywords))
        pixels_at = stream.tell()
        if beginning[pixels_at : pixels_at + 4] in PIXEL_DATA.values():
            return dataset, pixels_at
    return None


def _parsed(file: SourceFile, keywords: list[str] | None) -> tuple[Dataset, int] | None:
    """The same of any header; None for a deflated one, which could inflate to anything."""
    if DICOM.read_file_meta_info(file.path).get("TransferSyntaxUID") == DICOM.DeflatedExplicitVRLittleEndian:
        return None
    with file.path.open("rb") as stream:
        return DICOM.dcmread(stream, stop_before_pixels=True, specific_tags=_tags(keywords)), stream.tell()


def _tags(keywords: list[str] | None) -> list[Any] | None:
    """pydicom looks each keyword up for each file."""
    return None if keywords is None else _known_tags(tuple(keywords))


@cache
def _known_tags(keywords: tuple[str, ...]) -> list[Any]:
    return [DICOM.Tag(keyword) for keyword in keywords]


def _header(file: SourceFile, dataset: Dataset, pixels_at: int) -> Header:
    meta: Any = dataset.file_meta
    sop_class = str(dataset.get("SOPClassUID") or meta.get("MediaStorageSOPClassUID") or "")
    return Header(
        file=file,
        dataset=dataset,
        sop_class=sop_class,
        sop_uid=str(dataset.get("SOPInstanceUID") or meta.get("MediaStorageSOPInstanceUID") or ""),
        series_uid=str(dataset.get("SeriesInstanceUID") or ""),
        modality=code_of(dataset.get("Modality") or DICOM.IMAGE_CLASSES.get(sop_class, "")),
        pixels_at=pixels_at,
    )


def code_of(value: Any) -> str:
    """A code string (PS3.5 6.2); anything else is not repeated, for it could be a name."""
    return str(value) if CODE.fullmatch(str(value)) else "unknown"


def _unfit(header: Header) -> tuple[str, str] | None:
    dataset = header.dataset
    if header.sop_class == DICOM.MediaStorageDirectoryStorage:
        return "dicomdir", "is a DICOMDIR index; the files themselves are read instead"
    if not all(IDENTIFIER.fullmatch(str(dataset.get(keyword) or "")) for keyword in IDENTIFIERS):
        return "bad_identifier", "has an identifier that is no DICOM UID"
    if "PATIENT_INFO" in _kind(dataset) or "Secondary" in _class_name(header):
        return "secondary_capture", "is a secondary capture (a screenshot), which may show the patient's name"
    if not header.sop_class:
        return "truncated", "ends before it says what it is"
    if header.sop_class not in DICOM.IMAGE_CLASSES:
        return "not_a_slice", f"is a DICOM object of another kind ({_class_name(header)})"
    if "LOCALIZER" in _kind(dataset):
        return "localiser", "is a localiser (scout) image"
    if str(dataset.get("BurnedInAnnotation", "")) == "YES":
        return "burned_in", "declares burned-in annotation, which may show the patient's name"
    return _unfit_pixels(dataset)


def _class_name(header: Header) -> str:
    """The standard's name of the object's class; a private UID has none and is not repeated."""
    uid = DICOM.UID(header.sop_class)
    return str(uid.name) if uid.name != uid else "unknown class"


def _kind(dataset: Dataset) -> tuple[str, ...]:
    value = dataset.get("ImageType") or ()
    return (value,) if isinstance(value, str) else tuple(str(part) for part in value)


def image_type(header: Header) -> tuple[str, ...]:
    """The codes of the ImageType: kind of pixels, kind of image, and what the modality adds."""
    return tuple(map(code_of, _kind(header.dataset)))


def _unfit_pixels(dataset: Dataset) -> tuple[str, str] | None:
    if "Rows" not in dataset or "Columns" not in dataset:
        return "truncated", "ends before it says what it shows"
    rows, columns = int(dataset.get("Rows") or 0), int(dataset.get("Columns") or 0)
    if not (1 <= rows <= MAX_ROWS and 1 <= columns <= MAX_ROWS):
        return "absurd_size", f"has {rows} rows and {columns} columns; 1 to {MAX_ROWS} are accepted"
    if not 1 <= frame_count(dataset) <= MAX_FRAMES:
        return "absurd_size", f"states {frame_count(dataset)} frames; 1 to {MAX_FRAMES} are accepted"
    if int(dataset.get("SamplesPerPixel") or 1) != 1:
        return "not_grey", "is a colour image"
    if int(dataset.get("BitsAllocated") or 0) not in (8, 16, 32):
        return "absurd_size", "states no usable number of bits per pixel"
    return None


def cut_short(header: Header, left: int) -> tuple[str, str] | None:
    dataset = header.dataset
    if dataset.file_meta.TransferSyntaxUID.is_compressed:
        return None if left > 0 else ("truncated", "holds no pixel data")
    expected = (
        frame_count(dataset) * int(dataset.Rows) * int(dataset.Columns) * int(dataset.BitsAllocated) // 8
    )
    return ("truncated", "ends before its pixel data does") if left < expected else None


def frame_count(dataset: Dataset) -> int:
    return int(dataset.get("NumberOfFrames") or 1)


def frames_of(header: Header) -> list[Frame] | Rejection:
    """The slices of a file with their geometry, or why there is none."""
    try:
        with quiet():
            frames = [_frame(header, index) for index in range(frame_count(header.dataset))]
    except DICOM.UNREADABLE:
        return reject(
            header.file, "no_geometry", "states no usable position, orientation or pixel spacing", header
        )
    reasons = [reason for frame in frames if (reason := _misplaced(frame))]
    return reject(header.file, "bad_geometry", reasons[0], header) if reasons else frames


def _frame(header: Header, index: int) -> Frame:
    orientation = _numbers(attribute(header, index, "PlaneOrientationSequence", "ImageOrientationPatient"), 6)
    between_rows, between_columns = _numbers(
        attribute(header, index, "PixelMeasuresSequence", "PixelSpacing"), 2
    )
    return Frame(
        header=header,
        index=index,
        position=_numbers(attribute(header, index, "PlanePositionSequence", "ImagePositionPatient"), 3),
        row=orientation[:3],
        column=orientation[3:],
        spacing_ij=(float(between_columns), float(between_rows)),
        slope=_number(attribute(header, index, "PixelValueTransformationSequence", "RescaleSlope")),
        intercept=_number(attribute(header, index, "PixelValueTransformationSequence", "RescaleIntercept")),
    )


def attribute(header: Header, index: int, macro: str, keyword: str) -> Any:
    """A frame's attribute: from its own functional group, else the shared one, else the top of the data set."""
    dataset = header.dataset
    if not header.multi_frame:
        return dataset.get(keyword)
    groups = []
    if "PerFrameFunctionalGroupsSequence" in dataset:
        groups.append(dataset.PerFrameFunctionalGroupsSequence[index])
    if "SharedFunctionalGroupsSequence" in dataset:
        groups.append(dataset.SharedFunctionalGroupsSequence[0])
    for group in groups:
        if macro in group and group[macro].value:
            return group[macro].value[0].get(keyword)
    return dataset.get(keyword)


def _numbers(value: Any, count: int) -> NDArray[np.float64]:
    numbers = np.array([float(part) for part in value], dtype=np.float64)
    if numbers.shape != (count,) or not np.isfinite(numbers).all():
        raise ValueError(f"expected {count} finite numbers")
    return numbers


def _number(value: Any) -> float | None:
    return None if value is None or value == "" else float(value)


def _misplaced(frame: Frame) -> str:
    low, high = SPACING_LIMITS_MM
    if not all(low <= spacing <= high for spacing in frame.spacing_ij):
        return f"has a pixel spacing outside {low} to {high} mm"
    if np.abs(frame.position).max() > POSITION_LIMIT_MM:
        return f"lies more than {POSITION_LIMIT_MM:.0f} mm from the origin"
    return "" if are_unit_and_square(frame.row, frame.column, 1e-2) else "has an impossible orientation"


def sorted_out(files: Iterable[SourceFile]) -> tuple[list[Header], list[Frame], list[Rejection]]:
    """Which files are slices, those slices, and why each of the others is none."""
    headers, frames, rejections, elements = [], [], [], Elements()
    for file in files:
        read = read_header(file, elements=elements)
        if isinstance(read, Rejection):
            rejections.append(read)
            continue
        placed = frames_of(read)
        if isinstance(placed, Rejection):
            rejections.append(placed)
            continue
        headers.append(read)
        frames.extend(placed)
    return headers, frames, rejections


def load_pixels(header: Header) -> Dataset:
    """The whole data set of a file: its checked header, and its pixels."""
    with quiet():
        whole = copy(header.dataset)
        fresh = DICOM.dcmread(BytesIO(header.file.path.read_bytes()), specific_tags=["PixelData"])
        whole["PixelData"] = fresh["PixelData"]
        return whole
