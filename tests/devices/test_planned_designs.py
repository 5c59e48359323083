"""From an approved plan to a frozen design of a vertebra's guide, and what is measured again on its file before it is built."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from devices.choices import DesignStatus
from devices.mesh.base import Mesh
from devices.mesh.io import read_mesh, write_stl
from devices.models import Design, Device
from devices.selectors.devices import devices
from devices.selectors.evidence import evidence_digest
from devices.services.designs import (
    approve_design,
    review_design,
)
from devices.services.equivalence import compared, measured_back, part_faults
from devices.services.lifecycle import advance_device, check_transition
from mes.choices import Role
from mes.services.artefacts import intact_path, store_artefact
from tests.devices.makers import Staff, make_person
from tests.devices.planned import blocking, make_designed

pytestmark = pytest.mark.django_db


def fresh(design: Design) -> Device:
    return devices().get(pk=design.device_id)


@pytest.mark.requirement("G-BLD-01")
@pytest.mark.requirement("G-LAT-01")
def test_from_a_plan_to_a_frozen_design_that_is_measured_back() -> None:
    staff, second = Staff(), make_person(Role.DSN)
    design = make_designed(staff)
    assert design.status == DesignStatus.GENERATED
    assert design.plan is not None
    rows = compared(design.plan, design.measures)
    assert len(rows) == 8
    assert all(row.holds for row in rows)
    assert design.measures["left_lateral_mm"] > 15.0
    assert design.measures["right_lateral_mm"] < -15.0
    assert design.measures["error_print_mm"] == 0.2
    assert design.measures["error_entry_mm"] < 1.0
    assert design.measures["error_target_mm"] < 2.0
    review_design(device_id=design.device_id, actor=second.actor, credentials=second.typed())
    assert blocking(fresh(design), "freeze_design") == {}
    asked = {one.gate: one.outcome for one in check_transition(fresh(design), "freeze_design")}
    assert (asked["G-BLD-01"], asked["G-LAT-01"]) == ("pass", "pass")
    approve_design(
        device_id=design.device_id, actor=staff[Role.PRE].actor, credentials=staff[Role.PRE].typed()
    )
    advance_device(device_id=design.device_id, transition="queue", actor=staff[Role.BLD].actor)
    assert fresh(design).stage == "queued"


def with_file(design: Design, mesh: Mesh) -> None:
    """Put another file in the place of the design's, as a damaged or mistaken store would, digests and all."""
    stored = store_artefact(write_stl(mesh), media_type="model/stl")
    Design.objects.filter(pk=design.pk).update(mesh=stored)
    Device.objects.filter(pk=design.device_id).update(evidence_digest=evidence_digest(fresh(design)))


@pytest.mark.requirement("G-BLD-01")
def test_another_part_than_the_planned_one_is_neither_frozen_nor_queued() -> None:
    design = make_designed(Staff())
    mesh = read_mesh(intact_path(str(design.mesh_id)))
    turn = np.deg2rad(0.5)
    turned = np.array([[np.cos(turn), -np.sin(turn), 0], [np.sin(turn), np.cos(turn), 0], [0, 0, 1]])
    for vertices, said in (
        (mesh.vertices + np.array([0.2, 0.0, 0.0]), "axis beside the entry: 0."),
        (mesh.vertices @ turned.T, "axis against the plan: 0.5"),
        (mesh.vertices * 1.03, "diameter: 4.7"),
    ):
        with_file(design, Mesh(vertices, mesh.faces))
        assert said in blocking(fresh(design), "freeze_design")["G-BLD-01"]
        assert said in blocking(fresh(design), "queue")["G-BLD-01"]
    with_file(design, Mesh(mesh.vertices + np.array([0.0, 0.0, 9.0]), mesh.faces))
    assert "No bore on the left could be measured" in blocking(fresh(design), "freeze_design")["G-BLD-01"]
    with_file(design, mesh)
    assert "G-BLD-01" not in blocking(fresh(design), "freeze_design")


@pytest.mark.requirement("G-BLD-01")
def test_a_part_whose_file_was_altered_is_not_measured_but_refused() -> None:
    design = make_designed(Staff())
    path = intact_path(str(design.mesh_id))
    path.chmod(0o600)
    path.write_bytes(b"another part")
    assert {"G-BLD-01", "G-INT-01"} <= set(blocking(fresh(design), "freeze_design"))


@pytest.mark.requirement("G-LAT-01")
def test_bores_and_order_name_the_same_sides() -> None:
    design = make_designed(Staff())
    for measures, order in (
        ({"left_lateral_mm": -17.0}, "bilateral"),
        ({"left_lateral_mm": None}, "bilateral"),
        ({}, "left"),
    ):
        kept = {name: value for name, value in {**design.measures, **measures}.items() if value is not None}
        Design.objects.filter(pk=design.pk).update(measures=kept)
        device = fresh(design)
        device.order.side = order
        found = {one.gate: one.reason for one in check_transition(device, "freeze_design") if not one.passed}
        assert f"The order is for: {order}" in found["G-LAT-01"]


def test_a_mirrored_plan_finds_no_part() -> None:
    """The one mistake that no symmetric measure shows: everything as planned, on the other side."""
    design = make_designed(Staff())
    assert design.plan is not None
    mesh = read_mesh(intact_path(str(design.mesh_id)))
    lower = replace(mesh, vertices=mesh.vertices + np.array([0.0, 0.0, 4.0]))
    faults = part_faults(design.plan, measured_back(design.plan, lower))
    assert {fault.rule for fault in faults} == {"G-BLD-01"}
    measures = {**design.measures, "left_lateral_mm": -17.9}
    assert "G-LAT-01" in {fault.rule for fault in part_faults(design.plan, measures)}
