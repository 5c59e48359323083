"""pydicom as Lamina uses it: silent about what it meets, for its words may hold a patient's name. Loaded when the first file
is read (`mes.lazy`): its dictionaries would cost each process a seventh of its start."""

from __future__ import annotations

import logging
import struct
import zlib
from functools import cache
from typing import Any

from pydicom import config, dcmread
from pydicom._dicom_dict import DicomDictionary
from pydicom.datadict import tag_for_keyword
from pydicom.dataelem import DataElement
from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.errors import BytesLengthException, InvalidDicomError
from pydicom.filereader import read_file_meta_info
from pydicom.multival import MultiValue
from pydicom.pixels.utils import pixel_array
from pydicom.sequence import Sequence
from pydicom.tag import BaseTag, Tag
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
from pydicom.valuerep import AMBIGUOUS_VR, PersonName

__all__ = [
    "AMBIGUOUS_TAGS",
    "IMAGE_CLASSES",
    "SEGMENTATION_CLASSES",
    "UID",
    "UNREADABLE",
    "CTImageStorage",
    "DataElement",
    "Dataset",
    "Decoded",
    "DeflatedExplicitVRLittleEndian",
    "ExplicitVRBigEndian",
    "FileMetaDataset",
    "MediaStorageDirectoryStorage",
    "MultiValue",
    "PersonName",
    "Sequence",
    "Tag",
    "dcmread",
    "generate_uid",
    "pixel_array",
    "read_file_meta_info",
]


def keep_silent() -> None:
    """For this process. Odd values are met with our own checks; pydicom's warnings would print them, and they may hold a patient's
    name. Its log names files, and files are named after patients."""
    config.settings.reading_validation_mode = config.IGNORE
    logging.getLogger("pydicom").setLevel(logging.CRITICAL + 1)


keep_silent()

UNREADABLE = (
    InvalidDicomError, BytesLengthException, ValueError, KeyError, AttributeError, TypeError, NotImplementedError,
    EOFError, OSError, IndexError, OverflowError, RecursionError, MemoryError, RuntimeError, struct.error, zlib.error,
)  # fmt: skip


@cache
def _tag_of(keyword: str) -> BaseTag | None:
    tag = tag_for_keyword(keyword)
    return None if tag is None else Tag(tag)


class Decoded(Dataset):
    """A data set whose elements are decoded. Asking for them by keyword takes a sixth of the time: a series is asked thousands of times."""

    def get(self, key: Any, default: Any = None) -> Any:
        element = self._decoded(key) if isinstance(key, str) else None
        return super().get(key, default) if element is None else element.value

    def __getattr__(self, name: str) -> Any:
        element = self._decoded(name)
        return super().__getattr__(name) if element is None else element.value

    def _decoded(self, keyword: str) -> DataElement | None:
        tag = _tag_of(keyword)
        element = None if tag is None else self.get_item(tag)
        return element if isinstance(element, DataElement) else None


AMBIGUOUS_TAGS = frozenset(tag for tag, entry in DicomDictionary.items() if entry[0] in AMBIGUOUS_VR)
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
