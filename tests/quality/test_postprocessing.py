"""Post-processing steps: order, units, limits, and what happens outside them (G-PST-01)."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from django.utils import timezone

from devices.choices import Stage
from mes.choices import Role
from mes.exceptions import InvalidInput, NotPermitted, SignatureRefused, TransitionRefused
from mes.selectors import events_of
from quality.models import Nonconformance, PostProcessStep
from quality.services.nonconformance import void_nonconformance
from quality.services.postprocessing import record_post_process_step, start_post_processing
from tests.quality.makers import CURE, WASH, Staff, acting, make_built_device, typed

pytestmark = pytest.mark.requirement("G-PST-01")


def record(staff: Staff, device_id: int, step: str, values: Any, role: Role = Role.PST) -> PostProcessStep:
    person = staff[role]
    return record_post_process_step(
        device_id=device_id, step=step, values=values, actor=acting(person), credentials=typed(person)
    )


def test_steps_in_their_limits_lead_to_inspection(staff: Staff) -> None:
    device = make_built_device(staff)
    start_post_processing(device_id=device.pk)
    wash = record(staff, device.pk, "wash", WASH)
    device.refresh_from_db()
    assert device.stage == Stage.POST_PROCESSING
    cure = record(
        staff, device.pk, "cure", {"duration_min": {"value": 30, "unit": "min"}, "temperature_c": 60}
    )
    device.refresh_from_db()
    assert device.stage == Stage.AWAITING_INSPECTION
    assert (wash.attempt, wash.position, cure.position) == (1, 1, 2)
    assert cure.values[1] == {
        "name": "temperature_c",
        "title": "Temperature",
        "value": 60.0,
        "unit": "°C",
        "minimum": 55.0,
        "maximum": 65.0,
        "in_limits": True,
    }
    assert wash.signature.person == staff[Role.PST]
    assert events_of(device).filter(type="quality.post_process_step_recorded").count() == 2


def test_a_routing_without_steps_goes_straight_to_inspection(staff: Staff) -> None:
    device = make_built_device(staff, routing=[])
    start_post_processing(device_id=device.pk)
    device.refresh_from_db()
    assert device.stage == Stage.AWAITING_INSPECTION


def test_starting_twice_changes_nothing(staff: Staff) -> None:
    device = make_built_device(staff)
    start_post_processing(device_id=device.pk)
    count = events_of(device).count()
    start_post_processing(device_id=device.pk)
    assert events_of(device).count() == count


@pytest.mark.parametrize(
    ("_case", "step", "values", "refusal"),
    [
        ("out of order", "cure", CURE, TransitionRefused),
        ("unknown step", "polish", {}, InvalidInput),
        ("missing value", "wash", {}, InvalidInput),
        ("unknown value", "wash", WASH | {"pressure_bar": 1.0}, InvalidInput),
        ("not a number", "wash", {"duration_min": "five"}, InvalidInput),
        ("true is no number", "wash", {"duration_min": True}, InvalidInput),
        ("NaN", "wash", {"duration_min": float("nan")}, InvalidInput),
        ("infinite", "wash", {"duration_min": float("inf")}, InvalidInput),
        ("negative duration", "wash", {"duration_min": -5}, InvalidInput),
        ("beyond any step", "wash", {"duration_min": 1e12}, InvalidInput),
        ("wrong unit", "wash", {"duration_min": {"value": 5, "unit": "s"}}, InvalidInput),
    ],
)
def test_a_refused_step_leaves_nothing(
    staff: Staff, _case: str, step: str, values: Any, refusal: type[Exception]
) -> None:
    device = make_built_device(staff)
    start_post_processing(device_id=device.pk)
    count = events_of(device).count()
    with pytest.raises(refusal):
        record(staff, device.pk, step, values)
    assert PostProcessStep.objects.count() == 0
    assert events_of(device).count() == count


def test_a_temperature_below_absolute_zero_is_no_measurement(staff: Staff) -> None:
    device = make_built_device(staff)
    start_post_processing(device_id=device.pk)
    record(staff, device.pk, "wash", WASH)
    with pytest.raises(InvalidInput, match="cannot be -300 °C"):
        record(staff, device.pk, "cure", CURE | {"temperature_c": -300})
    assert PostProcessStep.objects.count() == 1


def at(staff: Staff, device_id: int, step: str, started: datetime, ended: datetime | None) -> PostProcessStep:
    person = staff[Role.PST]
    return record_post_process_step(
        device_id=device_id,
        step=step,
        values={"wash": WASH, "cure": CURE}[step],
        started_at=started,
        ended_at=ended,
        actor=acting(person),
        credentials=typed(person),
    )


def test_a_step_lies_between_the_print_and_now(staff: Staff) -> None:
    device = make_built_device(staff)
    start_post_processing(device_id=device.pk)
    now, moment = timezone.now(), timedelta(milliseconds=1)
    wrong = {
        "device was built": (datetime(1900, 1, 1, tzinfo=UTC), now),
        "not in the future": (now, now + timedelta(hours=1)),
        "ends after it starts": (now, now - moment),
        "two times": (now, None),
        "no zone": (now.replace(tzinfo=None), now),
    }
    for words, (started, ended) in wrong.items():
        with pytest.raises(InvalidInput, match=words):
            at(staff, device.pk, "wash", started, ended)
    assert PostProcessStep.objects.count() == 0
    wash = at(staff, device.pk, "wash", now, now + moment)
    assert (wash.started_at, wash.ended_at) == (now, now + moment)
    with pytest.raises(InvalidInput, match="Wash had ended"):
        at(staff, device.pk, "cure", now, now + moment)
    at(staff, device.pk, "cure", now + moment, now + 2 * moment)


def test_times_that_nobody_gave_are_not_made_up(staff: Staff) -> None:
    device = make_built_device(staff)
    start_post_processing(device_id=device.pk)
    step = record(staff, device.pk, "wash", WASH)
    step.refresh_from_db()
    assert (step.started_at, step.ended_at) == (None, None)
    told = json.loads(events_of(device).get(type="quality.post_process_step_recorded").payload)
    assert (told["started_at"], told["ended_at"]) == (None, None)


def test_only_a_technician_records_and_only_with_the_right_password(staff: Staff) -> None:
    device = make_built_device(staff)
    start_post_processing(device_id=device.pk)
    with pytest.raises(NotPermitted):
        record(staff, device.pk, "wash", WASH, role=Role.INS)
    person = staff[Role.PST]
    with pytest.raises(SignatureRefused):
        record_post_process_step(
            device_id=device.pk,
            step="wash",
            values=WASH,
            actor=acting(person),
            credentials=typed(person, password="a wrong pass phrase"),
        )
    assert PostProcessStep.objects.count() == 0


def test_a_step_outside_post_processing_is_refused(staff: Staff) -> None:
    device = make_built_device(staff)
    with pytest.raises(TransitionRefused, match="not in post-processing"):
        record(staff, device.pk, "wash", WASH)
    assert PostProcessStep.objects.count() == 0


@pytest.mark.requirement("G-NC-01")
def test_a_value_out_of_limits_is_recorded_and_holds_the_device(staff: Staff) -> None:
    device = make_built_device(staff)
    start_post_processing(device_id=device.pk)
    step = record(staff, device.pk, "wash", {"duration_min": 12.5})
    device.refresh_from_db()
    found = Nonconformance.objects.get()
    assert not step.in_limits
    assert step.values[0]["value"] == 12.5
    assert (device.stage, device.held) == (Stage.POST_PROCESSING, True)
    assert found.code in device.hold_reason
    assert found.evidence["post_process_step"] == step.pk
    assert found.source == "post_processing"
    with pytest.raises(TransitionRefused, match="held"):
        record(staff, device.pk, "cure", CURE)
    assert PostProcessStep.objects.count() == 1


def test_a_wrong_entry_is_voided_by_quality_and_the_step_repeated(staff: Staff) -> None:
    device = make_built_device(staff)
    start_post_processing(device_id=device.pk)
    record(staff, device.pk, "wash", {"duration_min": 50.0})
    quality = staff[Role.QAR]
    void_nonconformance(
        nonconformance_id=Nonconformance.objects.get().pk,
        justification="The clock was read wrongly: 5.0 min.",
        actor=acting(quality),
        credentials=typed(quality),
    )
    again = record(staff, device.pk, "wash", WASH)
    assert again.attempt == 2
    record(staff, device.pk, "cure", CURE)
    device.refresh_from_db()
    assert (device.stage, device.held) == (Stage.AWAITING_INSPECTION, False)
    assert PostProcessStep.objects.filter(in_limits=False).count() == 1
