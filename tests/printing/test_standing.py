"""A build is printed from the designs that stand, or not at all."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from devices.choices import DesignStatus, Stage
from devices.models import Design, Device
from devices.selectors.devices import devices
from devices.selectors.progress import waits_for
from devices.services.designs import approve_design, request_design, review_design
from devices.services.holds import hold_device, resume_device
from devices.services.lifecycle import check_transition
from devices.services.voiding import void_design
from mes.choices import Role
from mes.exceptions import TransitionRefused
from mes.models import Delivery
from mes.services.signing_withdrawal import withdraw_signature
from printing.choices import BuildState, JobState
from printing.handlers import PRINTING
from printing.models import Build, PrintJob
from printing.services.builds import create_build, decide_interruption, verify_build
from printing.services.jobs import start_job
from printing.services.superseding import supersede_builds
from quality.services.postprocessing import record_post_process_step
from tests.devices.makers import Staff, make_block, make_design, make_person
from tests.printing.makers import KIND, Floor, make_build


def verified(floor: Floor) -> tuple[Build, Device]:
    """A verified build whose device was not queued yet."""
    build = make_build(floor.staff, parameters=floor.parameters)
    verify(build, floor.staff)
    build.refresh_from_db()
    return build, build.items.get().device


def verify(build: Build, staff: Staff) -> None:
    verify_build(build_id=build.pk, actor=staff[Role.QCM].actor, credentials=staff[Role.QCM].typed())


def redesign(device: Device, staff: Staff) -> None:
    """A new design takes the place of the frozen one, and is approved."""
    void_design(device_id=device.pk, actor=staff[Role.DSN].actor, reason="a better fit")
    device.refresh_from_db()
    make_design(device, staff, make_block((22.0, 15.0, 5.0), centre=(-60.0, 0.0, 40.0)), revision=2)
    second, prescriber = make_person(Role.DSN), staff[Role.PRE]
    review_design(device_id=device.pk, actor=second.actor, credentials=second.typed())
    approve_design(device_id=device.pk, actor=prescriber.actor, credentials=prescriber.typed())
    device.refresh_from_db()
    assert device.stage == Stage.DESIGN_FROZEN


@pytest.mark.django_db
@pytest.mark.requirement("G-BLD-01")
def test_a_build_of_a_voided_design_claims_no_printer(floor: Floor) -> None:
    build, device = verified(floor)
    redesign(device, floor.staff)
    with pytest.raises(TransitionRefused, match="does not stand any more") as refusal:
        floor.dispatch(build)
    assert {reason.rule for reason in refusal.value.reasons} == {"G-BLD-01"}
    assert not PrintJob.objects.exists()


@pytest.mark.django_db
@pytest.mark.requirement("G-BLD-01")
def test_a_claim_of_a_voided_design_is_not_started(floor: Floor) -> None:
    job = floor.dispatch()
    device = floor.build.items.get().device
    design = make_design(device, floor.staff, revision=2)
    design.status = "reviewed"
    design.save()
    with pytest.raises(TransitionRefused, match="does not stand any more"):
        start_job(job_id=job.pk, actor=floor.operator)


@pytest.mark.requirement("G-BLD-01")
def test_a_delivery_that_waited_for_a_hold_does_not_queue_a_device_with_another_design(
    floor: Floor, drain: Callable[[], int]
) -> None:
    build, device = verified(floor)
    quality = floor.staff[Role.QAR].actor
    hold_device(device_id=device.pk, actor=quality, reason="a question")
    drain()
    waiting = Delivery.objects.get(handler="printing.queue_device", stream_id=str(device.pk))
    assert waiting.status == "pending"
    resume_device(device_id=device.pk, actor=quality, reason="answered")
    redesign(device, floor.staff)
    Delivery.objects.filter(pk=waiting.pk).update(next_at=waiting.event.recorded_at)
    drain()
    waiting.refresh_from_db()
    device.refresh_from_db()
    build.refresh_from_db()
    assert (waiting.status, device.stage, build.state) == ("done", Stage.DESIGN_FROZEN, BuildState.CANCELLED)
    assert "was voided" in build.problems[0]["text"]


@pytest.mark.requirement("G-BLD-01")
def test_a_claim_of_a_voided_design_is_withdrawn_and_the_device_goes_on_a_new_plate(
    floor: Floor, drain: Callable[[], int]
) -> None:
    drain()
    build, device = verified(floor)
    job = floor.dispatch(build)
    redesign(device, floor.staff)
    drain()
    job.refresh_from_db()
    build.refresh_from_db()
    assert (job.state, build.state) == (JobState.CANCELLED, BuildState.CANCELLED)
    again = create_build(
        device_ids=[device.pk],
        printer_kind=KIND,
        parameters=floor.parameters.pk,
        actor=floor.staff[Role.BLD].actor,
    )
    drain()
    verify(again, floor.staff)
    drain()
    device.refresh_from_db()
    assert device.stage == Stage.QUEUED


@pytest.mark.requirement("G-BLD-01")
def test_a_new_design_gives_up_an_unverified_build(floor: Floor, drain: Callable[[], int]) -> None:
    build = make_build(floor.staff, parameters=floor.parameters)
    device = build.items.get().device
    request_design(
        device_id=device.pk, values={"landmark_mm": [-50, 0, 40]}, actor=floor.staff[Role.DSN].actor
    )
    drain()
    build.refresh_from_db()
    assert build.state == BuildState.CANCELLED
    assert not device.build_items.filter(active=True).exists()


@pytest.mark.requirement("G-BLD-01")
def test_what_a_machine_prints_from_a_voided_design_is_for_quality(
    floor: Floor, drain: Callable[[], int]
) -> None:
    job = floor.start()
    drain()
    item = floor.build.items.get()
    Design.objects.filter(pk=item.design_id).update(status=DesignStatus.VOIDED)
    supersede_builds(device_id=item.device_id, design_id=item.design_id, actor=PRINTING)
    drain()
    device = Device.objects.get(pk=item.device_id)
    found = device.nonconformances.get()
    assert device.held
    assert found.evidence == {"build": floor.build.pk, "design": item.design_id}
    floor.finish(job)
    floor.build.refresh_from_db()
    assert floor.build.state == BuildState.INTERRUPTED
    decider = floor.staff[Role.QAR]
    with pytest.raises(TransitionRefused, match="does not stand any more"):
        decide_interruption(
            build_id=floor.build.pk,
            accept=True,
            actor=decider.actor,
            credentials=decider.typed(),
            reason="It looks good.",
        )


# --- the prescriber takes the approval back


def take_back(device: Device, staff: Staff) -> None:
    """The prescriber withdraws the approval of the design."""
    approval = Design.objects.get(device=device).approval_id
    assert approval
    who = staff[Role.PRE]
    withdraw_signature(
        signature_id=approval, reason="operated elsewhere", actor=who.actor, credentials=who.typed()
    )
    device.refresh_from_db()


@pytest.mark.requirement("G-DES-02")
def test_a_withdrawn_approval_stops_the_verification_the_queue_and_the_dispatch(
    floor: Floor, drain: Callable[[], int]
) -> None:
    build = make_build(floor.staff, parameters=floor.parameters)
    device = build.items.get().device
    take_back(device, floor.staff)
    with pytest.raises(TransitionRefused, match="was withdrawn") as refusal:
        verify(build, floor.staff)
    assert {reason.rule for reason in refusal.value.reasons} == {"G-DES-02"}
    assert waits_for(devices().get(pk=device.pk)) == (
        "A decision: the prescriber withdrew the approval of its design"
    )
    build, device = verified(floor)
    take_back(device, floor.staff)
    drain()
    device.refresh_from_db()
    waiting = Delivery.objects.get(handler="printing.queue_device", stream_id=str(device.pk))
    assert (waiting.status, device.stage) == ("done", Stage.DESIGN_FROZEN)
    with pytest.raises(TransitionRefused) as refusal:
        floor.dispatch(build)
    assert {reason.rule for reason in refusal.value.reasons} == {"G-DES-02"}
    assert not PrintJob.objects.exists()


@pytest.mark.requirement("G-DES-02")
def test_a_withdrawn_approval_stops_the_start_and_frees_the_printer(
    floor: Floor, drain: Callable[[], int]
) -> None:
    job = floor.dispatch()
    device = floor.build.items.get().device
    take_back(device, floor.staff)
    with pytest.raises(TransitionRefused) as refusal:
        start_job(job_id=job.pk, actor=floor.operator)
    assert {reason.rule for reason in refusal.value.reasons} == {"G-DES-02"}
    shown = check_transition(device, "start_build", floor.operator)
    assert [result.gate for result in shown if not result.passed] == ["G-DES-02"]
    drain()
    job.refresh_from_db()
    floor.build.refresh_from_db()
    assert (job.state, floor.build.state) == (JobState.CANCELLED, BuildState.VERIFIED)


@pytest.mark.requirement("G-DES-02")
def test_what_a_machine_has_begun_is_recorded_and_goes_no_further(
    floor: Floor, drain: Callable[[], int]
) -> None:
    job = floor.start()
    device = floor.build.items.get().device
    take_back(device, floor.staff)
    floor.finish(job)
    drain()
    device.refresh_from_db()
    assert device.stage == Stage.POST_PROCESSING
    with pytest.raises(TransitionRefused) as refusal:
        record_post_process_step(
            device_id=device.pk,
            step="wash",
            values={"duration_min": 5},
            actor=floor.staff[Role.PST].actor,
            credentials=floor.staff[Role.PST].typed(),
        )
    assert {reason.rule for reason in refusal.value.reasons} == {"G-DES-02"}
    assert not Delivery.objects.exclude(status="done").exists()


@pytest.mark.django_db
@pytest.mark.requirement("G-ORD-01", "ES-18")
def test_nothing_is_made_of_a_withdrawn_prescription(floor: Floor) -> None:
    build, device = verified(floor)
    prescriber, prescription = floor.staff[Role.PRE], device.order.prescription_id
    assert prescription
    withdraw_signature(
        signature_id=prescription, reason="treated", actor=prescriber.actor, credentials=prescriber.typed()
    )
    with pytest.raises(TransitionRefused, match="No prescription stands for the order"):
        floor.dispatch(build)
    asked = check_transition(Device.objects.get(pk=device.pk), "queue")
    assert "G-DES-02" in {result.gate for result in asked if not result.passed}
    asked = check_transition(Device.objects.get(pk=device.pk), "freeze_design")
    assert "G-ORD-01" in {result.gate for result in asked if not result.passed}
