"""The story of a build, from a frozen device to a cleared plate, told through services and handlers."""

from __future__ import annotations

from collections.abc import Callable

from devices.choices import Stage
from devices.models import Device
from mes.choices import Role
from mes.selectors import events_of
from printing.choices import BuildState, JobState, Run
from printing.models import Build
from printing.selectors import device_lots, lot_trace
from printing.services.builds import create_build, verify_build
from printing.services.jobs import confirm_plate_clear
from tests.devices.makers import Staff
from tests.printing.makers import (
    KIND,
    Floor,
    frozen_device,
    hear,
    idle,
    make_parameters,
    make_printer,
    make_released_lot,
    runs,
)


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
    assert (job.state, _state(build), _stage(device)) == (
        JobState.FINISHED,
        BuildState.COMPLETED,
        Stage.BUILT,
    )
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
