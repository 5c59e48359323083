"""The program that opens what arrives: one process for one upload, with limits of its own and nothing it could give away.

It is told what to do line by line, as JSON, and answers each line with one. Whatever a parser prints goes nowhere. What it
remembers between two lines is what it has read, so that the images are identified first and kept only if they may be.
"""

from __future__ import annotations

import ctypes
import errno
import json
import os
import resource
import signal
import sys
from collections.abc import Callable
from dataclasses import asdict, dataclass
from datetime import date
from functools import partial
from pathlib import Path
from typing import Any, ClassVar

from devices.imaging.base import Finding, ImagingRefused, PatientIdentifiers, ReadImages, Volume
from devices.imaging.deidentify import deidentify, mapped_uid
from devices.imaging.drawn import read_part
from devices.imaging.glance import glance
from devices.imaging.inbox import objects_of
from devices.imaging.intake import read_images
from devices.imaging.labelled import Choice, Origin
from devices.imaging.naming import Named, names_person
from devices.imaging.scans import ReadScan, declared_from_json, keep_surface, read_surface
from devices.imaging.segments import fit, list_segments, origin_of_series
from devices.imaging.sorting import sort_objects
from devices.imaging.storage import load_geometry, save_mask, save_volume
from mes import room

PR_SET_PDEATHSIG = 1
SERIES, VOLUME, SURFACE, MASK = "series", "volume.npz", "surface.stl", "mask.npz"
Answer = dict[str, Any]


@dataclass(frozen=True)
class Limits:
    """What one upload may cost. memory: address space; file: the largest file written; wall: enforced by whoever waits."""

    memory_bytes: int = 8 * 1024**3
    file_bytes: int = 7 * 1024**3
    cpu_s: int = 450
    wall_s: float = 480.0
    open_files: int = 256


class Reader:
    """What can be asked about one upload. Each answer is made of plain JSON values."""

    def __init__(self) -> None:
        self._source = Path()
        self._images: ReadImages | None = None
        self._scan: ReadScan | None = None

    def read(self, source: str, series: str) -> Answer:
        """Read an upload as a volume: whose it is, what was found, and the facts of the study."""
        self._source = Path(source)
        images = self._images = read_images(self._source, series_uid=series or None)
        return {
            "identity": asdict(images.identity),
            "findings": [asdict(finding) for finding in images.findings],
            "facts": facts_of(images.volume),
        }

    def scan(self, source: str, declared: dict[str, Any]) -> Answer:
        """Read an upload as a surface scan: what was found, and the facts of the study. It never says whose it is."""
        return self._surface(read_surface(Path(source), declared_from_json(declared)))

    def part(self, source: str, declared: dict[str, Any], identity: dict[str, str]) -> Answer:
        """Read an upload as a part that was drawn elsewhere, as `scan` reads one; whom it names is looked for in it."""
        named = partial(names_person, Named(**identity))
        return self._surface(read_part(Path(source), declared_from_json(declared), named))

    def _surface(self, scan: ReadScan) -> Answer:
        self._scan = scan
        return {
            "identity": asdict(PatientIdentifiers()),
            "findings": [asdict(finding) for finding in scan.findings],
            "facts": scan.facts,
        }

    def keep_scan(self, folder: str) -> Answer:
        """Write the surface that was read into a folder, and nothing else of its file."""
        if self._scan is None:
            raise ValueError("nothing was read yet")
        labels = self._scan.labels
        report = keep_surface(self._scan, Path(folder) / SURFACE)
        return {"report": report, "labels": None if labels is None else labels.tolist()}

    def keep(self, folder: str, key: str, identity: dict[str, str]) -> Answer:
        """Write what was read into a folder, without identity: the images, and the volume."""
        if self._images is None:
            raise ValueError("nothing was read yet")
        report = deidentify(
            self._images,
            self._source,
            Path(folder) / SERIES,
            key=bytes.fromhex(key),
            names=partial(names_person, Named(**identity)),
        )
        save_volume(self._images.volume, Path(folder) / VOLUME)
        return asdict(report)

    def segments(self, source: str) -> Answer:
        """Which segments an upload has, and whose it says that it is."""
        found = list_segments(Path(source))
        return {
            "identity": asdict(found.identity),
            "format": found.format,
            "kind": found.kind,
            "segments": [asdict(one) for one in found.segments],
            "maker": found.maker,
        }

    def fit(
        self,
        source: str,
        folder: str,
        volume: str,
        shape: list[int],
        series: str,
        choice: dict[str, Any],
        key: str,
        identity: dict[str, str],
    ) -> Answer:
        """Write the chosen segments into a folder as a mask of a stored volume, and say where they come from."""
        k, j, i = shape
        fitted = fit(
            Path(source),
            Choice(tuple(choice["segments"]), choice["threshold"], choice["resample"]),
            load_geometry(Path(volume), (k, j, i)),
            origin=origin_of_series(Path(series)) if series else Origin(),
            mapped=partial(mapped_uid, bytes.fromhex(key)),
            names=partial(names_person, Named(**identity)),
        )
        save_mask(fitted.mask, Path(folder) / MASK)
        return fitted.said

    def glance(self, source: str) -> Answer:
        return asdict(glance(Path(source)))

    def sort(self, folder: str) -> Answer:
        return {"objects": [asdict(one) for one in sort_objects(objects_of(Path(folder)))]}

    ASKED: ClassVar[dict[str, Callable[..., Answer]]] = {
        "read": read,
        "keep": keep,
        "scan": scan,
        "part": part,
        "keep_scan": keep_scan,
        "segments": segments,
        "fit": fit,
        "glance": glance,
        "sort": sort,
    }

    def answer(self, line: str) -> str:
        """One line for one line. A refusal carries its findings; any other failure its kind, never its words."""
        request = json.loads(line)
        answer: Answer
        try:
            answer = {"answer": self.ASKED[request.pop("ask")](self, **request)}
        except ImagingRefused as refusal:
            answer = refusing(*refusal.findings)
        except MemoryError:
            answer = refusing(TOO_MUCH_MEMORY)
        except OSError as error:
            answer = _of_system(error)
        except Exception as error:  # noqa: BLE001 - whatever a parser does with hostile bytes is a refusal of these bytes
            answer = refusing(unreadable(type(error).__name__))
        return json.dumps(answer, default=_plain)


MACHINE = room.FULL | {errno.EIO, errno.EROFS, errno.EACCES}
"""What no upload causes: it is read again once the machine is well."""
TOO_MUCH_MEMORY = Finding(
    "too_much_memory",
    "error",
    "Reading the upload took more memory than one upload may.",
    "Send one series only, cropped to what is needed.",
)


TOO_MUCH_SPACE = Finding(
    "too_large",
    "error",
    "What the upload unpacks to is larger than one upload may be.",
    "Send one series only.",
)


def _of_system(error: OSError) -> Answer:
    if error.errno in MACHINE:
        return {"failed": error.errno}
    return refusing(TOO_MUCH_SPACE if error.errno == errno.EFBIG else unreadable(type(error).__name__))


def refusing(*findings: Finding) -> Answer:
    return {"refused": [asdict(finding) for finding in findings]}


def unreadable(how: str) -> Finding:
    return Finding(
        "unreadable",
        "error",
        f"The upload cannot be read: the reader ended at it ({how}).",
        "Export the series again, uncompressed, and send nothing else with it.",
    )


def facts_of(volume: Volume) -> Answer:
    """The columns of a study that its volume gives."""
    acquisition = volume.acquisition
    k, j, i = volume.shape
    return {
        "source_format": acquisition.source_format,
        "modality": acquisition.modality or "",
        "acquired_on": acquisition.acquired_on,
        "slices": k,
        "rows": j,
        "columns": i,
        "spacing_mm": [*volume.spacing_ij, volume.slice_spacing_mm],
        # A missing slice shows as a step twice as wide.
        "widest_slice_step_mm": float(volume.slice_spacings_mm.max()),
        "tilt_degrees": volume.tilt_degrees,
        "acquisition": {**asdict(acquisition), "field_of_view_mm": list(volume.field_of_view_mm)},
    }


def _plain(value: object) -> str:
    if isinstance(value, date):
        return value.isoformat()
    raise TypeError(type(value).__name__)


def confine(limits: Limits) -> None:
    """From here on this process ends with its parent, leaves no core, and takes no more than its share."""
    ctypes.CDLL(None, use_errno=True).prctl(PR_SET_PDEATHSIG, signal.SIGKILL)
    for what, most in (
        (resource.RLIMIT_CORE, 0),
        (resource.RLIMIT_AS, limits.memory_bytes),
        (resource.RLIMIT_CPU, limits.cpu_s),
        (resource.RLIMIT_FSIZE, limits.file_bytes),
        (resource.RLIMIT_NOFILE, limits.open_files),
    ):
        resource.setrlimit(what, (most, most))
    # A file that grows too large is an error where it is written, and so a refusal with a reason.
    signal.signal(signal.SIGXFSZ, signal.SIG_IGN)


def main() -> None:
    confine(Limits(**json.loads(sys.argv[1])))
    answers = os.fdopen(os.dup(1), "w", encoding="utf-8")
    with open(os.devnull, "w") as nowhere:
        os.dup2(nowhere.fileno(), 1)
    reader = Reader()
    for line in sys.stdin:
        answers.write(reader.answer(line) + "\n")
        answers.flush()


if __name__ == "__main__":
    main()
