"""Segmentations as other programs write them: DICOM Segmentation objects and NIfTI label maps of small volumes."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import nibabel as nib
import numpy as np
from numpy.typing import NDArray
from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.pixels.utils import pack_bits
from pydicom.sequence import Sequence
from pydicom.uid import ExplicitVRLittleEndian, SegmentationStorage, generate_uid

from devices.imaging.base import Volume
from devices.imaging.nifti import affine_ras

Mask = NDArray[np.uint8]
NAMED = "Mustermann^Erika"
LABELS = ("mandible", "tooth")


def block(volume: Volume, *, at: int = 1) -> Mask:
    """A mask that is no mirror image of itself."""
    mask = np.zeros(volume.shape, np.uint8)
    mask[at:-1, 1:-2, 1:-1] = 1
    mask[at, 1, 1] = 0
    return mask


def _item(**values: Any) -> Dataset:
    dataset = Dataset()
    for keyword, value in values.items():
        setattr(dataset, keyword, value)
    return dataset


def _sequence(**values: Any) -> Sequence:
    return Sequence([_item(**values)])


def _decimals(numbers: Any) -> list[str]:
    return [f"{float(number):.10g}"[:16] for number in numbers]


def _segment(number: int, label: str) -> Dataset:
    return _item(
        SegmentNumber=number, SegmentLabel=label, SegmentAlgorithmType="AUTOMATIC", SegmentAlgorithmName="net 3"
    )  # fmt: skip


def _frame(volume: Volume, k: int, number: int) -> Dataset:
    return _item(
        PlanePositionSequence=_sequence(ImagePositionPatient=_decimals(volume.positions[k])),
        SegmentIdentificationSequence=_sequence(ReferencedSegmentNumber=number),
    )


def write_seg(
    path: Path,
    volume: Volume,
    segments: Mapping[int, NDArray[Any]],
    *,
    labels: tuple[str, ...] = LABELS,
    fractional: bool = False,
    **values: Any,
) -> Path:
    """A DICOM Segmentation object on the grid of a volume; empty frames are left out. values: attributes to set; None removes one.

    fractional: the segments hold 0 to 255 for a fraction of 0 to 1.
    """
    kept = [(n, k) for n, mask in segments.items() for k in range(len(mask)) if mask[k].any()]
    frames = np.stack([segments[n][k] for n, k in kept]).astype(np.uint8)
    dataset = _item(
        SOPClassUID=SegmentationStorage, SOPInstanceUID=generate_uid(), StudyInstanceUID="1.2.3.1",
        SeriesInstanceUID=generate_uid(), FrameOfReferenceUID="1.2.3.2", Modality="SEG", PatientID="P-0815",
        PatientName=NAMED, PatientBirthDate="19640812", PatientSex="F", ImageType=["DERIVED", "PRIMARY"],
        Manufacturer="Segmenters", ManufacturerModelName="Net", SoftwareVersions="3.1", ContentCreatorName="Roe^Richard",
        SegmentationType="FRACTIONAL" if fractional else "BINARY", SamplesPerPixel=1, PhotometricInterpretation="MONOCHROME2",
        PixelRepresentation=0, BitsAllocated=8 if fractional else 1, BitsStored=8 if fractional else 1,
        HighBit=7 if fractional else 0, Rows=volume.shape[1], Columns=volume.shape[2], NumberOfFrames=len(frames),
        SegmentSequence=Sequence([_segment(n, labels[index % len(labels)]) for index, n in enumerate(segments)]),
        SharedFunctionalGroupsSequence=_sequence(
            PlaneOrientationSequence=_sequence(
                ImageOrientationPatient=_decimals([*volume.row_direction, *volume.column_direction])
            ),
            PixelMeasuresSequence=_sequence(
                PixelSpacing=_decimals(volume.spacing_ij[::-1]), SliceThickness=f"{volume.slice_spacing_mm:.6g}"
            ),
        ),
        PerFrameFunctionalGroupsSequence=Sequence([_frame(volume, k, n) for n, k in kept]),
    )  # fmt: skip
    if fractional:
        dataset.SegmentationFractionalType, dataset.MaximumFractionalValue = "PROBABILITY", 255
    data = frames.tobytes() if fractional else pack_bits(frames, pad=False)
    dataset.add_new("PixelData", "OB", bytes(data) + b"\0" * (len(data) % 2))
    for keyword, value in values.items():
        if value is None:
            delattr(dataset, keyword)
        else:
            setattr(dataset, keyword, value)
    dataset.file_meta = FileMetaDataset()
    dataset.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
    dataset.file_meta.MediaStorageSOPClassUID = dataset.SOPClassUID
    dataset.file_meta.MediaStorageSOPInstanceUID = dataset.SOPInstanceUID
    dataset.save_as(path, enforce_file_format=True)
    return path


def write_label_seg(
    path: Path, volume: Volume, labels: NDArray[Any], *, background: int = 0, **values: Any
) -> Path:
    """A DICOM Segmentation object of the type LABELMAP (Supplement 243): one frame a slice, each voxel the number of its segment.

    labels: uint8 or uint16. The background is listed as a segment too, as some writers do.
    """
    numbers = sorted({background, *np.unique(labels).tolist()})
    bits = labels.dtype.itemsize * 8
    said: dict[str, Any] = {
        "SOPClassUID": "1.2.840.10008.5.1.4.1.1.66.7",
        "SegmentationType": "LABELMAP",
        "BitsAllocated": bits,
        "BitsStored": bits,
        "HighBit": bits - 1,
        "PixelPaddingValue": background,
        "SegmentSequence": Sequence([_segment(number, f"label {number}") for number in numbers]),
        "PerFrameFunctionalGroupsSequence": Sequence(
            [
                _item(PlanePositionSequence=_sequence(ImagePositionPatient=_decimals(position)))
                for position in volume.positions
            ]
        ),
        "PixelData": labels.tobytes() + b"\0" * (labels.nbytes % 2),
    }
    return write_seg(path, volume, {1: np.ones(volume.shape, np.uint8)}, **(said | values))


def write_map(
    path: Path, volume: Volume, labels: NDArray[Any], *, affine: NDArray[Any] | None = None
) -> Path:
    """A NIfTI label map; labels: shape (k, j, i)."""
    image: Any = nib.Nifti1Image(labels.transpose(2, 1, 0), affine_ras(volume) if affine is None else affine)  # type: ignore[no-untyped-call]  # nibabel has no types
    image.header.set_xyzt_units("mm")
    nib.save(image, path)
    return path
