"""A de-identified copy of the images used, for the work area (G-IMG-03).

An allow-list, not a block-list: what is not named here does not leave (PS3.15 Annex E, Basic Profile, with the options
retain full dates: the date of acquisition stays). UIDs are replaced by HMAC under a key of the caller's, so one
patient's images keep fitting together and nobody without the key can go back. Faces remain in head scans: a head's surface
counts as identifying whatever its header says.
"""

from __future__ import annotations

import hashlib
import hmac
import zipfile
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from io import BytesIO
from pathlib import Path
from typing import TYPE_CHECKING, Any

from devices.imaging.base import Finding, ImagingRefused, ReadImages
from devices.imaging.dicom import DICOM, frame_count, is_dicom, load_pixels, quiet, read_header
from devices.imaging.dicom import Header as DicomHeader
from devices.imaging.sources import SourceFile, opened, read_inflated
from mes.lazy import lazily

if TYPE_CHECKING:
    from pydicom.dataelem import DataElement
    from pydicom.dataset import Dataset
    from pydicom.uid import UID

nib: Any = lazily("nibabel")

MIN_KEY_BYTES = 16
IMPLEMENTATION_UID = "2.25.216790463124021318894710336264318127811"
METHOD = "Lamina allow-list 1, PS3.15 2024 Basic Profile"
BASIC_PROFILE, RETAIN_DATES = "113100", "113106"
MEANINGS = {
    BASIC_PROFILE: "Basic Application Confidentiality Profile",
    RETAIN_DATES: "Retain Longitudinal Temporal Information Full Dates Option",
}
EPOCH = (1980, 1, 1, 0, 0, 0)

UIDS = frozenset({"SOPInstanceUID", "StudyInstanceUID", "SeriesInstanceUID", "FrameOfReferenceUID"})
FIXED = frozenset({"SOPClassUID"})
PIXELS = frozenset({
    "SamplesPerPixel", "PhotometricInterpretation", "NumberOfFrames", "Rows", "Columns", "BitsAllocated", "BitsStored",
    "HighBit", "PixelRepresentation", "PixelData", "PixelPaddingValue", "PixelPaddingRangeLimit", "RescaleIntercept",
    "RescaleSlope", "RescaleType", "LossyImageCompression", "LossyImageCompressionRatio", "LossyImageCompressionMethod",
    "SmallestImagePixelValue", "LargestImagePixelValue", "WindowCenter", "WindowWidth",
})  # fmt: skip
GEOMETRY = frozenset({
    "ImagePositionPatient", "ImageOrientationPatient", "PixelSpacing", "SliceThickness", "SpacingBetweenSlices",
    "SliceLocation", "GantryDetectorTilt", "PatientPosition", "PositionReferenceIndicator", "FrameLaterality",
    "Laterality", "InStackPositionNumber", "DimensionIndexValues", "TableHeight",
})  # fmt: skip
ACQUISITION = frozenset({
    "ImageType", "Modality", "Manufacturer", "ManufacturerModelName", "ConvolutionKernel", "KVP", "XRayTubeCurrent",
    "Exposure", "ExposureTime", "ReconstructionDiameter", "DataCollectionDiameter", "AcquisitionDate", "SeriesNumber",
    "InstanceNumber", "AcquisitionNumber", "BurnedInAnnotation", "FrameType", "VolumetricProperties",
})  # fmt: skip
MACROS = frozenset({
    "SharedFunctionalGroupsSequence", "PerFrameFunctionalGroupsSequence", "PlanePositionSequence",
    "PlaneOrientationSequence", "PixelMeasuresSequence", "PixelValueTransformationSequence", "FrameContentSequence",
    "CTImageFrameTypeSequence", "FrameAnatomySequence",
})  # fmt: skip
ALLOWED = UIDS | FIXED | PIXELS | GEOMETRY | ACQUISITION | MACROS
# Type 2 attributes of the composite modules: an object must carry them, so they are there and empty.
EMPTIED = ("PatientName", "PatientID", "PatientBirthDate", "PatientSex", "StudyDate", "StudyTime", "StudyID",
           "AccessionNumber", "ReferringPhysicianName")  # fmt: skip
LONGEST_TEXT = 64
TEXTS = frozenset({"LO", "SH", "LT", "ST", "UC", "UT"})


@dataclass(frozen=True)
class DeidentificationReport:
    """How often each attribute, by keyword, was kept, removed or mapped; attributes without a keyword by their group.

    files: how many images were written.  sha256: of the whole copy. Values never appear.
    """

    kept: Mapping[str, int]
    removed: Mapping[str, int]
    mapped: Mapping[str, int]
    files: int
    sha256: str


def deidentify(
    images: ReadImages,
    source: Path,
    destination: Path,
    *,
    key: bytes,
    names: Callable[[str], bool] = lambda text: False,
) -> DeidentificationReport:
    """Write a de-identified copy of the files that `read_images` used: a zip of DICOM, or a NIfTI.

    names: whether a text names the patient; such a one leaves even where its attribute may stay.
    The same images and key give the same bytes. destination is written whole or not at all.
    Raises ImagingRefused if the source no longer holds those files, ValueError for a key below 16 bytes.
    """
    if len(key) < MIN_KEY_BYTES:
        raise ValueError(f"the key must have at least {MIN_KEY_BYTES} bytes")
    with opened(source) as files:
        known = {file.digest: file for file in files}
        missing = [digest for digest in images.used if digest not in known]
        if missing or not images.used:
            raise _changed(len(missing))
        used = [known[digest] for digest in images.used]
        with _whole(destination) as partial:
            tallies = (
                _write_series(used, partial, key, names)
                if is_dicom(used[0])
                else _write_nifti(used[0], partial)
            )
            digest = _sha256(partial)
    kept, removed, mapped = (dict(sorted(tally.items())) for tally in tallies)
    return DeidentificationReport(kept, removed, mapped, len(used), digest)


def _changed(missing: int) -> ImagingRefused:
    message = f"The source no longer holds {missing} of the files that were read."
    return ImagingRefused([Finding("source_changed", "error", message, "Read the images again.")])


@contextmanager
def _whole(destination: Path) -> Iterator[Path]:
    partial = destination.with_name(f".{destination.name}.partial")
    try:
        yield partial
        partial.replace(destination)
    finally:
        partial.unlink(missing_ok=True)


def _sha256(path: Path) -> str:
    with path.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()


Tallies = tuple[Counter[str], Counter[str], Counter[str]]


def _write_series(
    files: list[SourceFile], partial: Path, key: bytes, names: Callable[[str], bool]
) -> Tallies:
    tallies: Tallies = (Counter(), Counter(), Counter())
    # Stored, not deflated: no compressor's version can change the bytes.
    with zipfile.ZipFile(partial, "w", zipfile.ZIP_STORED) as archive:
        for number, file in enumerate(files, 1):
            archive.writestr(
                zipfile.ZipInfo(f"{number:06d}.dcm", EPOCH), _clean_file(file, key, names, tallies)
            )
    return tallies


def _clean_file(file: SourceFile, key: bytes, names: Callable[[str], bool], tallies: Tallies) -> bytes:
    header = read_header(file, None)
    if not isinstance(header, DicomHeader):
        raise _changed(1)
    with quiet():
        original = load_pixels(header)
        clean = _cleaned(original, lambda uid: mapped_uid(key, uid), names, tallies)
        _cut_pixels(clean, original.file_meta.TransferSyntaxUID)
        clean.SOPClassUID = header.sop_class
        clean.SOPInstanceUID = mapped_uid(key, header.sop_uid or file.digest)
        for keyword in EMPTIED:
            setattr(clean, keyword, "")
        _mark(clean)
        return _encoded(clean, original.file_meta.TransferSyntaxUID)


def _cut_pixels(clean: Dataset, syntax: UID) -> None:
    """What lies behind the last pixel is no image: no reader looks at it, and it may be anything."""
    if not syntax.is_compressed:
        size = frame_count(clean) * int(clean.Rows) * int(clean.Columns) * int(clean.BitsAllocated) // 8
        clean.PixelData = clean.PixelData[:size] + bytes(size % 2)


def _cleaned(
    original: Dataset, remap: Callable[[str], str], names: Callable[[str], bool], tallies: Tallies
) -> Dataset:
    kept, removed, mapped = tallies
    clean: Dataset = DICOM.Dataset()
    for element in original:
        name = element.keyword or (
            "PrivateElement" if element.tag.is_private else f"Group{element.tag.group:04X}"
        )
        if name not in ALLOWED or not _harmless(element, names):
            removed[name] += 1
        elif element.VR == "SQ":
            clean[element.tag] = DICOM.DataElement(
                element.tag,
                "SQ",
                DICOM.Sequence([_cleaned(item, remap, names, tallies) for item in element.value]),
            )
        elif name in UIDS:
            mapped[name] += 1
            clean[element.tag] = DICOM.DataElement(element.tag, "UI", remap(str(element.value)))
        else:
            kept[name] += 1
            clean[element.tag] = element
    return clean


def _harmless(element: DataElement, names: Callable[[str], bool]) -> bool:
    """Codes and numbers are short; a long text in an allowed attribute is no code, and one with a name is no make."""
    if element.VR in TEXTS and any(names(str(part)) for part in _parts(element)):
        return False
    return element.VR in ("OB", "OW", "OB or OW", "SQ") or all(
        len(str(part)) <= LONGEST_TEXT for part in _parts(element)
    )


def _parts(element: DataElement) -> list[Any]:
    return list(element.value) if element.VM > 1 else [element.value]


def mapped_uid(key: bytes, uid: str) -> str:
    """A UID under 2.25 (PS3.5 B.2) that only the key's holder can tie to the original."""
    digest = hmac.new(key, uid.encode(), hashlib.sha256).digest()
    return f"2.25.{int.from_bytes(digest[:16], 'big')}"


def _mark(clean: Dataset) -> None:
    clean.PatientIdentityRemoved = "YES"
    clean.DeidentificationMethod = METHOD
    clean.DeidentificationMethodCodeSequence = DICOM.Sequence(
        [_code(code) for code in (BASIC_PROFILE, RETAIN_DATES)]
    )
    clean.LongitudinalTemporalInformationModified = "UNMODIFIED"


def _code(value: str) -> Dataset:
    code: Dataset = DICOM.Dataset()
    code.CodeValue, code.CodingSchemeDesignator, code.CodeMeaning = value, "DCM", MEANINGS[value]
    return code


def _encoded(clean: Dataset, syntax: UID) -> bytes:
    meta = DICOM.FileMetaDataset()
    meta.MediaStorageSOPClassUID, meta.MediaStorageSOPInstanceUID = clean.SOPClassUID, clean.SOPInstanceUID
    meta.TransferSyntaxUID, meta.ImplementationClassUID = syntax, DICOM.UID(IMPLEMENTATION_UID)
    clean.file_meta, clean.preamble = meta, b"\0" * 128
    stream = BytesIO()
    clean.save_as(stream, enforce_file_format=True)
    return stream.getvalue()


FREE_TEXT = ("descrip", "aux_file", "db_name", "intent_name", "data_type", "unused_str")
"""With those that no program uses: they hold whatever was written there."""


def _write_nifti(file: SourceFile, partial: Path) -> Tallies:
    """The image as it is, uncompressed, with every free text field and every extension gone."""
    data = read_inflated(file.path)
    kind: Any = nib.Nifti2Image if data[4:8] in (b"n+2\0", b"ni2\0") else nib.Nifti1Image
    image = kind.from_bytes(data)
    names = list(image.header.keys())
    removed = Counter({name: 1 for name in FREE_TEXT if name in names})
    removed.update({"extensions": 1} if len(image.header.extensions) else {})
    for name in set(FREE_TEXT) & set(names):
        image.header[name] = b""
    image.header.extensions.clear()
    clean = kind(image.dataobj.get_unscaled(), None, image.header)
    clean.header.set_slope_inter(image.dataobj.slope, image.dataobj.inter)
    clean.header["sform_code"], clean.header["qform_code"] = (
        image.header["sform_code"],
        image.header["qform_code"],
    )
    partial.write_bytes(clean.to_bytes())
    return Counter({name: 1 for name in names if name not in FREE_TEXT}), removed, Counter()
