"""Elements of headers, decoded. Nearly all elements of a series are equal from slice to slice, byte for byte: each is decoded once."""

from __future__ import annotations

from collections import defaultdict
from typing import TYPE_CHECKING, Any

from mes.lazy import lazily

if TYPE_CHECKING:
    from pydicom.dataset import Dataset

DICOM: Any = lazily("devices.imaging.standard")
LONGEST_KEPT = 256


class Elements:
    """What was decoded already. Kept is only what its own bytes, its VR and its character set decide: no sequence, nothing long, and
    nothing whose VR hangs on another element of its data set (PS3.5 6.2, "US or SS")."""

    def __init__(self) -> None:
        self._known: dict[tuple[Any, ...], dict[tuple[Any, ...], Any]] = defaultdict(dict)

    def decoded(self, dataset: Dataset) -> Dataset:
        """The data set with every element decoded; what has no decodable value is left out."""
        charset = dataset.original_character_set
        said = charset if isinstance(charset, str) else tuple(charset)
        known = self._known[(said, *dataset.original_encoding)]
        found = {}
        for tag, raw in list(dataset.items()):
            key = (tag, raw.VR, raw.value) if raw.is_raw else None
            element = known.get(key) if key else None
            if element is None:
                element = _element(dataset, tag)
                if key and _is_kept(element, raw):
                    known[key] = element
            if element is not None:
                found[tag] = element
        return _like(dataset, found)


def _is_kept(element: Any, raw: Any) -> bool:
    return not (
        element is None
        or element.VR == "SQ"
        or element.tag in DICOM.AMBIGUOUS_TAGS
        or raw.value is None
        or len(raw.value) > LONGEST_KEPT
    )


def _element(dataset: Dataset, tag: Any) -> Any:
    """pydicom decodes when asked: ask once, here. None for what has no decodable value."""
    try:
        element = dataset[tag]
    except DICOM.UNREADABLE:
        return None
    if element.VR == "SQ":
        for item in element.value:
            drop_unreadable(item)
    return element


def _like(dataset: Dataset, elements: dict[Any, Any]) -> Dataset:
    found: Dataset = DICOM.Decoded(elements)
    found.file_meta = dataset.file_meta
    implicit, little = dataset.original_encoding
    found.set_original_encoding(implicit, little, dataset.original_character_set)
    return found


def drop_unreadable(dataset: Dataset) -> None:
    """Leave out of a data set what has no decodable value."""
    for tag in list(dataset.keys()):
        if _element(dataset, tag) is None:
            del dataset[tag]
