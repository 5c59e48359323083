"""Whose business a patient is: nobody comes to know one by a token, a number or an order of their own (P11-10d)."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest
from django.test import Client
from django.utils import timezone

from devices.choices import OrderStage
from devices.models import Order
from devices.services.assignments import assign_person
from mes.choices import Role
from mes.eventlog.base import Actor
from mes.exceptions import NotPermitted
from mes.models import Account, EventRecord, Patient, Person
from mes.services.emergency import break_glass
from mes.services.erasure import request_erasure
from mes.services.patients import Identity, register_patient
from mes.services.people import grant_role, revoke_role
from mes.services.viewing import look_up_patient, view_identity
from tests.devices.makers import IDENTITY, Staff, Who, make_master, make_order, make_patient, make_person

pytestmark = [pytest.mark.django_db, pytest.mark.requirement("P11-10d")]
HX = {"HX-Request": "true"}
OTHER = replace(IDENTITY, patient_id="MRN-OTHER")


@pytest.fixture
def staff(db: None) -> Staff:
    return Staff()


@pytest.fixture
def order(staff: Staff) -> Order:
    """Written by a coordinator, who names the prescriber."""
    return make_order(staff, actor=staff[Role.ORD].actor)


@pytest.fixture
def stranger(order: Order) -> Who:
    """A prescriber of nothing."""
    return make_person(Role.PRE)


def visit(who: Who) -> Client:
    client = Client()
    client.force_login(Account.objects.get(username=who.username))
    return client


def look(who: Who, patient: Patient, order: Order | None = None) -> str:
    return view_identity(patient=patient, actor=who.actor, reason="needed", about=order).family_name


def refused(who: Who, patient: Patient, order: Order | None = None) -> None:
    with pytest.raises(NotPermitted):
        look(who, patient, order)


def test_people_of_another_company_are_told_roles_and_no_names(staff: Staff) -> None:
    master, outside = make_master(), make_person(Role.PRE)
    names = [str(staff[Role.SEC].person), str(staff[Role.MAT].person)]
    for external in (False, True):
        Person.objects.filter(pk=outside.person.pk).update(external=external)
        client = visit(outside)
        told = client.get(f"/api/masters/{master.pk}/").json()["author"]
        assert (told == str(master.author)) is not external
        answer = client.post("/api/lots/", {}, content_type="application/json").json()
        (reason,) = answer["reasons"]
        assert [name in reason["cure"] for name in names] == [not external] * 2


def test_a_prescriber_of_nothing_opens_no_patient(order: Order, stranger: Who) -> None:
    client, path = visit(stranger), f"/patients/{order.patient.token}/"
    assert client.get(path).status_code == client.get("/patients/PAAAAAAAAA/").status_code == 404
    assert client.get(f"{path}identity/").status_code == 404
    assert client.post(f"{path}identity/", {"reason": "curious"}, headers=HX).status_code == 404
    refused(stranger, order.patient)
    refused(stranger, order.patient, order)


def test_the_prescriber_whom_a_coordinator_named_does(order: Order, staff: Staff) -> None:
    client = visit(staff[Role.PRE])
    assert client.get(f"/patients/{order.patient.token}/").status_code == 200
    assert look(staff[Role.PRE], order.patient, order) == IDENTITY.family_name


def wanted(patient: Patient, prescriber: Who) -> dict[str, Any]:
    return {
        "patient": patient.token,
        "prescriber_id": prescriber.person.pk,
        "master_code": make_master().code,
        "side": "left",
        "need_by": (timezone.localdate() + timedelta(days=20)).isoformat(),
        "characteristics": [{"attribute": "a", "value": "1", "unit": "mm"}],
    }


def test_an_order_on_a_token_of_somebody_elses_patient_is_refused_with_its_cure(
    order: Order, stranger: Who
) -> None:
    answer = visit(stranger).post(
        "/api/orders/", wanted(order.patient, stranger), content_type="application/json"
    )
    assert answer.status_code == 403
    (reason,) = answer.json()["reasons"]
    assert (reason["rule"], "order coordinator" in reason["cure"].lower()) == ("P11-10d", True)
    assert Order.objects.count() == 1


def test_a_draft_of_ones_own_opens_nobody(order: Order, stranger: Who, staff: Staff) -> None:
    """Nor does an assignment of oneself; acceptance by two others does."""
    own = make_order(Staff({Role.PRE: stranger}), patient=order.patient, actor=staff[Role.ORD].actor)
    Order.objects.filter(pk=own.pk).update(created_by=stranger.person)
    refused(stranger, own.patient, own)
    client = visit(stranger)
    assert client.get(f"/patients/{own.patient.token}/").status_code == 404
    assert "Who is it?" not in client.get(f"/orders/{own.code}/").content.decode()
    for stage in (OrderStage.SUBMITTED, OrderStage.UNDER_REVIEW, OrderStage.ACCEPTED):
        refused(stranger, own.patient, own)
        Order.objects.filter(pk=own.pk).update(stage=stage)
    assert look(stranger, own.patient, own) == IDENTITY.family_name


def test_a_prescriber_registers_and_orders_for_a_new_patient(stranger: Who) -> None:
    patient = register_patient(identity=OTHER, actor=stranger.actor)
    made = make_order(Staff({Role.PRE: stranger}), patient=patient, actor=stranger.actor)
    assert made.created_by == stranger.person


def typed(identity: Identity) -> dict[str, str]:
    return {
        name: getattr(identity, name) for name in ("patient_id", "family_name", "given_name", "birth_date")
    }


@pytest.mark.requirement("EV-10")
def test_registering_tells_a_stranger_nothing_of_a_known_patient(
    order: Order, stranger: Who, staff: Staff, settings: Any
) -> None:
    """Right or wrong, the answer is one and the same; it was a search, counted with all others, and the coordinator's too."""

    def answer(who: Who, identity: Identity) -> Any:
        return visit(who).post("/api/patients/", typed(identity), content_type="application/json")

    guess = replace(IDENTITY, birth_date="1971-02-03")
    settings.IDENTITY_SEARCHES_PER_HOUR = 3
    told = [answer(stranger, identity) for identity in (IDENTITY, guess)]
    assert {one.status_code for one in told} == {403}
    assert len({one.content for one in told}) == 1
    assert answer(stranger, OTHER).status_code == 201
    assert answer(stranger, IDENTITY).status_code == 429
    assert answer(staff[Role.ORD], guess).status_code == 409
    assert answer(staff[Role.ORD], IDENTITY).json() == {"token": order.patient.token}
    searches = EventRecord.objects.filter(type="mes.patient_looked_up").order_by("pos")
    found = [(one.actor, json.loads(one.payload)["patient_id"]) for one in searches]
    theirs = [(str(stranger.actor), key) for key in (order.patient.pk, order.patient.pk, None)]
    assert found == [*theirs, *[(str(staff[Role.ORD].actor), order.patient.pk)] * 2]


def test_who_registers_is_of_this_company_and_writes_orders(order: Order, staff: Staff) -> None:
    outside = make_person(Role.PRE)
    Person.objects.filter(pk=outside.person.pk).update(external=True)
    for who in (outside, staff[Role.IMG]):
        for identity in (IDENTITY, OTHER):
            with pytest.raises(NotPermitted, match="register a patient"):
                register_patient(identity=identity, actor=who.actor)
    assert not EventRecord.objects.filter(type="mes.patient_looked_up").exists()


def test_a_patient_without_an_order_is_for_who_registers_and_the_privacy_officer(staff: Staff) -> None:
    patient = make_patient(OTHER)
    for role in (Role.PRE, Role.CLR):
        refused(staff[role], patient)
        assert visit(staff[role]).get(f"/patients/{patient.token}/").status_code == 404
    for role in (Role.ORD, Role.PRV):
        assert look(staff[role], patient) == OTHER.family_name


def test_a_reviewer_knows_the_patient_once_assigned_by_somebody_else(order: Order, staff: Staff) -> None:
    reviewer = staff[Role.CLR]
    refused(reviewer, order.patient)
    assign_person(order_id=order.pk, person_id=reviewer.person.pk, role=Role.CLR, actor=staff[Role.ORD].actor)
    assert look(reviewer, order.patient, order) == IDENTITY.family_name


@pytest.mark.requirement("K-14")
@pytest.mark.parametrize("role", [Role.CLR, Role.PRE])
def test_an_order_is_known_in_the_role_that_somebody_was_brought_to_it_in(
    order: Order, staff: Staff, role: Role
) -> None:
    """Once the role is gone neither an assignment that nobody ended nor the prescriber's name keeps a door open, and no other
    role takes its place."""
    who, setup = staff[role], Actor.system("setup")
    if role == Role.CLR:
        assign_person(order_id=order.pk, person_id=who.person.pk, role=role, actor=staff[Role.ORD].actor)
    client, doors = visit(who), (f"/orders/{order.code}/", f"/api/orders/{order.code}/")
    assert [client.get(door).status_code for door in doors] == [200, 200]
    revoke_role(person=who.person, role=role, actor=setup, reason="left the ward")
    grant_role(person=who.person, role=Role.PRE if role == Role.CLR else Role.CLR, actor=setup)
    assert [client.get(door).status_code for door in doors] == [404, 404]
    assert client.get("/api/orders/").json()["results"] == []
    refused(who, order.patient)
    grant_role(person=who.person, role=role, actor=setup)
    assert look(who, order.patient, order) == IDENTITY.family_name


def test_who_knows_every_order_by_another_role_does_not_know_every_patient(order: Order) -> None:
    """A design engineer who also prescribes prescribes for nobody by that."""
    both = make_person(Role.PRE, Role.DSN)
    refused(both, order.patient, order)
    assert visit(both).get(f"/patients/{order.patient.token}/").status_code == 404


@pytest.mark.requirement("EV-10")
def test_a_known_number_tells_a_stranger_nothing(order: Order, stranger: Who, staff: Staff) -> None:
    answer = visit(stranger).post("/patients/", {"identifier": IDENTITY.patient_id})
    assert (answer.status_code, "No patient has this identifier" in answer.content.decode()) == (200, True)
    assert order.patient.token not in answer.content.decode()
    for role in (Role.ORD, Role.PRE):
        found = look_up_patient(identifier=IDENTITY.patient_id, actor=staff[role].actor)
        assert found == order.patient


def test_emergencies_and_erasures_of_others_are_told_to_whom_they_concern(order: Order, staff: Staff) -> None:
    patient = order.patient
    reason = "The surgeon waits, the label is torn"
    access = break_glass(patient=patient, actor=staff[Role.OPR].actor, reason=reason)
    asked = request_erasure(patient=patient, reason="By letter", actor=staff[Role.PRV].actor)
    shown = {
        role: visit(staff[role]).get(f"/patients/{patient.token}/").content.decode()
        for role in (Role.PRE, Role.ORD, Role.PRV, Role.OPR)
    }
    assert [access.code in shown[role] for role in shown] == [False, False, True, True]
    assert [asked.code in shown[role] for role in shown] == [False, True, True, False]
