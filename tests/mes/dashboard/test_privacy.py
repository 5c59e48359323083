"""The pages of patients and privacy: who opens them, what they never say, and the way through an emergency."""

import json
from datetime import timedelta
from hashlib import sha256
from typing import Any

import pytest
from django.test import Client

from devices.models import Order
from mes.choices import ErasureStage, Role
from mes.models import EmergencyAccess, ErasureRequest, EventRecord, PatientIdentity, Person
from mes.services.emergency import break_glass, end_emergency_access, name_manager
from mes.services.retention import keeping_of
from tests.devices.makers import IDENTITY, PASSWORD, Staff, make_order, make_person
from tests.mes.dashboard.conftest import Visit

HX = {"HX-Request": "true"}
VALUES = (IDENTITY.family_name, IDENTITY.given_name, IDENTITY.patient_id, IDENTITY.birth_date)
OUTSIDE = (Role.OPR, Role.SEC, Role.SYS, Role.AUD, Role.PRV, Role.REC)
REASON = "The surgeon waits, the label is torn"


@pytest.fixture
def order(staff: Staff) -> Order:
    return make_order(staff)


def said(answer: Any) -> str:
    return str(answer.content.decode())


def test_a_patient_is_found_by_the_whole_identifier_in_the_body(order: Order, coordinator: Client) -> None:
    page = f"/patients/{order.patient.token}/"
    answer = coordinator.post("/patients/", {"identifier": IDENTITY.patient_id.lower()})
    assert (answer.status_code, answer["Location"]) == (302, page)
    nobody = coordinator.post("/patients/", {"identifier": IDENTITY.patient_id[:-1]})
    assert "No patient has this identifier" in said(nobody)
    assert IDENTITY.patient_id[:-1] not in said(nobody)
    assert coordinator.get("/patients/", {"identifier": IDENTITY.patient_id}).status_code == 200
    assert not any(value in said(coordinator.get(page)) for value in VALUES)


@pytest.mark.requirement("P11-10e")
def test_the_identity_is_shown_once_with_a_reason_and_never_kept(
    order: Order, coordinator: Client, staff: Staff, as_: Visit
) -> None:
    path = f"/patients/{order.patient.token}/identity/"
    assert not any(value in said(coordinator.get(path)) for value in VALUES)
    shown = coordinator.post(path, {"reason": "The clinic called"}, headers=HX)
    assert all(value in said(shown) for value in VALUES)
    assert "no-store" in shown["Cache-Control"]
    officer = said(as_(staff[Role.PRV]).get(f"/patients/{order.patient.token}/"))
    assert "The clinic called" in officer
    assert str(staff[Role.ORD].person) in officer
    assert "The clinic called" not in said(coordinator.get(f"/patients/{order.patient.token}/"))


@pytest.mark.requirement("P11-10e")
@pytest.mark.requirement("K-13")
def test_no_page_takes_a_reason_that_is_unseen_or_names_the_patient(
    order: Order, coordinator: Client
) -> None:
    views = EventRecord.objects.filter(type="mes.patient_identity_viewed").count()
    for reason, refused in (("\u200b" * 12, "U+200B"), (f"{IDENTITY.family_name} asks", "K-13")):
        for page in (f"/orders/{order.code}/identity/", f"/patients/{order.patient.token}/identity/"):
            answer = coordinator.post(page, {"reason": reason}, headers=HX)
            assert refused in said(answer)
            assert not any(value in said(answer) for value in VALUES)
    assert EventRecord.objects.filter(type="mes.patient_identity_viewed").count() == views


def test_who_looked_is_a_sheet_for_the_privacy_officer(
    order: Order, coordinator: Client, staff: Staff, as_: Visit
) -> None:
    coordinator.post(f"/patients/{order.patient.token}/identity/", {"reason": "=1+1"}, headers=HX)
    path = f"/patients/{order.patient.token}/views.csv"
    assert coordinator.get(path).status_code == 403
    answer = as_(staff[Role.PRV]).get(path)
    text = b"".join(answer).decode()
    assert "'=1+1" in text
    (copy,) = EventRecord.objects.filter(type="mes.copy_taken")
    assert copy.actor == str(staff[Role.PRV].actor)
    assert json.loads(copy.payload)["sha256"] == sha256(text.encode()).hexdigest()
    assert not any(value in text + answer["Content-Disposition"] for value in VALUES)


@pytest.mark.parametrize("path", ["/patients/", "/privacy/"])
def test_an_operator_has_no_part_in_it(staff: Staff, as_: Visit, path: str) -> None:
    assert as_(staff[Role.OPR]).get(path).status_code == 403


def test_a_token_that_nobody_has_says_nothing_to_an_operator(order: Order, staff: Staff, as_: Visit) -> None:
    operator = as_(staff[Role.OPR])
    answers = [
        operator.get(f"/patients/{token}/").status_code for token in (order.patient.token, "PAAAAAAAAA")
    ]
    assert answers == [403, 403]
    assert as_(staff[Role.ORD]).get("/patients/PAAAAAAAAA/").status_code == 404


def test_an_emergency_from_the_order_to_its_signed_review(order: Order, staff: Staff, as_: Visit) -> None:
    operator, officer, manager = as_(staff[Role.OPR]), as_(staff[Role.PRV]), as_(staff[Role.QCM])
    name_manager(person=staff[Role.OPR].person, manager=staff[Role.QCM].person, actor=staff[Role.PRV].actor)
    assert f"/emergency/?about={order.code}" in said(operator.get(f"/orders/{order.code}/"))
    token = order.patient.token
    taken = operator.post("/emergency/", {"about": order.code, "reason": REASON}, headers=HX)
    assert (taken.status_code, taken["HX-Redirect"]) == (204, f"/patients/{token}/")
    access = EmergencyAccess.objects.get()
    page = said(operator.get(f"/patients/{token}/"))
    assert ("Emergency access" in page, access.code in page) == (True, True)
    shown = operator.post(f"/patients/{token}/identity/", {"reason": "read the label"}, headers=HX)
    assert IDENTITY.family_name in said(shown)
    ended = operator.post(f"/act/emergency/{access.code}/end-emergency/", headers=HX)
    assert ended.status_code == 204
    assert operator.get(f"/patients/{token}/").status_code == 403
    for client, who, action in (
        (officer, staff[Role.PRV], "review-emergency"),
        (manager, staff[Role.QCM], "review-emergency-manager"),
    ):
        assert access.code in said(client.get("/my-work/"))
        assert action in said(client.get(f"/emergencies/{access.code}/"))
        assert_signed(
            client, f"/act/emergency/{access.code}/{action}/", who, justified="yes", finding="Checked"
        )
    access.refresh_from_db()
    assert (access.stage, access.justified) == ("reviewed", True)
    assert "Reviewed" in said(officer.get("/privacy/"))
    assert access.code not in said(officer.get("/my-work/"))


@pytest.mark.requirement("P11-10e")
def test_what_a_manager_who_left_did_not_review_is_overdue_and_a_second_officer_s(
    order: Order, staff: Staff, as_: Visit
) -> None:
    officer, second, taker = staff[Role.PRV], make_person(Role.PRV), staff[Role.OPR]
    name_manager(person=taker.person, manager=staff[Role.QCM].person, actor=officer.actor)
    access = break_glass(patient=order.patient, actor=taker.actor, reason=REASON)
    end_emergency_access(access_id=access.pk, actor=taker.actor)
    path = f"/act/emergency/{access.code}/review-emergency/"
    assert_signed(as_(officer), path, officer, justified="yes", finding="Checked")
    assert "Overdue" not in said(as_(second).get("/privacy/"))
    Person.objects.filter(pk=staff[Role.QCM].person.pk).update(active=False)
    client, page = as_(second), f"/emergencies/{access.code}/"
    assert "Overdue: the manager has left before reviewing" in said(client.get("/privacy/"))
    assert "a second privacy officer" in said(client.get(page))
    assert ["review-emergency" in said(as_(who).get(page)) for who in (officer, second)] == [False, True]
    assert_signed(client, path, second, justified="yes", finding="Checked too")
    access.refresh_from_db()
    assert access.stage == "reviewed"
    assert "Overdue" not in said(client.get("/privacy/"))


@pytest.mark.requirement("P11-10d")
def test_an_emergency_is_for_who_makes_and_treats_in_this_company(
    order: Order, staff: Staff, as_: Visit
) -> None:
    """A code counts up: it opens nothing for whom the order is not. Whoever has an access ends it, from wherever they are."""
    asked = {"about": order.code, "reason": REASON}
    access = break_glass(patient=order.patient, actor=staff[Role.OPR].actor, reason=REASON)
    Person.objects.filter(pk=staff[Role.OPR].person.pk).update(external=True)
    refused = [as_(staff[role]).post("/emergency/", asked, headers=HX) for role in OUTSIDE]
    assert [one.status_code for one in refused] == [403] * len(OUTSIDE)
    assert "for people of this company" in said(as_(staff[Role.OPR]).get("/emergency/"))
    strange = as_(staff[Role.CLR]).post("/emergency/", asked, headers=HX)
    assert (strange.status_code, "no such order or token" in said(strange)) == (422, True)
    assert EmergencyAccess.objects.count() == 1
    path = f"/act/emergency/{access.code}/end-emergency/"
    assert path in said(as_(staff[Role.OPR]).get(f"/emergencies/{access.code}/"))
    assert as_(staff[Role.OPR]).post(path, headers=HX).status_code == 204
    access.refresh_from_db()
    assert access.stage == "ended"


def assert_signed(client: Client, path: str, who: Any, **typed: str) -> None:
    """What a browser does: the preview of what is typed, then the signature over its digest."""
    seen = client.post(f"{path}preview/", typed, headers=HX).context["digest"]
    body = typed | {"username": who.username, "password": PASSWORD, "digest": seen}
    answer = client.post(path, body, headers=HX)
    assert answer.status_code == 204, said(answer)


def test_an_emergency_names_an_order_or_a_token_and_never_a_name(
    order: Order, staff: Staff, as_: Visit
) -> None:
    operator = as_(staff[Role.OPR])
    for about in (IDENTITY.family_name, "O9999999", ""):
        answer = operator.post("/emergency/", {"about": about, "reason": REASON}, headers=HX)
        assert answer.status_code == 422
        assert IDENTITY.family_name not in said(answer)
    assert not EmergencyAccess.objects.exists()


def test_others_do_not_open_an_emergency_of_somebody(order: Order, staff: Staff, as_: Visit) -> None:
    as_(staff[Role.OPR]).post("/emergency/", {"about": order.code, "reason": REASON}, headers=HX)
    code = EmergencyAccess.objects.get().code
    assert as_(staff[Role.OPR]).get(f"/emergencies/{code}/").status_code == 200
    assert as_(staff[Role.INS]).get(f"/emergencies/{code}/").status_code == 403
    assert as_(staff[Role.PRV]).get(f"/emergencies/{code}/").status_code == 200


def test_an_erasure_from_the_request_to_the_token(
    staff: Staff, as_: Visit, order: Order, monkeypatch: pytest.MonkeyPatch
) -> None:
    officer, quality = as_(staff[Role.PRV]), as_(staff[Role.QAR])
    token = order.patient.token
    for path in (f"/patients/{token}/", f"/patients/{token}/erasure/"):
        page = said(officer.get(path))
        assert f"Retention keeps {order.code} without an end yet, as {order.code} is not closed" in page
        assert f"Orders of this patient are under way: {order.code}" in page
    asked = officer.post(f"/patients/{token}/erasure/", {"reason": "The patient asks by letter"}, headers=HX)
    code = ErasureRequest.objects.get().code
    assert asked["HX-Redirect"] == f"/erasures/{code}/"
    page = said(officer.get(f"/erasures/{code}/"))
    assert f"Orders of this patient are under way: {order.code}" in page
    path = f"/act/erasure/{code}/approve-erasure-prv/"
    body = {"username": staff[Role.PRV].username, "password": PASSWORD}
    refused = officer.post(path, body | {"digest": officer.get(path).context["digest"]}, headers=HX)
    assert (refused.status_code, "G-PRV-02" in said(refused)) == (409, True)
    Order.objects.filter(pk=order.pk).update(stage="cancelled")
    until = keeping_of(Order.objects.get(pk=order.pk)).until
    assert until is not None
    assert f"Retention keeps {order.code} until {until:%d %b %Y}" in said(officer.get(f"/patients/{token}/"))
    monkeypatch.setattr("django.utils.timezone.localdate", lambda *_: until + timedelta(days=1))
    assert_signed(officer, path, staff[Role.PRV])
    assert code in said(quality.get("/my-work/"))
    assert_signed(quality, f"/act/erasure/{code}/approve-erasure-qar/", staff[Role.QAR])
    assert ErasureRequest.objects.get().stage == ErasureStage.ERASED
    assert PatientIdentity.objects.get(patient=order.patient).data_key_id == ""
    assert "Nobody can read it again" in said(officer.get(f"/patients/{token}/"))
    assert officer.post(f"/patients/{token}/identity/", {"reason": "x"}, headers=HX).status_code == 410
    assert "erased" in said(officer.get(f"/orders/{order.code}/"))
    assert EventRecord.objects.filter(type="mes.patient_identity_erased").count() == 1


def test_an_erasure_is_refused_with_its_reason(staff: Staff, as_: Visit, order: Order) -> None:
    officer = as_(staff[Role.PRV])
    officer.post(f"/patients/{order.patient.token}/erasure/", {"reason": "The patient asks"}, headers=HX)
    code = ErasureRequest.objects.get().code
    assert_signed(
        officer, f"/act/erasure/{code}/refuse-erasure-prv/", staff[Role.PRV], reason="Implant retention"
    )
    assert ErasureRequest.objects.get().stage == ErasureStage.REFUSED
    assert "Implant retention" in said(officer.get(f"/erasures/{code}/"))
