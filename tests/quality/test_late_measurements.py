"""A scan that is measured late: nothing is signed before it, and a failure after the decision stops the device (G-INS-01)."""

from __future__ import annotations

import pytest

from devices.choices import Stage
from devices.models import Device
from devices.services.holds import resume_device
from mes.choices import Role
from mes.eventlog.unit import publish, unit_of_work
from mes.exceptions import TransitionRefused
from mes.lifecycle import ask_gates
from mes.panels import WORKLISTS
from mes.services.artefacts import store_artefact
from quality.events import ScanReceived
from quality.models import Inspection, ReleaseDecision, Verdict
from quality.selectors.making import judged_inspection
from quality.services.inspection import set_aside_inspection, sign_inspection
from quality.services.release import complete_record, release_device
from tests.quality.makers import (
    Staff,
    acting,
    make_built_device,
    make_measured,
    make_received,
    measured,
    move_through,
    typed,
)
from tests.quality.test_release import release, review, reviewed

pytestmark = pytest.mark.requirement("G-INS-01")
PASSED = Stage.INSPECTED_PASS


@pytest.fixture
def device(staff: Staff) -> Device:
    return make_built_device(staff, stage=Stage.AWAITING_INSPECTION)


def sign(staff: Staff, inspection: Inspection) -> None:
    person = staff[Role.INS]
    sign_inspection(inspection_id=inspection.pk, actor=acting(person), credentials=typed(person))


def set_aside(staff: Staff, inspection: Inspection) -> None:
    person = staff[Role.QAR]
    set_aside_inspection(
        inspection_id=inspection.pk,
        justification="The scan shows the holder.",
        actor=acting(person),
        credentials=typed(person),
    )


def behind_its_back(staff: Staff, device: Device, *stages: Stage) -> Inspection:
    """A scan that waits to be measured while the device went on, as records made before this rule may show."""
    late = make_received(staff, device)
    move_through(device, [str(stage) for stage in stages])
    return late


@pytest.mark.parametrize("offset_mm", [0.0, 0.6], ids=["good", "bad"])
def test_nothing_is_signed_while_a_scan_waits_to_be_measured(
    staff: Staff, device: Device, offset_mm: float
) -> None:
    first = make_measured(staff, device, offset_mm=offset_mm)
    make_received(staff, device)
    with pytest.raises(TransitionRefused, match=r"[Ss]can 2 .* not measured yet") as refusal:
        sign(staff, first)
    assert all(reason.cure and reason.rule == "G-INS-01" for reason in refusal.value.reasons)
    device.refresh_from_db()
    assert device.stage == Stage.AWAITING_INSPECTION
    assert not Verdict.objects.exists()
    (task,) = [WORKLISTS["quality.inspect"].task(row, None) for row in WORKLISTS["quality.inspect"].rows()]
    assert task.title == "Wait for the measurement of the scan"


def test_the_second_scan_that_fails_is_answered_before_the_first_is_signed(
    staff: Staff, device: Device
) -> None:
    make_measured(staff, device)
    second = measured(make_received(staff, device), offset_mm=0.6)
    sign(staff, second)
    device.refresh_from_db()
    assert device.stage == Stage.NONCONFORMING


REWORKED = (PASSED, Stage.NONCONFORMING, Stage.REWORK, Stage.AWAITING_INSPECTION)


def test_a_scan_from_before_a_rework_is_not_judged_after_it(staff: Staff, device: Device) -> None:
    before = measured(behind_its_back(staff, device, *REWORKED))
    assert judged_inspection(device) is None
    assert "No measurement waits" in blocking(device, "pass_inspection")
    with pytest.raises(TransitionRefused, match=r"Inspection 1 .* measured"):
        sign(staff, before)
    assert not Verdict.objects.exists()
    after = make_measured(staff, device)
    assert judged_inspection(device) == after
    with pytest.raises(TransitionRefused, match="Inspection 1 was within its limits and nobody has answered"):
        sign(staff, after)
    set_aside(staff, Inspection.objects.get(pk=before.pk))
    sign(staff, after)
    device.refresh_from_db()
    assert device.stage == Stage.INSPECTED_PASS


def blocking(device: Device, move: str) -> str:
    """What blocks a move now, in the gates' words."""
    return "\n".join(result.reason for result in ask_gates(f"device.{move}", device) if not result.passed)


WAYS = ("pass_inspection", "complete_record", "review", "release")


@pytest.mark.parametrize("late", [False, True], ids=["waits", "failed"])
def test_no_way_to_the_patient_leads_past_a_scan(staff: Staff, device: Device, late: bool) -> None:
    scan = make_received(staff, device)
    if late:
        measured(scan, offset_mm=0.6)
    for move in WAYS:
        assert ("nobody has answered" if late else "not measured yet") in blocking(device, move)
    if late:
        set_aside(staff, Inspection.objects.get(pk=scan.pk))
    else:
        measured(scan)
    for move in WAYS:
        assert "answered" not in blocking(device, move)
        assert "measured yet" not in blocking(device, move)


def test_a_failure_that_arrives_after_the_verdict_holds_the_device(staff: Staff, device: Device) -> None:
    late = behind_its_back(staff, device, PASSED)
    assert not complete_record(device_id=device.pk)
    measured(late, offset_mm=0.6)
    device.refresh_from_db()
    assert device.held
    assert device.hold_reason == "Inspection 1 failed after the device had gone on"
    waiting = WORKLISTS["quality.answer_measurements"]
    assert [waiting.task(row, None).code for row in waiting.rows()] == [device.code]

    person = staff[Role.QAR]
    with pytest.raises(TransitionRefused, match="nobody has answered"):
        resume_device(device_id=device.pk, actor=acting(person), reason="It looks good.")
    set_aside(staff, Inspection.objects.get(pk=late.pk))
    assert list(waiting.rows()) == []
    resume_device(device_id=device.pk, actor=acting(person), reason="The measurement says nothing.")
    device.refresh_from_db()
    assert not device.held


def test_a_good_measurement_that_arrives_late_stops_nothing(staff: Staff, device: Device) -> None:
    measured(behind_its_back(staff, device, PASSED))
    device.refresh_from_db()
    assert not device.held


@unit_of_work
def slipped_in(staff: Staff, device: Device) -> Inspection:
    """A scan of a device that waits for none, as records made before this rule may hold one."""
    scan = store_artefact(b"solid late facet", media_type="model/stl")
    number = device.inspections.count() + 1
    inspection = Inspection.objects.create(
        device=device, number=number, scan=scan, received_by=staff[Role.INS]
    )
    fact = ScanReceived(
        device_id=device.pk,
        inspection_id=inspection.pk,
        number=number,
        scan_sha256=scan.sha256,
        size_bytes=scan.size,
        gauge_id=None,
        calibration_id=None,
        measured_on=None,
    )
    publish(device, fact, actor=acting(staff[Role.INS]))
    return inspection


def test_a_reviewed_device_is_not_released_with_a_failure_that_nobody_answered(staff: Staff) -> None:
    device = reviewed(staff)
    late = measured(slipped_in(staff, device), offset_mm=0.6)
    releaser = staff[Role.QAX]
    with pytest.raises(TransitionRefused, match="nobody has answered"):
        release_device(device_id=device.pk, actor=acting(releaser), credentials=typed(releaser))
    assert not ReleaseDecision.objects.exists()

    set_aside(staff, late)
    resume_device(device_id=device.pk, actor=acting(staff[Role.QAR]), reason="Answered.")
    review(staff, device)
    release(staff, device)


def test_a_measurement_of_a_released_device_is_not_set_aside(staff: Staff) -> None:
    device = reviewed(staff)
    release(staff, device)
    late = measured(slipped_in(staff, device), offset_mm=0.6)
    with pytest.raises(TransitionRefused, match="released"):
        set_aside(staff, late)
    assert late.status == "measured"
