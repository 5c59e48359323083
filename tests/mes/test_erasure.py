"""Forgetting a patient: two people decide, a duty to keep wins, nothing is left to read, and the chain stays whole."""

import threading
from collections.abc import Iterator
from datetime import timedelta
from functools import partial
from typing import Any

import pytest
from cryptography.exceptions import InvalidTag
from django.db import connection, transaction
from django.db.models import Model
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from devices.models import Order
from devices.services.orders import reject_order
from mes.choices import ErasureStage, Role
from mes.eventlog.base import Actor
from mes.eventlog.unit import unit_of_work
from mes.eventlog.verify import verify
from mes.exceptions import Conflict, IdentityErased, InvalidInput, NotPermitted, Reason, TransitionRefused
from mes.gates import KEEPING
from mes.models import ErasureRequest, EventRecord, LegalHold, Patient, PatientIdentity
from mes.services.erasure import (
    OVERWRITTEN,
    approve_erasure,
    refuse_erasure,
    request_erasure,
    shred_identity,
)
from mes.services.holds import place_hold, propose_release, release_hold
from mes.services.patients import open_identity, patient_with, pseudonym_key
from mes.services.retention import keeping_of
from mes.services.signing_withdrawal import can_be_withdrawn
from mes.services.vaultkeys import vault
from mes.services.viewing import view_identity
from mes.vault import Key, place
from tests.devices.makers import Staff, make_order, submitted, under_review
from tests.mes.makers import make_patient, make_person, make_signer, take_back
from tests.patience import PATIENCE_S

pytestmark = [pytest.mark.django_db, pytest.mark.requirement("K-13")]


@pytest.fixture
def patient() -> Patient:
    return make_patient("MRN 4711", "Doe")


@pytest.fixture
def request_(patient: Patient) -> ErasureRequest:
    officer = Actor.person(make_person(Role.PRV).pk)
    return request_erasure(patient=patient, reason="The patient asks by letter", actor=officer)


@pytest.fixture
def hold() -> Iterator[Any]:
    """A legal hold on one patient."""
    held: list[int] = []
    name = "tests.hold"

    def duty(patient: Patient) -> Reason | None:
        return Reason("A court keeps this.", "Ask the counsel.", "K-15") if patient.pk in held else None

    KEEPING.add(name, duty)
    yield held
    KEEPING._things.pop(name)


def approve_both(request: ErasureRequest) -> ErasureRequest:
    for role in (Role.PRV, Role.QAR):
        actor, typed = make_signer(role)
        request = approve_erasure(request_id=request.pk, role=role, actor=actor, credentials=typed)
    return request


def test_two_people_erase_and_only_the_token_is_left(patient: Patient, request_: ErasureRequest) -> None:
    before = PatientIdentity.objects.get(patient=patient)
    done = approve_both(request_)
    row = PatientIdentity.objects.get(patient=patient)
    patient.refresh_from_db()
    assert (done.stage, patient.erased) == (ErasureStage.ERASED, True)
    kept = [bytes(getattr(row, name)) for name in ("data_key", "sealed_patient_id", "sealed_family_name",
                                                   "sealed_given_name", "sealed_birth_date")]  # fmt: skip
    assert kept == [OVERWRITTEN] * 5
    assert row.pk == before.pk
    assert row.patient_id_index != before.patient_id_index
    for look in (lambda: open_identity(patient), lambda: pseudonym_key(patient, "uids")):
        with pytest.raises(IdentityErased, match=patient.token):
            look()
    coordinator = Actor.person(make_person(Role.ORD).pk)
    with pytest.raises(IdentityErased):
        view_identity(patient=patient, actor=coordinator, reason="needed")
    assert patient_with("MRN 4711") is None


def test_what_was_sealed_cannot_be_read_without_the_shredded_key(
    patient: Patient, request_: ErasureRequest
) -> None:
    """An old copy of a sealed value, as a backup holds it, opens with nothing that is left."""
    old = bytes(PatientIdentity.objects.get(patient=patient).sealed_family_name)
    approve_both(request_)
    row = PatientIdentity.objects.get(patient=patient)
    left = [*vault().ring.keys, *vault().index.keys, Key(bytes(row.data_key).ljust(32, b"\0"))]
    for key in left:
        with pytest.raises(InvalidTag):
            key.open(old, bound_to=place("mes_patient_identity", "sealed_family_name", patient.pk))


def test_the_chain_stays_valid_and_says_what_happened(patient: Patient, request_: ErasureRequest) -> None:
    approve_both(request_)
    verdict = verify(keys={}, witness=None)
    assert (verdict.result, verdict.first_bad) == ("VALID", None)
    erased = EventRecord.objects.get(type="mes.patient_identity_erased")
    assert (erased.stream_id, erased.reason) == (str(patient.pk), "The patient asks by letter")
    assert EventRecord.objects.filter(type="mes.erasure_approved").count() == 2
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT string_agg(i::text, '') FROM mes_patient_identity i WHERE patient_id = %s", [patient.pk]
        )
        assert "MRN" not in cursor.fetchone()[0]


def test_the_same_person_may_come_again_as_a_new_patient(patient: Patient, request_: ErasureRequest) -> None:
    approve_both(request_)
    again = make_patient("MRN 4711", "Doe")
    assert again != patient
    assert again.token != patient.token


@pytest.mark.requirement("G-PRV-02")
def test_nothing_new_begins_for_a_patient_who_was_forgotten(
    patient: Patient, request_: ErasureRequest
) -> None:
    """Neither an order, for which the patient is locked against an erasure under way, nor a prescription of one."""
    staff = Staff()
    with CaptureQueriesContext(connection) as asked:
        order = make_order(staff, patient=patient)
    locks = [one["sql"] for one in asked if '"mes_patient"' in one["sql"] and "FOR UPDATE" in one["sql"]]
    assert len(locks) == 1
    unit_of_work(shred_identity)(patient, actor=Actor.system("setup"), reason="by letter", gates=[])
    with pytest.raises(TransitionRefused, match="G-PRV-02"):
        submitted(order, staff)
    with pytest.raises(IdentityErased, match="register the patient anew"):
        make_order(staff, patient=patient)
    assert Order.objects.count() == 1


@pytest.mark.requirement("G-SOD-01")
def test_one_person_with_both_roles_does_not_decide_alone(patient: Patient, request_: ErasureRequest) -> None:
    actor, typed = make_signer(Role.PRV, Role.QAR)
    approve_erasure(request_id=request_.pk, role=Role.PRV, actor=actor, credentials=typed)
    with pytest.raises(NotPermitted, match="two people"):
        approve_erasure(request_id=request_.pk, role=Role.QAR, actor=actor, credentials=typed)
    with pytest.raises(Conflict, match="stands already"):
        approve_erasure(request_id=request_.pk, role=Role.PRV, actor=actor, credentials=typed)
    assert open_identity(patient).family_name == "Doe"


@pytest.mark.requirement("ES-18")
@pytest.mark.requirement("ES-14")
def test_an_approval_that_was_withdrawn_is_none_of_the_two_and_one_that_erased_stays(
    patient: Patient, request_: ErasureRequest
) -> None:
    officer, reviewer = make_signer(Role.PRV), make_signer(Role.QAR)
    decide = partial(approve_erasure, request_id=request_.pk)
    first = decide(role=Role.PRV, actor=officer[0], credentials=officer[1]).officer_approval
    take_back(first, officer)
    waits = decide(role=Role.QAR, actor=reviewer[0], credentials=reviewer[1])
    assert waits.stage == ErasureStage.REQUESTED
    assert open_identity(patient).family_name == "Doe"
    done = decide(role=Role.PRV, actor=officer[0], credentials=officer[1])
    assert done.stage == ErasureStage.ERASED
    with pytest.raises(Conflict, match="nothing brings it back"):
        take_back(done.officer_approval, officer)
    assert done.quality_approval is not None
    assert not can_be_withdrawn(done.quality_approval)


@pytest.mark.parametrize(
    ("held", "claimed"),
    [(Role.QAR, Role.PRV), (Role.PRV, Role.QAR), (Role.PRV, Role.RA), (Role.ORD, Role.PRV)],
)
def test_nobody_decides_in_a_role_that_is_not_theirs(
    request_: ErasureRequest, held: Role, claimed: Role
) -> None:
    actor, typed = make_signer(held)
    with pytest.raises(NotPermitted):
        approve_erasure(request_id=request_.pk, role=claimed, actor=actor, credentials=typed)
    with pytest.raises(NotPermitted):
        refuse_erasure(request_id=request_.pk, role=claimed, reason="no", actor=actor, credentials=typed)


@pytest.mark.requirement("K-15")
@pytest.mark.requirement("G-PRV-01")
def test_a_legal_hold_blocks_it_until_it_is_lifted(
    patient: Patient, request_: ErasureRequest, hold: list[int]
) -> None:
    officer, typed = make_signer(Role.PRV)
    approve_erasure(request_id=request_.pk, role=Role.PRV, actor=officer, credentials=typed)
    hold.append(patient.pk)
    reviewer, reviewer_types = make_signer(Role.QAR)
    decision: dict[str, Any] = {"request_id": request_.pk, "role": Role.QAR, "actor": reviewer}
    with pytest.raises(TransitionRefused, match="A court keeps this"):
        approve_erasure(**decision, credentials=reviewer_types)
    assert open_identity(patient).family_name == "Doe"
    hold.clear()
    assert approve_erasure(**decision, credentials=reviewer_types).stage == ErasureStage.ERASED


@pytest.fixture
def years_later(monkeypatch: pytest.MonkeyPatch) -> None:
    """The calendar alone, after the time of every record: nothing but a hold can stand in the way."""
    day = timezone.localdate() + timedelta(days=30 * 366)
    monkeypatch.setattr("django.utils.timezone.localdate", lambda *_: day)


def rejected_order() -> Order:
    """An order that is over."""
    staff = Staff()
    order = under_review(make_order(staff), staff)
    reviewer = staff[Role.RA]
    return reject_order(
        order_id=order.pk, actor=reviewer.actor, credentials=reviewer.typed(), reason="Not indicated"
    )


def held(subject: Model, manager: Actor) -> LegalHold:
    review_on = timezone.localdate() + timedelta(days=30)
    return place_hold(
        subject=subject,
        reason="A complaint is in court",
        requester="Counsel",
        review_on=review_on,
        actor=manager,
    )


def erased_now(request: ErasureRequest, role: Role) -> ErasureRequest:
    actor, typed = make_signer(role)
    return approve_erasure(request_id=request.pk, role=role, actor=actor, credentials=typed)


@pytest.mark.requirement("K-15")
@pytest.mark.requirement("G-PRV-01")
@pytest.mark.usefixtures("years_later")
@pytest.mark.parametrize("on_the", ["patient", "order"])
def test_a_placed_hold_keeps_the_identity_until_two_people_released_it(on_the: str) -> None:
    order = rejected_order()
    officer = Actor.person(make_person(Role.PRV).pk)
    request = request_erasure(patient=order.patient, reason="The patient asks", actor=officer)
    manager, manager_types = make_signer(Role.REC)
    hold = held({"patient": order.patient, "order": order}[on_the], manager)
    for role in (Role.PRV, Role.QAR):
        with pytest.raises(TransitionRefused, match=hold.code) as refused:
            erased_now(request, role)
        assert [reason.rule for reason in refused.value.reasons] == ["G-PRV-01"]
    propose_release(hold_id=hold.pk, reason="Settled", actor=manager, credentials=manager_types)
    with pytest.raises(TransitionRefused, match=hold.code):
        erased_now(request, Role.PRV)
    assert not Patient.objects.get(pk=order.patient_id).erased
    assert not ErasureRequest.objects.get(pk=request.pk).officer_approval_id
    reviewer, reviewer_types = make_signer(Role.QAR)
    release_hold(hold_id=hold.pk, actor=reviewer, credentials=reviewer_types)
    assert approve_both(request).stage == ErasureStage.ERASED
    assert Patient.objects.get(pk=order.patient_id).erased


@pytest.mark.requirement("K-15")
@pytest.mark.requirement("G-PRV-01")
@pytest.mark.usefixtures("years_later")
def test_a_hold_that_comes_between_the_two_approvals_stops_the_second() -> None:
    order = rejected_order()
    officer = Actor.person(make_person(Role.PRV).pk)
    request = request_erasure(patient=order.patient, reason="The patient asks", actor=officer)
    erased_now(request, Role.PRV)
    manager, _ = make_signer(Role.REC)
    hold = held(order, manager)
    with pytest.raises(TransitionRefused, match=hold.code):
        erased_now(request, Role.QAR)
    assert not Patient.objects.get(pk=order.patient_id).erased


@pytest.mark.requirement("K-15")
@pytest.mark.requirement("G-PRV-01")
@pytest.mark.usefixtures("years_later")
def test_an_erasure_waits_for_a_hold_that_is_being_placed(committed_db: None) -> None:
    order = rejected_order()
    officer = Actor.person(make_person(Role.PRV).pk)
    request = request_erasure(patient=order.patient, reason="The patient asks", actor=officer)
    erased_now(request, Role.PRV)
    (manager, _), (reviewer, typed) = make_signer(Role.REC), make_signer(Role.QAR)
    outcomes: list[Any] = []

    def decide() -> None:
        try:
            outcomes.append(
                approve_erasure(request_id=request.pk, role=Role.QAR, actor=reviewer, credentials=typed)
            )
        except TransitionRefused as refusal:
            outcomes.append(refusal)
        finally:
            connection.close()

    second = threading.Thread(target=decide)
    with transaction.atomic():
        hold = held(order, manager)
        second.start()
        second.join(1.0)
    second.join(PATIENCE_S)
    assert [str(one) for one in outcomes if hold.code in str(one)] != []
    assert not Patient.objects.get(pk=order.patient_id).erased


@pytest.mark.requirement("K-15")
@pytest.mark.requirement("G-PRV-01")
def test_retention_of_any_record_keeps_the_identity_until_its_day_is_over(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    order = rejected_order()
    officer = Actor.person(make_person(Role.PRV).pk)
    request = request_erasure(patient=order.patient, reason="The patient asks", actor=officer)
    until = keeping_of(order).until
    assert until is not None
    for day in (timezone.localdate(), until):
        monkeypatch.setattr("django.utils.timezone.localdate", lambda *_, day=day: day)
        with pytest.raises(TransitionRefused, match=f"{order.code} until {until:%d %b %Y}: R-13485 .* R-RT"):
            erased_now(request, Role.PRV)
    monkeypatch.setattr("django.utils.timezone.localdate", lambda *_: until + timedelta(days=1))
    assert approve_both(request).stage == ErasureStage.ERASED


@pytest.mark.requirement("K-14")
def test_a_duty_that_cannot_be_asked_blocks(patient: Patient, request_: ErasureRequest) -> None:
    def broken(_: Patient) -> Reason | None:
        raise OSError

    KEEPING.add("tests.broken", broken)
    try:
        officer, typed = make_signer(Role.PRV)
        with pytest.raises(TransitionRefused, match="could not be evaluated"):
            approve_erasure(request_id=request_.pk, role=Role.PRV, actor=officer, credentials=typed)
    finally:
        KEEPING._things.pop("tests.broken")


@pytest.mark.requirement("G-PRV-02")
def test_a_patient_with_an_order_under_way_is_not_forgotten() -> None:
    order = make_order(Staff())
    officer, typed = make_signer(Role.PRV)
    request = request_erasure(patient=order.patient, reason="The patient asks", actor=officer)
    with pytest.raises(TransitionRefused, match=order.code):
        approve_erasure(request_id=request.pk, role=Role.PRV, actor=officer, credentials=typed)


def test_a_refusal_has_a_reason_and_ends_the_request(patient: Patient, request_: ErasureRequest) -> None:
    actor, typed = make_signer(Role.QAR)
    refusal: dict[str, Any] = {
        "request_id": request_.pk,
        "role": Role.QAR,
        "actor": actor,
        "credentials": typed,
    }
    with pytest.raises(InvalidInput):
        refuse_erasure(**refusal, reason=" ")
    assert refuse_erasure(**refusal, reason="Retention of implants").stage == ErasureStage.REFUSED
    with pytest.raises(Conflict, match="decided"):
        refuse_erasure(**refusal, reason="Retention of implants")
    assert open_identity(patient).family_name == "Doe"


def test_a_request_says_why_and_there_is_one_at_a_time(patient: Patient, request_: ErasureRequest) -> None:
    officer = Actor.person(make_person(Role.PRV).pk)
    with pytest.raises(Conflict, match="waits already"):
        request_erasure(patient=patient, reason="Again", actor=officer)
    other = make_patient("MRN 1")
    with pytest.raises(InvalidInput):
        request_erasure(patient=other, reason="", actor=officer)
    with pytest.raises(NotPermitted):
        request_erasure(patient=other, reason="x", actor=Actor.person(make_person(Role.OPR).pk))
    approve_both(request_)
    with pytest.raises(Conflict, match="erased already"):
        request_erasure(patient=patient, reason="Again", actor=officer)
