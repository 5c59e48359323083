"""How long what is made is kept: the clock of a device starts with its release, or with the end of a failed one (7.1)."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import replace
from datetime import date, datetime
from typing import Any

from django.db.models import Max, QuerySet

from devices.choices import KEPT_FROM, OrderStage
from devices.events import DeviceStageChanged, OrderClosed
from devices.models import Assignment, Device, DeviceMaster, Kit, Order
from devices.selectors.kits import every_member_of
from mes.models import EventRecord, Patient
from mes.retention import (
    IMPLANT_LIFETIME_YEARS,
    LEADING_TO_PATIENTS,
    LIFETIME_YEARS,
    RECORDS_OF_PATIENTS,
    Facts,
    Tag,
    kept_with,
    reached_by,
    retained,
    retained_for_good,
)

ORDER_ENDED = frozenset({OrderStage.CLOSED, OrderStage.REJECTED, OrderStage.CANCELLED})
IMPLANTED = frozenset({"tissue_bone_long_term"})
"""Contact categories of what stays in the body (ISO 10993-1: more than 30 days)."""

for _table in ("devices_study", "devices_plan", "devices_design", "devices_change_request"):
    kept_with("devices.device", _table, by="device_id")
kept_with("devices.device", "devices_segmentation", by="device_id", files=("overlays",))
kept_with("devices.device", "devices_segmentation_draft", by="device_id", files=("masks",))
kept_with("devices.device", "devices_draft_progress", by="draft__device_id")
kept_with("devices.kit", "devices_kit_member", by="kit_id")
retained_for_good("devices.master", "R-830", "R-13485", because="devices were made after it")
retained_for_good("devices.assignment", "R-AUD", because="it shows who could know of an order")
retained_for_good("devices.arrival", "R-AUD", because="it shows who sent which images")
retained_for_good("devices.dicom_peer", "R-AUD", because="images were taken from it")
retained_for_good("devices.upload", "R-AUD", because="it shows who sent which images, and how that ended")
retained_for_good("devices.material", "R-13485", because="devices were made of it")


@retained("devices.device", "R-13485", disposable=True)
def device_facts(device: Device) -> Facts:
    """Release or last shipment starts the clock; a scrapped or cancelled device is kept just as long (ISO 13485 4.2.5)."""
    rules, lifetime = _rules_of(device.master), _lifetime_of(device.master)
    if device.stage not in KEPT_FROM:
        return Facts(None, f"{device.code} is not released, scrapped or cancelled", lifetime, rules)
    return Facts(last_happened("devices.device", device.pk, DeviceStageChanged.name), "", lifetime, rules)


def facts_of_devices(devices: Iterable[Device]) -> Facts | None:
    """What several devices say together, in one query where all have ended and in none where one has not."""
    found = list(devices)
    waiting = next((device for device in found if device.stage not in KEPT_FROM), None)
    if waiting is not None:
        return latest([device_facts(waiting), *(_begun(device, None) for device in found)])
    moves = EventRecord.objects.filter(
        stream_type="devices.device",
        stream_id__in=[str(device.pk) for device in found],
        type=DeviceStageChanged.name,
    )
    ends = dict(moves.values_list("stream_id").annotate(Max("recorded_at")))
    return latest(_begun(device, ends.get(str(device.pk))) for device in found)


def _begun(device: Device, ended: datetime | None) -> Facts:
    waits = "" if ended else f"{device.code} has no end on record"
    return Facts(
        ended.date() if ended else None, waits, _lifetime_of(device.master), _rules_of(device.master)
    )


def _rules_of(master: DeviceMaster) -> tuple[str, ...]:
    """Images are kept of every device; what a clinical one asks for depends on whether it stays in the body."""
    if not master.clinical:
        return ("R-RT",)
    return ("R-RT", "R-MDR-15" if master.contact_category in IMPLANTED else "R-MDR-10")


def _lifetime_of(master: DeviceMaster) -> int:
    """Years, by default: nothing in a master says it yet."""
    return IMPLANT_LIFETIME_YEARS if master.contact_category in IMPLANTED else LIFETIME_YEARS


def last_happened(root: str, key: int, *types: str) -> date | None:
    """The day (UTC) of the last event of a stream, or of the last of some types. The log itself says when."""
    events = EventRecord.objects.filter(stream_type=root, stream_id=str(key)).order_by("-version")
    last = (events.filter(type__in=types) if types else events).values_list("recorded_at", flat=True).first()
    return last.date() if last else None


def latest(facts: Iterable[Facts]) -> Facts | None:
    """What several records that are kept together say: all of them must have ended, and the last one counts."""
    found = list(facts)
    if not found:
        return None
    waiting = next((one for one in found if one.begins is None), None)
    begins = None if waiting else max(one.begins for one in found if one.begins)
    rules = tuple(dict.fromkeys(rule for one in found for rule in one.rules))
    lifetime = max(one.lifetime_years for one in found)
    return Facts(begins, waiting.waits if waiting else "", lifetime, rules)


@retained("devices.order", "R-13485", disposable=True)
def order_facts(order: Order) -> Facts:
    """Kept with its last device, or from its closing where that came later. One that was rejected before there was a
    device is kept from that day on."""
    found = facts_of_devices(order.devices.select_related("master").order_by("pk"))
    if found is not None:
        closed = last_happened("devices.order", order.pk, OrderClosed.name)
        return replace(found, begins=max(found.begins, closed)) if found.begins and closed else found
    rules, lifetime = _rules_of(order.master), _lifetime_of(order.master)
    if order.stage not in ORDER_ENDED:
        return Facts(None, f"{order.code} is not closed", lifetime, rules)
    return Facts(last_happened("devices.order", order.pk), "", lifetime, rules)


@retained("devices.kit", "R-13485")
def kit_facts(kit: Kit) -> Facts:
    """Kept with the last of the devices that ever belonged to it."""
    found = facts_of_devices(every_member_of(kit))
    if found is None:
        raise LookupError(f"{kit.code} never had a device")
    return found


def _records_of(patient: Patient) -> Iterator[Order | Device]:
    yield from Order.objects.filter(patient=patient).order_by("pk")
    yield from Device.objects.filter(order__patient=patient).order_by("pk")


def _leading_to(patient: Patient) -> Iterator[QuerySet[Any]]:
    yield Order.objects.filter(patient=patient)
    yield Assignment.objects.filter(order__patient=patient)
    yield Kit.objects.filter(patient=patient)
    yield Device.objects.filter(order__patient=patient)


RECORDS_OF_PATIENTS.add("devices", _records_of)
LEADING_TO_PATIENTS.add("devices", _leading_to)

# --- what a legal hold on an order or a patient reaches


@reached_by("devices.orders", "devices.order")
def order_tags(order: Order) -> Iterator[Tag]:
    yield "order", str(order.pk)
    yield "patient", order.patient.token


@reached_by("devices.devices", "devices.device")
def _device_tags(device: Device) -> Iterator[Tag]:
    yield from order_tags(device.order)


@reached_by("devices.kits", "devices.kit")
def _kit_tags(kit: Kit) -> Iterator[Tag]:
    yield "patient", kit.patient.token
    for device in every_member_of(kit):
        yield "order", str(device.order_id)


@reached_by("devices.patients", "mes.patient")
def _patient_tags(patient: Patient) -> Iterator[Tag]:
    for pk in Order.objects.filter(patient=patient).order_by("pk").values_list("pk", flat=True):
        yield "order", str(pk)
