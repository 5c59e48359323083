"""NIfTI in and out. Its world is RAS; ours is LPS: x and y change sign, nothing is resampled.

NIfTI says nothing of patient, modality or calibration, and the reader says so.
"""

from __future__ import annotations

import gzip
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from devices.imaging.base import (
    Acquisition,
    Finding,
    ImagingRefused,
    PatientIdentifiers,
    ReadImages,
    Volume,
    Voxels,
    are_unit_and_square,
    refuse_on_error,
)
from devices.imaging.calibration import hounsfield_findings, value_findings
from devices.imaging.geometry import TILT_DEGREES, too_thin
from devices.imaging.pixels import INT16, LOWEST_HU, MAX_VOXELS
from devices.imaging.sources import GZIP_MAGIC, SourceFile, read_inflated
from mes.lazy import lazily

nib: Any = lazily("nibabel")

UNSTATED = Finding(
    "modality_unstated",
    "warning",
    "NIfTI does not state modality, patient or calibration: that these are Hounsfield units is the uploader's word.",
    "Prefer the DICOM series.",
)
HEADER_BYTES = 544
EXTENSION_HEAD = 8
MAX_SIDE = 4096
SPACING_LIMITS_MM = (0.01, 20.0)
POSITION_LIMIT_MM = 10_000.0
AGREE_MM = 0.1
RAS_TO_LPS = np.diag([-1.0, -1.0, 1.0, 1.0])
MILLIMETRE_CODES = (0, 2)
UNREADABLE = (
    ValueError,
    KeyError,
    TypeError,
    IndexError,
    EOFError,
    OSError,
    OverflowError,
    MemoryError,
    AttributeError,
)


def is_nifti(file: SourceFile) -> bool:
    """By content: the magic of NIfTI-1 or -2, gzipped or not."""
    try:
        with file.path.open("rb") as plain:
            head = plain.read(HEADER_BYTES)
        if head[:2] == GZIP_MAGIC:
            with gzip.open(file.path, "rb") as stream:
                head = stream.read(HEADER_BYTES)
    except (OSError, EOFError, ValueError):
        return head[:2] == GZIP_MAGIC
    return head[344:348] in (b"n+1\0", b"ni1\0") or head[4:8] in (b"n+2\0", b"ni2\0")


def _error(code: str, message: str, cure: str = "Export the image again from its source.") -> ImagingRefused:
    return ImagingRefused([Finding(code, "error", message, cure)])


def placed_image(file: SourceFile) -> tuple[Any, NDArray[np.float64], list[Finding]]:
    """A 3-D NIfTI image that is whole, the 4 x 4 affine from its (i, j, k) to LPS mm, and what was found. Raises ImagingRefused."""
    data = read_inflated(file.path)
    header = _stored_header(data)
    refuse_on_error([*_scale_findings(header), *_layout_findings(header, data)])
    image = _parsed(data)
    findings = _header_findings(image)
    refuse_on_error(findings)
    _check_complete(image, len(data))
    geometry, more = _placed(image)
    findings += more
    refuse_on_error(findings)
    return image, geometry, findings


def read_nifti(file: SourceFile) -> ReadImages:
    """One 3-D NIfTI image as a volume. Raises ImagingRefused."""
    image, geometry, findings = placed_image(file)
    slices = int(image.header.get_data_shape()[2])
    refuse_on_error(too_thin(slices, float(np.linalg.norm(geometry[:3, 2])) * (slices - 1)))
    voxels = _values(image)
    volume = _oriented(voxels, geometry, file)
    findings.append(UNSTATED)
    return ReadImages(volume, PatientIdentifiers(), tuple(findings), used=(file.digest,))


def _parsed(data: bytes) -> Any:
    try:
        kind = nib.Nifti2Image if data[4:8] in (b"n+2\0", b"ni2\0") else nib.Nifti1Image
        return kind.from_bytes(data)
    except (*UNREADABLE, nib.filebasedimages.ImageFileError, nib.spatialimages.HeaderDataError):
        raise _error("malformed", "The NIfTI header cannot be read.") from None


def _check_complete(image: Any, held: int) -> None:
    """Before anything is allocated: a header may claim gigabytes."""
    header = image.header
    claimed = int(np.prod([int(side) for side in header.get_data_shape()])) * int(
        header.get_data_dtype().itemsize
    )
    if claimed > held:
        raise _error("truncated", "The image ends before its voxels do.")


def _header_findings(image: Any) -> list[Finding]:
    header, found = image.header, []
    sides = tuple(int(side) for side in header.get_data_shape())
    while len(sides) > 3 and sides[-1] == 1:
        sides = sides[:-1]
    if len(sides) != 3:
        found.append(
            Finding(
                "not_a_volume",
                "error",
                f"The image has {len(sides)} dimensions, not 3.",
                "Export one volume.",
            )
        )
    elif min(sides) < 2 or max(sides) > MAX_SIDE or np.prod(sides) > MAX_VOXELS:
        found.append(
            Finding(
                "absurd_size",
                "error",
                f"The image has {sides} voxels; 2 to {MAX_SIDE} a side are accepted.",
                "Crop it.",
            )
        )
    if int(header["xyzt_units"]) & 7 not in MILLIMETRE_CODES:
        found.append(
            Finding("units", "error", "The image is not in millimetres.", "Export it in millimetres.")
        )
    if header.get_data_dtype().kind not in "iuf":
        found.append(
            Finding(
                "not_grey", "error", "The image does not hold one number a voxel.", "Export the grey values."
            )
        )
    if int(header["sform_code"]) <= 0 and int(header["qform_code"]) <= 0:
        message = "The image does not say how it lies in the patient (sform and qform codes are 0)."
        found.append(
            Finding(
                "no_orientation",
                "error",
                message,
                "Export it with its orientation, or upload the DICOM series.",
            )
        )
    return found


def _stored_header(data: bytes) -> Any:
    """The header as it stands in the file: an image that was parsed has forgotten its scale and where its voxels begin."""
    kind = nib.Nifti2Header if data[4:8] in (b"n+2\0", b"ni2\0") else nib.Nifti1Header
    if len(data) < kind.template_dtype.itemsize:
        raise _error("truncated", "The image ends within its header.")
    return kind(data[: kind.template_dtype.itemsize], check=False)


def _scale_findings(header: Any) -> list[Finding]:
    """A slope of 0 means that the values are stored as they are (NIfTI-1, scl_slope); anything else has to keep their order."""
    slope, shift = float(header["scl_slope"]), float(header["scl_inter"])
    if slope == 0 or (0 < slope < np.inf and np.isfinite(shift)):
        return []
    message = f"The image scales its values by {slope:g} and shifts them by {shift:g}: that is impossible, or turns air into bone."
    return [Finding("bad_scale", "error", message, "Export the image again from its source.")]


def _layout_findings(header: Any, data: bytes) -> list[Finding]:
    """Where the header says that the voxels begin has to lie behind the header and its extensions."""
    begins, least = float(header["vox_offset"]), header.template_dtype.itemsize + 4
    if begins > len(data):
        raise _error("truncated", "The image ends before its voxels begin.")
    if not (least <= begins and begins.is_integer()):
        message = f"The image says that its voxels begin at byte {begins:g}; its header alone has {least}."
    elif not _extensions_fit(data, least, int(begins), header.endianness):
        message = "The image's header extensions have impossible sizes."
    else:
        return []
    return [Finding("bad_layout", "error", message, "Export the image again from its source.")]


def _extensions_fit(data: bytes, start: int, end: int, order: str) -> bool:
    """Each extension states its own size, a multiple of 16 bytes, and ends before the voxels begin."""
    place = start
    while data[start - 4] and place + EXTENSION_HEAD <= end:
        size = int(np.frombuffer(data, f"{order}i4", 1, place)[0])
        if size < 2 * EXTENSION_HEAD or size % 16 or place + size > end:
            return False
        place += size
    return True


def _placed(image: Any) -> tuple[NDArray[np.float64], list[Finding]]:
    header = image.header
    sform, qform = header.get_sform(coded=True)[0], _qform(header)
    affine = np.asarray(sform if sform is not None else qform, dtype=np.float64)
    if not (np.isfinite(affine).all() and (qform is None or np.isfinite(qform).all())):
        raise _error("bad_geometry", "The image's orientation is not finite.")
    found = _spacing_findings(affine)
    corner = np.append(np.array(header.get_data_shape()[:3]) - 1.0, 1.0)
    if sform is not None and qform is not None and np.abs((affine - qform) @ corner).max() > AGREE_MM:
        message = "The image's two statements of orientation (sform and qform) disagree."
        found.append(Finding("orientation_conflict", "error", message, "Upload the DICOM series instead."))
    return RAS_TO_LPS @ affine, found


def _qform(header: Any) -> NDArray[np.float64] | None:
    try:
        return header.get_qform(coded=True)[0]  # type: ignore[no-any-return]
    except (*UNREADABLE, nib.spatialimages.HeaderDataError):
        raise _error("bad_geometry", "The image's orientation is impossible.") from None


def _spacing_findings(affine: NDArray[np.float64]) -> list[Finding]:
    low, high = SPACING_LIMITS_MM
    lengths = np.linalg.norm(affine[:3, :3], axis=0)
    if not ((lengths >= low) & (lengths <= high)).all() or np.abs(affine[:3, 3]).max() > POSITION_LIMIT_MM:
        message = f"The image's voxels are not {low} to {high} mm, or lie more than {POSITION_LIMIT_MM:.0f} mm from the origin."
        return [Finding("bad_geometry", "error", message, "Export the image again from its source.")]
    axes = affine[:3, :3] / lengths
    if not are_unit_and_square(axes[:, 0], axes[:, 1]) or abs(np.linalg.det(axes)) < 0.1:
        return [
            Finding(
                "bad_geometry",
                "error",
                "The image's rows and columns are not square.",
                "Upload the DICOM series.",
            )
        ]
    lean = float(np.degrees(np.arccos(np.clip(abs(np.linalg.det(axes)), 0, 1))))
    if lean < TILT_DEGREES:
        return []
    message = f"The slices lean by {lean:.2f} degrees; the shear is kept and nothing is resampled."
    return [Finding("gantry_tilt", "warning", message, "Check that the protocol allows a tilted gantry.")]


def numbers_of(image: Any) -> NDArray[Any]:
    """Its values, shape (i, j, k). Raises ImagingRefused where they end early, or are no numbers."""
    try:
        scaled = np.asanyarray(image.dataobj)
    except (*UNREADABLE, nib.filebasedimages.ImageFileError):
        raise _error("truncated", "The image ends before its voxels do.") from None
    scaled = scaled.reshape(scaled.shape[:3])
    low, high = float(scaled.min()), float(scaled.max())
    if not (np.isfinite(low) and np.isfinite(high)):
        raise _error("not_finite", "The image holds values that are not numbers (NaN or infinite).")
    return np.asarray(scaled)


def _values(image: Any) -> Voxels:
    scaled = numbers_of(image)
    low, high = float(scaled.min()), float(scaled.max())
    refuse_on_error(value_findings(low, high) or hounsfield_findings(scaled))
    voxels = np.ascontiguousarray(scaled.transpose(2, 1, 0))
    return _narrowed(voxels, high)


def _narrowed(voxels: NDArray[Any], high: float) -> Voxels:
    whole = voxels.dtype.kind in "iu" or bool((voxels == np.rint(voxels)).all())
    if whole and high <= INT16.max:
        return voxels.astype(np.int16)
    return voxels.astype(np.float32)


def _oriented(voxels: Voxels, affine: NDArray[np.float64], file: SourceFile) -> Volume:
    lengths = np.linalg.norm(affine[:3, :3], axis=0)
    oriented: Any = voxels
    row, column = affine[:3, 0] / lengths[0], affine[:3, 1] / lengths[1]
    positions = affine[:3, 3] + np.arange(len(voxels))[:, None] * affine[:3, 2]
    if affine[:3, 2] @ np.cross(row, column) < 0:
        oriented, positions = np.ascontiguousarray(voxels[::-1]), positions[::-1]
    np.maximum(oriented, LOWEST_HU, out=oriented)
    acquisition = Acquisition("NIfTI", source_digest=file.digest)
    return Volume(oriented, positions, row, column, (float(lengths[0]), float(lengths[1])), acquisition)


def affine_ras(volume: Volume) -> NDArray[np.float64]:
    """The 4 x 4 NIfTI affine of a volume, (i, j, k) to RAS mm. Raises ValueError where the slices are unevenly placed."""
    steps = np.diff(volume.positions, axis=0)
    if np.abs(steps - steps[0]).max() > 1e-3:
        raise ValueError("an unevenly spaced volume has no single affine")
    affine = np.eye(4)
    affine[:3, 0] = volume.row_direction * volume.spacing_ij[0]
    affine[:3, 1] = volume.column_direction * volume.spacing_ij[1]
    affine[:3, 2] = (volume.positions[-1] - volume.positions[0]) / (len(volume.positions) - 1)
    affine[:3, 3] = volume.positions[0]
    return RAS_TO_LPS @ affine


def write_nifti(volume: Volume, path: Path) -> None:
    """Write `.nii` or `.nii.gz` with sform and qform codes 1 and no free text."""
    kind: Any = nib.Nifti1Image
    image = kind(volume.voxels.transpose(2, 1, 0), affine_ras(volume))
    image.header.set_xyzt_units("mm")
    nib.save(image, path)
