"""Nonconformances and their dispositions. They stand on the nonconformance's own stream."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from mes.eventlog.base import Event


@dataclass(frozen=True, kw_only=True)
class NonconformanceOpened(Event, name="quality.nonconformance_opened", terminal=True):
    """Something is not as required: what, where it was found, and the evidence."""

    nonconformance_id: int
    device_id: int
    source: str
    stage: str
    requirement: str
    description: str
    severity: str
    evidence: dict[str, Any]
    units: list[int] = field(default_factory=list)


@dataclass(frozen=True, kw_only=True)
class NonconformanceStageChanged(Event, name="quality.nonconformance_stage_changed", terminal=True):
    """A nonconformance moved along its table."""

    nonconformance_id: int
    device_id: int
    source: str
    target: str


@dataclass(frozen=True, kw_only=True)
class DispositionProposed(Event, name="quality.disposition_proposed", terminal=True):
    """The owner of a nonconformance proposed, by signature, what shall happen to the device."""

    nonconformance_id: int
    device_id: int
    disposition: str
    justification: str
    signature_id: int


@dataclass(frozen=True, kw_only=True)
class DispositionReturned(Event, name="quality.disposition_returned", terminal=True):
    """Quality returned a proposal with its reason: the nonconformance is evaluated again."""

    nonconformance_id: int
    device_id: int
    disposition: str
    justification: str
    proposal_id: int | None


@dataclass(frozen=True, kw_only=True)
class NonconformanceDisposed(Event, name="quality.nonconformance_disposed", terminal=True):
    """A second person approved the disposition by signature, and it was carried out."""

    nonconformance_id: int
    device_id: int
    disposition: str
    signature_id: int


@dataclass(frozen=True, kw_only=True)
class NonconformanceVoided(Event, name="quality.nonconformance_voided", terminal=True):
    """A nonconformance was opened in error; quality signed why."""

    nonconformance_id: int
    device_id: int
    justification: str
    signature_id: int
