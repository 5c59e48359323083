"""Tells the scans apart that travel under one series identifier: the patient may have moved between them (G-IMG-01).

A scan has one study, frame of reference, patient position, tube voltage, kernel and kind of image. It may be made in
several acquisitions, and over midnight, as long as these follow one another along the table: each then has its own stretch.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from itertools import pairwise
from typing import Any

import numpy as np

from devices.imaging.dicom import Frame, attribute, image_type, quiet

PAUSE = timedelta(minutes=1)
"""A scanner that rotates on leaves less between two slices; a longer pause is another acquisition."""
MIDNIGHT = timedelta(days=1)
BESIDE_MM = 0.01
KIND_OF_IMAGE = 3
Labels = list[str]


@dataclass(frozen=True, eq=False)
class Part:
    """The frames of one scan. values: what sets it apart from the other scans of the series; () where it is the only one."""

    frames: list[Frame]
    values: tuple[str, ...] = ()
    traits: tuple[str, ...] = ()


def scans(frames: Sequence[Frame]) -> list[Part]:
    """The scans in the frames of one series, in an order that does not hang on the files'."""
    parts = [Part(list(frames))]
    with quiet():
        for trait, labelled in TRAITS.items():
            parts = [finer for part in parts for finer in _divided(part, trait, labelled(part.frames))]
    return sorted(parts, key=lambda part: part.values)


def _divided(part: Part, trait: str, labels: Labels) -> list[Part]:
    found: dict[str, list[Frame]] = defaultdict(list)
    for label, frame in zip(labels, part.frames, strict=True):
        found[label].append(frame)
    if len(found) == 1:
        return [part]
    return [
        Part(found[one], (*part.values, f"{trait} {one}"), (*part.traits, trait)) for one in sorted(found)
    ]


def _one_of(read: Callable[[Frame], Any]) -> Callable[[Sequence[Frame]], Labels]:
    """Labels by a value that all slices of a scan share; slices that state none go with the rest where there is one value."""

    def labelled(frames: Sequence[Frame]) -> Labels:
        labels = [_plain(read(frame)) for frame in frames]
        return labels if len({label for label in labels if label}) > 1 else [""] * len(labels)

    return labelled


def _plain(value: Any) -> str:
    if value is None or isinstance(value, str):
        return (value or "").strip()
    return "\\".join(map(str, value)) if hasattr(value, "__iter__") else str(value)


def _of(keyword: str, macro: str = "") -> Callable[[Frame], Any]:
    return lambda frame: attribute(frame.header, frame.index, macro, keyword)


def _places(frames: Sequence[Frame]) -> Labels:
    """Frames of reference. Some archives give every image one of its own, which says nothing."""
    labels = _one_of(_of("FrameOfReferenceUID"))(frames)
    images = {frame.header.sop_uid or frame.header.file.digest for frame in frames}
    return labels if 1 < len(set(labels)) < len(images) else [""] * len(labels)


def _kind(frame: Frame) -> Any:
    return image_type(frame.header)[:KIND_OF_IMAGE]


def acquisitions(frames: Sequence[Frame]) -> Labels:
    """The acquisition number of each frame, "" where it states none."""
    numbers = [attribute(f.header, f.index, "FrameContentSequence", "FrameAcquisitionNumber") for f in frames]
    return [
        _plain(one or f.header.dataset.get("AcquisitionNumber"))
        for one, f in zip(numbers, frames, strict=True)
    ]


def _in_turn(read: Callable[[Sequence[Frame]], Labels]) -> Callable[[Sequence[Frame]], Labels]:
    """Labels only where their slices lie among one another: one after the other along the table they are one scan."""

    def labelled(frames: Sequence[Frame]) -> Labels:
        labels = read(frames)
        stated = {label for label in labels if label}
        return [""] * len(labels) if len(stated) < 2 or _follow(labels, frames) else labels

    return labelled


def _follow(labels: Labels, frames: Sequence[Frame]) -> bool:
    normal = np.cross(frames[0].row, frames[0].column)
    heights: dict[str, list[float]] = defaultdict(list)
    for label, frame in zip(labels, frames, strict=True):
        heights[label].append(float(frame.position @ normal))
    stretches = sorted((min(one), max(one)) for label, one in heights.items() if label)
    return all(below[1] <= above[0] + BESIDE_MM for below, above in pairwise(stretches))


def _days(frames: Sequence[Frame]) -> Labels:
    days = [_day(frame) for frame in frames]
    known = sorted(moment.date() for day in set(days) if (moment := _parsed(day + "000000")))
    if len(known) > 1 and known[-1] - known[0] > MIDNIGHT:
        return days
    return _in_turn(lambda _: days)(frames)


def _sessions(frames: Sequence[Frame]) -> Labels:
    """Frames between whose moments there is no pause, under one number."""
    moments = [_parsed(_moment(frame)) for frame in frames]
    numbers: dict[datetime, int] = {}
    last, session = None, 0
    for moment in sorted({one for one in moments if one}):
        session += last is None or moment - last > PAUSE
        numbers[moment], last = session, moment
    return [str(numbers[one]) if one else "" for one in moments]


def _day(frame: Frame) -> str:
    dataset = frame.header.dataset
    stated = dataset.get("AcquisitionDate") or dataset.get("AcquisitionDateTime") or ""
    return str(stated).replace(".", "")[:8]


def _moment(frame: Frame) -> str:
    """YYYYMMDDHHMMSS; the day is nobody's where only a time is stated."""
    dataset = frame.header.dataset
    time = str(dataset.get("AcquisitionTime") or str(dataset.get("AcquisitionDateTime") or "")[8:])
    return (_day(frame) or "20000101") + time.replace(":", "")[:6]


def _parsed(moment: str) -> datetime | None:
    try:
        return datetime.strptime(moment, "%Y%m%d%H%M%S")  # noqa: DTZ007 - compared with others of the same scanner alone
    except ValueError:
        return None


TRAITS: dict[str, Callable[[Sequence[Frame]], Labels]] = {
    "study": _one_of(_of("StudyInstanceUID")),
    "frame of reference": _places,
    "patient position": _one_of(_of("PatientPosition")),
    "kind of image": _one_of(_kind),
    "kVp": _one_of(_of("KVP", "CTXRayDetailsSequence")),
    "kernel": _one_of(_of("ConvolutionKernel", "CTReconstructionSequence")),
    "acquisition": _in_turn(acquisitions),
    "day": _days,
    "time": _in_turn(_sessions),
}
"""What sets two scans apart, in words, and how the frames of one series are labelled by it."""
