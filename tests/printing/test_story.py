"""The story of a build, from a frozen device to a cleared plate, told through services and handlers."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta

import pytest
from django.utils import timezone

from devices.choices import Stage
from devices.models import Device
from mes.choices import Role
from mes.eventlog.base import plain
from mes.eventlog.unit import open_unit
from mes.selectors import events_of
from printing.choices import BuildState, JobState, Run
from printing.models import Build, PrinterCommand
from printing.selectors.material import device_lots, lot_trace
from printing.services.builds import cancel_build, create_build, retry_preparation, verify_build
from printing.services.jobs import confirm_plate_clear, start_job
from printing.services.preparation import prepare_build
from tests.devices.makers import Staff
from tests.printing.makers import (
    KIND,
    VALUES,
    Floor,
    frozen_device,
    hear,
    idle,
    make_build,
    make_parameters,
    make_printer,
    make_released_lot,
    make_verified_build,
    runs,
    send,
)

PRINTED = (Stage.BUILT, Stage.POST_PROCESSING)
"""What a printed device goes on to is quality's affair."""


def test_a_build_is_sliced_verified_printed_and_cleared(drain: Callable[[], int]) -> None:
    staff = Staff()
    floor = Floor.__new__(Floor)
    floor.staff = staff
    parameters = make_parameters(staff)
    floor.parameters, floor.printer = parameters, make_printer(staff, parameters)
    lot = make_released_lot(staff)
    floor.load(lot)
    hear(floor.printer, idle())
    device = frozen_device(staff)

    build = create_build(
        device_ids=[device.pk], printer_kind=KIND, parameters=parameters.pk, actor=staff[Role.BLD].actor
    )
    drain()
    build.refresh_from_db()
    assert build.state == BuildState.PREPARED
    assert build.layer_count == len(build.areas_mm2) > 5
    assert build.preparation.done == build.layer_count

    verify_build(build_id=build.pk, actor=staff[Role.QCM].actor, credentials=staff[Role.QCM].typed())
    drain()
    assert _stage(device) == Stage.QUEUED

    job = floor.dispatch(build)
    floor.start(job)
    drain()
    assert _stage(device) == Stage.IN_BUILD
    assert _state(build) == BuildState.STARTED

    hear(floor.printer, runs(job, Run.FINISHED, layer=build.layer_count or 0, material_ml=3.25))
    drain()
    job.refresh_from_db()
    lot.refresh_from_db()
    assert (job.state, _state(build)) == (JobState.FINISHED, BuildState.COMPLETED)
    assert _stage(device) in PRINTED
    assert str(lot.consumed) == "3.250"
    assert [row["job"] for row in lot_trace(lot)] == [job]
    assert list(device_lots(device)) == [lot]

    confirm_plate_clear(printer_id=floor.printer.pk, actor=floor.operator)
    floor.printer.refresh_from_db()
    assert floor.printer.clearance_needed == ""
    names = list(events_of(job).values_list("type", flat=True))
    assert names == [
        "printing.job_dispatched",
        "printing.job_start_requested",
        "printing.job_started",
        "printing.job_finished",
        "printing.plate_cleared",
    ]


def _stage(device: Device) -> str:
    device.refresh_from_db()
    return device.stage


def _state(build: Build) -> str:
    build.refresh_from_db()
    return build.state


def test_a_print_that_ended_unseen_still_carries_its_devices(floor: Floor, drain: Callable[[], int]) -> None:
    """Start and end are told in one breath; the handlers may hear them in any order."""
    device = floor.build.items.get().device
    job = floor.dispatch()
    start_job(job_id=job.pk, actor=floor.operator)
    send(floor.printer)
    hear(floor.printer, runs(job, Run.FINISHED, layer=floor.build.layer_count or 0, late=True))
    drain()
    assert _stage(device) in PRINTED
    job.refresh_from_db()
    assert job.observed_late
    assert job.gaps == []
    names = [event.type for event in events_of(device)]
    assert names.count("devices.device_stage_changed") >= 3


@pytest.mark.requirement("G-PRT-01")
def test_the_times_of_a_print_are_the_machine_s_and_not_the_observer_s(
    floor: Floor, drain: Callable[[], int]
) -> None:
    job = floor.dispatch()
    command = start_job(job_id=job.pk, actor=floor.operator)
    send(floor.printer)
    sent = timezone.now() - timedelta(hours=3)
    PrinterCommand.objects.filter(pk=command.pk).update(sent_at=sent)
    began, ended = sent + timedelta(seconds=4), sent + timedelta(hours=2)
    outage = {"since": plain(began), "until": plain(timezone.now()), "within_limit": True}
    layers = floor.build.layer_count or 0
    word = runs(job, Run.FINISHED, layer=layers, late=True, started_at=began, ended_at=ended, outage=outage)
    hear(floor.printer, word)
    drain()
    job.refresh_from_db()
    assert (job.state, job.started_at, job.ended_at) == ("finished", began, ended)
    assert job.gaps == [outage]
    assert _state(floor.build) == "completed"


@pytest.mark.requirement("G-PRT-01")
@pytest.mark.parametrize("began_h", [None, -30.0, 30.0])
def test_a_machine_without_a_clock_or_with_a_wrong_one_started_when_it_was_told(
    floor: Floor, drain: Callable[[], int], began_h: float | None
) -> None:
    job = floor.dispatch()
    command = start_job(job_id=job.pk, actor=floor.operator)
    send(floor.printer)
    sent = timezone.now() - timedelta(hours=3)
    PrinterCommand.objects.filter(pk=command.pk).update(sent_at=sent)
    began = None if began_h is None else timezone.now() + timedelta(hours=began_h)
    hear(floor.printer, runs(job, Run.PRINTING, started_at=began))
    job.refresh_from_db()
    assert job.started_at is not None
    if began_h == 30.0:
        assert abs(job.started_at - timezone.now()) < timedelta(minutes=1)
    else:
        assert job.started_at == sent


def test_a_build_that_is_given_up_frees_its_devices(drain: Callable[[], int]) -> None:
    staff = Staff()
    build = make_verified_build(staff)
    device = build.items.get().device
    drain()
    assert _stage(device) == Stage.QUEUED
    cancel_build(build_id=build.pk, actor=staff[Role.BLD].actor, reason="another first")
    drain()
    assert _stage(device) == Stage.DESIGN_FROZEN


def test_a_plate_that_cannot_be_cut_says_why_and_can_be_tried_again(drain: Callable[[], int]) -> None:
    staff = Staff()
    tiny = make_parameters(staff, values={**VALUES, "plate_size_mm": [8.0, 8.0, 60.0]})
    build = make_build(staff, parameters=tiny)
    assert build.state == BuildState.UNPREPARED
    assert "room for" in build.problems[0]["text"]
    assert build.problems[0]["cure"]
    retry_preparation(build_id=build.pk, actor=staff[Role.BLD].actor, reason="again")
    drain()
    assert _state(build) == BuildState.UNPREPARED


def test_slicing_that_ends_after_a_cancel_writes_nothing(committed_db: None) -> None:
    staff = Staff()
    device = frozen_device(staff)
    build = create_build(
        device_ids=[device.pk],
        printer_kind=KIND,
        parameters=make_parameters(staff).pk,
        actor=staff[Role.BLD].actor,
    )
    effect = prepare_build(build.pk)
    cancel_build(build_id=build.pk, actor=staff[Role.BLD].actor, reason="changed plans")
    effect()
    assert _state(build) == BuildState.CANCELLED
    build.refresh_from_db()
    assert build.file_id is None
    assert prepare_build(build.pk)() is None


@pytest.mark.requirement("K-08")
def test_every_unit_of_a_lot_lies_on_the_plate(committed_db: None) -> None:
    staff = Staff()
    device = frozen_device(staff)
    with open_unit():
        Device.objects.filter(pk=device.pk).update(tracked_as="lot", quantity=3)
    build = make_build(staff, device)
    places = build.items.get().transform
    assert places is not None
    assert build.state == BuildState.PREPARED
    assert len(places) == 3 * 16
    spots = {tuple(places[start + 3 : start + 12 : 4]) for start in (0, 16, 32)}
    assert len(spots) == 3
