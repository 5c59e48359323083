"""What is said of the files that are no part of the volume: how many, why, which by their numbers, and what helps."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from itertools import groupby

from devices.imaging.base import Finding, RejectedFile

EXPECTED_JUNK = {"localiser", "secondary_capture", "dicomdir", "not_a_slice", "not_dicom"}
RUNS_NAMED = 8
ORIGINALS = "Send in the original slices of the scanner."
AGAIN = "Export the series again from its source, and send it in complete."
CURES = {
    "burned_in": "Export the slices without anything written into their pixels, and have a person see that nobody is named in them.",
    "secondary_capture": ORIGINALS + " A screenshot is none.",
    "localiser": ORIGINALS + " A localiser only shows where they lie.",
    "not_a_slice": ORIGINALS,
    "not_grey": ORIGINALS + " A colour image has no Hounsfield units.",
    "bad_identifier": "Export the series again from its source: a UID is of digits and dots, at most 64.",
    "no_geometry": "Export the original slices: each states its position, its orientation and its pixel spacing.",
    "bad_geometry": "Export the original slices: position, orientation and pixel spacing of these cannot be true.",
    "absurd_size": "Export the series again from its source: rows, columns, frames or bits of these cannot be true.",
    "deflated": "Export the series uncompressed, or compressed without loss.",
    "truncated": AGAIN,
    "incomplete": AGAIN,
    "malformed": AGAIN,
    "dicomdir": "Send in the files that the index names.",
    "not_dicom": "Send in the DICOM files, as the scanner exported them.",
}
"""By the code of a rejection."""


def said_of_files(rejected: Sequence[RejectedFile]) -> list[Finding]:
    """One finding for each reason."""
    return [_finding(files) for files in _by_reason(rejected)]


def none_is_a_slice(rejected: Sequence[RejectedFile], kinds: str) -> Finding:
    """The reason why an upload holds no slice at all, with what helps against each that was found."""
    groups = sorted(_by_reason(rejected), key=len, reverse=True)
    whys = "; ".join(f"{_counted(files)}: {_why(files)}" for files in groups)
    cures = " ".join(dict.fromkeys(CURES[files[0].code] for files in groups))
    return Finding("no_series", "error", f"The upload holds no slice of a {kinds} series. {whys}.", cures)


def _by_reason(rejected: Sequence[RejectedFile]) -> list[list[RejectedFile]]:
    def reason(file: RejectedFile) -> tuple[str, str]:
        return file.code, file.why

    return [list(files) for _, files in groupby(sorted(rejected, key=reason), reason)]


def _finding(files: list[RejectedFile]) -> Finding:
    code = files[0].code
    are = "is" if len(files) == 1 else "are"
    message = f"{_counted(files)} {are} no part of the volume: {_why(files)} ({_numbers(files)})."
    if code in EXPECTED_JUNK:
        return Finding(f"rejected_{code}", "info", message)
    return Finding(f"rejected_{code}", "warning", message, CURES[code])


def _counted(files: list[RejectedFile]) -> str:
    return f"{len(files)} file{'s' * (len(files) > 1)}"


def _why(files: list[RejectedFile]) -> str:
    return f"{'it' if len(files) == 1 else 'each'} {files[0].why}"


def _numbers(files: list[RejectedFile]) -> str:
    """By number, in the order of the upload: a file's name may be a patient's."""
    runs = list(_runs(sorted(file.ordinal for file in files)))
    named = ", ".join(str(low) if low == high else f"{low} to {high}" for low, high in runs[:RUNS_NAMED])
    left = sum(high - low + 1 for low, high in runs[RUNS_NAMED:])
    return f"number {named}" + (f" and {left} more" if left else "")


def _runs(numbers: Iterable[int]) -> Iterable[tuple[int, int]]:
    """First and last of the numbers that follow one another."""
    for _, run in groupby(enumerate(numbers), lambda one: one[1] - one[0]):
        row = [number for _, number in run]
        yield row[0], row[-1]
