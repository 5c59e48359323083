"""What became of a print: who decides about it, and what the record says of its layers and its material."""

from __future__ import annotations

from collections.abc import Callable
from decimal import Decimal

import pytest

from devices.choices import Stage
from devices.models import Device
from devices.services.holds import hold_device, resume_device
from mes.choices import Role
from mes.exceptions import Refused, TransitionRefused
from mes.models import Delivery
from mes.selectors import events_of
from printing.choices import BuildState, JobState, Run
from printing.models import Consumption, PrintJob
from printing.services.builds import decide_interruption
from printing.services.consumption import withdraw_material
from printing.services.fleet.board import read_board
from printing.services.fleet.words import says_something_new, word_of
from printing.services.jobs import pause_job, resume_job, settle_job
from printing.services.printers import qualify_printer, require_requalification
from tests.printing.makers import (
    Floor,
    hear,
    idle,
    in_days,
    make_parameters,
    reading,
    refreshed,
    runs,
    send,
)

pytestmark = pytest.mark.django_db


def lost(floor: Floor) -> PrintJob:
    """A print of which nobody knows what becomes of it."""
    job = floor.start()
    hear(floor.printer, idle(str(job.claim)))
    assert refreshed(job).state == JobState.UNCERTAIN
    return job


def settle(floor: Floor, job: PrintJob, outcome: str) -> None:
    settle_job(job_id=job.pk, outcome=outcome, actor=floor.operator, reason="looked at it")


@pytest.mark.requirement("G-PRT-01")
def test_the_operator_who_resumes_a_pause_decides_about_nothing_before_it(floor: Floor) -> None:
    job = lost(floor)
    settle(floor, job, "printing")
    pause_job(job_id=job.pk, actor=floor.operator, reason="tea")
    send(floor.printer)
    hear(floor.printer, runs(job, Run.PAUSED))
    resume_job(job_id=job.pk, actor=floor.operator, reason="tea is drunk")
    send(floor.printer)
    hear(floor.printer, runs(job, Run.PRINTING))
    assert [stop["decided"] for stop in refreshed(job).interruptions] == [False, True]
    assert floor.finish(job).build.state == BuildState.INTERRUPTED


@pytest.mark.requirement("G-PRT-01")
def test_a_print_is_not_settled_as_over_while_its_machine_goes_on(floor: Floor) -> None:
    job = lost(floor)
    hear(floor.printer, runs(job, Run.PRINTING))
    for outcome in ("finished", "failed", "cancelled"):
        with pytest.raises(TransitionRefused, match="is not over"):
            settle(floor, job, outcome)
    assert refreshed(job).state == JobState.UNCERTAIN
    settle(floor, job, "printing")
    assert refreshed(job).state == JobState.PRINTING


@pytest.mark.requirement("G-NC-01")
def test_a_device_that_is_held_during_its_print_is_built_and_goes_on_once_its_hold_is_over(
    floor: Floor, drain: Callable[[], int]
) -> None:
    job, who = floor.start(), floor.staff[Role.QAR].actor
    device = floor.build.items.get().device
    hold_device(device_id=device.pk, actor=who, reason="a question")
    floor.finish(job)
    drain()
    device.refresh_from_db()
    assert (device.stage, device.held) == (Stage.BUILT, True)
    resume_device(device_id=device.pk, actor=who, reason="answered")
    drain()
    device.refresh_from_db()
    assert device.stage == Stage.POST_PROCESSING
    assert not Delivery.objects.exclude(status="done").exists()


@pytest.mark.requirement("G-PRT-01")
def test_what_a_machine_says_against_a_settled_end_reaches_quality(
    floor: Floor, drain: Callable[[], int]
) -> None:
    job = lost(floor)
    settle(floor, job, "finished")
    settled = refreshed(job)
    assert (settled.layers_done, settled.build.state) == (0, BuildState.INTERRUPTED)
    booked = Consumption.objects.get(job=job)
    assert (booked.basis, booked.quantity > 0) == ("estimated", True)
    who = floor.staff[Role.QAR]
    decide_interruption(
        build_id=floor.build.pk, accept=True, actor=who.actor, credentials=who.typed(), reason="fine"
    )
    drain()
    said = runs(job, Run.FAILED, layer=3).seen
    word = word_of(reading(said), None, late=False, finished=read_board()[floor.printer.pk].finished)
    assert says_something_new(read_board()[floor.printer.pk], word)
    for _ in range(2):
        hear(floor.printer, word)
    assert not says_something_new(read_board()[floor.printer.pk], word)
    drain()
    assert "at layer 3" in refreshed(job).interruptions[-1]["text"]
    device = Device.objects.get(build_items__build=floor.build)
    assert device.held
    assert device.nonconformances.get().evidence == {"build": floor.build.pk, "job": job.pk}


@pytest.mark.requirement("G-MAT-06")
def test_what_a_running_print_needs_is_not_written_off(floor: Floor) -> None:
    def withdraw(quantity: Decimal) -> None:
        withdraw_material(
            container_id=job.container_id,
            quantity=quantity,
            withdrawal="wasted",
            actor=floor.staff[Role.MAT].actor,
            reason="spilled",
        )

    job = floor.start()
    held = refreshed(job).container.remaining
    with pytest.raises(Refused, match="prints from") as refusal:
        withdraw(held)
    assert refusal.value.reasons[0].rule == "G-MAT-06"
    withdraw(Decimal("1"))
    floor.finish(job, material_ml=0.0)
    withdraw(refreshed(job).container.remaining)
    assert Consumption.objects.get(job=job).basis == "estimated"
    assert [event.type for event in events_of(floor.lot)].count("printing.material_consumed") == 1


@pytest.mark.requirement("G-PRN-04")
def test_a_requalification_takes_the_place_of_every_qualification_before_it(floor: Floor) -> None:
    who, other = floor.staff[Role.QAR], make_parameters(floor.staff)
    require_requalification(printer_id=floor.printer.pk, actor=who.actor, reason="a new light engine")
    qualify_printer(
        printer_id=floor.printer.pk,
        parameters=[other.pk],
        valid_until=in_days(300),
        actor=who.actor,
        credentials=who.typed(),
    )
    with pytest.raises(TransitionRefused) as refusal:
        floor.dispatch()
    assert {reason.rule for reason in refusal.value.reasons} == {"G-PRN-04", "G-PRN-05"}
    assert not PrintJob.objects.exists()
