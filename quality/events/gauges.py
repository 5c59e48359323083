"""Measuring equipment."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from mes.eventlog.base import Event


@dataclass(frozen=True, kw_only=True)
class GaugeRegistered(Event, name="quality.gauge_registered", terminal=True):
    """A piece of measuring equipment became known. It measures nothing before it is calibrated and put into service."""

    gauge_id: int
    kind: str
    maker: str
    model: str
    serial: str
    accuracy_mm: str
    location: str


@dataclass(frozen=True, kw_only=True)
class GaugeStageChanged(Event, name="quality.gauge_stage_changed", terminal=True):
    """A gauge was put into service or taken out of it."""

    gauge_id: int
    source: str
    target: str
    gates: list[dict[str, Any]]


@dataclass(frozen=True, kw_only=True)
class GaugeCalibrated(Event, name="quality.gauge_calibrated", terminal=True):
    """A calibration was recorded by signature, with its certificate: until when it counts, and how the gauge was found."""

    gauge_id: int
    calibration_id: int
    number: int
    calibrated_on: str
    due_on: str
    as_found: str
    laboratory: str
    certificate_sha256: str
    signature_id: int


@dataclass(frozen=True, kw_only=True)
class GaugeFoundOut(Event, name="quality.gauge_found_out", terminal=True):
    """A calibration found a gauge out of tolerance: each device measured since `since`, the last good calibration, got a
    nonconformance and a hold. How many there were; which ones, each nonconformance says."""

    gauge_id: int
    calibration_id: int
    since: str | None
    devices: int
