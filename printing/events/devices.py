"""On the stream of each device of a build: one fact, and so one delivery, for each."""

from __future__ import annotations

from dataclasses import dataclass

from mes.eventlog.base import Event


@dataclass(frozen=True, kw_only=True)
class DeviceBuildVerified(Event, name="printing.device_build_verified"):
    """The build with this device may be printed."""

    device_id: int
    build_id: int


@dataclass(frozen=True, kw_only=True)
class DeviceBuildCancelled(Event, name="printing.device_build_cancelled"):
    """The build with this device was given up; the device waits for another."""

    device_id: int
    build_id: int


@dataclass(frozen=True, kw_only=True)
class DeviceBuildOutdated(Event, name="printing.device_build_outdated"):
    """A machine may be printing this device from a design that was voided meanwhile."""

    device_id: int
    build_id: int
    design_id: int


@dataclass(frozen=True, kw_only=True)
class DevicePrintStarted(Event, name="printing.device_print_started"):
    """The machine prints this device."""

    device_id: int
    build_id: int
    job_id: int


@dataclass(frozen=True, kw_only=True)
class DevicePrintFinished(Event, name="printing.device_print_finished"):
    """This device was printed as verified."""

    device_id: int
    build_id: int
    job_id: int


@dataclass(frozen=True, kw_only=True)
class DevicePrintContradicted(Event, name="printing.device_print_contradicted"):
    """The print of this device stands as finished, and the machine said afterwards that it is not."""

    device_id: int
    build_id: int
    job_id: int
    text: str


@dataclass(frozen=True, kw_only=True)
class DevicePrintFailed(Event, name="printing.device_print_failed"):
    """The print of this device failed."""

    device_id: int
    build_id: int
    job_id: int
    text: str
