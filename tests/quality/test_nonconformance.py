"""Nonconformances: two people dispose, quality voids, nothing open is forgotten (G-NC-01)."""

from __future__ import annotations

import json

import pytest
from django.db import DatabaseError, transaction

from devices.choices import Stage
from devices.models import Device
from devices.services.holds import hold_device, resume_device
from mes.choices import Role
from mes.exceptions import InvalidInput, NotPermitted, Refused, TransitionRefused
from mes.selectors import events_of
from mes.services.people import grant_role
from mes.services.signing_withdrawal import withdraw_signature
from quality.choices import NONCONFORMANCE_PAIRS, Disposition, NonconformanceStage, Source
from quality.lifecycle import NONCONFORMANCE
from quality.models import Nonconformance
from quality.services.nonconformance import (
    dispose_nonconformance,
    open_nonconformance,
    propose_disposition,
    return_proposal,
    void_nonconformance,
)
from tests.quality.makers import SYSTEM, Staff, acting, make_built_device, move_through, typed

pytestmark = pytest.mark.requirement("G-NC-01")


@pytest.fixture
def device(staff: Staff) -> Device:
    return make_built_device(staff, stage=Stage.AWAITING_INSPECTION)


def opened(staff: Staff, device: Device) -> Nonconformance:
    return open_nonconformance(
        device_id=device.pk,
        source=Source.PERSON,
        requirement="Surface",
        description="A crack beside the tube.",
        actor=acting(staff[Role.INS]),
    )


def proposed(staff: Staff, device: Device, role: Role = Role.QCM) -> Nonconformance:
    found, person = opened(staff, device), staff[role]
    return propose_disposition(
        nonconformance_id=found.pk,
        disposition=Disposition.SCRAP,
        justification="It cannot be repaired.",
        actor=acting(person),
        credentials=typed(person),
    )


def test_the_table_and_the_pairs_that_the_database_keeps_are_the_same() -> None:
    assert set(NONCONFORMANCE.pairs) == set(NONCONFORMANCE_PAIRS)


def test_every_stage_can_be_reached_and_left() -> None:
    reached, ahead = {"open"}, {"open"}
    while ahead:
        ahead = {target for source, target in NONCONFORMANCE_PAIRS if source in ahead} - reached
        reached |= ahead
    assert reached == set(NonconformanceStage.values)


def test_an_open_nonconformance_holds_the_device_and_a_resume_is_refused(
    staff: Staff, device: Device
) -> None:
    found = opened(staff, device)
    device.refresh_from_db()
    assert device.held
    with pytest.raises(TransitionRefused, match=found.code):
        resume_device(device_id=device.pk, actor=acting(staff[Role.QAR]), reason="Let it go on.")
    device.refresh_from_db()
    assert device.held


def test_two_people_scrap_a_device(staff: Staff, device: Device) -> None:
    found, quality = proposed(staff, device), staff[Role.QAR]
    dispose_nonconformance(nonconformance_id=found.pk, actor=acting(quality), credentials=typed(quality))
    device.refresh_from_db()
    found.refresh_from_db()
    assert device.stage == Stage.SCRAPPED
    assert found.stage == NonconformanceStage.CLOSED
    assert (found.proposed_by, found.approved_by) == (staff[Role.QCM], quality)
    stages = [event.type for event in events_of(found)]
    assert stages[0] == "quality.nonconformance_opened"
    assert stages[-1] == "quality.nonconformance_disposed"
    assert stages.count("quality.nonconformance_stage_changed") == 7


@pytest.mark.requirement("G-SOD-01")
def test_one_person_cannot_propose_and_approve(staff: Staff, device: Device) -> None:
    grant_role(person=staff[Role.QCM], role=Role.QAR, actor=SYSTEM)
    found, person = proposed(staff, device), staff[Role.QCM]
    with pytest.raises(NotPermitted, match="proposed this disposition"):
        dispose_nonconformance(nonconformance_id=found.pk, actor=acting(person), credentials=typed(person))
    device.refresh_from_db()
    found.refresh_from_db()
    assert (device.stage, found.stage) == (Stage.AWAITING_INSPECTION, "disposition_proposed")


@pytest.mark.requirement("ES-11")
@pytest.mark.requirement("G-SOD-01")
@pytest.mark.parametrize(
    ("part", "said"),
    [
        (Role.INS, "opened this nonconformance"),
        (Role.QCM, "proposed this disposition"),
        (Role.OPR, "took part in making this device"),
    ],
)
def test_who_had_a_part_in_a_finding_does_not_decide_about_it(
    staff: Staff, device: Device, part: Role, said: str
) -> None:
    """One person would open a hold and lift it; or lift the hold on the own work."""
    person = staff[part]
    grant_role(person=person, role=Role.QAR, actor=SYSTEM)
    found = proposed(staff, device)
    with pytest.raises(NotPermitted, match=said):
        void_nonconformance(
            nonconformance_id=found.pk, justification="x", actor=acting(person), credentials=typed(person)
        )
    with pytest.raises(NotPermitted, match=said):
        dispose_nonconformance(nonconformance_id=found.pk, actor=acting(person), credentials=typed(person))
    device.refresh_from_db()
    found.refresh_from_db()
    assert (device.held, found.stage) == (True, "disposition_proposed")


@pytest.mark.requirement("K-06")
def test_a_proposal_is_returned_with_a_reason_and_then_voided_or_proposed_anew(
    staff: Staff, device: Device
) -> None:
    found, quality = proposed(staff, device), staff[Role.QAR]
    signature, actor = found.proposal, acting(quality)
    with pytest.raises(NotPermitted):
        return_proposal(nonconformance_id=found.pk, reason="No", actor=acting(staff[Role.OPR]))
    with pytest.raises(InvalidInput):
        return_proposal(nonconformance_id=found.pk, reason=" ", actor=actor)
    back = return_proposal(nonconformance_id=found.pk, reason="Polish it instead", actor=actor)
    assert (back.stage, back.disposition, back.proposal) == ("under_evaluation", "", None)
    told = events_of(found).get(type="quality.disposition_returned")
    assert signature is not None
    assert (told.reason, json.loads(told.payload)["proposal_id"]) == ("Polish it instead", signature.pk)
    with pytest.raises(TransitionRefused, match="cannot return proposal from there"):
        return_proposal(nonconformance_id=found.pk, reason="Again", actor=actor)
    owner = staff[Role.QCM]
    again = propose_disposition(
        nonconformance_id=found.pk,
        disposition=Disposition.SCRAP,
        justification="It cannot be polished.",
        actor=acting(owner),
        credentials=typed(owner),
    )
    assert again.stage == "disposition_proposed"
    return_proposal(nonconformance_id=found.pk, reason="It was dust", actor=actor)
    void_nonconformance(
        nonconformance_id=found.pk, justification="Dust", actor=actor, credentials=typed(quality)
    )
    assert not Device.objects.get(pk=device.pk).held


@pytest.mark.requirement("ES-18")
def test_a_proposal_whose_signature_was_withdrawn_is_not_approved(staff: Staff, device: Device) -> None:
    found, owner, quality = proposed(staff, device), staff[Role.QCM], staff[Role.QAR]
    assert found.proposal is not None
    withdraw_signature(
        signature_id=found.proposal.pk, reason="Wrong", actor=acting(owner), credentials=typed(owner)
    )
    with pytest.raises(Refused, match="withdrawn") as refused:
        dispose_nonconformance(nonconformance_id=found.pk, actor=acting(quality), credentials=typed(quality))
    assert [reason.rule for reason in refused.value.reasons] == ["ES-18"]
    assert Device.objects.get(pk=device.pk).stage == Stage.AWAITING_INSPECTION
    returned = return_proposal(nonconformance_id=found.pk, reason="Withdrawn", actor=acting(quality))
    assert returned.stage == "under_evaluation"


@pytest.mark.requirement("K-06")
def test_what_the_stage_does_not_permit_is_refused_when_it_is_proposed(staff: Staff) -> None:
    device = make_built_device(staff)
    move_through(
        device,
        (
            "post_processing",
            "awaiting_inspection",
            "inspected_pass",
            "ready_for_review",
            "reviewed",
            "released",
        ),
    )
    with pytest.raises(TransitionRefused, match="cannot be scrapped from there"):
        proposed(staff, device)
    found = Nonconformance.objects.get()
    assert (found.stage, found.proposal) == ("open", None)


def test_nothing_is_disposed_before_it_is_proposed(staff: Staff, device: Device) -> None:
    found, quality = opened(staff, device), staff[Role.QAR]
    with pytest.raises(TransitionRefused, match="cannot approve disposition from there"):
        dispose_nonconformance(nonconformance_id=found.pk, actor=acting(quality), credentials=typed(quality))
    device.refresh_from_db()
    assert device.stage == Stage.AWAITING_INSPECTION


def test_a_proposal_needs_a_disposition_and_a_reason(staff: Staff, device: Device) -> None:
    found, person = opened(staff, device), staff[Role.QCM]
    for disposition, reason in ((Disposition.NONE, "why"), (Disposition.SCRAP, " ")):
        with pytest.raises(InvalidInput):
            propose_disposition(
                nonconformance_id=found.pk,
                disposition=disposition,
                justification=reason,
                actor=acting(person),
                credentials=typed(person),
            )
    found.refresh_from_db()
    assert found.stage == "open"


def test_voiding_is_quality_s_and_lifts_the_hold_it_made(staff: Staff, device: Device) -> None:
    found = opened(staff, device)
    for role, refusal in ((Role.QCM, NotPermitted), (Role.QAR, InvalidInput)):
        with pytest.raises(refusal):
            void_nonconformance(
                nonconformance_id=found.pk,
                justification="",
                actor=acting(staff[role]),
                credentials=typed(staff[role]),
            )
    quality = staff[Role.QAR]
    void_nonconformance(
        nonconformance_id=found.pk,
        justification="It was a thread of dust.",
        actor=acting(quality),
        credentials=typed(quality),
    )
    device.refresh_from_db()
    found.refresh_from_db()
    assert (device.held, found.stage) == (False, NonconformanceStage.VOID)


@pytest.mark.requirement("G-NC-01")
@pytest.mark.parametrize("held_first", [True, False])
def test_voiding_leaves_a_hold_of_somebody_else(staff: Staff, device: Device, held_first: bool) -> None:
    quality = staff[Role.QAR]
    if held_first:
        hold_device(device_id=device.pk, actor=acting(quality), reason="Recall of the lot")
    found = opened(staff, device)
    if not held_first:
        hold_device(device_id=device.pk, actor=acting(quality), reason=f"Recall of the lot, see {found.code}")
    void_nonconformance(
        nonconformance_id=found.pk,
        justification="It was dust.",
        actor=acting(quality),
        credentials=typed(quality),
    )
    device.refresh_from_db()
    assert device.held
    assert device.hold_reason.startswith("Recall of the lot")


def test_a_second_open_nonconformance_keeps_the_hold(staff: Staff, device: Device) -> None:
    first, second = opened(staff, device), opened(staff, device)
    quality = staff[Role.QAR]
    void_nonconformance(
        nonconformance_id=first.pk,
        justification="Twice the same.",
        actor=acting(quality),
        credentials=typed(quality),
    )
    device.refresh_from_db()
    second.refresh_from_db()
    assert (device.held, second.stage) == (True, "open")


@pytest.mark.requirement("K-06")
def test_the_database_refuses_a_jump(staff: Staff, device: Device) -> None:
    found = opened(staff, device)
    with pytest.raises(DatabaseError, match="K-06"), transaction.atomic():
        Nonconformance.objects.filter(pk=found.pk).update(stage="closed")
    found.refresh_from_db()
    assert found.stage == "open"
