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

from devices.choices import Stage, StudyStatus
from devices.models import Device
from devices.services.held import (
    choose_series,
    confirm_upload,
    content_to_confirm,
    held_upload,
    hold_upload,
    series_of,
    shown_upload,
)
from devices.services.parcels import taken_upload
from devices.services.studies import receive_study
from mes.choices import Meaning
from mes.dashboard.actions.base import Action, Doing, Field, Next, Resumed, Upload, Values
from mes.dashboard.actions.devices import at
from mes.eventlog.base import Actor
from mes.exceptions import InvalidInput

UNIDENTIFIED = "unidentified"
ARRIVED = "The images arrived and are being read."


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
def _sent(doing: Doing) -> Iterator[Path]:
    """What came with the form, or by parts before it."""
    sent = doing.values["images"]
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
    with _sent(doing) as upload:
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
    return shown_upload(held_upload(str(values["upload"]), device, actor))


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
        _takes_images, _receive, fields=_study_fields, main=True,
        help="The images are checked, matched with the patient by two identifiers, and de-identified.",
    ),
    Action(
        "choose-series", "device", "Take this series", "Choose the series to use", "devices.receive_study", "stack-2",
        _takes_images, _choose_series, fields=_series_fields, follows="receive-study",
        help="The images hold several series. They wait in quarantine; the one that you choose is read, and the record names it.",
    ),
    Action(
        "confirm-images", "device", "Take these images", "Confirm whose images these are", "devices.receive_study",
        "writing-sign", _takes_images, _confirm_images, fields=_held_fields, meaning=Meaning.VERIFIED, content=_link_signs,
        facts=_link_facts, follows="receive-study",
        help="The images lie in quarantine and were not read yet. What you sign names exactly these files.",
    ),
)  # fmt: skip
