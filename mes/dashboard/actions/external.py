"""What people do with segmentations that other programs made: send one in, and say which of its segments are the anatomy."""

from __future__ import annotations

from collections.abc import Mapping

from devices.imaging.labelled import Choice
from devices.models import Device
from devices.selectors.sources import is_scan
from devices.services.external import hold_segmentation, segments_of, start_from_file, told_segment
from mes.dashboard.actions.base import Action, Doing, Field, Next
from mes.dashboard.actions.devices import needs_segmentation
from mes.dashboard.actions.images import one_path
from mes.eventlog.base import Actor


def _takes_one(device: Device) -> bool:
    return needs_segmentation(device) and not is_scan(device.current_study)


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


def _choose(doing: Doing) -> str:
    values = doing.values
    choice = Choice(
        tuple(int(number) for number in values["segments"]), values["threshold"], bool(values["resample"])
    )
    start_from_file(device=doing.subject, token=str(values["upload"]), choice=choice, actor=doing.actor)
    return "The segmentation is put on the images."


EXTERNAL_ACTIONS = (
    Action(
        "receive-segmentation", "device", "Send in a segmentation", "Send in a segmentation of another program",
        "devices.start_segmentation", "upload", _takes_one, _receive, fields=_file_fields,
        help="It has to be of these images: patient, frame of reference and grid are compared. You choose its segments next.",
    ),
    Action(
        "choose-segments", "device", "Take these segments", "Choose the segments that are the anatomy",
        "devices.start_segmentation", "stack-2", _takes_one, _choose, fields=_choice_fields, follows="receive-segmentation",
        help="They become one mask, of which you are the author. Somebody else reviews it.",
    ),
)  # fmt: skip
