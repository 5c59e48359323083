"""A surface in the archive of images: DICOM Encapsulated STL (PS3.3 A.85.1, supplement 205), written and read by pydicom.

It keeps the study and the frame of reference of the images that it was made from, so a viewer lays it onto them; the STL within
is the file of the record to the last byte. It carries the case code where a patient's name would stand.
"""

from __future__ import annotations

import io
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from hashlib import sha256
from typing import TYPE_CHECKING, Any

from mes.lazy import lazily

if TYPE_CHECKING:
    from pydicom import Dataset

DICOM: Any = lazily("pydicom")
UIDS: Any = lazily("pydicom.uid")

SOP_CLASS = "1.2.840.10008.5.1.4.1.1.104.3"
MEDIA_TYPE = "model/stl"
NAMED = ("StudyInstanceUID", "FrameOfReferenceUID", "SOPClassUID", "SOPInstanceUID")
IMPLEMENTATION_UID = "2.25.216790463124021318894710336264318127811"
SLOPPY = (OSError, ValueError, AttributeError, KeyError, TypeError)
"""What pydicom raises for a file that is no DICOM, or lacks what this class of object has."""


class NotEncapsulated(Exception):
    """The file is no Encapsulated STL, or the STL in it is not whole."""


@dataclass(frozen=True)
class Images:
    """What a surface was made from, as the de-identified images name themselves."""

    study_uid: str
    frame_of_reference_uid: str
    sop_class_uid: str
    instance_uids: tuple[str, ...]


@dataclass(frozen=True)
class Described:
    """case_code: stands for the patient.  title: the device type.  modified: the surface is more or less than the anatomy.
    mirrored: left and right are exchanged.  recognisable: a face may be seen in it."""

    case_code: str
    title: str
    device_code: str
    revision: int
    made_at: datetime
    software: str
    modified: bool
    mirrored: bool
    recognisable: bool


@dataclass(frozen=True)
class Encapsulated:
    """An STL out of the archive, and what its wrapping says."""

    stl: bytes
    case_code: str
    images: Images
    unit: str
    modified: bool
    mirrored: bool
    burned_in: bool


def images_in(files: Iterable[bytes]) -> Images:
    """What the DICOM files of one series call themselves, without their pixels."""
    heads = [
        DICOM.dcmread(io.BytesIO(file), stop_before_pixels=True, specific_tags=list(NAMED)) for file in files
    ]
    study, frame, sop_class = (str(heads[0].get(keyword, "")) for keyword in NAMED[:3])
    return Images(study, frame, sop_class, tuple(sorted(str(head.SOPInstanceUID) for head in heads)))


def encapsulate(stl: bytes, images: Images, described: Described) -> bytes:
    """The STL as one DICOM file, Explicit VR Little Endian. The same input gives the same bytes."""
    data = DICOM.Dataset()
    digest = sha256(stl).hexdigest()
    instance = _uid(f"{digest} {described.device_code} {described.revision}")
    _patient_and_study(data, images, described)
    _series_and_equipment(data, images, described, _uid(f"{images.study_uid} {described.device_code}"))
    data.SOPClassUID, data.SOPInstanceUID = SOP_CLASS, instance
    data.SpecificCharacterSet = "ISO_IR 192"
    data.InstanceNumber = described.revision
    moment = f"{described.made_at:%Y%m%d%H%M%S}"
    data.ContentDate, data.ContentTime, data.AcquisitionDateTime = moment[:8], moment[8:], moment
    data.BurnedInAnnotation = "NO"
    data.RecognizableVisualFeatures = _said(described.recognisable)
    data.DocumentTitle = described.title[:64]
    data.ConceptNameCodeSequence = []
    data.MIMETypeOfEncapsulatedDocument = MEDIA_TYPE
    data.EncapsulatedDocumentLength = len(stl)
    data.EncapsulatedDocument = stl + b"\0" * (len(stl) % 2)
    data.MeasurementUnitsCodeSequence = [_code("mm", "UCUM", "mm")]
    data.ModelModification = _said(described.modified)
    data.ModelMirroring = _said(described.mirrored)
    data.ContentDescription = described.title[:64]
    data.SourceInstanceSequence = [_reference(images.sop_class_uid, uid) for uid in images.instance_uids]
    return _written(data, instance)


def extract(file: bytes) -> Encapsulated:
    """What was encapsulated, the padding of an odd length taken off. Raises NotEncapsulated."""
    try:
        return _read(DICOM.dcmread(io.BytesIO(file)))
    except (*SLOPPY, DICOM.errors.InvalidDicomError) as error:
        raise NotEncapsulated("The file is no DICOM Encapsulated STL.") from error


def _read(data: Dataset) -> Encapsulated:
    if data.SOPClassUID != SOP_CLASS:
        raise NotEncapsulated("The file is a DICOM object of another class.")
    length, held = int(data.EncapsulatedDocumentLength), bytes(data.EncapsulatedDocument)
    if not 0 <= len(held) - length <= 1:
        raise NotEncapsulated("The STL within is not as long as the file says.")
    sources = data.get("SourceInstanceSequence", [])
    return Encapsulated(
        stl=held[:length],
        case_code=str(data.PatientID),
        images=Images(
            str(data.StudyInstanceUID),
            str(data.FrameOfReferenceUID),
            str(sources[0].ReferencedSOPClassUID) if sources else "",
            tuple(str(one.ReferencedSOPInstanceUID) for one in sources),
        ),
        unit=str(data.MeasurementUnitsCodeSequence[0].CodeValue),
        modified=data.get("ModelModification") == "YES",
        mirrored=data.get("ModelMirroring") == "YES",
        burned_in=data.BurnedInAnnotation == "YES",
    )


def _patient_and_study(data: Dataset, images: Images, described: Described) -> None:
    data.PatientName = data.PatientID = described.case_code
    data.PatientBirthDate = data.PatientSex = ""
    data.PatientIdentityRemoved = "YES"
    data.DeidentificationMethod = "Lamina: a case code stands for the patient"
    data.StudyInstanceUID = images.study_uid
    data.StudyDate = data.StudyTime = data.ReferringPhysicianName = data.StudyID = data.AccessionNumber = ""


def _series_and_equipment(data: Dataset, images: Images, described: Described, series_uid: str) -> None:
    data.Modality = "M3D"
    data.SeriesInstanceUID, data.SeriesNumber = series_uid, 1
    data.SeriesDescription = described.title[:64]
    data.FrameOfReferenceUID = images.frame_of_reference_uid
    data.PositionReferenceIndicator = ""
    data.Manufacturer, data.ManufacturerModelName = "Lamina", "Lamina"
    data.DeviceSerialNumber, data.SoftwareVersions = described.device_code, described.software


def _reference(sop_class: str, instance: str) -> Any:
    item = DICOM.Dataset()
    item.ReferencedSOPClassUID, item.ReferencedSOPInstanceUID = sop_class, instance
    return item


def _code(value: str, scheme: str, meaning: str) -> Any:
    item = DICOM.Dataset()
    item.CodeValue, item.CodingSchemeDesignator, item.CodeMeaning = value, scheme, meaning
    return item


def _said(flag: bool) -> str:
    return "YES" if flag else "NO"


def _uid(text: str) -> str:
    """Under 2.25 (PS3.5 B.2), from what is named and not by chance."""
    return f"2.25.{int.from_bytes(sha256(text.encode()).digest()[:16], 'big')}"


def _written(data: Dataset, instance: str) -> bytes:
    meta = DICOM.dataset.FileMetaDataset()
    meta.MediaStorageSOPClassUID, meta.MediaStorageSOPInstanceUID = SOP_CLASS, instance
    meta.TransferSyntaxUID = UIDS.ExplicitVRLittleEndian
    meta.ImplementationClassUID = UIDS.UID(IMPLEMENTATION_UID)
    data.file_meta = meta
    file = io.BytesIO()
    data.save_as(file, enforce_file_format=True)
    return file.getvalue()
