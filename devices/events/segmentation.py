"""Segmentations."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from devices.events.shapes import Gates, Reasons
from mes.eventlog.base import Event


@dataclass(frozen=True, kw_only=True)
class SegmentationRequested(Event, name="devices.segmentation_requested"):
    """Every gate passed: the segmentation may be computed. `parameters` are those that a person set; the rest is the
    master's. For a segmentation that another program made, `external` names the upload in quarantine, what was chosen of it and, of a
    file that names no patient, the signature that links it."""

    device_id: int
    study_id: int
    author_id: int
    gates: Gates
    parameters: dict[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, kw_only=True)
class SegmentationRefused(Event, name="devices.segmentation_refused", terminal=True):
    """A gate forbids the segmentation; the gates say why and what cures it."""

    device_id: int
    study_id: int
    gates: Gates


@dataclass(frozen=True, kw_only=True)
class SegmentationRecorded(Event, name="devices.segmentation_recorded"):
    """A mask and its surface were made and wait for a clinical reviewer."""

    device_id: int
    segmentation_id: int
    author_id: int
    mask_sha256: str
    surface_sha256: str
    volume_ml: float
    watertight: bool


@dataclass(frozen=True, kw_only=True)
class SegmentationFailed(Event, name="devices.segmentation_failed"):
    """No mask or surface could be made; the reasons say why."""

    device_id: int
    study_id: int
    reasons: Reasons


@dataclass(frozen=True, kw_only=True)
class SegmentationIgnored(Event, name="devices.segmentation_ignored"):
    """A result came that nothing waits for: a late one, or one that was delivered again. `request` is the version of the
    event that asked for it; the event's reason says why it does not count."""

    device_id: int
    study_id: int
    request: int


@dataclass(frozen=True, kw_only=True)
class SegmentationApproved(Event, name="devices.segmentation_approved", terminal=True):
    """A clinical reviewer, not its author, signed the segmentation."""

    device_id: int
    segmentation_id: int
    signature_id: int
    gates: Gates


@dataclass(frozen=True, kw_only=True)
class SegmentationSetAside(Event, name="devices.segmentation_set_aside", terminal=True):
    """It was not approved yet, and another one was asked for in its place. The event's reason says which."""

    device_id: int
    segmentation_id: int


@dataclass(frozen=True, kw_only=True)
class SegmentationRejected(Event, name="devices.segmentation_rejected", terminal=True):
    """The segmentation may not be used. The event's reason says why."""

    device_id: int
    segmentation_id: int
