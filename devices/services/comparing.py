"""Comparing two revisions of a design: a map of signed distances, made by a handler and told by an event.

A new revision is compared with the one before it by itself; any other pair is asked for.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from devices.events import DesignComparisonFailed, DesignComparisonRequested, DesignsCompared, Reasons
from devices.mesh.difference import difference
from devices.mesh.io import read_mesh
from devices.models import Design, Device
from devices.selectors.revisions import revision_before
from devices.services.lifecycle import locked_device
from mes.eventlog.base import Actor, plain
from mes.eventlog.unit import publish, unit_of_work
from mes.exceptions import InvalidInput, Refused
from mes.permissions import require
from mes.services.artefacts import intact_path, store_artefact

SYSTEM = Actor.system("comparison")


@dataclass(frozen=True)
class Compared:
    """`sha256` names the map, which is in the artefact store already; `figures`: what it says, mm."""

    sha256: str
    figures: dict[str, Any]


@dataclass(frozen=True)
class NotCompared:
    reasons: Reasons


@unit_of_work
def request_comparison(*, device_id: int, revision: int, older: int, actor: Actor) -> None:
    """Ask how a revision differs from an older one.

    Raises InvalidInput where one of them was not made, or the second is not older.
    """
    device = locked_device(device_id)
    require(actor, "devices.compare_designs", device)
    made = {one.revision: one for one in Design.objects.filter(device=device, mesh__isnull=False)}
    if older >= revision or not {older, revision} <= made.keys():
        raise InvalidInput(
            f"Revisions {revision} and {older} of {device.code} cannot be compared.",
            cure=f"Choose an older one second, of those that were made: {', '.join(map(str, sorted(made))) or 'none'}.",
            rule="G-DES-02",
        )
    _ask(device, made[revision], made[older], actor)


@unit_of_work
def compare_with_last(*, device_id: int, design_id: int) -> None:
    """Have a design that was just made compared with the revision that was made before it, where there is one."""
    device = locked_device(device_id)
    design = Design.objects.get(pk=design_id)
    if older := revision_before(design):
        _ask(device, design, older, SYSTEM)


def _ask(device: Device, newer: Design, older: Design, actor: Actor) -> None:
    event = DesignComparisonRequested(
        device_id=device.pk,
        design_id=newer.pk,
        revision=newer.revision,
        older_id=older.pk,
        older_revision=older.revision,
    )
    publish(device, event, actor=actor)


def compute_difference(design_id: int, older_id: int) -> Compared | NotCompared:
    """Measure the designs' own files. Writes only to the artefact store."""
    older, newer = (str(Design.objects.get(pk=key).mesh_id) for key in (older_id, design_id))
    try:
        found = difference(read_mesh(intact_path(older)), read_mesh(intact_path(newer)))
    except Refused as refusal:
        return NotCompared(
            [{"code": reason.rule, "text": reason.text, "cure": reason.cure} for reason in refusal.reasons]
        )
    return Compared(store_artefact(found.as_ply(), media_type="model/ply").sha256, plain(found.as_facts()))


@unit_of_work
def record_difference(*, asked: DesignComparisonRequested, outcome: Compared | NotCompared) -> None:
    device = locked_device(asked.device_id)
    told: dict[str, Any] = {
        "device_id": device.pk,
        "design_id": asked.design_id,
        "revision": asked.revision,
        "older_id": asked.older_id,
        "older_revision": asked.older_revision,
    }
    if isinstance(outcome, NotCompared):
        publish(device, DesignComparisonFailed(**told, reasons=outcome.reasons), actor=SYSTEM)
        return
    publish(device, DesignsCompared(**told, map_sha256=outcome.sha256, figures=outcome.figures), actor=SYSTEM)
