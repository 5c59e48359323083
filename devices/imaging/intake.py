"""The front door for images: a folder, zip or file becomes one calibrated volume, or a refusal with every reason.

G-IMG-01 stands on the findings made here; G-ORD-05 compares the identity, which is returned apart.
"""

from __future__ import annotations

import hashlib
from collections.abc import Collection, Iterable
from datetime import date
from pathlib import Path
from typing import Literal

import numpy as np

from devices.imaging.base import (
    Acquisition,
    Finding,
    ImagingRefused,
    ReadImages,
    RejectedFile,
    Volume,
    refuse_on_error,
)
from devices.imaging.calibration import acquired, kind_findings, rescale_findings, value_unit
from devices.imaging.dicom import (
    Frame,
    Header,
    Rejection,
    attribute,
    image_type,
    is_dicom,
    quiet,
    sorted_out,
)
from devices.imaging.geometry import heights_of, nominal_differs, stacked, stated, too_thin
from devices.imaging.leftout import none_is_a_slice, said_of_files
from devices.imaging.mixing import acquisitions
from devices.imaging.nifti import is_nifti, read_nifti
from devices.imaging.pixels import LOSSY_SYNTAXES, hounsfield
from devices.imaging.series import (
    Series,
    chosen,
    day,
    decimal,
    described,
    grouped,
    identity,
    summaries,
    text,
    without_duplicates,
)
from devices.imaging.sources import SourceFile, opened

CT_ONLY = frozenset({"CT"})
NO_AIR_HU = -300
SIDES: dict[str, Literal["left", "right"]] = {"L": "left", "R": "right"}
UNTOLD = {"incomplete", "truncated", "malformed"}


def read_images(
    source: Path, *, series_uid: str | None = None, modalities: Collection[str] = CT_ONLY
) -> ReadImages:
    """Read a folder, a .zip, one DICOM file, `.nii` or `.nii.gz`, found by content and not by name.

    series_uid: which series to use where the upload holds several: its UID, or its key (`series_key`).
    modalities: "CT" unless the caller wants others; only CT is calibrated in Hounsfield units.
    Raises ImagingRefused with every finding; nothing is guessed over. G-IMG-01.
    """
    with opened(source) as files:
        images = [file for file in files if is_nifti(file)]
        if images:
            return read_nifti(_only(images, files))
        return _read_dicom(files, series_uid, modalities)


def _only(images: list[SourceFile], files: list[SourceFile]) -> SourceFile:
    if len(images) > 1 or any(is_dicom(file) for file in files):
        message = f"The upload holds {len(images)} NIfTI images among {len(files)} files."
        raise ImagingRefused([Finding("several_images", "error", message, "Upload one image only.")])
    return images[0]


def _read_dicom(files: list[SourceFile], series_uid: str | None, modalities: Collection[str]) -> ReadImages:
    headers, frames, rejections = sorted_out(files)
    findings = said_of_files(_files(rejections))
    try:
        return _read_series(headers, frames, rejections, findings, series_uid, modalities)
    except ImagingRefused as refusal:
        raise ImagingRefused(dict.fromkeys([*refusal.findings, *findings])) from refusal


def _read_series(
    headers: list[Header],
    frames: list[Frame],
    rejections: list[Rejection],
    findings: list[Finding],
    series_uid: str | None,
    modalities: Collection[str],
) -> ReadImages:
    if not headers and not any(rejection.header for rejection in rejections):
        message = "The upload holds no readable DICOM or NIfTI image."
        raise ImagingRefused(
            [
                Finding(
                    "no_images",
                    "error",
                    message,
                    "Upload the series as the scanner exported it; of a surface scan, say how its axes lie.",
                )
            ]
        )
    # A localiser or a screenshot of somebody else in the folder is as alarming as a slice of somebody else.
    patient, said = identity(headers, (rejection.header for rejection in rejections if rejection.header))
    refuse_on_error([*said, *findings])
    if not frames:
        raise ImagingRefused([none_is_a_slice(_files(rejections), "/".join(sorted(modalities)))])
    every = grouped(frames, rejections)
    series = chosen(every, series_uid, modalities)
    findings += _lost(rejections, series)
    findings += said + _said_of_series(series)
    if series_uid is not None:
        message = f"Of {len(every)} series, the sender chose {described(series)}."
        findings.append(Finding("chosen_series", "info", message))
    volume, used, more = _volume(series, findings)
    listed = summaries(every, series, modalities)
    return ReadImages(volume, patient, (*findings, *more), listed, _files(rejections), used)


def _files(rejections: Iterable[Rejection]) -> tuple[RejectedFile, ...]:
    return tuple(rejection.file for rejection in rejections)


def _lost(rejections: Iterable[Rejection], series: Series) -> list[Finding]:
    """Files of which nobody can tell that they were no slices: without them the volume may end early, and look whole."""
    lost = [
        rejection.file.digest
        for rejection in rejections
        if rejection.file.code in UNTOLD and not _told(rejection) and rejection not in series.damaged
    ]
    if not lost:
        return []
    message = f"{len(lost)} file{'s' * (len(lost) > 1)} among the slices came empty, cut or damaged ({', '.join(lost[:5])})."
    cure = "Send the series again, complete; leave out files that are no images."
    return [Finding("lost_files", "error", message, cure)]


def _told(rejection: Rejection) -> bool:
    return rejection.header is not None and bool(rejection.header.series_uid)


def _said_of_series(series: Series) -> list[Finding]:
    found = []
    if series.damaged:
        labels = ", ".join(rejection.file.digest for rejection in series.damaged[:5])
        message = f"{len(series.damaged)} files of the series are damaged ({labels})."
        found.append(Finding("damaged_slices", "error", message, "Send the series again, complete."))
    if not series.uid:
        message = "The images carry no series identifier: that they belong together is seen from their positions alone."
        found.append(
            Finding("no_series_uid", "warning", message, "Prefer an export that keeps its identifiers.")
        )
    found += _said_of_scans(series)
    places = {str(frame.header.dataset.get("FrameOfReferenceUID", "")) for frame in series.frames}
    if len(places) > 1:
        message = f"The series states {len(places)} frames of reference for its slices."
        found.append(
            Finding("several_frames_of_reference", "warning", message, "Check that the patient did not move.")
        )
    return found


def _said_of_scans(series: Series) -> list[Finding]:
    if series.mixed:
        message = f"One series identifier holds several scans that differ in {', '.join(series.traits)}."
        cure = "Export each scan as a series of its own, complete, and send in one of them."
        return [Finding("mixed_series", "error", message, cure)]
    if (count := len(set(filter(None, acquisitions(series.frames))))) < 2:
        return []
    message = f"The series was scanned in {count} acquisitions, one after the other along the table."
    cure = "Check that the patient did not move between them."
    return [Finding("several_acquisitions", "warning", message, cure)]


def _volume(series: Series, findings: list[Finding]) -> tuple[Volume, tuple[str, ...], list[Finding]]:
    frames, doubled = without_duplicates(series)
    stack = stacked(frames)
    found = [*doubled, *stack.findings, *rescale_findings(series.modality, stack.frames)]
    refuse_on_error([*findings, *found])
    refuse_on_error([*findings, *found, *_too_thin(stack.frames)])
    used = tuple(dict.fromkeys(frame.header.file.digest for frame in stack.frames))
    acquired_on, dated = acquired([_day(frame.header) for frame in stack.frames])
    found += dated
    if series.modality == "CT":
        found += kind_findings(image_type(stack.frames[0].header))
    refuse_on_error([*findings, *found])
    acquisition = _acquisition(stack.frames, used, acquired_on)
    voxels, said = hounsfield(stack.frames)
    refuse_on_error([*findings, *found, *said])
    first = stack.frames[0]
    volume = Volume(
        voxels=voxels,
        positions=np.array([frame.position for frame in stack.frames]),
        row_direction=first.row,
        column_direction=first.column,
        spacing_ij=first.spacing_ij,
        acquisition=acquisition,
    )
    return volume, used, [*found, *said, *_said_of_volume(volume)]


def _too_thin(frames: list[Frame]) -> list[Finding]:
    return too_thin(len(frames), float(np.ptp(heights_of(frames))))


def _acquisition(frames: list[Frame], used: Iterable[str], acquired_on: date | None) -> Acquisition:
    dataset = frames[0].header.dataset
    syntax = dataset.file_meta.TransferSyntaxUID
    with quiet():
        return Acquisition(
            source_format="DICOM",
            modality=frames[0].header.modality,
            kernel=text(dataset.get("ConvolutionKernel")),
            slice_thickness_mm=stated(frames, "SliceThickness"),
            nominal_slice_spacing_mm=decimal(dataset.get("SpacingBetweenSlices")),
            nominal_tilt_degrees=decimal(dataset.get("GantryDetectorTilt")),
            kvp=decimal(dataset.get("KVP")),
            acquired_on=acquired_on,
            manufacturer=text(dataset.get("Manufacturer")),
            model=text(dataset.get("ManufacturerModelName")),
            transfer_syntax=str(syntax),
            image_type="\\".join(image_type(frames[0].header)) or None,
            value_unit=value_unit(frames),
            lossy=any(_lossy(frame.header) for frame in frames),
            contrast=bool(dataset.get("ContrastBolusAgent")),
            side=_side(frames),
            source_digest=hashlib.sha256("".join(sorted(used)).encode()).hexdigest(),
        )


def _side(frames: Iterable[Frame]) -> Literal["left", "right"] | None:
    """Laterality of the series, of the image or of the frame (PS3.3 C.7.3.1, C.7.6.1, C.7.6.16.2.8); None where one says both sides,
    none, or something else than the others."""
    said = {_laterality(frame) for frame in frames}
    return SIDES.get(said.pop()) if len(said) == 1 else None


def _laterality(frame: Frame) -> str:
    dataset = frame.header.dataset
    own = attribute(frame.header, frame.index, "FrameAnatomySequence", "FrameLaterality")
    return str(own or dataset.get("ImageLaterality") or dataset.get("Laterality") or "").strip().upper()


def _day(header: Header) -> date | None:
    keywords = ("AcquisitionDate", "AcquisitionDateTime", "ContentDate", "SeriesDate", "StudyDate")
    return next(filter(None, (day(header.dataset.get(keyword)) for keyword in keywords)), None)


def _lossy(header: Header) -> bool:
    stated = str(header.dataset.get("LossyImageCompression", "")) == "01"
    return stated or str(header.dataset.file_meta.TransferSyntaxUID) in LOSSY_SYNTAXES


def _said_of_volume(volume: Volume) -> list[Finding]:
    acquisition = volume.acquisition
    nominal = acquisition.nominal_slice_spacing_mm
    found = nominal_differs(
        acquisition.slice_thickness_mm if nominal is None else nominal, volume.slice_spacing_mm
    )
    if acquisition.lossy:
        message = "The images were compressed with loss, which changes values by up to hundreds of HU."
        found.append(
            Finding(
                "lossy",
                "warning",
                message,
                "Ask for the original images: a master for clinical use takes no other.",
            )
        )
    # The first slices show air, in nearly every scan.
    if acquisition.modality == "CT" and all(float(one.min()) > NO_AIR_HU for one in volume.voxels):
        found.append(
            Finding(
                "no_air", "warning", "No voxel has the value of air.", "Check calibration and field of view."
            )
        )
    return found
