"""What happened to a device. Nothing here writes."""

from __future__ import annotations

import json
from typing import Any

from django.db.models import QuerySet

from devices.choices import Stage
from devices.models import Device
from mes.models import Delivery, DeliveryStatus, EventRecord
from mes.selectors import events_of

READING, SEGMENTING = "devices.read_study", "devices.segment"
"""The handlers that read images and compute segmentations. Handler ids are permanent."""
AT_WORK = (DeliveryStatus.PENDING, DeliveryStatus.SENT, DeliveryStatus.RUNNING)


def device_timeline(device: Device) -> QuerySet[EventRecord]:
    """Every event of a device, oldest first."""
    return events_of(device)


def exports_of(device: Device) -> list[dict[str, Any]]:
    """What was told of each export of the device's designs, the newest first; of the same file once."""
    told = events_of(device).filter(type="devices.design_exported").values_list("payload", flat=True)
    newest_first = [json.loads(payload) for payload in reversed(told)]
    return list({one["file_sha256"]: one for one in reversed(newest_first)}.values())[::-1]


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


def newest_segmentation_request(device: Device) -> EventRecord | None:
    return events_of(device).filter(type="devices.segmentation_requested").last()


def segmentation_underway(device: Device) -> Delivery | None:
    """What is still to give the segmentation of the current images. None where that is done, was passed over or was
    given up: then nobody has to wait for it."""
    asked = newest_segmentation_request(device)
    if asked is None or json.loads(asked.payload)["study_id"] != device.current_study_id:
        return None
    return Delivery.objects.filter(event=asked, handler=SEGMENTING, status__in=AT_WORK).first()


def sent_segmentations(device: Device) -> list[str]:
    """Names in quarantine of the segmentations of other programs that were sent in for a device and are not being read."""
    asked = events_of(device).filter(type="devices.segmentation_requested", payload__contains='"external"')
    return sorted(_uploads(asked.exclude(pk__in=_being_segmented())))


def segmentations_waiting() -> set[str]:
    """The same of all devices, where they are still to be read."""
    return _uploads(EventRecord.objects.filter(pk__in=_being_segmented()))


def _being_segmented() -> QuerySet[Delivery, Any]:
    return Delivery.objects.filter(handler=SEGMENTING, status__in=AT_WORK).values("event")


def _uploads(requests: QuerySet[EventRecord]) -> set[str]:
    said = [json.loads(payload)["parameters"] for payload in requests.values_list("payload", flat=True)]
    return {one["external"]["upload"] for one in said if "external" in one}


def given_up_before(delivery: Delivery) -> Delivery | None:
    """The delivery that was given up and that this one waits behind, for one lane is worked off in order."""
    lane = Delivery.objects.filter(
        handler=delivery.handler, stream_type=delivery.stream_type, stream_id=delivery.stream_id
    )
    return lane.filter(status=DeliveryStatus.DEAD, version__lt=delivery.version).order_by("version").first()


def segmentation_recorded_since(device: Device, version: int) -> bool:
    """Whether a segmentation was recorded after an event of the device."""
    return events_of(device).filter(type="devices.segmentation_recorded", version__gt=version).exists()
