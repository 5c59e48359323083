"""Groups slices into series, keeps two patients apart, drops duplicates and chooses the one series to use."""

from __future__ import annotations

import hashlib
from collections.abc import Collection, Iterable
from dataclasses import dataclass, field, replace
from datetime import date
from typing import Any

import numpy as np

from devices.imaging.base import Finding, ImagingRefused, PatientIdentifiers, SeriesSummary
from devices.imaging.dicom import DICOM, Frame, Header, Rejection
from devices.imaging.mixing import Part, scans
from devices.imaging.pixels import Undecodable, pixels_of

MIN_SLICES = 2
KEY_LENGTH = 12
LISTED_SERIES = 20
WHOLE_SCAN = 5
"""Images from which a scan among others under one identifier is a series of its own."""


@dataclass(eq=False)
class Series:
    """The frames of one SeriesInstanceUID, and the files of it that could not be used.

    Where several scans share the identifier: one of them, traits naming in what they differ and values how this one does;
    or all of them, no values, where they are no whole series each.
    """

    uid: str
    modality: str
    frames: list[Frame] = field(default_factory=list)
    damaged: list[Rejection] = field(default_factory=list)
    traits: tuple[str, ...] = ()
    values: tuple[str, ...] = ()

    @property
    def key(self) -> str:
        return series_key(" ".join([self.uid, *self.values]))

    @property
    def mixed(self) -> bool:
        return bool(self.traits) and not self.values

    def summary(self, modalities: Collection[str]) -> SeriesSummary:
        dataset = self.frames[0].header.dataset
        return SeriesSummary(
            series_uid=self.uid,
            modality=self.modality,
            number=whole(dataset.get("SeriesNumber")),
            images=len(self.frames),
            rows=int(dataset.Rows),
            columns=int(dataset.Columns),
            slice_thickness_mm=decimal(dataset.get("SliceThickness")),
            kernel=text(dataset.get("ConvolutionKernel")),
            usable=self.usable(modalities),
        )

    def usable(self, modalities: Collection[str]) -> bool:
        return self.modality in modalities and len(self.frames) >= MIN_SLICES


def series_key(uid: str) -> str:
    """By what a person chooses a series: its own identifier is of the patient's images, and is not repeated."""
    return hashlib.sha256(uid.encode()).hexdigest()[:KEY_LENGTH]


def whole(value: Any) -> int | None:
    try:
        return int(value)
    except (TypeError, ValueError):
        return None


def decimal(value: Any) -> float | None:
    try:
        number = float(value)
    except (TypeError, ValueError):
        return None
    return number if np.isfinite(number) else None


def text(value: Any) -> str | None:
    """A coded attribute as text; several values joined. Anything long is no code and is left out."""
    parts = list(value) if isinstance(value, list | tuple | DICOM.MultiValue) else [value or ""]
    joined = "\\".join(str(part).strip() for part in parts)
    return joined if 0 < len(joined) <= 64 else None


def day(value: Any) -> date | None:
    digits = str(value or "").replace(".", "")[:8]
    try:
        return date(int(digits[:4]), int(digits[4:6]), int(digits[6:8]))
    except ValueError:
        return None


def grouped(frames: Iterable[Frame], rejections: Iterable[Rejection]) -> list[Series]:
    """Series in the order of their UIDs, each with its damaged files."""
    found: dict[tuple[str, str], Series] = {}
    for frame in frames:
        key = (frame.header.series_uid, frame.header.modality)
        found.setdefault(key, Series(*key)).frames.append(frame)
    for rejection in rejections:
        if rejection.header and rejection.file.code in ("truncated", "no_geometry", "bad_geometry"):
            series = found.get((rejection.header.series_uid, rejection.header.modality))
            if series:
                series.damaged.append(rejection)
    return [part for key in sorted(found) for part in _apart(found[key])]


def _apart(series: Series) -> list[Series]:
    """Each scan of a CT series by itself, where each is whole; else the series as it came, named as mixed."""
    parts = scans(series.frames) if series.modality == "CT" else [Part(series.frames)]
    if len(parts) == 1:
        return [series]
    series.traits = tuple(dict.fromkeys(trait for part in parts for trait in part.traits))
    if min(len(part.frames) for part in parts) < WHOLE_SCAN:
        return [series]
    return [replace(series, frames=part.frames, values=part.values) for part in parts]


def identity(slices: Iterable[Header], others: Iterable[Header]) -> tuple[PatientIdentifiers, list[Finding]]:
    """The one patient the files name. Two patients, or two studies, are found and said; nobody is named.

    A slice counts even where it names nobody; other files only where they carry the attributes.
    """
    headers = [*slices, *(header for header in others if _names_somebody(header))]
    people = {_matched(header.dataset): header.dataset for header in headers}
    found = []
    if len(people) > 1:
        message = f"The upload holds images of {len(people)} different patients (by id, name and birth date)."
        found.append(Finding("two_patients", "error", message, "Upload the images of one patient only."))
    elif len({sex for header in headers if (sex := str(header.dataset.get("PatientSex") or "").strip())}) > 1:
        message = "The upload holds images of patients of different sex."
        found.append(Finding("two_patients", "error", message, "Upload the images of one patient only."))
    if len({str(header.dataset.get("StudyInstanceUID", "")) for header in headers}) > 1:
        found.append(
            Finding("several_studies", "warning", "The upload holds more than one study.", "Check the dates.")
        )
    return (_identifiers(next(iter(people.values()))) if people else PatientIdentifiers()), found


def _names_somebody(header: Header) -> bool:
    return any(keyword in header.dataset for keyword in ("PatientID", "PatientName", "PatientBirthDate"))


def _matched(dataset: Any) -> tuple[str, ...]:
    name = str(dataset.get("PatientName") or "").replace("^", " ").split()
    return (
        str(dataset.get("PatientID") or "").strip(),
        " ".join(name).casefold(),
        str(dataset.get("PatientBirthDate") or "").strip(),
    )


def _identifiers(dataset: Any) -> PatientIdentifiers:
    name = DICOM.PersonName(str(dataset.get("PatientName") or ""))
    return PatientIdentifiers(
        patient_id=str(dataset.get("PatientID") or "").strip() or None,
        family_name=(str(name.family_name).strip() or None) if name else None,
        given_name=(str(name.given_name).strip() or None) if name else None,
        birth_date=day(dataset.get("PatientBirthDate")),
        sex=str(dataset.get("PatientSex") or "").strip() or None,
    )


def chosen(series: list[Series], wanted: str | None, modalities: Collection[str]) -> Series:
    """The series asked for, or the only usable one; otherwise a refusal that lists what there is."""
    if wanted is not None:
        return _asked_for(series, wanted, modalities)
    usable = [one for one in series if one.usable(modalities)]
    if len(usable) == 1:
        return usable[0]
    kinds = "/".join(sorted(modalities))
    if usable:
        message = f"The upload holds {len(usable)} usable {kinds} series: {_list(usable)}."
        raise ImagingRefused(
            [
                Finding(
                    "several_series",
                    "error",
                    message,
                    "Choose one of them by its key when you send them in again.",
                )
            ]
        )
    message = f"The upload holds no usable {kinds} series ({_list(series)})."
    raise ImagingRefused(
        [Finding("no_series", "error", message, f"Upload a {kinds} series of {MIN_SLICES} slices or more.")]
    )


def _asked_for(series: list[Series], wanted: str, modalities: Collection[str]) -> Series:
    known = [one for one in series if wanted in (one.uid, series_key(one.uid), one.key)]
    if len(known) > 1:
        return chosen(known, None, modalities)
    if not known:
        raise ImagingRefused(
            [
                Finding(
                    "unknown_series",
                    "error",
                    f"The series asked for is not among: {_list(series)}.",
                    "Choose one of these.",
                )
            ]
        )
    if not known[0].usable(modalities):
        message = f"The series asked for cannot be used: {_list(known)}."
        raise ImagingRefused(
            [Finding("no_series", "error", message, f"A {'/'.join(sorted(modalities))} series is needed.")]
        )
    return known[0]


def _list(series: list[Series]) -> str:
    parts = [described(one) for one in series[:LISTED_SERIES]]
    more = len(series) - LISTED_SERIES
    return "; ".join(parts) + (f"; and {more} more" if more > 0 else "")


def described(series: Series) -> str:
    one = series.summary(())
    known = f"{one.slice_thickness_mm:g} mm, " if one.slice_thickness_mm is not None else ""
    apart = f"one of several that differ in {', '.join(series.traits)}, " if series.values else ""
    number = one.number if one.number is not None else "without number"
    return f"series {number} ({one.modality}, {known}{one.images} images, {apart}key {series.key})"


def without_duplicates(series: Series) -> tuple[list[Frame], list[Finding]]:
    """Each image once. The same image twice is dropped; one UID for two different images is an error."""
    kept: dict[tuple[str, int], Frame] = {}
    dropped, clashing = 0, 0
    for frame in sorted(series.frames, key=lambda f: f.header.file.digest):
        key = (frame.header.sop_uid or frame.header.file.digest, frame.index)
        if key not in kept:
            kept[key] = frame
        elif _same_image(kept[key], frame):
            dropped += 1
        else:
            clashing += 1
    frames, twins = _without_twins(list(kept.values()))
    return frames, _said_of_duplicates(dropped + twins, clashing)


def _without_twins(frames: list[Frame]) -> tuple[list[Frame], int]:
    kept: dict[tuple[float, ...], list[Frame]] = {}
    for frame in frames:
        place = kept.setdefault(tuple(np.round(frame.position, 3)), [])
        if not any(_same_image(frame, other) for other in place):
            place.append(frame)
    left = [frame for place in kept.values() for frame in place]
    return left, len(frames) - len(left)


def _said_of_duplicates(dropped: int, clashing: int) -> list[Finding]:
    found = []
    if dropped:
        found.append(
            Finding(
                "duplicates", "info", f"{dropped} image{'s' * (dropped > 1)} came twice and counted once."
            )
        )
    if clashing:
        message = f"{clashing} image{'s' * (clashing > 1)} {'carry' if clashing > 1 else 'carries'} the identifier of another image but show something else."
        found.append(
            Finding("conflicting_images", "error", message, "Export the series again from its source.")
        )
    return found


def _same_image(one: Frame, other: Frame) -> bool:
    if one.header.file.digest == other.header.file.digest:
        return one.index == other.index
    try:
        pixels = [pixels_of(f.header)[f.index] for f in (one, other)]
    except (Undecodable, *DICOM.UNREADABLE):
        return False
    scales = (one.slope, one.intercept) == (other.slope, other.intercept)
    return scales and np.array_equal(one.position, other.position) and np.array_equal(*pixels)


def summaries(every: list[Series], used: Series, modalities: Collection[str]) -> tuple[SeriesSummary, ...]:
    return tuple(replace(one.summary(modalities), used=one is used) for one in every)
