"""Post-processing steps: order, units, limits, and what happens outside them (G-PST-01)."""

from __future__ import annotations

import json
from contextlib import nullcontext
from datetime import datetime, timedelta
from types import SimpleNamespace
from typing import Any

import pytest
from django.utils import timezone

from devices.choices import Stage
from devices.models import Device
from mes.choices import Role
from mes.eventlog.unit import open_unit, publish
from mes.exceptions import InvalidInput, NotPermitted, SignatureRefused, TransitionRefused
from mes.selectors import events_of
from printing.events import DevicePrintFinished
from printing.models import PrintJob
from quality.models import Nonconformance, PostProcessStep
from quality.services import timing
from quality.services.nonconformance import void_nonconformance
from quality.services.postprocessing import record_post_process_step, start_post_processing
from tests.quality.makers import CURE, PRINTED_AGO, SYSTEM, WASH, Staff, acting, make_built_device, typed

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


def at(
    staff: Staff,
    device_id: int,
    step: str,
    started: datetime | None,
    ended: datetime | None,
    values: Any = None,
) -> PostProcessStep:
    person = staff[Role.PST]
    return record_post_process_step(
        device_id=device_id,
        step=step,
        values=values or {},
        started_at=started,
        ended_at=ended,
        actor=acting(person),
        credentials=typed(person),
    )


QUICK = [
    {"step": code, "title": code.title(), "limits": {"duration_min": [0, 10]}} for code in ("wash", "cure")
]


def test_a_step_lies_between_the_print_and_now(staff: Staff) -> None:
    device = make_built_device(staff, routing=QUICK)
    start_post_processing(device_id=device.pk)
    now, moment = timezone.now(), timedelta(milliseconds=1)
    wrong = {
        "device was built": (now - PRINTED_AGO - timedelta(minutes=5), now),
        "not in the future": (now, now + timedelta(hours=1)),
        "ends after it starts": (now, now - moment),
        "no zone": (now.replace(tzinfo=None), now),
    }
    for words, (started, ended) in wrong.items():
        with pytest.raises(InvalidInput, match=words):
            at(staff, device.pk, "wash", started, ended)
    with pytest.raises(InvalidInput, match="not in the future"):
        at(staff, device.pk, "wash", now, None, WASH)
    assert PostProcessStep.objects.count() == 0
    wash = at(staff, device.pk, "wash", now, now + moment)
    assert (wash.started_at, wash.ended_at) == (now, now + moment)
    with pytest.raises(InvalidInput, match="Wash had ended"):
        at(staff, device.pk, "cure", now, now + moment)
    at(staff, device.pk, "cure", now + moment, now + 2 * moment)


@pytest.fixture
def hours_later(monkeypatch: pytest.MonkeyPatch) -> datetime:
    """A device that is built now is post-processed two hours from now; this is half an hour into them."""
    now = timezone.now()
    later = SimpleNamespace(now=lambda: now + timedelta(hours=2), is_naive=timezone.is_naive)
    monkeypatch.setattr(timing, "timezone", later)
    return now.replace(second=7, microsecond=0) + timedelta(minutes=30)


def to_wash(staff: Staff) -> Device:
    device = make_built_device(staff)
    start_post_processing(device_id=device.pk)
    return device


@pytest.mark.parametrize(
    ("typed_min", "apart_s"), [(10, 120), (5.0, 332), (5.0, 268), (5.5, 350), (3, 180 + 20), (8, 0)]
)
def test_times_that_contradict_the_duration_are_refused(
    staff: Staff, hours_later: datetime, typed_min: float, apart_s: int
) -> None:
    device = to_wash(staff)
    ended = hours_later + timedelta(seconds=apart_s)
    with pytest.raises(InvalidInput, match="apart") as refused:
        at(staff, device.pk, "wash", hours_later, ended, {"duration_min": typed_min})
    assert "give the times alone" in refused.value.reasons[0].cure
    assert PostProcessStep.objects.count() == 0


@pytest.mark.parametrize(("typed_min", "apart_s"), [(10, 600), (5.0, 331), (5.0, 269.5), (5.5, 333)])
def test_a_duration_may_be_rounded(
    staff: Staff, hours_later: datetime, typed_min: float, apart_s: float
) -> None:
    ended = hours_later + timedelta(seconds=apart_s)
    row = at(staff, to_wash(staff).pk, "wash", hours_later, ended, {"duration_min": typed_min})
    assert (row.values[0]["value"], row.started_at, row.ended_at) == (typed_min, hours_later, ended)
    assert "derived" not in row.values[0]


@pytest.mark.parametrize(("minutes", "agrees"), [(4, True), (6, True), (7, False)])
def test_a_clock_read_to_the_minute_is_believed_to_the_minute(
    staff: Staff, hours_later: datetime, minutes: int, agrees: bool
) -> None:
    device, started = to_wash(staff), hours_later.replace(second=0)
    ended = started + timedelta(minutes=minutes)
    with nullcontext() if agrees else pytest.raises(InvalidInput, match="apart"):
        at(staff, device.pk, "wash", started, ended, WASH)
    assert PostProcessStep.objects.count() == agrees


def test_two_times_give_the_duration_and_the_record_says_so(staff: Staff, hours_later: datetime) -> None:
    row = at(staff, to_wash(staff).pk, "wash", hours_later, hours_later + timedelta(seconds=315))
    assert (row.values[0]["value"], row.values[0]["unit"], row.in_limits) == (5.25, "min", True)
    assert row.values[0]["derived"] == "the duration, from both times"
    assert json.loads(row.signature.content)["values"] == row.values


def test_a_derived_duration_is_held_against_its_limits(staff: Staff, hours_later: datetime) -> None:
    row = at(staff, to_wash(staff).pk, "wash", hours_later, hours_later + timedelta(minutes=11))
    assert (row.values[0]["value"], row.in_limits) == (11.0, False)


@pytest.mark.parametrize("which", ["started", "ended"])
def test_the_duration_and_one_time_give_the_other(staff: Staff, hours_later: datetime, which: str) -> None:
    started, ended = (hours_later, None) if which == "started" else (None, hours_later)
    row = at(staff, to_wash(staff).pk, "wash", started, ended, WASH)
    assert row.started_at is not None
    assert row.ended_at is not None
    assert (row.ended_at - row.started_at, hours_later in (row.started_at, row.ended_at)) == (
        timedelta(minutes=5),
        True,
    )
    assert row.values[0]["derived"].startswith("the end" if which == "started" else "the start")


def test_one_time_alone_says_too_little(staff: Staff, hours_later: datetime) -> None:
    routing = [{"step": "wash", "title": "Wash", "limits": {"temperature_c": [10, 30]}}]
    device = make_built_device(staff, routing=routing)
    start_post_processing(device_id=device.pk)
    with pytest.raises(InvalidInput, match="two times"):
        at(staff, device.pk, "wash", hours_later, None, {"temperature_c": 20})
    assert PostProcessStep.objects.count() == 0


def test_times_that_nobody_gave_are_not_made_up(staff: Staff) -> None:
    device = make_built_device(staff)
    start_post_processing(device_id=device.pk)
    step = record(staff, device.pk, "wash", WASH)
    step.refresh_from_db()
    assert (step.started_at, step.ended_at) == (None, None)
    told = json.loads(events_of(device).get(type="quality.post_process_step_recorded").payload)
    assert (told["started_at"], told["ended_at"]) == (None, None)


def printed(device: Device, ago: timedelta) -> None:
    """Let the machine have ended the print of a device so long ago."""
    ended = timezone.now() - ago
    PrintJob.objects.filter(build__items__device=device).update(
        started_at=ended - timedelta(hours=1), ended_at=ended
    )
    job = PrintJob.objects.get(build__items__device=device)
    with open_unit():
        told = DevicePrintFinished(device_id=device.pk, build_id=job.build_id, job_id=job.pk)
        publish(device, told, actor=SYSTEM)


@pytest.mark.parametrize(("ago_min", "possible"), [(0.0, False), (4.4, False), (4.6, True), (60.0, True)])
def test_a_step_without_times_is_not_longer_than_what_has_passed_since_the_print(
    staff: Staff, ago_min: float, possible: bool
) -> None:
    device = to_wash(staff)
    printed(device, timedelta(minutes=ago_min))
    refused = pytest.raises(InvalidInput, match=r"Wash took 270 s, but the device was built only")
    with nullcontext() if possible else refused:
        record(staff, device.pk, "wash", WASH)
    assert PostProcessStep.objects.count() == possible


@pytest.mark.parametrize(("ago_min", "possible"), [(20.0, False), (33.0, False), (36.0, True)])
def test_the_steps_before_take_their_time_too(staff: Staff, ago_min: float, possible: bool) -> None:
    device = to_wash(staff)
    printed(device, timedelta(minutes=ago_min))
    record(staff, device.pk, "wash", WASH)
    refused = pytest.raises(InvalidInput, match=r"Cure took 1770 s, but Wash can have ended only")
    with nullcontext() if possible else refused as refusal:
        record(staff, device.pk, "cure", CURE)
    assert PostProcessStep.objects.count() == 1 + possible
    if refusal is not None:
        assert "nonconformance" in refusal.value.reasons[0].cure


def test_a_cure_of_half_an_hour_does_not_follow_a_wash_that_ended_just_now(staff: Staff) -> None:
    device, now = to_wash(staff), timezone.now()
    at(staff, device.pk, "wash", now - timedelta(minutes=6), now - timedelta(minutes=1))
    with pytest.raises(InvalidInput, match="Wash had ended only"):
        record(staff, device.pk, "cure", CURE)
    assert PostProcessStep.objects.count() == 1


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
