"""What the package shows elsewhere: panels that render at every point of the story, worklists, the board."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest
from django.db import connection
from django.template.loader import render_to_string
from django.test import RequestFactory
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from devices.choices import Phase, StudyStatus
from devices.events import SegmentationFailed
from devices.models import Device, Study
from devices.selectors.devices import BoardFilters, devices, devices_on_board
from devices.selectors.progress import phase_line, waits_for
from devices.services.following import follow_devices
from devices.services.orders import approve_order
from devices.services.segmentations import start_segmentation_by_rule
from mes.choices import Role
from mes.eventlog.base import Actor
from mes.eventlog.unit import open_unit, publish
from mes.panels import open_tasks, panels_of
from tests.devices.makers import (
    Staff,
    freeze_design_of,
    make_design,
    make_device,
    make_order,
    make_planned,
    make_segmentation,
    make_study,
    under_review,
)

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def artefacts(tmp_path: Path, settings: Any) -> None:
    settings.ARTEFACTS_DIR = tmp_path / "artefacts"


def shown(page: str, subject: Any) -> dict[str, str]:
    request = RequestFactory().get("/")
    contents = {
        panel.id: panel.content(request, subject)
        for panel in panels_of(page)
        if panel.id.startswith("devices.")
    }
    return {
        name: render_to_string(content.template, dict(content.context))
        for name, content in contents.items()
        if content is not None
    }


def titles(role: Role) -> set[tuple[str, str]]:
    return {(task.title, task.code) for task in open_tasks(frozenset({role}))}


@pytest.mark.requirement("G-ORD-05")
@pytest.mark.parametrize("older", [False, True])
def test_why_images_were_refused_is_shown_though_older_ones_stand(older: bool) -> None:
    staff = Staff()
    device = make_planned(staff)
    if older:
        make_study(device, staff)
    reason = {
        "code": "G-ORD-05",
        "severity": "error",
        "message": "They are of somebody else.",
        "cure": "Check.",
    }
    refused = Study.objects.create(
        device=device,
        received_by=staff[Role.IMG].person,
        quarantine=uuid4(),
        source_digest="1" * 64,
        findings=[reason],
    )
    Study.objects.filter(pk=refused.pk).update(status="refused")
    if not older:
        Device.objects.filter(pk=device.pk).update(current_study=refused)
    page = shown("device", devices().get())["devices.images"]
    assert all(text in page for text in ("G-ORD-05", "They are of somebody else.", "Check.", "Refused"))


def test_a_devices_panels_follow_its_progress() -> None:
    staff = Staff()
    device = make_planned(staff)
    assert set(shown("device", devices().get())) == {"devices.images"}
    make_study(device, staff)
    assert "agree" in shown("device", devices().get())["devices.images"]
    make_segmentation(device, staff)
    panels = shown("device", devices().get())
    assert "100.0 mL" in panels["devices.segmentation"]
    assert "No design yet" in panels["devices.design"]
    design = make_design(device, staff)
    panel = shown("device", devices().get())["devices.design"]
    assert str(design.mesh_id)[:8] in panel
    assert "research" in panel.lower()


def test_an_orders_panel_says_whose_approval_is_missing() -> None:
    staff = Staff()
    order = under_review(make_order(staff), staff)
    html = shown("order", order)["devices.request"]
    assert order.master.pathway in html
    assert html.count("approval missing") == 2
    approve_order(order_id=order.pk, actor=staff[Role.ORD].actor, credentials=staff[Role.ORD].typed())
    html = shown("order", order)["devices.request"]
    assert html.count("approval missing") == 1
    assert staff[Role.ORD].person.full_name in html


def test_each_step_waits_for_the_right_people() -> None:
    staff = Staff()
    order = make_order(staff)
    assert ("Prescribe", order.code) in titles(Role.PRE)
    under_review(order, staff)
    assert ("Approve the order", order.code) in titles(Role.ORD) & titles(Role.RA)
    assert titles(Role.PRE) == set()
    device = make_planned(staff)
    assert ("Send in images", device.code) in titles(Role.IMG)
    make_study(device, staff)
    assert ("Start the segmentation after its cure", device.code) in titles(Role.SEG)
    make_segmentation(device, staff, approved=False)
    assert ("Approve the segmentation", device.code) in titles(Role.CLR)


def test_what_a_device_waits_for_in_words() -> None:
    staff = Staff()
    device = make_planned(staff)
    said = [waits_for(devices().get(pk=device.pk))]
    make_study(device, staff)
    said.append(waits_for(devices().get(pk=device.pk)))
    make_segmentation(device, staff)
    said.append(waits_for(devices().get(pk=device.pk)))
    make_design(device, staff)
    said.append(waits_for(devices().get(pk=device.pk)))
    assert said == ["Images", "A segmentation", "A design engineer", "A second design engineer"]
    assert waits_for(make_device("reviewed", Staff())) == "A quality releaser"


@pytest.mark.requirement("G-SW-01")
@pytest.mark.parametrize(
    ("clinical", "said"),
    [(False, "Nothing: it was made for training and is not shipped"), (True, "Shipping")],
)
def test_what_was_made_for_training_waits_for_no_shipping(clinical: bool, said: str) -> None:
    device = make_planned()
    device.stage = "released"
    device.master.intended_use = "clinical" if clinical else "training"
    assert waits_for(device) == said


@pytest.mark.requirement("G-IMG-01")
def test_a_device_whose_segmentation_the_gates_refused_says_so() -> None:
    staff = Staff()
    device = make_planned(staff)
    study = make_study(device, staff, widest_slice_step_mm=9.0)
    start_segmentation_by_rule(device_id=device.pk, study_id=study.pk)
    assert "G-IMG-01" in waits_for(devices().get(pk=device.pk))
    assert waits_for(devices().get(pk=device.pk)).startswith("A segmentation, refused: ")
    make_study(device, staff)
    assert waits_for(devices().get(pk=device.pk)) == "A segmentation"


def test_a_device_whose_segmentation_failed_or_whose_images_were_refused_says_so() -> None:
    staff = Staff()
    device = make_planned(staff)
    study = make_study(device, staff)
    with open_unit():
        publish(
            device,
            SegmentationFailed(device_id=device.pk, study_id=study.pk, reasons=[]),
            actor=Actor.system("test"),
        )
    assert waits_for(devices().get(pk=device.pk)) == "A segmentation: the last one failed"
    seen = devices().get(pk=device.pk)
    assert seen.current_study is not None
    seen.current_study.status = StudyStatus.REFUSED
    assert waits_for(seen) == "Other images: the last ones were refused"


def test_the_board_finds_by_code_patient_phase_and_date() -> None:
    staff = Staff()
    first = make_planned(staff)
    second = make_planned(staff, need_by=timezone.localdate() + timedelta(days=2))
    ended = make_device("scrapped", staff)
    assert list(devices_on_board()) == [second, first]
    assert list(devices_on_board(BoardFilters(finished=True, stage="scrapped"))) == [ended]
    assert list(devices_on_board(BoardFilters(text=first.code.lower()))) == [first]
    assert list(devices_on_board(BoardFilters(text=second.order.code))) == [second]
    assert list(devices_on_board(BoardFilters(text=first.order.patient.token))) == [second, first]
    assert list(devices_on_board(BoardFilters(text="D-"))) == []
    assert list(devices_on_board(BoardFilters(text="%' OR 1=1 --"))) == []
    assert list(devices_on_board(BoardFilters(phase="design"))) == []
    assert list(devices_on_board(BoardFilters(late_on=first.need_by))) == [second]
    assert list(devices_on_board(BoardFilters(held=True))) == []


@pytest.mark.parametrize(("stage", "phase", "state"), [
    ("planned", Phase.IMAGING, "current"), ("design_frozen", Phase.SLICING, "current"), ("scrapped", Phase.IMAGING, "blocked"),
])  # fmt: skip
def test_the_line_of_phases_has_one_place_where_the_device_is(stage: str, phase: Phase, state: str) -> None:
    staff = Staff()
    device = make_device(stage, staff)
    if stage == "design_frozen":
        device.phase = Phase.SLICING
    line = {step.phase: step.state for step in phase_line(device)}
    assert line[phase] == state
    assert list(line.values()).count("done") == list(Phase).index(phase)


def test_worklists_and_board_ask_as_often_for_many_as_for_few() -> None:
    staff = Staff()

    def asked() -> int:
        with CaptureQueriesContext(connection) as queries:
            assert open_tasks()
            for device in devices_on_board():
                waits_for(device)
                str(device.master), device.order.patient.token
        return len(queries)

    def add() -> None:
        under_review(make_order(staff), staff)
        make_planned(staff)
        make_study(make_planned(staff), staff)
        freeze_design_of(make_planned(staff), staff)

    add()
    few = asked()
    add()
    assert asked() == few


def test_an_order_follows_its_devices_both_ways() -> None:
    staff = Staff()
    device = make_planned(staff)
    order = device.order
    follow_devices(device_id=device.pk)
    order.refresh_from_db()
    assert order.stage == "accepted"
    freeze_design_of(device, staff)
    device.stage, device.phase = "design_frozen", "slicing"
    device.save()
    follow_devices(device_id=device.pk)
    order.refresh_from_db()
    assert order.stage == "in_production"
    device.stage, device.phase = "planned", "design"
    device.save()
    follow_devices(device_id=device.pk)
    order.refresh_from_db()
    assert order.stage == "in_design"
    Device.objects.filter(pk=device.pk).update(stage="cancelled")
    follow_devices(device_id=device.pk)
    order.refresh_from_db()
    assert order.stage == "in_design"
