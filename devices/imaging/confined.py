"""Asks the child process that opens uploads (`devices.imaging.child`), and says in words why it died where it did.

A parser of images is a hundred thousand lines of C that strangers feed. What it does to its own process, and how long it
takes, is then a finding like any other: the upload is refused with a reason, and whoever asked goes on.
"""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from datetime import date
from pathlib import Path
from threading import Timer
from typing import IO, Any, Protocol, Self, TypeVar

from pydantic import TypeAdapter, ValidationError

from devices.imaging.base import Finding, ImagingRefused, PatientIdentifiers
from devices.imaging.child import MASK, SERIES, SURFACE, VOLUME, Answer, Limits, unreadable
from devices.imaging.glance import Glance
from devices.imaging.inbox import objects_of
from devices.imaging.labelled import Choice, Segment
from devices.imaging.scans import Declared, declared_as_json
from devices.imaging.sorting import Sorted

ROOT = Path(__file__).resolve().parents[2]
T = TypeVar("T")
LONGEST_ANSWER = 64 * 1024**2
PASSED_ON = ("PATH", "LANG", "LC_ALL", "LD_LIBRARY_PATH", "SYSTEMROOT")
"""Of the environment: no address of a database, no secret."""
LIMITS = Limits()
TOO_LONG = Finding(
    "too_long",
    "error",
    "Reading the upload took longer than one upload may.",
    "Send one series only; if it is one, export it uncompressed.",
)


@dataclass(frozen=True)
class Found:
    """What reading gave, before anything is kept. facts: the columns of the study."""

    identity: PatientIdentifiers
    findings: tuple[Finding, ...]
    facts: dict[str, Any]


@dataclass(frozen=True)
class Said:
    """One line of a child: an answer, or why there is none."""

    answer: Answer = field(default_factory=dict)
    refused: tuple[Finding, ...] = ()
    failed: int = 0


BESIDE = unreadable("it answered beside the question")
SAID = TypeAdapter(Said)
FOUND, GLANCE, DAY = TypeAdapter(Found), TypeAdapter(Glance), TypeAdapter[date | None](date | None)
SORTED = TypeAdapter(list[Sorted])


class Asked(Protocol):
    """Something that answers a request about an upload; `Child`, but in tests of what is made of the answers."""

    def ask(self, request: Mapping[str, Any]) -> Answer: ...


class Child:
    """One process for one upload. It is gone, and its scratch folder with it, when the block is left."""

    def __init__(self, scratch: Path, limits: Limits | None = None) -> None:
        self._scratch = scratch
        self._limits = limits or LIMITS
        self._late = False

    def __enter__(self) -> Self:
        self._scratch.mkdir(mode=0o700, parents=True, exist_ok=True)
        self._process = subprocess.Popen(  # noqa: S603 - our own interpreter and module
            [sys.executable, "-m", "devices.imaging.child", json.dumps(asdict(self._limits))],
            cwd=ROOT,
            env=_environment(self._scratch),
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            # A traceback may quote the file.
            stderr=subprocess.DEVNULL,
            text=True,
            encoding="utf-8",
        )
        self._timer = Timer(self._limits.wall_s, self._end_late)
        self._timer.daemon = True
        self._timer.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._timer.cancel()
        self._process.kill()
        with self._process:
            self._process.stdin, rest = None, self._process.stdin
            _close_unwritten(rest)
        shutil.rmtree(self._scratch, ignore_errors=True)

    def _end_late(self) -> None:
        self._late = True
        self._process.kill()

    def ask(self, request: Mapping[str, Any]) -> Answer:
        """The answer. Raises ImagingRefused where the upload is refused, or the child died of it; OSError where this
        machine, and not the upload, is at fault."""
        line = self._asked(json.dumps(dict(request)) + "\n")
        if not line.endswith("\n"):
            raise ImagingRefused([self._cause_of_death()])
        return answered(line)

    def _asked(self, line: str) -> str:
        if self._process.stdin is None or self._process.stdout is None:
            return ""
        try:
            self._process.stdin.write(line)
            self._process.stdin.flush()
            return self._process.stdout.readline(LONGEST_ANSWER)
        except BrokenPipeError:
            return ""

    def _cause_of_death(self) -> Finding:
        try:
            status = self._process.wait(timeout=1.0)
        except subprocess.TimeoutExpired:
            return unreadable("it answered beyond measure")
        if self._late or status == -signal.SIGXCPU:
            return TOO_LONG
        return unreadable(signal.Signals(-status).name if status < 0 else f"status {status}")


def answered(line: str) -> Answer:
    """What an answer holds. Raises what it says was in the way."""
    try:
        said = SAID.validate_json(line)
    except ValidationError:
        raise ImagingRefused([BESIDE]) from None
    if said.refused:
        raise ImagingRefused(said.refused)
    if said.failed:
        raise OSError(said.failed, os.strerror(said.failed))
    return said.answer


def _as(kind: TypeAdapter[T], said: object) -> T:
    """What a child says is taken for what it is declared to be, or not at all: whatever it read may speak through it."""
    try:
        return kind.validate_python(said)
    except ValidationError:
        raise ImagingRefused([BESIDE]) from None


def _close_unwritten(stream: IO[str] | None) -> None:
    """What the dead child did not read any more is of no interest."""
    if stream is not None:
        try:
            stream.close()
        except BrokenPipeError:
            return


def _environment(scratch: Path) -> dict[str, str]:
    kept = {name: os.environ[name] for name in PASSED_ON if name in os.environ}
    threads = dict.fromkeys(("OMP_NUM_THREADS", "ITK_GLOBAL_DEFAULT_NUMBER_OF_THREADS"), "2")
    return {
        **kept,
        **threads,
        "OPENBLAS_NUM_THREADS": "1",
        "PYTHONPATH": str(ROOT),
        "HOME": str(scratch),
        "TMPDIR": str(scratch),
    }


@contextmanager
def reader(near: Path) -> Iterator[Asked]:
    """A process to read one upload with; it unpacks in a folder beside it, which is gone afterwards."""
    near.mkdir(parents=True, exist_ok=True)
    scratch = Path(tempfile.mkdtemp(prefix=".reading-", dir=near))
    with Child(scratch) as child:
        yield child


def read(child: Asked, source: Path, series: str = "") -> Found:
    """Raises ImagingRefused with every finding. G-IMG-01."""
    return _found(child.ask({"ask": "read", "source": str(source), "series": series}))


def read_scan(child: Asked, source: Path, declared: Declared) -> Found:
    """Raises ImagingRefused with every finding. G-IMG-01."""
    return _found(child.ask({"ask": "scan", "source": str(source), "declared": declared_as_json(declared)}))


def read_part(child: Asked, source: Path, declared: Declared, identity: Mapping[str, str]) -> Found:
    """Raises ImagingRefused with every finding, and where a text in the file names the patient. G-IMG-03."""
    said = {"declared": declared_as_json(declared), "identity": dict(identity)}
    return _found(child.ask({"ask": "part", "source": str(source), **said}))


def _found(said: Answer) -> Found:
    found = _as(FOUND, said)
    found.facts["acquired_on"] = _as(DAY, found.facts.get("acquired_on"))
    return found


@dataclass(frozen=True)
class KeptScan:
    """report: of what was kept and left out.  labels: which vertex is which tooth, where that came with the scan."""

    report: dict[str, Any]
    labels: list[int] | None


def keep_scan(child: Asked, folder: Path) -> tuple[KeptScan, Path]:
    """Have the surface that was read written, and nothing else of its file (G-IMG-03)."""
    return _as(
        TypeAdapter(KeptScan), child.ask({"ask": "keep_scan", "folder": str(folder)})
    ), folder / SURFACE


def keep(child: Asked, folder: Path, *, key: bytes, identity: Mapping[str, str]) -> tuple[Answer, Path, Path]:
    """Have what was read written without identity. Returns the report, the images and the volume (G-IMG-03)."""
    report = child.ask({"ask": "keep", "folder": str(folder), "key": key.hex(), "identity": dict(identity)})
    return report, folder / SERIES, folder / VOLUME


@dataclass(frozen=True)
class Segmented:
    """What a segmentation of somebody else says of itself (`devices.imaging.labelled.Listing`)."""

    identity: PatientIdentifiers
    format: str
    kind: str
    segments: tuple[Segment, ...]
    maker: dict[str, str]


def segments(child: Asked, source: Path) -> Segmented:
    """Raises ImagingRefused with every finding."""
    return _as(TypeAdapter(Segmented), child.ask({"ask": "segments", "source": str(source)}))


@dataclass(frozen=True)
class Stored:
    """A study as it is stored: where its volume and its series lie. series: None where it is no DICOM."""

    volume: Path
    shape: tuple[int, int, int]
    series: Path | None


def fit(
    child: Asked,
    source: Path,
    folder: Path,
    choice: Choice,
    study: Stored,
    *,
    key: bytes,
    identity: Mapping[str, str],
) -> tuple[Answer, Path]:
    """Have the chosen segments written as a mask of a study. Returns what is kept of where they come from, and the mask."""
    said = child.ask({
        "ask": "fit", "source": str(source), "folder": str(folder), "volume": str(study.volume), "shape": study.shape,
        "series": str(study.series or ""), "choice": asdict(choice), "key": key.hex(), "identity": dict(identity),
    })  # fmt: skip
    return said, folder / MASK


def glanced(source: Path) -> Glance:
    """`devices.imaging.glance.glance`, confined."""
    with reader(source.parent) as child:
        return _as(GLANCE, child.ask({"ask": "glance", "source": str(source)}))


def sorted_objects(folder: Path) -> list[Sorted]:
    """`devices.imaging.sorting.sort_objects`, confined. Where the reader dies of one of them, none is readable."""
    names = [path.name for path in objects_of(folder)]
    try:
        with reader(folder.parent) as child:
            found = _as(SORTED, child.ask({"ask": "sort", "folder": str(folder)}).get("objects"))
    except ImagingRefused:
        found = []
    # A name that is none of ours would lead out of the folder.
    honest = sorted(one.name for one in found) == names
    return found if honest else [Sorted(name, readable=False) for name in names]
