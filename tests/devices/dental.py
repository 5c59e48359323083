"""An aligner series of two stages on an analytic arch, made through the services up to any step."""

from __future__ import annotations

from functools import cache
from typing import Any

from devices.choices import Side
from devices.generators.dental.marks import packed_labels
from devices.generators.dental.teeth import LabelledScan
from devices.models import Order
from devices.selectors.series import stages_of
from devices.services.designs import record_design, request_design, review_design
from devices.services.generating import compute_design
from devices.services.plans import approve_plan, draft_plan
from mes.choices import Role
from mes.services.artefacts import store_artefact
from tests.devices.generators.arches import analytic_arch, as_stored
from tests.devices.makers import (
    CATALOGUE,
    PEOPLE,
    Staff,
    accepted,
    given_to,
    make_master,
    make_order,
    make_person,
    make_segmentation,
    make_study,
)
from tests.scenes import Scene


@cache
def scan() -> tuple[bytes, LabelledScan]:
    return as_stored(analytic_arch((42, 41, 31, 32), gap_mm=0.5, spacing_mm=0.8))


def plan(buccal_mm: float = 0.4) -> dict[str, Any]:
    """Two stages with 0.4 mm."""
    labelled = scan()[1]
    return {
        "teeth": packed_labels(labelled.mesh, labelled.labels),
        "treatment": {"movements": {"41": {"buccal_mm": buccal_mm}}},
    }


def scanned(staff: Staff, quantity: int = 2) -> Order:
    """An accepted order of a series; each of its devices has the scan."""
    master = make_master("aligner_mould_series_training")
    order = make_order(
        staff,
        master=master,
        side=Side.NONE,
        quantity=quantity,
        characteristics=[{"attribute": "bite", "value": "class I", "unit": ""}],
    )
    for device in accepted(order, staff):
        make_study(device, staff)
        surface = store_artefact(scan()[0], media_type="model/stl")
        make_segmentation(device, staff, surface=surface, watertight=False)
    return Order.objects.get(pk=order.pk)


def planned(staff: Staff, content: dict[str, Any] | None = None, quantity: int = 2) -> Order:
    order = scanned(staff, quantity)
    reader = staff[Role.CLR]
    for device in stages_of(order):
        draft_plan(
            device_id=device.pk,
            content=content or plan(),
            reader_id=reader.person.pk,
            actor=staff[Role.DSN].actor,
        )
        approve_plan(device_id=device.pk, counted="", actor=reader.actor, credentials=reader.typed())
    return order


def designed(staff: Staff) -> Order:
    order = planned(staff)
    for device in stages_of(order):
        design = request_design(device_id=device.pk, values={}, actor=staff[Role.DSN].actor)
        record_design(design_id=design.pk, outcome=compute_design(design.pk))
    return order


def reviewed(staff: Staff) -> Order:
    if found := given_to(staff, "series"):
        return Order.objects.get(pk=found)
    order = designed(staff)
    second = make_person(Role.DSN)
    for device in stages_of(order):
        review_design(device_id=device.pk, actor=second.actor, credentials=second.typed())
    return order


def _reviewed() -> tuple[Staff, int]:
    staff = Staff()
    return staff, reviewed(staff).pk


SERIES = Scene("series", PEOPLE.make, story=_reviewed, upon=CATALOGUE, apart=True)
