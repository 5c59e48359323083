"""pydicom as Lamina uses it: silent about what it meets, for its words may hold a patient's name. Loaded when the first file
is read (`mes.lazy`): its dictionaries would cost each process a seventh of its start."""

from __future__ import annotations

import logging
import struct
import zlib

from pydicom import config, dcmread
from pydicom.dataelem import DataElement
from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.errors import BytesLengthException, InvalidDicomError
from pydicom.filereader import read_file_meta_info
from pydicom.multival import MultiValue
from pydicom.pixels.utils import pixel_array
from pydicom.sequence import Sequence
from pydicom.uid import (
    UID,
    CTImageStorage,
    DeflatedExplicitVRLittleEndian,
    EnhancedCTImageStorage,
    EnhancedMRImageStorage,
    ExplicitVRBigEndian,
    LegacyConvertedEnhancedCTImageStorage,
    LegacyConvertedEnhancedMRImageStorage,
    MediaStorageDirectoryStorage,
    MRImageStorage,
    SegmentationStorage,
    generate_uid,
)
from pydicom.valuerep import PersonName

__all__ = [
    "IMAGE_CLASSES",
    "SEGMENTATION_CLASSES",
    "UID",
    "UNREADABLE",
    "CTImageStorage",
    "DataElement",
    "Dataset",
    "DeflatedExplicitVRLittleEndian",
    "ExplicitVRBigEndian",
    "FileMetaDataset",
    "MediaStorageDirectoryStorage",
    "MultiValue",
    "PersonName",
    "Sequence",
    "dcmread",
    "generate_uid",
    "pixel_array",
    "read_file_meta_info",
]

# Odd values are met with our own checks; pydicom's warnings would print them, and they may hold a patient's name.
config.settings.reading_validation_mode = config.IGNORE
# Its log names files, and files are named after patients.
logging.getLogger("pydicom").setLevel(logging.CRITICAL + 1)

UNREADABLE = (
    InvalidDicomError, BytesLengthException, ValueError, KeyError, AttributeError, TypeError, NotImplementedError,
    EOFError, OSError, IndexError, OverflowError, RecursionError, MemoryError, RuntimeError, struct.error, zlib.error,
)  # fmt: skip
SEGMENTATION_CLASSES = (SegmentationStorage, UID("1.2.840.10008.5.1.4.1.1.66.7"))
"""The second is Label Map Segmentation Storage (Supplement 243), to which pydicom gives no name yet."""
IMAGE_CLASSES: dict[str, str] = {
    CTImageStorage: "CT",
    EnhancedCTImageStorage: "CT",
    LegacyConvertedEnhancedCTImageStorage: "CT",
    MRImageStorage: "MR",
    EnhancedMRImageStorage: "MR",
    LegacyConvertedEnhancedMRImageStorage: "MR",
}
