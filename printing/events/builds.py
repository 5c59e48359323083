"""Facts about builds."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from mes.eventlog.base import Event


@dataclass(frozen=True, kw_only=True)
class BuildCreated(Event, name="printing.build_created"):
    """Devices go on one plate; it waits to be sliced."""

    build_id: int
    device_ids: list[int]


@dataclass(frozen=True, kw_only=True)
class BuildReopened(Event, name="printing.build_reopened"):
    """A build that could not be prepared is tried again."""

    build_id: int


@dataclass(frozen=True, kw_only=True)
class BuildPrepared(Event, name="printing.build_prepared", terminal=True):
    """The plate was cut into layers; the file and the digest over all layers stand on the build."""

    build_id: int
    file: str
    plate_digest: str
    layer_count: int
    material_ml: float
    print_seconds: float


@dataclass(frozen=True, kw_only=True)
class BuildPreparationFailed(Event, name="printing.build_preparation_failed", terminal=True):
    """The plate could not be cut; `problems` say why, each with its cure."""

    build_id: int
    problems: list[dict[str, str]]


@dataclass(frozen=True, kw_only=True)
class BuildVerified(Event, name="printing.build_verified", terminal=True):
    """Another person checked the build file."""

    build_id: int
    signature_id: int
    gates: list[dict[str, Any]]


@dataclass(frozen=True, kw_only=True)
class BuildScheduled(Event, name="printing.build_scheduled", terminal=True):
    """A printer was claimed for the build."""

    build_id: int
    job_id: int
    printer_id: int


@dataclass(frozen=True, kw_only=True)
class BuildUnscheduled(Event, name="printing.build_unscheduled", terminal=True):
    """The claim was given up before anything was printed."""

    build_id: int
    job_id: int


@dataclass(frozen=True, kw_only=True)
class BuildStarted(Event, name="printing.build_started", terminal=True):
    """The machine prints it."""

    build_id: int
    job_id: int


@dataclass(frozen=True, kw_only=True)
class BuildInterrupted(Event, name="printing.build_interrupted", terminal=True):
    """The print is over, but something happened on the way that a person must decide about (G-PRT-01)."""

    build_id: int
    job_id: int
    gates: list[dict[str, Any]]


@dataclass(frozen=True, kw_only=True)
class BuildCompleted(Event, name="printing.build_completed", terminal=True):
    """The build was printed as it was verified. `signature_id` where a person decided an interruption."""

    build_id: int
    job_id: int
    gates: list[dict[str, Any]]
    signature_id: int | None


@dataclass(frozen=True, kw_only=True)
class BuildFailed(Event, name="printing.build_failed", terminal=True):
    """The build did not become what was verified."""

    build_id: int
    job_id: int
    signature_id: int | None


@dataclass(frozen=True, kw_only=True)
class BuildCancelled(Event, name="printing.build_cancelled", terminal=True):
    """The build was given up before it was printed."""

    build_id: int
