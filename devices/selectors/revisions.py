"""The revisions of a device's design, and how they differ. Nothing here writes."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any

from django.db.models import QuerySet

from devices.models import Design, Device
from mes.selectors import events_of


def made_revisions(device: Device) -> QuerySet[Design]:
    """Every revision that has a mesh, the newest first."""
    return Design.objects.filter(device=device, mesh__isnull=False).order_by("-revision")


def revision_before(design: Design) -> Design | None:
    """The newest older revision that was made."""
    older = Design.objects.filter(device=design.device_id, revision__lt=design.revision, mesh__isnull=False)
    return older.order_by("revision").last()


def differences_of(device: Device) -> dict[tuple[int, int], dict[str, Any]]:
    """What was told of each comparison, by (newer, older) revision."""
    told = events_of(device).filter(type="devices.designs_compared").values_list("payload", flat=True)
    found = map(json.loads, told)
    return {(one["revision"], one["older_revision"]): one for one in found}


@dataclass(frozen=True)
class Changed:
    """A value in which two revisions differ; None where one of them has none of that name."""

    name: str
    before: Any
    after: Any


def changed_values(older: Design, newer: Design) -> dict[str, list[Changed]]:
    """What differs, in the order of the newer one: what they were made with, and what was measured on them."""
    pairs = {"Made with": (older.values, newer.values), "Measured": (older.measures, newer.measures)}
    return {title: _changed(*pair) for title, pair in pairs.items()}


def _changed(before: dict[str, Any], after: dict[str, Any]) -> list[Changed]:
    names = dict.fromkeys([*after, *before])
    every = (Changed(name, before.get(name), after.get(name)) for name in names)
    return [one for one in every if one.before != one.after]
