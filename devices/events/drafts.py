"""Drafts of segmentations: every step that a person takes in making one."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from devices.events.shapes import Reasons
from mes.eventlog.base import Event


@dataclass(frozen=True, kw_only=True)
class SegmentationDraftOpened(Event, name="devices.segmentation_draft_opened", terminal=True):
    """Somebody began to make a segmentation, or a second reading of one, step by step."""

    device_id: int
    draft_id: int
    study_id: int
    purpose: str


@dataclass(frozen=True, kw_only=True)
class SegmentationDraftChanged(Event, name="devices.segmentation_draft_changed"):
    """A step was added to a draft or taken out of it. `step` is that one; `recipe_sha256` covers all that stand now."""

    device_id: int
    draft_id: int
    revision: int
    what: str
    step: dict[str, Any]
    steps: int
    recipe_sha256: str


@dataclass(frozen=True, kw_only=True)
class SegmentationDraftComputed(Event, name="devices.segmentation_draft_computed", terminal=True):
    """The steps of a draft have their masks."""

    device_id: int
    draft_id: int
    revision: int
    mask_sha256: str
    volume_ml: float


@dataclass(frozen=True, kw_only=True)
class SegmentationDraftStepRefused(Event, name="devices.segmentation_draft_step_refused", terminal=True):
    """A step gives no mask; the reasons say why. It and those after it are out of the draft."""

    device_id: int
    draft_id: int
    revision: int
    reasons: Reasons


@dataclass(frozen=True, kw_only=True)
class SegmentationDraftDiscarded(Event, name="devices.segmentation_draft_discarded", terminal=True):
    """A draft was given up; nothing comes of it."""

    device_id: int
    draft_id: int


@dataclass(frozen=True, kw_only=True)
class SegmentationDraftFinished(Event, name="devices.segmentation_draft_finished", terminal=True):
    """A draft became the request for a segmentation."""

    device_id: int
    draft_id: int
    recipe_sha256: str
    mask_sha256: str


@dataclass(frozen=True, kw_only=True)
class SegmentationRead(Event, name="devices.segmentation_read"):
    """A second reader finished a segmentation of their own; it will be compared with the one that stands."""

    device_id: int
    draft_id: int
    segmentation_id: int
    recipe_sha256: str
    mask_sha256: str


@dataclass(frozen=True, kw_only=True)
class SegmentationCompared(Event, name="devices.segmentation_compared", terminal=True):
    """A segmentation was compared with that of a second reader."""

    device_id: int
    draft_id: int
    segmentation_id: int
    dice: float
    distance_p95_mm: float
