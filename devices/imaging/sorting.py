"""Which study each received object belongs to, from its header alone. Runs where hostile files are read (`devices.imaging.child`)."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from devices.imaging.dicom import CODE, DICOM, IDENTIFIER, quiet

if TYPE_CHECKING:
    from pydicom.dataset import Dataset

ASKED = ("StudyInstanceUID", "SOPClassUID", "SOPInstanceUID", "Modality")


@dataclass(frozen=True)
class Sorted:
    """One object. study: its StudyInstanceUID, "" where it has none that can be one; readable: whether its header is."""

    name: str
    study: str = ""
    sop_class: str = ""
    sop_instance: str = ""
    modality: str = ""
    readable: bool = True


def sort_objects(paths: list[Path]) -> list[Sorted]:
    return [_sorted(path) for path in paths]


def _sorted(path: Path) -> Sorted:
    try:
        with quiet():
            header: Dataset = DICOM.dcmread(path, stop_before_pixels=True, specific_tags=list(ASKED))
            values = {keyword: str(header.get(keyword) or "") for keyword in ASKED}
    except DICOM.UNREADABLE:
        return Sorted(path.name, readable=False)
    uids = {name: value if IDENTIFIER.fullmatch(value) else "" for name, value in values.items()}
    return Sorted(
        path.name,
        study=uids["StudyInstanceUID"],
        sop_class=uids["SOPClassUID"],
        sop_instance=uids["SOPInstanceUID"],
        modality=values["Modality"] if CODE.fullmatch(values["Modality"]) else "",
        readable=bool(uids["StudyInstanceUID"] and uids["SOPInstanceUID"]),
    )
