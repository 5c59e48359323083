"""What a device stands on, under one digest: its studies, segmentations, plans, designs and the changes asked of them. Nothing here writes."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Sequence
from functools import cache
from itertools import islice
from typing import Any

from django.db.models import BigIntegerField

from devices.choices import DesignStatus
from devices.models import ChangeRequest, Design, Device, Plan, Segmentation, Study
from mes.compiled import AnyOf, Compiled
from mes.eventlog.base import digest_of
from mes.tables import covered_by

Evidence = type[Study] | type[Segmentation] | type[Plan] | type[Design] | type[ChangeRequest]

OVER = (DesignStatus.FAILED, DesignStatus.REJECTED, DesignStatus.VOIDED)
"""Designs that nothing is made from."""

EVIDENCE: dict[Evidence, tuple[str, ...]] = {
    Study: (
        "pk", "status", "quarantine", "link_confirmed", "received_by_id", "findings", "matched", "source_format",
        "modality", "acquired_on", "slices", "rows", "columns", "spacing_mm", "widest_slice_step_mm", "tilt_degrees",
        "acquisition", "source_digest", "deidentification", "series_id", "volume_id", "declared", "surface_id",
    ),
    Segmentation: (
        "pk", "study_id", "status", "tool", "tool_version", "validation_status", "parameters", "author_id", "mask_id",
        "surface_id", "overlays", "volume_ml", "surface_volume_ml", "components", "triangles", "watertight",
        "distance_mean_mm", "distance_p95_mm", "distance_max_mm", "bounds_mm", "steps", "reviewer_id", "approval_id",
        "reason", "labels_id",
    ),
    Design: (
        "pk", "segmentation_id", "revision", "status", "generator", "generator_version", "validation_status", "values",
        "author_id", "mesh_id", "measures", "features", "warnings", "reasons", "reviewer_id", "review_id",
        "approval_id", "plan_id", "origin", "source_id",
    ),
    Plan: (
        "pk", "segmentation_id", "revision", "status", "kind", "content", "author_id", "reader_id", "approval_id", "reason",
    ),
    ChangeRequest: ("pk", "design_id", "asked_by_id", "comment", "places"),
}  # fmt: skip
"""What the device's `evidence_digest` covers. Only ever add to it together with a rewrite of the digests, or what is covered
where it is there (`LATER`)."""

LATER: dict[Evidence, tuple[str, ...]] = {
    Study: ("declared", "surface_id"), Segmentation: ("labels_id",), Plan: (), Design: ("plan_id", "origin", "source_id"), ChangeRequest: (),
}  # fmt: skip
"""Covered where there is any: tables without a row, and columns of a row that are empty, change no digest of before."""

EVIDENCE_BATCH = 500


def bone_of(device: Device) -> Segmentation | None:
    """The segmentation that a device stands on: the one that its standing design was made from, else the current one."""
    design = device.current_design
    if design is None or design.status in OVER or design.segmentation_id == device.current_segmentation_id:
        return device.current_segmentation
    return design.segmentation


def evidence_digest(device: Device) -> str:
    """SHA-256 over every study, segmentation, plan and design of a device, as the database has them now (G-INT-01)."""
    return _evidence_digests([device.pk])[device.pk]


def _evidence_digests(keys: Sequence[int]) -> dict[int, str]:
    tables = {model._meta.db_table: _rows_by_device(model, keys) for model in EVIDENCE}
    late = {model._meta.db_table for model, columns in LATER.items() if not columns}
    return {
        key: digest_of({name: rows[key] for name, rows in tables.items() if rows[key] or name not in late})
        for key in keys
    }


def _rows_by_device(model: Evidence, keys: Sequence[int]) -> dict[int, list[dict[str, Any]]]:
    found: dict[int, list[dict[str, Any]]] = defaultdict(list)
    late, names = LATER.get(model, ()), EVIDENCE[model]
    for device, *values in _evidence_of(model)(keys=list(keys)):
        row = zip(names, values, strict=True)
        found[device].append({name: value for name, value in row if value is not None or name not in late})
    return found


@cache
def _evidence_of(model: Evidence) -> Compiled[tuple[Any, ...]]:
    among = AnyOf("keys", BigIntegerField())
    rows = model._default_manager.filter(device=among).order_by("pk")
    return Compiled(lambda: rows.values_list("device_id", *EVIDENCE[model]))


@covered_by("devices.device")
def devices_with_other_evidence() -> Iterator[str]:
    """Ids of the devices whose studies, segmentations, plans and designs are not those of their `evidence_digest`."""
    written = dict(Device.objects.order_by("pk").values_list("pk", "evidence_digest"))
    every = iter(written)
    while keys := list(islice(every, EVIDENCE_BATCH)):
        yield from (str(key) for key, now in _evidence_digests(keys).items() if now != written[key])
