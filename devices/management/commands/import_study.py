"""Bring images in for an order: a folder, a zip, a DICOM file or a NIfTI. Says what was accepted, what was refused, and why.

manage.py import_study FOLDER_OR_FILE --order O0000001
manage.py import_study FOLDER_OR_FILE --order O0000001 --device D0000002 --series 4f1c0a8e2b77

Or a surface scan (STL, PLY, OBJ, 3MF), which somebody signs for:
manage.py import_study SCAN --order O0000001 --axes LPS --unit mm --user anna
"""

from __future__ import annotations

import sys
import threading
import time
from datetime import date
from getpass import getpass
from pathlib import Path
from typing import Any, Self

from django.core.management.base import BaseCommand, CommandParser, OutputWrapper

from devices.choices import StudyStatus
from devices.imaging.base import RejectedFile
from devices.imaging.scans import Declared
from devices.models import Study
from devices.services.importing import Vouching, import_scan, import_study
from mes.exceptions import Refused

FILES_NAMED = 20
TELL_EVERY_S = 1.0


class Command(BaseCommand):
    help = __doc__

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("source", type=Path, metavar="FOLDER_OR_FILE", help="it stays where it is")
        parser.add_argument("--order", required=True, help="code of the order, such as O0000001")
        parser.add_argument(
            "--device",
            default="",
            help="its only device to send them to; all that wait for images, if left out",
        )
        parser.add_argument("--series", default="", help="key of the series to use, where there are several")  # fmt: skip

        parser.add_argument(
            "--axes",
            default="",
            help="of a scan: towards what x, y and z grow, such as LPS; own where nobody knows",
        )
        parser.add_argument("--unit", default="", help="of a scan whose file states none: mm, cm, m or inch")
        parser.add_argument("--scanned-on", type=date.fromisoformat, default=None, help="day of a scan")
        parser.add_argument("--user", default="", help="user id of who signs that a scan is this patient's")

    def handle(self, *, source: Path, order: str, device: str, series: str, **said: Any) -> None:
        declared = Declared(said["unit"], said["axes"], said["scanned_on"])
        try:
            with Progress(self.stderr) as progress:
                where: dict[str, Any] = {
                    "source": source,
                    "order": order,
                    "device": device,
                    "told": progress.told,
                }
                if declared == Declared():
                    done = list(import_study(series=series, **where))
                else:
                    by = Vouching(declared, said["user"], self._secret)
                    done = [(study, ()) for study in import_scan(by=by, **where)]
        except Refused as refusal:
            for reason in refusal.reasons:
                self.stderr.write(str(reason))
            sys.exit(1)
        for study, rejected in done:
            self._say(study, rejected)
        if any(study.status != StudyStatus.ACCEPTED for study, _ in done):
            sys.exit(1)

    def _secret(self, seen: dict[str, Any]) -> str:
        """What is signed is shown before the password is asked for."""
        for name, value in seen.items():
            self.stdout.write(f"{name.replace('_', ' ')}: {value}")
        return getpass("Your password signs that this scan is of the order's patient: ")

    def _say(self, study: Study, rejected: tuple[RejectedFile, ...]) -> None:
        self.stdout.write(f"{study.device.code}: {study.get_status_display().lower()}")
        for line in (*_facts(study), *_found(study), *_left_out(rejected)):
            self.stdout.write(f"  {line}")


def _facts(study: Study) -> list[str]:
    if study.status != StudyStatus.ACCEPTED:
        return []
    if study.declared is not None:
        said = study.acquisition
        size = " × ".join(f"{mm:.1f}" for mm in said["extent_mm"])
        return [
            f"surface scan ({study.source_format}), {said['triangles']:,} triangles, {size} mm, from {said['unit']} and axes {said['axes']}",
            "of the patient by signature; nothing but vertices and triangles is kept",
        ]
    spacing = " × ".join(f"{mm:.3f}" for mm in study.spacing_mm or ())
    matched = ", ".join(name.replace("_", " ") for name in study.matched)
    return [
        f"{study.modality} ({study.source_format}), {study.columns} × {study.rows} × {study.slices} voxels of {spacing} mm",
        f"widest step between slices {study.widest_slice_step_mm:.3f} mm, gantry tilt {study.tilt_degrees:.2f}°",
        f"of the patient by {matched}; {study.deidentification['files']} files de-identified",
    ]


def _found(study: Study) -> list[str]:
    return [
        f"{finding['severity']}: {finding['message']} {finding['cure']}".rstrip()
        for finding in study.findings
    ]


def _left_out(rejected: tuple[RejectedFile, ...]) -> list[str]:
    """By number and digest: a file's name may be a patient's."""
    lines = [f"left out: {file.reason}" for file in rejected[:FILES_NAMED]]
    more = len(rejected) - FILES_NAMED
    return [*lines, f"left out: {more} more files"] if more > 0 else lines


class Progress:
    """Says every second, from a thread, what is being done and for how long."""

    def __init__(self, stream: OutputWrapper) -> None:
        self._stream, self._doing, self._over = stream, "", threading.Event()
        self._thread = threading.Thread(target=self._tell, daemon=True, name="progress")

    def told(self, doing: str) -> None:
        self._doing = doing

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._over.set()
        self._thread.join()

    def _tell(self) -> None:
        begun = time.monotonic()
        while not self._over.wait(TELL_EVERY_S):
            if self._doing:
                self._stream.write(f"{time.monotonic() - begun:.0f} s: {self._doing}")
