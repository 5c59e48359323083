"""What happened to a device. Nothing here writes."""

from __future__ import annotations

import json
from typing import Any

from django.db.models import QuerySet

from devices.choices import (
    Stage,
)
from devices.models import Device
from mes.models import EventRecord
from mes.selectors import events_of


def device_timeline(device: Device) -> QuerySet[EventRecord]:
    """Every event of a device, oldest first."""
    return events_of(device)


def stages_since_frozen(device: Device) -> list[str]:
    """The stages a device has come to since its design was last frozen, oldest first."""
    moved = events_of(device).filter(type="devices.device_stage_changed").values_list("payload", flat=True)
    targets = [str(json.loads(payload)["target"]) for payload in moved]
    last = max((place for place, target in enumerate(targets) if target == Stage.DESIGN_FROZEN), default=0)
    return targets[last:]


def refused_segmentation(device: Device) -> list[dict[str, Any]]:
    """Why the segmentation of the current images did not happen: blocking gates or the segmenter's own reasons."""
    if device.current_study_id is None or device.current_segmentation_id is not None:
        return []
    names = ("devices.segmentation_refused", "devices.segmentation_failed", "devices.segmentation_requested")
    last = events_of(device).filter(type__in=names).last()
    if last is None:
        return []
    said = json.loads(last.payload)
    gates = [gate for gate in said.get("gates", []) if gate["outcome"] == "block"]
    reasons = [
        {"gate": one["code"], "reason": one["text"], "cure": one["cure"]} for one in said.get("reasons", [])
    ]
    return [*gates, *reasons] if said["study_id"] == device.current_study_id else []
