"""Reading quality's data, and what the whole record of a device consists of. Nothing here writes."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import date, timedelta
from typing import Any

from django.db.models import Exists, ForeignObjectRel, Model, OuterRef, Q, QuerySet, Subquery
from django.utils import timezone

from devices.choices import Stage
from devices.events import DeviceStageChanged
from devices.models import Device
from mes.eventlog.base import Actor, digest_of
from mes.models import Artefact, EventRecord, Person, Signature
from mes.selectors import stream_of
from printing.models import Build, MaterialLot, PrinterCommand, PrintJob
from quality.catalog.routing import Routing, Step, read_routing
from quality.choices import ENDED_STAGES, Decision, GaugeStage, Outcome, Source
from quality.events import ScanReceived
from quality.models import (
    Calibration,
    Gauge,
    Inspection,
    Nonconformance,
    Package,
    PackageContent,
    PostProcessStep,
    RecordReview,
    Report,
)

NOT_MAKING = frozenset(
    {
        "devices.device_held",
        "devices.device_resumed",
        "quality.record_reviewed",
        "quality.production_record_rendered",
        "quality.device_released",
    }
)
"""Facts whose actor neither made nor inspected the device. Everything else counts as taking part (fails closed)."""
NOT_MAKING_MOVES = frozenset({"complete_record", "review", "release", "ship", "deliver"})
GONE_ON = (Stage.INSPECTED_PASS, Stage.LABELLED, Stage.READY_FOR_REVIEW, Stage.REVIEWED)
"""Where a device stands after its inspection, on the way to its release."""
DUE_SOON = timedelta(days=30)
LONGEST_NUMBER = 18
HEX = frozenset("0123456789abcdef")


# --- post-processing


def latest_steps(device: Device) -> dict[str, PostProcessStep]:
    """The last attempt at each step, which is the one that counts."""
    return {row.step: row for row in device.post_process_steps.order_by("attempt")}


def next_step(device: Device, routing: Routing) -> Step | None:
    """The first step of the routing that is not done inside its limits; None where every one is."""
    done = latest_steps(device)
    for step in routing.steps:
        row = done.get(step.code)
        if row is None or not row.in_limits:
            return step
    return None


def routing_done(device: Device) -> bool:
    return next_step(device, read_routing(device.master.routing)) is None


# --- inspections and nonconformances


def inspections_of(device: Device) -> QuerySet[Inspection]:
    """Every scan of a device, oldest first, with what it measured and what was decided."""
    return (
        Inspection.objects.filter(device=device)
        .select_related(
            "measurement", "verdict", "scan", "received_by", "verdict__decided_by", "gauge", "calibration"
        )
        .order_by("number")
    )


def passed_inspection(device: Device) -> Inspection | None:
    """The inspection that a person signed as passed, the last where there are several."""
    return inspections_of(device).filter(verdict__decision=Decision.PASSED).last()


def judged_inspection(device: Device, unit: int | None = None) -> Inspection | None:
    """The measurement that a verdict would be about: the last one measured of a unit, while nobody decided on it.

    Of a lot, without a unit: that of the first unit that has one. A scan from before a rework, or before a repeated
    post-processing, shows a part that is no longer there (G-INS-01).
    """
    measured = inspections_of(device).filter(measurement__outcome=Outcome.MEASURED)
    newest = {inspection.unit: inspection for inspection in measured}
    of_part = scans_of_part(device)
    waiting = [newest[key] for key in sorted(newest) if not hasattr(newest[key], "verdict")]
    return next(
        (one for one in waiting if one.pk in of_part and unit in (None, one.unit)),
        None,
    )


def scans_of_part(device: Device) -> frozenset[int]:
    """Keys of the scans that arrived since the part last became ready for its inspection, in the order of the log."""
    facts = EventRecord.objects.filter(stream_type="devices.device", stream_id=str(device.pk))
    ready = facts.filter(
        type=DeviceStageChanged.name, payload__contains=f'"target":"{Stage.AWAITING_INSPECTION}"'
    ).order_by("-version")
    since = ready.values_list("version", flat=True).first() or 0
    scans = facts.filter(type=ScanReceived.name, version__gt=since).values_list("payload", flat=True)
    return frozenset(json.loads(payload)["inspection_id"] for payload in scans)


def unmeasured_scans(device: Device) -> list[Inspection]:
    """Scans that arrived and say nothing yet: the worker still measures them, or could not."""
    return list(inspections_of(device).filter(measurement__isnull=True))


def unanswered_failures(device: Device) -> list[Inspection]:
    """Measurements out of tolerance that nobody has answered: neither failed by signature nor set aside."""
    failed = inspections_of(device).filter(measurement__outcome=Outcome.MEASURED, measurement__passed=False)
    return list(failed.filter(verdict__isnull=True))


def open_nonconformances(device: Device) -> QuerySet[Nonconformance]:
    return Nonconformance.objects.filter(device=device).exclude(stage__in=ENDED_STAGES)


# --- measuring equipment


def gauges() -> QuerySet[Any]:
    """Every gauge, newest first. `due`: the last day of its last calibration."""
    last = Calibration.objects.filter(gauge=OuterRef("pk")).order_by("-calibrated_on", "-pk")
    rows = Gauge.objects.annotate(due=Subquery(last.values("due_on")[:1])).order_by("-pk")
    return rows.prefetch_related("calibrations__recorded_by")


def gauges_to_calibrate() -> QuerySet[Any]:
    """Gauges that were never calibrated, or whose calibration is over within a month; none that is out of service."""
    soon = timezone.localdate() + DUE_SOON
    due = Q(due__isnull=True) | Q(due__lte=soon)
    return gauges().exclude(stage=GaugeStage.OUT_OF_SERVICE).filter(due)


def gauge_id_of(code: str) -> int | None:
    """The key behind a gauge's public code, as a person or a scanner sends it; None where no gauge has it."""
    digits = code.strip().upper().removeprefix("G")
    known = digits.isascii() and digits.isdigit() and len(digits) <= LONGEST_NUMBER
    return Gauge.objects.filter(pk=int(digits)).values_list("pk", flat=True).first() if known else None


def calibration_on(gauge: Gauge, day: date) -> Calibration | None:
    """The last calibration made by a day: whatever came before it counts no longer."""
    made = gauge.calibrations.filter(calibrated_on__lte=day)
    return made.order_by("calibrated_on", "pk").last()


def measured_since(gauge: Gauge, day: date | None) -> QuerySet[Inspection]:
    """What a gauge measured on a day or later; all that it ever measured, where no day is given. What was scrapped or
    cancelled reaches nobody, and is left out."""
    gone = (Stage.SCRAPPED, Stage.CANCELLED)
    found = gauge.inspections.exclude(device__stage__in=gone).order_by("device_id", "pk")
    return found if day is None else found.filter(measured_on__gte=day)


def gauge_findings(gauge: Gauge) -> QuerySet[Nonconformance]:
    """What was opened because this gauge was found out of tolerance: its reach."""
    return nonconformances().filter(source=Source.GAUGE, evidence__gauge=gauge.code)


# --- the record: streams, events, people, files


def builds_of(device: Device) -> QuerySet[Build]:
    return Build.objects.filter(items__device=device).order_by("pk")


def jobs_of(device: Device) -> QuerySet[PrintJob]:
    return (
        PrintJob.objects.filter(build__items__device=device)
        .select_related("printer", "container", "container__lot", "build")
        .order_by("pk")
    )


def packages_of(device: Device) -> list[Package]:
    """The packages that a device lies in or was taken out of, and those around them, in the order of their numbers."""
    found: dict[int, Package] = {}
    wanted = set(PackageContent.objects.filter(device=device).values_list("package_id", flat=True))
    while wanted:
        found |= {package.pk: package for package in packages().filter(pk__in=wanted)}
        wanted = {package.parent_id for package in found.values() if package.parent_id} - found.keys()
    return [found[key] for key in sorted(found)]


def lots_of(device: Device) -> QuerySet[MaterialLot]:
    """The lots whose material went into the device's builds."""
    return (
        MaterialLot.objects.filter(consumptions__job__build__items__device=device).distinct().order_by("pk")
    )


def streams_of(device: Device) -> list[tuple[str, str]]:
    """The streams that tell how the device came to be: its own, its order's, builds', jobs', commands',
    nonconformances' and packages'."""
    jobs = list(jobs_of(device))
    rows: list[Model] = [device, device.order, *builds_of(device), *jobs]
    rows += PrinterCommand.objects.filter(job__in=jobs).order_by("pk")
    rows += device.nonconformances.order_by("pk")
    rows += packages_of(device)
    return [stream_of(row) for row in rows]


def gauges_of(device: Device) -> QuerySet[Gauge]:
    """The gauges that measured the device."""
    return Gauge.objects.filter(inspections__device=device).distinct().order_by("pk")


def supply_streams_of(device: Device) -> list[tuple[str, str]]:
    """What the device stands on and shares with others: master, material, lots, and the gauges that measured it."""
    rows = (device.master, device.material, *lots_of(device), *gauges_of(device))
    return [stream_of(row) for row in rows]


def events_in(streams: Iterable[tuple[str, str]], last_pos: int | None = None) -> QuerySet[EventRecord]:
    """The events of some streams in the order of the log, up to a position."""
    wanted = Q(pk__in=[])
    for kind, key in streams:
        wanted |= Q(stream_type=kind, stream_id=key)
    events = EventRecord.objects.filter(wanted).order_by("pos")
    return events if last_pos is None else events.filter(pos__lte=last_pos)


@dataclass(frozen=True)
class Trail:
    """The audit trail as a reviewer sees it: how many events, up to where, and the digest of their list."""

    events: int
    last_pos: int
    digest: str


def trail_of(device: Device, last_pos: int | None = None) -> Trail:
    """The digest covers position, uid, type, actor, time and payload of each event, in order."""
    rows = list(
        events_in(streams_of(device), last_pos).values_list(
            "pos", "uid", "stream_type", "stream_id", "version", "type", "actor", "reason", "payload"
        )
    )
    return Trail(len(rows), rows[-1][0] if rows else 0, digest_of(rows))


REVIEWING = frozenset(
    {"quality.review_record", "quality.release_device", "devices.review", "devices.release"}
)


def unreviewed_events(device: Device, review: RecordReview) -> list[EventRecord]:
    """What happened after a review, apart from the review itself."""
    later = events_in(streams_of(device)).filter(pos__gt=review.last_pos)
    return [event for event in later if not _is_review(event)]


def _is_review(event: EventRecord) -> bool:
    if event.type == "quality.record_reviewed":
        return True
    if event.type == "mes.instructions_followed":
        return json.loads(event.payload)["action"] in REVIEWING
    return (
        event.type == "devices.device_stage_changed"
        and json.loads(event.payload).get("transition") in NOT_MAKING_MOVES
    )


def _signs_review(signature: Signature) -> bool:
    content = json.loads(signature.content)
    return content.get("record") == "record review" or content.get("move") in NOT_MAKING_MOVES


def took_part(device: Device) -> dict[int, list[str]]:
    """Who took part in making or inspecting a device, by person, with the facts that say so (G-REL-02).

    Actors of events and signers, whichever account they used; acts of review, hold and release do not count.
    """
    streams = streams_of(device)
    parts: dict[int, list[str]] = {}
    for event in events_in(streams):
        person_id = Actor.parse(event.actor).person_id
        if person_id is not None and event.type not in NOT_MAKING and not _is_review(event):
            parts.setdefault(person_id, []).append(event.type)
    for signature in signatures_in(streams):
        if not _signs_review(signature):
            parts.setdefault(signature.person_id, []).append(f"signed: {signature.meaning}")
    return {person: list(dict.fromkeys(facts)) for person, facts in parts.items()}


def makers_of(device: Device) -> dict[int, list[str]]:
    """Who printed or post-processed a device: an inspector must be none of them (G-INS-01)."""
    streams = streams_of(device)
    parts: dict[int, list[str]] = {}
    making = Q(type__startswith="printing.") | Q(type="quality.post_process_step_recorded")
    for event in events_in(streams).filter(making):
        person_id = Actor.parse(event.actor).person_id
        if person_id is not None:
            parts.setdefault(person_id, []).append(event.type)
    return {person: list(dict.fromkeys(facts)) for person, facts in parts.items()}


def signatures_in(streams: Iterable[tuple[str, str]]) -> QuerySet[Signature]:
    """Signatures over the roots of some streams, oldest first."""
    wanted = Q(pk__in=[])
    for kind, key in streams:
        wanted |= Q(subject_type=kind, subject_id=key)
    return Signature.objects.filter(wanted).select_related("person", "account").order_by("pk")


def names_of(person_ids: Iterable[int]) -> dict[int, str]:
    return {person.pk: str(person) for person in Person.objects.filter(pk__in=list(person_ids))}


def files_of(device: Device, last_pos: int | None = None) -> dict[str, str]:
    """Every file that the record names: SHA-256 to where it was first named (event and field)."""
    named: dict[str, str] = {}
    streams = [*streams_of(device), *supply_streams_of(device)]
    for event in events_in(streams, last_pos):
        for path, digest in digests_in(json.loads(event.payload)):
            named.setdefault(digest, f"{event.type}: {path}")
    for path, digest in _files_of_rows(device):
        named.setdefault(digest, path)
    known = set(Artefact.objects.filter(pk__in=list(named)).values_list("pk", flat=True))
    return {digest: path for digest, path in named.items() if digest in known or path.endswith("sha256")}


def _files_of_rows(device: Device) -> Iterator[tuple[str, str]]:
    """Files that stand on rows of the record and on no event."""
    current = (device.current_study, device.current_segmentation, device.current_design)
    rows: list[Model] = [row for row in current if row is not None]
    rows += [*builds_of(device), *lots_of(device)]
    for row in rows:
        for field in row._meta.concrete_fields:
            if field.related_model is Artefact and (digest := field.value_from_object(row)):
                yield f"{row._meta.label_lower}: {field.name}", str(digest)
    if device.current_segmentation:
        for path, digest in digests_in(device.current_segmentation.overlays):
            yield f"devices.segmentation: overlays {path}", digest


def is_used(artefact: Artefact) -> bool:
    """Whether any row of any record has this file."""
    return any(
        relation.related_model._base_manager.filter(**{relation.field.name: artefact}).exists()
        for relation in Artefact._meta.get_fields(include_hidden=True)
        if isinstance(relation, ForeignObjectRel) and not isinstance(relation.related_model, str)
    )


def digests_in(value: Any, path: str = "") -> Iterator[tuple[str, str]]:
    """Everything in a payload that has the form of a SHA-256, with the path of fields to it."""
    if isinstance(value, str):
        if len(value) == 64 and HEX.issuperset(value):
            yield path, value
    elif isinstance(value, dict):
        for key, item in value.items():
            yield from digests_in(item, f"{path}.{key}" if path else str(key))
    elif isinstance(value, list):
        for index, item in enumerate(value):
            yield from digests_in(item, f"{path}[{index}]")


# --- lists, for interfaces


def inspections() -> QuerySet[Inspection]:
    """Every inspection, newest first."""
    rows = Inspection.objects.select_related("device", "measurement", "verdict", "gauge", "calibration")
    return rows.order_by("-pk")


def packages() -> QuerySet[Package]:
    """Every package, newest first."""
    related = (
        "order__master",
        "order__material",
        "order__patient",
        "parent__parent",
        "opened_by",
        "applied_by",
    )
    return Package.objects.select_related(*related).order_by("-pk")


def nonconformances() -> QuerySet[Nonconformance]:
    """Every nonconformance, newest first."""
    return Nonconformance.objects.select_related("device", "proposed_by", "approved_by").order_by("-pk")


def latest_report(device: Device, name: str = "production_record") -> Report | None:
    return device.reports.filter(name=name).select_related("json", "pdf").order_by("pk").last()


def devices_at(*stages: Stage) -> QuerySet[Device]:
    """Devices at some stages that nothing holds, most urgent first."""
    return (
        Device.objects.filter(stage__in=stages, held=False)
        .select_related("master", "order")
        .order_by("need_by", "pk")
    )


def devices_to_inspect() -> QuerySet[Any]:
    """Devices that wait for an inspector. `judged`: the last measurement of a unit waits for a verdict; `measuring`: a scan
    is not measured yet."""
    scans = Inspection.objects.filter(device=OuterRef("pk"))
    judged = _measured_of_device().filter(~_overtaken(), verdict__isnull=True)
    return devices_at(Stage.AWAITING_INSPECTION).annotate(
        judged=Exists(judged), measuring=Exists(scans.filter(measurement__isnull=True))
    )


def devices_to_answer_for() -> QuerySet[Any]:
    """Devices with a failed measurement that only a second person can answer, most urgent first: a later measurement has
    overtaken it, or the device had gone on when it came."""
    failed = _measured_of_device().filter(measurement__passed=False, verdict__isnull=True)
    overtaken = Exists(failed.filter(_overtaken()))
    awaiting = Q(stage=Stage.AWAITING_INSPECTION, held=False) & Q(overtaken)
    return (
        Device.objects.filter(awaiting | (Q(stage__in=GONE_ON) & Q(Exists(failed))))
        .select_related("master", "order")
        .order_by("need_by", "pk")
    )


def _measured_of_device() -> QuerySet[Inspection]:
    return Inspection.objects.filter(device=OuterRef("pk"), measurement__outcome=Outcome.MEASURED)


def _overtaken() -> Exists:
    """Of a measurement: the same unit was measured again."""
    later = Inspection.objects.filter(device=OuterRef("device"), measurement__outcome=Outcome.MEASURED)
    return Exists(later.filter(unit=OuterRef("unit"), number__gt=OuterRef("number")))
