"""Reading what is made: nouns for screens, gates and other packages. Nothing here writes."""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import date
from itertools import islice
from typing import Any

from django.db.models import Case, CharField, Max, OuterRef, Q, QuerySet, Subquery, When
from django.db.models.functions import Cast

from devices.choices import (
    DefinitionStatus,
    DesignStatus,
    OrderStage,
    Phase,
    SegmentationStatus,
    Side,
    Stage,
    StudyStatus,
)
from devices.models import Assignment, Design, Device, DeviceMaster, Material, Order, Segmentation, Study
from mes.choices import Meaning
from mes.eventlog.base import digest_of
from mes.exceptions import InvalidInput
from mes.models import Artefact, EventRecord, Signature
from mes.selectors import events_of, signatures_of
from mes.tables import TABLES, covered_by

Evidence = type[Study] | type[Segmentation] | type[Design]
EVIDENCE: dict[Evidence, tuple[str, ...]] = {
    Study: (
        "pk", "status", "quarantine", "link_confirmed", "received_by_id", "findings", "matched", "source_format",
        "modality", "acquired_on", "slices", "rows", "columns", "spacing_mm", "widest_slice_step_mm", "tilt_degrees",
        "acquisition", "source_digest", "deidentification", "series_id", "volume_id",
    ),
    Segmentation: (
        "pk", "study_id", "status", "tool", "tool_version", "validation_status", "parameters", "author_id", "mask_id",
        "surface_id", "overlays", "volume_ml", "surface_volume_ml", "components", "triangles", "watertight",
        "distance_mean_mm", "distance_p95_mm", "distance_max_mm", "bounds_mm", "steps", "reviewer_id", "approval_id",
        "reason",
    ),
    Design: (
        "pk", "segmentation_id", "revision", "status", "generator", "generator_version", "validation_status", "values",
        "author_id", "mesh_id", "measures", "features", "warnings", "reasons", "reviewer_id", "review_id",
        "approval_id",
    ),
}  # fmt: skip
"""What the device's `evidence_digest` covers. Only ever add to it together with a rewrite of the digests."""

EVIDENCE_BATCH = 500
FINAL_STAGES = (Stage.DELIVERED, Stage.SCRAPPED, Stage.CANCELLED)


def evidence_digest(device: Device) -> str:
    """SHA-256 over every study, segmentation and design of a device, as the database has them now (G-INT-01)."""
    return _evidence_digests([device.pk])[device.pk]


def _evidence_digests(keys: Sequence[int]) -> dict[int, str]:
    tables = {model._meta.db_table: _rows_by_device(model, keys) for model in EVIDENCE}
    return {key: digest_of({name: rows[key] for name, rows in tables.items()}) for key in keys}


def _rows_by_device(model: Evidence, keys: Sequence[int]) -> dict[int, list[dict[str, Any]]]:
    found: dict[int, list[dict[str, Any]]] = defaultdict(list)
    rows = model._default_manager.filter(device__in=keys).order_by("pk")
    for row in rows.values("device_id", *EVIDENCE[model]):
        found[row.pop("device_id")].append(row)
    return found


@covered_by("devices.device")
def devices_with_other_evidence() -> Iterator[str]:
    """Ids of the devices whose studies, segmentations and designs are not those of their `evidence_digest`."""
    written = dict(Device.objects.order_by("pk").values_list("pk", "evidence_digest"))
    every = iter(written)
    while keys := list(islice(every, EVIDENCE_BATCH)):
        yield from (str(key) for key, now in _evidence_digests(keys).items() if now != written[key])


# --- by code


def _by_code(code: str, letter: str, what: str) -> int:
    digits = code[1:]
    if code[:1].upper() != letter or not digits.isascii() or not digits.isdigit() or len(digits) > 18:
        raise InvalidInput(
            f"'{code[:20]}' is no {what} code.", cure=f"A {what} code looks like {letter}0000001."
        )
    return int(digits)


def device_id_of(code: str) -> int:
    """The key behind a public code. Raises InvalidInput where it is none."""
    return _by_code(code, "D", "device")


def order_id_of(code: str) -> int:
    return _by_code(code, "O", "order")


# --- masters and materials


def masters() -> QuerySet[DeviceMaster]:
    return DeviceMaster.objects.select_related("author").order_by("code", "-revision")


def effective_master(code: str) -> DeviceMaster | None:
    return DeviceMaster.objects.filter(code=code, status=DefinitionStatus.EFFECTIVE).first()


def effective_material(code: str) -> Material | None:
    return Material.objects.filter(code=code, status=DefinitionStatus.EFFECTIVE).first()


def next_master_revision(code: str) -> int:
    newest = DeviceMaster.objects.filter(code=code).aggregate(newest=Max("revision"))["newest"]
    return int(newest or 0) + 1


# --- orders


def orders() -> QuerySet[Order]:
    """Every order with what a list shows, most urgent first."""
    return Order.objects.select_related("patient", "prescriber", "master", "material").order_by(
        "need_by", "pk"
    )


def order_devices(order: Order) -> QuerySet[Device]:
    return devices().filter(order=order)


def assignments_of(order: Order) -> QuerySet[Assignment]:
    """Who is assigned to an order now."""
    return order.assignments.filter(ended=False).select_related("person").order_by("pk")


# --- devices


def devices() -> QuerySet[Device]:
    """Every device with what a list shows, most urgent first. `segmentation_asked`: how the gates last answered."""
    asked = EventRecord.objects.filter(
        stream_type="devices.device",
        stream_id=Cast(OuterRef("pk"), CharField()),
        type__in=("devices.segmentation_refused", "devices.segmentation_requested"),
    ).order_by("-version")
    answer = Case(When(stage=Stage.PLANNED, then=Subquery(asked.values("payload")[:1])))
    return (
        Device.objects.annotate(segmentation_asked=answer)
        .select_related(
            "order__patient",
            "order__prescriber",
            "master",
            "material",
            "current_study",
            "current_segmentation",
            "current_design",
        )
        .order_by("need_by", "pk")
    )


@dataclass(frozen=True, kw_only=True)
class BoardFilters:
    """What the board shows. Empty means everything that is still on its way."""

    phase: str = ""
    stage: str = ""
    held: bool | None = None
    late_on: date | None = None
    master: str = ""
    text: str = ""
    finished: bool = False


def devices_on_board(filters: BoardFilters | None = None) -> QuerySet[Device]:
    """Devices for the board, late ones first. `text` matches a device's, order's or patient's code, or a serial."""
    filters = filters or BoardFilters()
    found = devices()
    if not filters.finished:
        found = found.exclude(stage__in=FINAL_STAGES)
    exact = {
        "phase": filters.phase,
        "stage": filters.stage,
        "held": filters.held,
        "master__code": filters.master,
    }
    found = found.filter(**{name: value for name, value in exact.items() if value not in ("", None)})
    if filters.late_on:
        found = found.filter(need_by__lt=filters.late_on)
    return found.filter(_matching(filters.text)) if filters.text.strip() else found


def _matching(text: str) -> Q:
    word = text.strip().upper()
    matches = Q(serial__icontains=word) | Q(order__patient__token__icontains=word)
    if word[1:].isascii() and word[1:].isdigit() and len(word) < 19:
        matches |= {"D": Q(pk=int(word[1:])), "O": Q(order_id=int(word[1:]))}.get(word[0], Q())
    return matches


def phase_of(device: Device) -> Phase:
    """Where a planned device stands, by its progress."""
    design, segmentation = device.current_design, device.current_segmentation
    if design is not None and design.status == DesignStatus.REVIEWED:
        return Phase.APPROVAL
    if segmentation is not None and segmentation.status == SegmentationStatus.APPROVED:
        return Phase.DESIGN
    return Phase.IMAGING


@dataclass(frozen=True)
class PhaseStep:
    """One step of the line that a device's page draws. state: done, current, blocked or ahead."""

    phase: Phase
    state: str

    @property
    def label(self) -> str:
        return str(self.phase.label)


def phase_line(device: Device) -> tuple[PhaseStep, ...]:
    """Every phase in order, with what is done, current or blocked. Ended devices have no current step."""
    every = list(Phase)
    here = every.index(Phase(device.phase))
    finished = device.stage == Stage.DELIVERED
    stopped = device.held or device.stage in (Stage.NONCONFORMING, Stage.SCRAPPED, Stage.CANCELLED)
    current = "blocked" if stopped else "current"
    states = [
        "done" if place < here or finished else current if place == here else "ahead"
        for place in range(len(every))
    ]
    return tuple(PhaseStep(phase, state) for phase, state in zip(every, states, strict=True))


WAITING = {
    Stage.DESIGN_FROZEN: "A place in a build",
    Stage.QUEUED: "Its build",
    Stage.IN_BUILD: "The printer",
    Stage.BUILT: "Post-processing",
    Stage.POST_PROCESSING: "Post-processing",
    Stage.AWAITING_INSPECTION: "An inspector",
    Stage.INSPECTED_PASS: "The completeness of its record",
    Stage.LABELLED: "The completeness of its record",
    Stage.READY_FOR_REVIEW: "A quality reviewer",
    Stage.REVIEWED: "A quality releaser",
    Stage.RELEASED: "Shipping",
    Stage.SHIPPED: "Confirmation of delivery",
    Stage.NONCONFORMING: "A disposition",
    Stage.REWORK: "Rework",
}


def waits_for(device: Device) -> str:
    """What a device waits for, in words; reads only what `devices()` has selected."""
    if device.held:
        return f"A quality reviewer lifts the hold: {device.hold_reason}"
    if device.stage == Stage.PLANNED:
        return _planned_waits_for(device)
    return WAITING.get(Stage(device.stage), "")


def _planned_waits_for(device: Device) -> str:
    study, segmentation, design = device.current_study, device.current_segmentation, device.current_design
    if study is None or study.status == StudyStatus.REFUSED:
        return "Images"
    if study.status == StudyStatus.RECEIVED:
        return "Reading of the images"
    if segmentation is None or segmentation.status == SegmentationStatus.REJECTED:
        return _refused_by(device) or "A segmentation"
    if segmentation.status != SegmentationStatus.APPROVED:
        return "A clinical reviewer"
    if design is None:
        return "A design engineer"
    return {
        DesignStatus.REQUESTED: "The design being made",
        DesignStatus.GENERATED: "A second design engineer",
        DesignStatus.REVIEWED: "The prescriber",
    }.get(DesignStatus(design.status), "A design engineer")


def _refused_by(device: Device) -> str:
    told = json.loads(getattr(device, "segmentation_asked", None) or "{}")
    if told.get("study_id") != device.current_study_id:
        return ""
    gates = sorted({one["gate"] for one in told["gates"] if one["outcome"] == "block"})
    return f"A segmentation, refused: {', '.join(gates)}" if gates else ""


def devices_awaiting_images() -> QuerySet[Device]:
    return _planned().filter(Q(current_study=None) | Q(current_study__status=StudyStatus.REFUSED))


def devices_awaiting_segmentation() -> QuerySet[Device]:
    """Images accepted, and no segmentation that counts: a gate blocked it, it failed, or it was rejected."""
    missing = Q(current_segmentation=None) | Q(current_segmentation__status=SegmentationStatus.REJECTED)
    return _planned().filter(missing, current_study__status=StudyStatus.ACCEPTED)


def devices_awaiting_segmentation_approval() -> QuerySet[Device]:
    return _planned().filter(current_segmentation__status=SegmentationStatus.RECORDED)


def devices_awaiting_design() -> QuerySet[Device]:
    gone = [DesignStatus.FAILED, DesignStatus.REJECTED, DesignStatus.VOIDED]
    missing = Q(current_design=None) | Q(current_design__status__in=gone)
    return _planned().filter(missing, current_segmentation__status=SegmentationStatus.APPROVED)


def devices_awaiting_design_review() -> QuerySet[Device]:
    return _planned().filter(current_design__status=DesignStatus.GENERATED)


def devices_awaiting_prescriber() -> QuerySet[Device]:
    return _planned().filter(current_design__status=DesignStatus.REVIEWED)


def _planned() -> QuerySet[Device]:
    return devices().filter(stage=Stage.PLANNED, held=False)


def orders_at(*stages: OrderStage) -> QuerySet[Order]:
    return orders().filter(stage__in=stages)


def stages_since_frozen(device: Device) -> list[str]:
    """The stages a device has come to since its design was last frozen, oldest first."""
    moved = events_of(device).filter(type="devices.device_stage_changed").values_list("payload", flat=True)
    targets = [str(json.loads(payload)["target"]) for payload in moved]
    last = max((place for place, target in enumerate(targets) if target == Stage.DESIGN_FROZEN), default=0)
    return targets[last:]


def approval_signatures(found: QuerySet[Order]) -> dict[int, list[Signature]]:
    """The approvals of many orders, by order, in one query."""
    keys = [str(key) for key in found.values_list("pk", flat=True)]
    by_order: dict[int, list[Signature]] = defaultdict(list)
    kind = TABLES[Order._meta.db_table].root
    signatures = Signature.objects.filter(subject_type=kind, subject_id__in=keys, meaning=Meaning.APPROVED)
    for signature in signatures.order_by("pk"):
        by_order[int(signature.subject_id)].append(signature)
    return by_order


def device_timeline(device: Device) -> QuerySet[EventRecord]:
    """Every event of a device, oldest first."""
    return events_of(device)


def design_signatures(device: Device) -> QuerySet[Signature]:
    return signatures_of(device)


def latest_event(device: Device, name: str) -> EventRecord | None:
    return events_of(device).filter(type=name).last()


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


def next_design_revision(device: Device) -> int:
    newest = Design.objects.filter(device=device).aggregate(newest=Max("revision"))["newest"]
    return int(newest or 0) + 1


def design_with_mesh(device: Device) -> Design | None:
    """The current design, if it was made."""
    design = device.current_design
    return design if design is not None and design.mesh_id else None


def artefacts_of(device: Device) -> dict[str, tuple[str, str]]:
    """The files of a device that may be downloaded: sha256 to (name, media type). Names are ours, never an upload's."""
    files: dict[str, tuple[str, str]] = {}
    for study in Study.objects.filter(device=device):
        files |= _file(study.series_id, f"{device.code}-series-{study.pk}")
        files |= _file(study.volume_id, f"{device.code}-volume-{study.pk}.npz")
    for segmentation in Segmentation.objects.filter(device=device):
        files |= _file(segmentation.mask_id, f"{device.code}-mask-{segmentation.pk}.npz")
        files |= _file(segmentation.surface_id, f"{device.code}-bone-{segmentation.pk}.stl")
        for plane, sha256 in segmentation.overlays.items():
            files |= _file(sha256, f"{device.code}-{plane}-{segmentation.pk}.png")
    for design in Design.objects.filter(device=device):
        files |= _file(design.mesh_id, f"{device.code}-design-{design.revision}.stl")
    types = dict(Artefact.objects.filter(pk__in=files).values_list("sha256", "media_type"))
    return {sha256: (name, types[sha256]) for sha256, (name, _) in files.items()}


def _file(sha256: str | None, name: str) -> dict[str, tuple[str, str]]:
    return {sha256: (name, "")} if sha256 else {}


def expected_side(order: Order) -> str:
    """The side a design must lie on, or "" where the order names none or both (G-LAT-01)."""
    return str(order.side) if order.side in (Side.LEFT, Side.RIGHT) else ""


def as_facts(row: Any, *names: str) -> dict[str, Any]:
    """Some attributes of a row as a mapping."""
    return {name: getattr(row, name) for name in names}
