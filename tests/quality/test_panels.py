"""What quality shows on a device's page and in the task lists, at every point of the story."""

from __future__ import annotations

import pytest
from django.template.loader import render_to_string
from django.test import RequestFactory

from devices.choices import Stage
from devices.models import Device
from mes.choices import Role
from mes.eventlog.base import Actor
from mes.exceptions import Reason
from mes.panels import WORKLISTS, panels_of
from quality.choices import Source
from quality.services.inspection import sign_inspection
from quality.services.measurement import record_refusal
from quality.services.nonconformance import open_nonconformance
from quality.services.postprocessing import start_post_processing
from quality.services.release import complete_record
from quality.services.reports import record_report
from quality.services.scans import receive_scan
from tests.quality.makers import (
    CURE,
    WASH,
    Staff,
    acting,
    make_built_device,
    make_measured,
    make_picture,
    the_gauge,
    typed,
)
from tests.quality.test_postprocessing import record
from tests.quality.test_release import release, reviewed


def shown(device: Device) -> dict[str, str]:
    fresh = Device.objects.get(pk=device.pk)
    contents = {
        panel.id: panel.content(RequestFactory().get("/"), fresh)
        for panel in panels_of("device")
        if panel.id.startswith("quality.")
    }
    return {
        name: render_to_string(content.template, dict(content.context))
        for name, content in contents.items()
        if content is not None
    }


def waiting() -> dict[str, list[str]]:
    """What waits, by worklist."""
    found = {
        name: [f"{task.title}: {task.code}" for task in (one.task(row, None) for row in one.rows())]
        for name, one in WORKLISTS.items()
    }
    return {name: tasks for name, tasks in found.items() if tasks and name.startswith("quality.")}


def test_a_built_device_shows_its_routing_and_waits_for_a_technician(staff: Staff) -> None:
    device = make_built_device(staff)
    start_post_processing(device_id=device.pk)
    record(staff, device.pk, "wash", WASH)
    page = shown(device)
    assert list(page) == ["quality.post_processing"]
    assert "1. Wash" in page["quality.post_processing"]
    assert "5 min" in page["quality.post_processing"]
    assert "2. Cure" in page["quality.post_processing"]
    assert waiting() == {"quality.post_process": [f"Carry out the next post-processing step: {device.code}"]}


def test_inspections_show_figures_refusals_and_the_map(staff: Staff) -> None:
    device = make_built_device(staff, stage=Stage.AWAITING_INSPECTION)
    assert "No scan yet" in shown(device)["quality.inspection"]
    assert waiting() == {"quality.inspect": [f"Scan and inspect the part: {device.code}"]}
    refused = receive_scan(
        device_id=device.pk,
        upload=b"solid noise facet",
        gauge_id=the_gauge().pk,
        actor=acting(staff[Role.INS]),
    )
    assert "is being measured" in shown(device)["quality.inspection"]
    record_refusal(inspection_id=refused.pk, reasons=(Reason("Not a mesh <b>.", "Send STL.", "G-INS-01"),))
    measured = make_measured(staff, device)
    page = shown(device)["quality.inspection"]
    assert "Not a mesh &lt;b&gt;." in page
    assert "Send STL." in page
    assert f"/devices/{device.code}/files/{measured.measurement.picture_id}/?view" in page
    assert f"{measured.measurement.figures['rms_mm']:.3f} mm" in page
    assert waiting() == {"quality.inspect": [f"Sign the inspection: {device.code}"]}


def test_a_failed_measurement_behind_another_waits_for_quality(staff: Staff) -> None:
    device = make_built_device(staff, stage=Stage.AWAITING_INSPECTION)
    make_measured(staff, device, offset_mm=0.6)
    assert "quality.answer_measurements" not in waiting()
    make_measured(staff, device)
    assert waiting()["quality.answer_measurements"] == [f"Answer a measurement: {device.code}"]
    assert "out of tolerance" in shown(device)["quality.inspection"]


@pytest.mark.requirement("G-NC-01")
def test_a_finding_is_shown_and_waits(staff: Staff) -> None:
    device = make_built_device(staff, stage=Stage.AWAITING_INSPECTION)
    found = open_nonconformance(
        device_id=device.pk,
        source=Source.PERSON,
        requirement="Surface",
        description="A <crack>.",
        actor=Actor.system("test"),
    )
    assert "A &lt;crack&gt;." in shown(device)["quality.nonconformances"]
    assert waiting() == {
        "quality.propose_disposition": [f"Propose a disposition for {found.code}: {device.code}"]
    }


def test_the_checklist_stands_before_the_release_and_the_signed_one_after(staff: Staff) -> None:
    device = reviewed(staff)
    assert waiting() == {"quality.release": [f"Release the device: {device.code}"]}
    before = shown(device)["quality.release"]
    assert "Asked now, for you" in before
    assert "G-REL-02" in before
    release(staff, device)
    after = shown(device)
    assert "Released by <strong>Person QAX, MSc</strong>" in after["quality.release"]
    assert "is being written" in after["quality.record"]
    row = record_report(
        device_id=device.pk, name="production_record", json=make_picture(1), pdf=make_picture(2), last_pos=9
    )
    assert f"/devices/{device.code}/files/{row.pdf_id}/" in shown(device)["quality.record"]
    assert waiting() == {}


def test_review_and_gaps_wait_for_quality(staff: Staff) -> None:
    device = make_built_device(staff)
    start_post_processing(device_id=device.pk)
    record(staff, device.pk, "wash", WASH)
    record(staff, device.pk, "cure", CURE)
    device.refresh_from_db()
    inspection, person = make_measured(staff, device), staff[Role.INS]
    sign_inspection(inspection_id=inspection.pk, actor=acting(person), credentials=typed(person))
    assert waiting() == {"quality.complete": [f"Close the gaps in the record: {device.code}"]}
    assert complete_record(device_id=device.pk)
    assert waiting() == {"quality.review": [f"Review the production record: {device.code}"]}
