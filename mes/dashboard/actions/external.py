"""What people do with segmentations that other programs made: send one in, and say which of its segments are the anatomy."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from devices.choices import SegmentationStatus, Stage, StudyStatus
from devices.imaging.labelled import Choice
from devices.models import Device
from devices.selectors.history import segmentation_underway
from devices.selectors.sources import is_scan
from devices.services.external import (
    hold_segmentation,
    link_to_sign,
    segments_of,
    start_from_file,
    told_segment,
)
from devices.services.linking import LinkNeeded
from mes.choices import Meaning
from mes.dashboard.actions.base import Action, Doing, Field, Next, Values
from mes.dashboard.actions.devices import at
from mes.dashboard.actions.images import one_path
from mes.eventlog.base import Actor
from mes.exceptions import InvalidInput

TAKEN = "The segmentation is put on the images."


def _takes_one(device: Device) -> bool:
    """Also where one waits for its approval, which is set aside then; not where one is approved, or being computed."""
    study, standing = device.current_study, device.current_segmentation
    return (
        at(Stage.PLANNED)(device)
        and study is not None
        and study.status == StudyStatus.ACCEPTED
        and not is_scan(study)
        and (standing is None or standing.status != SegmentationStatus.APPROVED)
        and segmentation_underway(device) is None
    )


def _file_fields(device: Device) -> tuple[Field, ...]:
    return (Field("segmentation", "DICOM SEG or NIfTI label map", "file"),)


def _receive(doing: Doing) -> Next:
    with one_path(doing.values["segmentation"]) as upload:
        return Next("choose-segments", {"upload": hold_segmentation(upload, doing.subject, doing.actor)})


def _choice_fields(device: Device) -> tuple[Field, ...]:
    return (
        Field("upload", "The file", "carried"),
        Field("segments", "Segments that are the anatomy", "several", offers=_segments_offered),
        Field(
            "threshold", "Of fractions: inside from", "number", False, "Above 0, to 1. Leave it empty where the file holds none."
        ),
        Field("resample", "Another grid than that of the images may be sampled at the nearest neighbour", "check", False),
    )  # fmt: skip


def _segments_offered(device: Device, carried: Mapping[str, str], actor: Actor) -> list[tuple[str, str]]:
    found = segments_of(carried.get("upload", ""), device, actor)
    return [(str(one.number), told_segment(one)) for one in found.segments]


def _choose(doing: Doing) -> str | Next:
    values = doing.values
    token, segments = str(values["upload"]), values["segments"]
    choice = Choice(tuple(map(int, segments)), values["threshold"], bool(values["resample"]))
    try:
        start_from_file(device=doing.subject, token=token, choice=choice, actor=doing.actor)
    except LinkNeeded:
        said = {
            "segments": " ".join(segments),
            "threshold": "" if choice.threshold is None else repr(choice.threshold),
            "resample": "yes" if choice.resample else "",
        }
        return Next("link-segmentation", {"upload": token, **said})
    return TAKEN


def _link_fields(device: Device) -> tuple[Field, ...]:
    return (
        Field("upload", "The file", "carried"),
        Field("segments", "The segments", "carried"),
        Field("threshold", "The threshold", "carried", False),
        Field("resample", "Another grid", "carried", False),
    )


def _carried(values: Values) -> Choice:
    """The choice of the dialog before. Raises InvalidInput where it is none of ours."""
    try:
        segments = tuple(map(int, str(values["segments"]).split()))
        threshold = float(values["threshold"]) if values["threshold"] else None
    except ValueError:
        raise InvalidInput(
            "The choice of segments is missing.", cure="Choose the segments again.", rule="G-SEG-01"
        ) from None
    return Choice(segments, threshold, bool(values["resample"]))


def _link_signs(device: Device, values: Values, actor: Actor) -> dict[str, Any]:
    return link_to_sign(str(values["upload"]), device, actor)


def _link_facts(device: Device, values: Values, actor: Actor) -> dict[str, Any]:
    found, choice = segments_of(str(values["upload"]), device, actor), _carried(values)
    chosen = [told_segment(one) for one in found.segments if one.number in choice.segments]
    return {
        "file": f"{found.format}, {found.kind}",
        "made_by": " ".join(found.maker.values()) or "a program that does not name itself",
        "segments": chosen,
        "identifiers": "none: whose it is, your signature says",
    }


def _link(doing: Doing) -> str:
    start_from_file(
        device=doing.subject,
        token=str(doing.values["upload"]),
        choice=_carried(doing.values),
        actor=doing.actor,
        credentials=doing.credentials,
    )
    return TAKEN


EXTERNAL_ACTIONS = (
    Action(
        "receive-segmentation", "device", "Send in a segmentation", "Send in a segmentation of another program",
        "devices.start_segmentation", "upload", _takes_one, _receive, fields=_file_fields,
        help="It has to be of these images: patient, frame of reference and grid are compared. You choose its segments next; where it names no patient, you sign whose it is.",
    ),
    Action(
        "choose-segments", "device", "Take these segments", "Choose the segments that are the anatomy",
        "devices.start_segmentation", "stack-2", _takes_one, _choose, fields=_choice_fields, follows="receive-segmentation",
        help="They become one mask, of which you are the author. Somebody else reviews it. A segmentation that still waits for its approval is set aside, on the record.",
    ),
    Action(
        "link-segmentation", "device", "Take this segmentation", "Confirm whose segmentation this is", "devices.start_segmentation",
        "writing-sign", _takes_one, _link, fields=_link_fields, meaning=Meaning.VERIFIED, content=_link_signs,
        facts=_link_facts, follows="choose-segments",
        help="The file names no patient. What you sign names exactly this file and the images that it is put on.",
    ),
)  # fmt: skip
