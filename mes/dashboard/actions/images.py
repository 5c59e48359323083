"""What people do with the images of a device: send them in, choose a series of them, vouch for whose they are."""

from __future__ import annotations

import shutil
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from uuid import uuid4

from django.conf import settings
from django.core.files.uploadedfile import TemporaryUploadedFile

from devices.choices import DesignStatus, Stage, StudyStatus
from devices.imaging.scans import OWN_AXES, Declared, right_handed_axes
from devices.mesh.scan import MM_PER_UNIT
from devices.models import Device
from devices.selectors.sources import SURFACE, VOLUME, sources_of
from devices.services.held import (
    choose_series,
    confirm_upload,
    content_to_confirm,
    held_upload,
    hold_upload,
    series_of,
    shown_held,
)
from devices.services.parcels import taken_upload
from devices.services.segmentations import COUNTING
from devices.services.studies import receive_study
from mes.choices import Meaning
from mes.dashboard.actions.base import Action, Doing, Field, Next, Resumed, Upload, Values
from mes.dashboard.actions.devices import at
from mes.eventlog.base import Actor
from mes.exceptions import InvalidInput

UNIDENTIFIED = "unidentified"
ARRIVED = ""
"""The device's page says how far they are: they may be read, and refused, before it is shown."""


def _voided(device: Device) -> str:
    segmentation, design = device.current_segmentation, device.current_design
    standing = []
    if segmentation is not None and segmentation.status in COUNTING:
        standing.append("the segmentation")
    if design is not None and design.status != DesignStatus.VOIDED:
        standing.append("the design")
    if not standing:
        return ""
    return f"Once these are accepted, {' and '.join(standing)} of the images that stand now {'are' if len(standing) > 1 else 'is'} void, approvals too: new ones are made. A refused upload changes nothing."


def _takes_volumes(device: Device) -> bool:
    return VOLUME in sources_of(device.master) and _takes_images(device)


def _takes_images(device: Device) -> bool:
    return at(Stage.PLANNED)(device) and (
        device.current_study is None or device.current_study.status != StudyStatus.RECEIVED
    )


def _study_fields(device: Device) -> tuple[Field, ...]:
    return (
        Field("images", "DICOM series (zip, or all its files) or NIfTI", "files", resumable=True),
        Field(
            UNIDENTIFIED, "These images carry no identifiers: I will confirm by signature that they are this patient's", "check", False
        ),
    )  # fmt: skip


@contextmanager
def one_path(files: list[Upload]) -> Iterator[Path]:
    """One upload as a path: the file itself, or a folder of files numbered by us, gone afterwards if nobody took it."""
    folder = Path(settings.QUARANTINE_DIR) / f"incoming-{uuid4()}"
    folder.mkdir(mode=0o700)
    try:
        for number, file in enumerate(files):
            _take(file, folder / f"{number:05d}")
        yield folder / "00000" if len(files) == 1 else folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)


@contextmanager
def sent_files(doing: Doing, name: str = "images") -> Iterator[Path]:
    """What came with the form, or by parts before it."""
    sent = doing.values[name]
    if not isinstance(sent, Resumed):
        with one_path(sent) as upload:
            yield upload
        return
    with taken_upload(sent.name, device_id=doing.subject.pk, digest=sent.digest, actor=doing.actor) as upload:
        yield upload


def _take(file: Upload, place: Path) -> None:
    if isinstance(file, TemporaryUploadedFile):
        shutil.move(file.temporary_file_path(), place)
        return
    with place.open("wb") as target:
        for chunk in file.chunks():
            target.write(chunk)


def _receive(doing: Doing) -> str | Next:
    vouched = bool(doing.values[UNIDENTIFIED])
    with sent_files(doing) as upload:
        if _holds_several(upload):
            carried = {"upload": hold_upload(upload, doing.subject, doing.actor)}
            return Next("choose-series", carried | ({UNIDENTIFIED: "yes"} if vouched else {}))
        if vouched:
            return Next("confirm-images", {"upload": hold_upload(upload, doing.subject, doing.actor)})
        receive_study(device_id=doing.subject.pk, upload=upload, actor=doing.actor)
    return ARRIVED


def _holds_several(upload: Path) -> bool:
    try:
        return len(series_of(upload)) > 1
    except InvalidInput:
        return False  # what cannot be opened is refused on the record, when it is read


def _series_fields(device: Device) -> tuple[Field, ...]:
    return (
        Field("upload", "The upload", "carried"),
        Field(UNIDENTIFIED, "No identifiers", "carried", False),
        Field("series", "Series", "select", offers=_series_offered),
    )


def _series_offered(device: Device, carried: Mapping[str, str], actor: Actor) -> list[tuple[str, str]]:
    return series_of(held_upload(carried.get("upload", ""), device, actor))


def _choose_series(doing: Doing) -> str | Next:
    token, series = str(doing.values["upload"]), str(doing.values["series"])
    if doing.values[UNIDENTIFIED]:
        return Next("confirm-images", {"upload": token, "series": series})
    choose_series(device=doing.subject, token=token, series=series, actor=doing.actor)
    return ARRIVED


def _held_fields(device: Device) -> tuple[Field, ...]:
    return (Field("upload", "The upload", "carried"), Field("series", "The series", "carried", False))


def _link_signs(device: Device, values: Values, actor: Actor) -> dict[str, Any]:
    return content_to_confirm(str(values["upload"]), device, actor)


def _link_facts(device: Device, values: Values, actor: Actor) -> dict[str, Any]:
    return shown_held(str(values["upload"]), device, actor)


def _takes_scans(device: Device) -> bool:
    return SURFACE in sources_of(device.master) and _takes_images(device)


def _scan_fields(device: Device) -> tuple[Field, ...]:
    return (
        Field("images", "Surface scan: STL, PLY, OBJ or 3MF", "files", resumable=True),
        Field("unit", "Unit of the file", "select", False, offers=units_offered),
        Field("axes", "How its axes lie in the patient", "select", offers=axes_offered),
        Field("scanned_on", "Day of the scan", "date", False),
    )


def units_offered(device: Device, carried: Mapping[str, str], actor: Actor) -> list[tuple[str, str]]:
    return [("", "as the file says (3MF)"), *((unit, unit) for unit in MM_PER_UNIT)]


def axes_offered(device: Device, carried: Mapping[str, str], actor: Actor) -> list[tuple[str, str]]:
    """Letters say towards what x, y and z grow: left or right, anterior or posterior, superior or inferior."""
    free = not device.master.imaging.get(SURFACE, {}).get("patient_axes", True)
    own = [(OWN_AXES, "not known: the scanner's own")] if free else []
    return [
        *own,
        *((word, NAMED_AXES.get(word, word)) for word in sorted(right_handed_axes(), key=_commonest)),
    ]


NAMED_AXES = {
    "LPS": "LPS: left, back, head (DICOM)",
    "RAS": "RAS: right, front, head",
    "LSA": "LSA: left, head, front (y up)",
}


def _commonest(axes: str) -> tuple[bool, str]:
    return axes not in NAMED_AXES, axes


def _receive_scan(doing: Doing) -> Next:
    declared = Declared(
        str(doing.values["unit"] or ""), str(doing.values["axes"]), doing.values["scanned_on"] or None
    )
    with sent_files(doing) as upload:
        return Next("confirm-images", {"upload": hold_upload(upload, doing.subject, doing.actor, declared)})


def _confirm_images(doing: Doing) -> str:
    confirm_upload(
        device=doing.subject,
        token=str(doing.values["upload"]),
        actor=doing.actor,
        credentials=doing.credentials,
        series=str(doing.values["series"] or ""),
    )
    return ARRIVED


IMAGE_ACTIONS = (
    Action(
        "receive-study", "device", "Send in images", "Send in images", "devices.receive_study", "upload",
        _takes_volumes, _receive, fields=_study_fields, main=True, voids=_voided,
        help="The images are checked, matched with the patient by two identifiers, and de-identified.",
    ),
    Action(
        "receive-surface", "device", "Send in a scan", "Send in a surface scan", "devices.receive_study", "cube",
        _takes_scans, _receive_scan, fields=_scan_fields, voids=_voided,
        help="The scan is checked; you see what it is, and sign that it is this patient's. Names and comments in it are not kept.",
    ),
    Action(
        "choose-series", "device", "Take this series", "Choose the series to use", "devices.receive_study", "stack-2",
        _takes_images, _choose_series, fields=_series_fields, follows="receive-study", voids=_voided,
        help="The images hold several series. They wait in quarantine; the one that you choose is read, and the record names it.",
    ),
    Action(
        "confirm-images", "device", "Take these images", "Confirm whose images these are", "devices.receive_study",
        "writing-sign", _takes_images, _confirm_images, fields=_held_fields, meaning=Meaning.VERIFIED, content=_link_signs,
        facts=_link_facts, follows="receive-study", voids=_voided,
        help="The images lie in quarantine and were not read yet. What you sign names exactly these files.",
    ),
)  # fmt: skip
