"""Who looks at a patient's identity: with a reason, a right or an emergency, not too often, always written down."""

import json
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from django.utils import timezone

from mes.choices import EmergencyStage, Role
from mes.eventlog.base import Actor
from mes.exceptions import Conflict, InvalidInput, NotPermitted, SignatureRefused, TooOften
from mes.models import Contact, EmergencyAccess, EventRecord, IdentityView, Patient, RoleGrant, Signature
from mes.panels import WORKLISTS, open_tasks, personal_tasks
from mes.services.emergency import (
    break_glass,
    emergencies_to_review,
    emergencies_without_manager,
    end_emergency_access,
    end_expired_accesses,
    name_manager,
    people_involved,
    review_emergency_access,
    reviewer_of,
    still_needed,
)
from mes.services.people import deactivate_person, revoke_role
from mes.services.signatures import Credentials
from mes.services.viewing import emergency_of, look_up_patient, view_identity
from tests.mes.makers import SYSTEM, make_patient, make_person, make_signer, person_of

pytestmark = pytest.mark.django_db
REASON = "The surgeon waits, the ward's label is torn"


@pytest.fixture
def patient() -> Patient:
    return make_patient("MRN 4711", "Doe")


@pytest.fixture
def operator() -> Actor:
    return Actor.person(make_person(Role.OPR).pk)


def told(kind: str) -> list[EventRecord]:
    return list(EventRecord.objects.filter(type=kind).order_by("pos"))


def later(monkeypatch: pytest.MonkeyPatch, passed: timedelta) -> None:
    now = timezone.now
    monkeypatch.setattr(timezone, "now", lambda: now() + passed)


@pytest.mark.requirement("EV-10")
@pytest.mark.requirement("P11-10e")
def test_every_look_is_an_event_with_its_reason(patient: Patient) -> None:
    coordinator = Actor.person(make_person(Role.ORD).pk)
    for reason in ("The clinic called", "The clinic called again"):
        assert view_identity(patient=patient, actor=coordinator, reason=reason).family_name == "Doe"
    seen = told("mes.patient_identity_viewed")
    assert [(one.actor, one.reason) for one in seen] == [
        (str(coordinator), "The clinic called"),
        (str(coordinator), "The clinic called again"),
    ]
    assert [view.reason for view in IdentityView.objects.order_by("pk")] == [one.reason for one in seen]
    with pytest.raises(InvalidInput, match="Say why"):
        view_identity(patient=patient, actor=coordinator, reason=" ")
    assert IdentityView.objects.count() == 2


@pytest.mark.requirement("EV-10")
def test_a_refused_look_is_an_event_too(patient: Patient, operator: Actor) -> None:
    with pytest.raises(NotPermitted):
        view_identity(patient=patient, actor=operator, reason="curious")
    assert [one.actor for one in told("mes.patient_identity_refused")] == [str(operator)]
    assert not IdentityView.objects.exists()


@pytest.mark.requirement("P11-10d")
def test_nobody_looks_through_the_whole_vault(
    patient: Patient, settings: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings.IDENTITY_VIEWS_PER_HOUR = 3
    coordinator, other = (Actor.person(make_person(Role.ORD).pk) for _ in range(2))
    for _ in range(3):
        view_identity(patient=patient, actor=coordinator, reason="needed")
    with pytest.raises(TooOften, match="3 times within an hour"):
        view_identity(patient=patient, actor=coordinator, reason="needed")
    assert len(told("mes.patient_identity_refused")) == 1
    view_identity(patient=patient, actor=other, reason="needed")
    later(monkeypatch, timedelta(minutes=61))
    view_identity(patient=patient, actor=coordinator, reason="needed")


@pytest.mark.requirement("EV-10")
def test_a_search_needs_the_whole_identifier_and_is_written_down_without_it(
    patient: Patient, settings: Any
) -> None:
    settings.IDENTITY_SEARCHES_PER_HOUR = 3
    coordinator = Actor.person(make_person(Role.ORD).pk)
    assert look_up_patient(identifier=" mrn4711", actor=coordinator) == patient
    assert look_up_patient(identifier="MRN 471", actor=coordinator) is None
    assert look_up_patient(identifier="%", actor=coordinator) is None
    with pytest.raises(TooOften):
        look_up_patient(identifier="MRN 4711", actor=coordinator)
    payloads = [one.payload for one in told("mes.patient_looked_up")]
    assert len(payloads) == 3
    assert "4711" not in " ".join(payloads).replace(f'"patient_id":{patient.pk}', "")


@pytest.mark.requirement("P11-10d")
def test_who_does_not_register_or_treat_patients_does_not_search_them(operator: Actor) -> None:
    with pytest.raises(NotPermitted):
        look_up_patient(identifier="MRN 4711", actor=operator)


# --- in an emergency


def test_an_emergency_opens_one_patient_for_a_limited_time(
    patient: Patient, operator: Actor, settings: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    other = make_patient("MRN 4712")
    access = break_glass(patient=patient, actor=operator, reason=REASON)
    assert access.expires_at - access.opened_at == timedelta(minutes=30) == settings.EMERGENCY_ACCESS
    assert view_identity(patient=patient, actor=operator, reason="read the label").family_name == "Doe"
    assert IdentityView.objects.get().emergency == access
    with pytest.raises(NotPermitted):
        view_identity(patient=other, actor=operator, reason="while I am here")
    with pytest.raises(NotPermitted):
        view_identity(patient=patient, actor=Actor.person(make_person(Role.OPR).pk), reason="me too")
    later(monkeypatch, timedelta(minutes=30, seconds=1))
    assert emergency_of(patient, operator) is None
    with pytest.raises(NotPermitted):
        view_identity(patient=patient, actor=operator, reason="once more")


@pytest.mark.requirement("EV-10")
def test_it_ends_by_itself_and_everything_is_an_event(
    patient: Patient, operator: Actor, monkeypatch: pytest.MonkeyPatch
) -> None:
    access = break_glass(patient=patient, actor=operator, reason=REASON)
    assert end_expired_accesses() == 0
    later(monkeypatch, timedelta(minutes=31))
    assert end_expired_accesses() == 1
    access.refresh_from_db()
    assert (access.stage, access.ended_at) == (EmergencyStage.ENDED, access.expires_at)
    assert end_expired_accesses() == 0
    opened, ended = told("mes.emergency_access_opened")[0], told("mes.emergency_access_ended")[0]
    assert (opened.reason, ended.actor) == (REASON, "system:tick")


@pytest.mark.requirement("P11-10d")
def test_it_ends_with_the_right_to_take_it(patient: Patient, operator: Actor) -> None:
    break_glass(patient=patient, actor=operator, reason=REASON)
    assert emergency_of(patient, operator) is not None
    revoke_role(
        person=person_of(operator), role=Role.OPR, actor=Actor.system("setup"), reason="misused an access"
    )
    assert emergency_of(patient, operator) is None
    with pytest.raises(NotPermitted):
        view_identity(patient=patient, actor=operator, reason="read the label")
    assert not IdentityView.objects.exists()


@pytest.mark.parametrize("reason", ["", "   ", "urgent", "x" * 9])
def test_an_emergency_has_a_reason_that_can_be_checked(
    patient: Patient, operator: Actor, reason: str
) -> None:
    with pytest.raises(InvalidInput, match="what the emergency is"):
        break_glass(patient=patient, actor=operator, reason=reason)
    assert not EmergencyAccess.objects.exists()


def test_one_at_a_time_and_few_in_a_day(
    patient: Patient, operator: Actor, settings: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings.EMERGENCIES_PER_DAY = 2
    break_glass(patient=patient, actor=operator, reason=REASON)
    with pytest.raises(Conflict, match="still open"):
        break_glass(patient=patient, actor=operator, reason=REASON)
    later(monkeypatch, timedelta(minutes=31))
    break_glass(patient=patient, actor=operator, reason=REASON)
    later(monkeypatch, timedelta(minutes=31))
    with pytest.raises(TooOften, match="2 times within a day"):
        break_glass(patient=patient, actor=operator, reason=REASON)


def test_a_program_has_no_emergency(patient: Patient) -> None:
    with pytest.raises(NotPermitted):
        break_glass(patient=patient, actor=Actor.system("robot"), reason=REASON)


def test_the_privacy_officer_and_the_manager_get_a_task_and_sign_their_review(
    patient: Patient, operator: Actor
) -> None:
    officer, officer_types = make_signer(Role.PRV)
    manager, manager_types = make_signer(Role.QCM)
    name_manager(person=person_of(operator), manager=person_of(manager), actor=officer)
    access = break_glass(patient=patient, actor=operator, reason=REASON)
    view_identity(patient=patient, actor=operator, reason="read the label")
    end_emergency_access(access_id=access.pk, actor=operator)
    assert [task.code for task in open_tasks(frozenset({Role.PRV}))] == [access.code]
    assert [task.code for task in personal_tasks(person_of(manager).pk)] == [access.code]
    for actor, typed in ((officer, officer_types), (manager, manager_types)):
        review_emergency_access(
            access_id=access.pk,
            justified=True,
            finding="Checked with the ward",
            actor=actor,
            credentials=typed,
        )
    access.refresh_from_db()
    assert (access.stage, access.justified) == (EmergencyStage.REVIEWED, True)
    assert access.officer_review is not None
    assert "read the label" in access.officer_review.content
    assert Signature.objects.filter(meaning="reviewed").count() == 2
    assert open_tasks(frozenset({Role.PRV})) == personal_tasks(person_of(manager).pk) == []
    with pytest.raises(Conflict):
        review_emergency_access(
            access_id=access.pk, justified=False, finding="again", actor=officer, credentials=officer_types
        )


def test_the_privacy_officer_and_the_manager_are_told_at_once(
    drain: Callable[[], int], mailoutbox: list[Any]
) -> None:
    officer, manager, operator = (make_person(role) for role in (Role.PRV, Role.QCM, Role.OPR))
    for person, address in ((officer, "officer@example.org"), (manager, "manager@example.org")):
        Contact.objects.create(person=person, address=address, verified_at=timezone.now())
    name_manager(person=operator, manager=manager, actor=Actor.person(officer.pk))
    patient = make_patient("MRN 4711", "Doe")
    access = break_glass(patient=patient, actor=Actor.person(operator.pk), reason=REASON)
    drain()
    assert {to for mail in mailoutbox for to in mail.to} == {"officer@example.org", "manager@example.org"}
    for mail in mailoutbox:
        assert access.code in mail.subject
        assert str(operator) in mail.body
        assert not any(
            secret in mail.subject + mail.body for secret in (REASON, patient.token, "Doe", "4711")
        )
    (noted,) = told("mes.emergency_told")
    assert '"recipients":2' in noted.payload


@pytest.mark.requirement("G-OPR-02")
def test_a_review_takes_a_role_that_was_confirmed_in_time(patient: Patient, operator: Actor) -> None:
    """An overdue role signs nothing here either, whether as the privacy officer or as the manager."""
    officer, officer_types = make_signer(Role.PRV)
    manager, manager_types = make_signer(Role.QCM)
    name_manager(person=person_of(operator), manager=person_of(manager), actor=officer)
    access = break_glass(patient=patient, actor=operator, reason=REASON)
    end_emergency_access(access_id=access.pk, actor=operator)
    review: dict[str, Any] = {"access_id": access.pk, "justified": True, "finding": "Fine"}
    RoleGrant.objects.update(reviewed_at=timezone.now() - timedelta(days=365))
    for actor, typed in ((officer, officer_types), (manager, manager_types)):
        with pytest.raises(NotPermitted, match="G-OPR-02"):
            review_emergency_access(**review, actor=actor, credentials=typed)
    RoleGrant.objects.update(reviewed_at=timezone.now())
    for actor, typed in ((officer, officer_types), (manager, manager_types)):
        review_emergency_access(**review, actor=actor, credentials=typed)


def test_a_review_is_signed_by_somebody_else_after_the_end(patient: Patient) -> None:
    officer, typed = make_signer(Role.PRV, Role.OPR)
    colleague, colleague_types = make_signer(Role.PRV)
    access = break_glass(patient=patient, actor=officer, reason=REASON)
    review: dict[str, Any] = {"access_id": access.pk, "justified": True, "finding": "Fine"}
    with pytest.raises(Conflict, match="has ended"):
        review_emergency_access(**review, actor=colleague, credentials=colleague_types)
    end_emergency_access(access_id=access.pk, actor=officer)
    with pytest.raises(NotPermitted, match="not yours to review"):
        review_emergency_access(**review, actor=officer, credentials=typed)
    operator, operator_types = make_signer(Role.OPR)
    with pytest.raises(NotPermitted, match="not yours to review"):
        review_emergency_access(**review, actor=operator, credentials=operator_types)
    with pytest.raises(SignatureRefused):
        review_emergency_access(**review, actor=colleague, credentials=typed)
    access.refresh_from_db()
    assert (access.stage, access.officer_review) == (EmergencyStage.ENDED, None)
    review_emergency_access(**review, actor=colleague, credentials=colleague_types)


Signer = tuple[Actor, Credentials]


def left_by_its_manager(patient: Patient, operator: Actor, officer: Signer) -> EmergencyAccess:
    """Taken, ended and reviewed by the officer; its manager has left before reviewing it."""
    manager = make_person(Role.QCM)
    name_manager(person=person_of(operator), manager=manager, actor=officer[0])
    access = break_glass(patient=patient, actor=operator, reason=REASON)
    end_emergency_access(access_id=access.pk, actor=operator)
    reviewed(access, officer)
    assert list(emergencies_without_manager()) == []
    deactivate_person(person_id=manager.pk, actor=SYSTEM, reason="left the company")
    return EmergencyAccess.objects.get(pk=access.pk)


def reviewed(access: EmergencyAccess, by: Signer) -> EmergencyAccess:
    return review_emergency_access(
        access_id=access.pk, justified=True, finding="Checked", actor=by[0], credentials=by[1]
    )


@pytest.mark.requirement("P11-10e")
def test_a_second_officer_reviews_what_a_manager_who_left_did_not(patient: Patient, operator: Actor) -> None:
    officer, second = make_signer(Role.PRV), make_signer(Role.PRV)
    access = left_by_its_manager(patient, operator, officer)
    assert list(emergencies_without_manager()) == list(emergencies_to_review()) == [access]
    assert "a second privacy officer" in still_needed(access)
    with pytest.raises(NotPermitted, match="a second privacy officer reviews it"):
        reviewed(access, officer)
    assert reviewed(access, second).stage == EmergencyStage.REVIEWED
    assert list(emergencies_to_review()) == []
    assert json.loads(told("mes.emergency_access_reviewed")[-1].payload)["reviewer"] == "second officer"


@pytest.mark.requirement("P11-10e")
def test_whoever_answers_for_the_person_now_reviews_it_instead(patient: Patient, operator: Actor) -> None:
    officer, follower = make_signer(Role.PRV), make_signer(Role.QCM)
    access = left_by_its_manager(patient, operator, officer)
    assert reviewer_of(access, follower[0].person_id) is None
    name_manager(person=person_of(operator), manager=person_of(officer[0]), actor=officer[0])
    assert list(emergencies_without_manager()) == [access], "nobody reviews it twice"
    assert personal_tasks(person_of(officer[0]).pk) == []
    name_manager(person=person_of(operator), manager=person_of(follower[0]), actor=officer[0])
    assert list(emergencies_without_manager()) == []
    assert [task.code for task in personal_tasks(person_of(follower[0]).pk)] == [access.code]
    assert people_involved(access) >= {person_of(follower[0]).pk}
    assert reviewer_of(access, make_person(Role.PRV).pk) is None
    assert reviewed(access, follower).stage == EmergencyStage.REVIEWED
    assert personal_tasks(person_of(follower[0]).pk) == []


def test_only_the_person_or_the_privacy_officer_ends_it_early(patient: Patient, operator: Actor) -> None:
    access = break_glass(patient=patient, actor=operator, reason=REASON)
    with pytest.raises(NotPermitted):
        end_emergency_access(access_id=access.pk, actor=Actor.person(make_person(Role.QAR).pk))
    end_emergency_access(access_id=access.pk, actor=Actor.person(make_person(Role.PRV).pk))
    with pytest.raises(NotPermitted):
        view_identity(patient=patient, actor=operator, reason="once more")


def test_a_manager_is_somebody_else_and_there_is_one(operator: Actor) -> None:
    officer = Actor.person(make_person(Role.PRV).pk)
    person = person_of(operator)
    with pytest.raises(InvalidInput, match="another person"):
        name_manager(person=person, manager=person, actor=officer)
    for _ in range(2):
        manager = make_person()
        name_manager(person=person, manager=manager, actor=officer)
    assert person.reporting_lines.get(ended=False).manager == manager
    with pytest.raises(NotPermitted):
        name_manager(person=person, manager=make_person(), actor=operator)
    assert "mes.review_emergency" in WORKLISTS


def test_who_has_no_part_in_it_reviews_nothing(patient: Patient, operator: Actor) -> None:
    access = break_glass(patient=patient, actor=operator, reason=REASON)
    for person in (person_of(operator), make_person(Role.QAR)):
        assert reviewer_of(access, person.pk) is None
