"""Makers of small DICOM series and volumes, whole and broken."""

from __future__ import annotations

from datetime import date
from functools import lru_cache
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from pydicom.dataset import Dataset
from pydicom.filewriter import correct_ambiguous_vr
from pydicom.uid import generate_uid

from devices.imaging.base import Acquisition, ImagingRefused, ReadImages, Volume
from devices.imaging.intake import read_images
from devices.imaging.standard import dcmread
from mes.demo.dataset import write_dicom_series

SHAPE = (6, 7, 5)


def make_volume(
    shape: tuple[int, int, int] = SHAPE,
    *,
    spacing_ij: tuple[float, float] = (0.5, 0.8),
    step: float = 2.0,
    tilt: float = 0.0,
) -> Volume:
    """Air around a block of bone that is no mirror image of itself, every voxel of the block with a value of its own."""
    voxels = np.full(shape, -1000, dtype=np.int16)
    inner = (slice(1, -1), slice(1, -2), slice(1, -1))
    voxels[inner] = 300 + np.arange(voxels[inner].size).reshape(voxels[inner].shape) % 2000
    angle = np.radians(tilt)
    column = np.array([0.0, np.cos(angle), np.sin(angle)])
    positions = np.array([-20.0, 30.0, -40.0]) + np.arange(shape[0])[:, None] * np.array([0.0, 0.0, step])
    return Volume(
        voxels,
        positions,
        np.array([1.0, 0.0, 0.0]),
        column,
        spacing_ij,
        Acquisition("synthetic", modality="CT"),
    )


USUAL = make_volume()


def lay_series(folder: Path, volume: Volume, **values: Any) -> list[Path]:
    """A DICOM series in a folder; the files in slice order."""
    folder.mkdir(parents=True, exist_ok=True)
    files = [(folder / name, content) for name, content in _written(volume, tuple(values.items()))]
    for path, content in files:
        path.write_bytes(content)
    return [path for path, _ in files]


@lru_cache(8)
def _written(volume: Volume, values: tuple[tuple[str, Any], ...]) -> list[tuple[str, bytes]]:
    """The files of a series by name, written once for all who send the same."""
    with TemporaryDirectory() as folder:
        paths = write_dicom_series(volume, Path(folder), **dict(values))
        return [(path.name, path.read_bytes()) for path in paths]


def make_series(folder: Path, volume: Volume | None = None, **patient: Any) -> list[Path]:
    """A DICOM series on disk; the files in slice order."""
    fields: dict[str, Any] = {
        "patient_id": "P-0815",
        "family_name": "Mustermann",
        "given_name": "Erika",
        "birth_date": date(1964, 8, 12),
        "acquired_on": date(2026, 11, 2),
    }
    return lay_series(folder, volume or USUAL, **(fields | patient))


def change(path: Path, **values: Any) -> Dataset:
    """Set attributes of a DICOM file; None removes one."""
    dataset = dcmread(path)
    for keyword, value in values.items():
        if value is None:
            delattr(dataset, keyword)
        else:
            setattr(dataset, keyword, value)
    if "SOPInstanceUID" in values:
        dataset.file_meta.MediaStorageSOPInstanceUID = values["SOPInstanceUID"]
    correct_ambiguous_vr(dataset, True)
    dataset.save_as(path)
    return dataset


def set_stored(path: Path, stored: NDArray[Any], **values: Any) -> None:
    """Replace a file's stored pixels."""
    signed = int(np.issubdtype(stored.dtype, np.signedinteger))
    change(path, PixelData=stored.tobytes(), PixelRepresentation=signed, **values)


def new_uid() -> str:
    return str(generate_uid())


def refusal(source: Path, **arguments: Any) -> ImagingRefused:
    """The refusal that reading gives, or a failed test."""
    with pytest.raises(ImagingRefused) as caught:
        read_images(source, **arguments)
    return caught.value


def codes(images: ReadImages) -> set[str]:
    return {finding.code for finding in images.findings}
