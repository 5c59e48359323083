"""Roles as data: two approvals, dates, quarterly reviews, and what never comes together."""

from __future__ import annotations

from datetime import timedelta
from functools import partial
from typing import Any

import pytest
from django.db import IntegrityError, connection, transaction
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from mes.choices import Meaning, Role
from mes.dashboard.actions import ACTIONS, decision_on
from mes.eventlog.base import Actor
from mes.eventlog.unit import unit_of_work
from mes.exceptions import Conflict, InvalidInput, NotPermitted, Refused, TransitionRefused
from mes.models import Account, EventRecord, Person, RoleGrant, Signature
from mes.permissions import ADMINISTRATION, PERMISSIONS, PRODUCTION, can, require
from mes.selectors import people_with, roles_of
from mes.services.accounts import close_account
from mes.services.people import deactivate_person
from mes.services.roles import approve_role, grant_role, propose_role, review_role, revoke_role
from mes.services.signatures import Credentials, sign
from tests.mes.makers import SYSTEM, make_account, make_person, make_signer, person_of, take_back

pytestmark = pytest.mark.django_db
Signer = tuple[Actor, Credentials]


def proposed(by: Signer, role: Role = Role.INS, **fields: object) -> RoleGrant:
    actor, typed = by
    values = {"reason": "joins the inspection", "person_id": make_person().pk} | fields
    return propose_role(role=role, actor=actor, credentials=typed, **values)  # type: ignore[arg-type]  # by name


@pytest.mark.requirement("P11-10d")
def test_a_role_counts_after_two_signatures_of_two_people() -> None:
    security, quality = make_signer(Role.SEC), make_signer(Role.QAR)
    grant = proposed(security)
    assert roles_of(grant.person) == frozenset()
    with pytest.raises(NotPermitted, match="G-SOD-01: You proposed this role"):
        approve_role(grant_id=grant.pk, actor=security[0], credentials=security[1])
    approve_role(grant_id=grant.pk, actor=quality[0], credentials=quality[1])
    grant.refresh_from_db()
    assert roles_of(grant.person) == {Role.INS}
    assert grant.first_approval_id != grant.second_approval_id
    assert EventRecord.objects.filter(type="mes.role_granted", actor=str(quality[0])).count() == 1


@pytest.mark.requirement("ES-18")
@pytest.mark.requirement("P11-10d")
def test_a_role_holds_no_longer_than_both_its_approvals_stand() -> None:
    security, quality = make_signer(Role.SEC), make_signer(Role.QAR)
    grant = proposed(security)
    take_back(grant.first_approval, security)
    with pytest.raises(Refused, match="two people give one"):
        approve_role(grant_id=grant.pk, actor=quality[0], credentials=quality[1])
    grant = approve_role(grant_id=proposed(security).pk, actor=quality[0], credentials=quality[1])
    assert roles_of(grant.person) == {Role.INS}
    take_back(grant.second_approval, quality)
    assert roles_of(grant.person) == frozenset()


@pytest.mark.requirement("P11-200a3")
def test_nobody_proposes_or_approves_a_role_of_their_own() -> None:
    security, other = make_signer(Role.SEC), make_signer(Role.SEC)
    with pytest.raises(NotPermitted, match="themselves"):
        proposed(security, Role.PRV, person_id=person_of(security[0]).pk)
    grant = proposed(security, Role.PRV, person_id=person_of(other[0]).pk)
    with pytest.raises(NotPermitted, match="hold this role yourself"):
        approve_role(grant_id=grant.pk, actor=other[0], credentials=other[1])


def test_one_person_alone_gives_no_role() -> None:
    security, _ = make_signer(Role.SEC)
    with pytest.raises(NotPermitted, match="One person alone"):
        grant_role(person=make_person(), role=Role.INS, actor=security)
    assert not RoleGrant.objects.filter(role=Role.INS).exists()


@pytest.mark.requirement("P11-10d")
def test_a_role_has_a_beginning_and_an_end() -> None:
    security, quality, now = make_signer(Role.SEC), make_signer(Role.QAR), timezone.now()
    start, end = now + timedelta(days=1), now + timedelta(days=3)
    grant = proposed(security, valid_from=start, valid_until=end)
    approve_role(grant_id=grant.pk, actor=quality[0], credentials=quality[1])
    actor, action = Actor.person(grant.person_id), "quality.sign_inspection"
    held = [can(actor, action, now=now + timedelta(days=days)).allowed for days in (0, 1.5, 2.9, 3.1)]
    assert held == [False, True, True, False]
    assert "begins on" in can(actor, action).reasons[0].text
    assert "ended on" in can(actor, action, now=end + timedelta(days=1)).reasons[0].text
    assert not people_with(Role.INS).exists()
    assert people_with(Role.INS, now=start + timedelta(hours=1)).count() == 1


def test_bad_proposals_name_every_fault_and_write_nothing() -> None:
    security, now = make_signer(Role.SEC), timezone.now()
    with pytest.raises(InvalidInput) as refused:
        proposed(security, reason=" ", valid_from=now, valid_until=now - timedelta(days=1))
    assert len(refused.value.reasons) == 2
    with pytest.raises(IntegrityError), transaction.atomic():
        RoleGrant.objects.create(
            person=make_person(), role=Role.INS, valid_from=now, valid_until=now - timedelta(days=1)
        )
    assert not RoleGrant.objects.filter(role=Role.INS).exists()


def test_a_role_that_is_over_can_be_proposed_again() -> None:
    security = make_signer(Role.SEC)
    grant = proposed(security)
    with pytest.raises(Conflict, match="waits for its approval"):
        proposed(security, person_id=grant.person_id)
    RoleGrant.objects.filter(pk=grant.pk).update(
        valid_from=timezone.now() - timedelta(days=2), valid_until=timezone.now() - timedelta(days=1)
    )
    assert proposed(security, person_id=grant.person_id).pk != grant.pk


@pytest.mark.requirement("G-SOD-01")
@pytest.mark.parametrize("admin", sorted(ADMINISTRATION))
@pytest.mark.parametrize("role", sorted(PRODUCTION))
def test_administration_holds_no_production_role(admin: Role, role: Role) -> None:
    for first, second in ((admin, role), (role, admin)):
        person = make_person(first)
        with pytest.raises(NotPermitted, match="G-SOD-01"):
            grant_role(person=person, role=second, actor=SYSTEM)
        assert roles_of(person) == {first}


@pytest.mark.requirement("G-SOD-01")
def test_a_proposal_does_not_mix_what_may_not_be_mixed() -> None:
    security, quality = make_signer(Role.SEC), make_signer(Role.QAR)
    grant = proposed(security)
    with pytest.raises(NotPermitted, match="never one person"):
        proposed(security, Role.SYS, person_id=grant.person_id)
    for unsaid in ("", " \u00a0", "...", "\u200b"):
        with pytest.raises(InvalidInput, match="P11-10e"):
            revoke_role(person=grant.person, role=Role.INS, actor=security[0], reason=unsaid)
    grant.refresh_from_db()
    assert not grant.revoked
    revoke_role(person=grant.person, role=Role.INS, actor=security[0], reason="a mistake")
    grant_role(person=grant.person, role=Role.SYS, actor=SYSTEM)
    with pytest.raises(Conflict):
        approve_role(grant_id=grant.pk, actor=quality[0], credentials=quality[1])


@pytest.mark.requirement("G-OPR-02")
def test_nothing_is_signed_with_a_role_that_nobody_confirmed() -> None:
    (inspector, _), quality = make_signer(Role.INS), make_signer(Role.QAR)
    late = timezone.now() + timedelta(days=107)
    assert can(inspector, "quality.sign_inspection", now=late - timedelta(days=2)).allowed
    refused = can(inspector, "quality.sign_inspection", now=late)
    assert [reason.rule for reason in refused.reasons] == ["G-OPR-02"]
    assert "not confirmed in time" in refused.reasons[0].text
    assert can(inspector, "quality.receive_scan", now=late).allowed
    grant = RoleGrant.objects.get(role=Role.INS)
    RoleGrant.objects.filter(pk=grant.pk).update(reviewed_at=timezone.now() - timedelta(days=107))
    assert not can(inspector, "quality.sign_inspection").allowed
    review_role(grant_id=grant.pk, actor=quality[0], credentials=quality[1])
    assert can(inspector, "quality.sign_inspection").allowed
    take_back(Signature.objects.filter(meaning=Meaning.REVIEWED).latest("pk"), quality)
    RoleGrant.objects.filter(pk=grant.pk).update(granted_at=timezone.now() - timedelta(days=107))
    assert not can(inspector, "quality.sign_inspection").allowed
    review_role(grant_id=grant.pk, actor=quality[0], credentials=quality[1])
    assert can(inspector, "quality.sign_inspection").allowed
    own = RoleGrant.objects.get(person=person_of(quality[0]))
    with pytest.raises(NotPermitted, match="hold this role yourself"):
        review_role(grant_id=own.pk, actor=quality[0], credentials=quality[1])


@pytest.mark.requirement("G-OPR-02")
def test_nothing_that_has_a_meaning_is_signed_with_a_role_that_nobody_confirmed(settings: Any) -> None:
    """Whatever the permission is declared as: the dialog says it, and the signature itself refuses."""
    actor, typed = make_signer()
    person = person_of(actor)
    RoleGrant.objects.bulk_create(RoleGrant(person=person, role=role, approved=True) for role in PRODUCTION)
    signed = [action for action in ACTIONS.values() if action.meaning]
    asked = {action.permission.partition(":")[0] for action in signed}
    by_sign = {
        name for name in asked if PERMISSIONS[name].roles & PRODUCTION and not PERMISSIONS[name].signed
    }
    settings.ROLE_REVIEW_DAYS = settings.ROLE_REVIEW_GRACE = 0
    assert [a.id for a in signed if decision_on(a, actor, None).allowed] == []
    assert {"mes.release_hold", "mes.approve_disposal", "devices.ship"} <= by_sign
    for name in ("mes.release_hold", "mes.withdraw_signature", ""):
        with pytest.raises(NotPermitted, match="was not confirmed in time"):
            ask_and_sign(name, actor, typed)
    settings.ROLE_REVIEW_GRACE = 1
    assert ask_and_sign("mes.release_hold", actor, typed).person == person


@unit_of_work
def ask_and_sign(name: str, actor: Actor, typed: Credentials) -> Signature:
    """As every service does; one that asks for no permission takes back the person's own."""
    if name:
        require(actor, name)
    content = {"record": "something"}
    return sign(
        subject=person_of(actor), content=content, meaning=Meaning.APPROVED, actor=actor, credentials=typed
    )


@pytest.mark.requirement("P11-10d")
def test_the_state_of_person_and_accounts_comes_first() -> None:
    (inspector, _), (security, _) = make_signer(Role.INS), make_signer(Role.SEC)
    Account.objects.filter(person=person_of(inspector)).update(is_active=False)
    assert "closed" in can(inspector, "quality.sign_inspection").reasons[0].text
    Account.objects.update(is_active=True)
    deactivate_person(person_id=person_of(inspector).pk, actor=security, reason="left")
    with pytest.raises(NotPermitted, match="not active"):
        require(inspector, "quality.sign_inspection")
    with pytest.raises(NotPermitted, match="themselves"):
        deactivate_person(person_id=person_of(security).pk, actor=security, reason="x")


@pytest.mark.requirement("P11-10d")
@pytest.mark.requirement("K-14")
def test_somebody_always_administers() -> None:
    """The last of this company is neither deactivated nor loses the role or the account, by whomever; and what somebody may is
    asked once whoever shuts them out at this moment is done."""
    first, last, outside = (make_person(Role.SEC) for _ in range(3))
    account = make_account(last)
    Person.objects.filter(pk=outside.pk).update(external=True)
    with CaptureQueriesContext(connection) as said:
        deactivate_person(person_id=first.pk, actor=Actor.person(last.pk), reason="left")
    statements = [one["sql"] for one in said]
    waits, asks = (
        next(number for number, sql in enumerate(statements) if what in sql)
        for what in ("pg_advisory_xact_lock(", "mes_person")
    )
    assert waits < asks
    for taken in (
        partial(deactivate_person, person_id=last.pk),
        partial(revoke_role, person=last, role=Role.SEC),
        partial(close_account, account=account),
    ):
        with pytest.raises(TransitionRefused, match="Have the role Security administrator given"):
            taken(actor=SYSTEM, reason="left")
    assert people_with(Role.SEC).filter(external=False).get() == last
    grant_role(person=first, role=Role.SEC, actor=SYSTEM)
    with pytest.raises(TransitionRefused):
        close_account(account=account, actor=SYSTEM, reason="left")
    make_person(Role.SEC)
    close_account(account=account, actor=SYSTEM, reason="left")


def test_a_refusal_names_whom_to_ask() -> None:
    make_person(Role.SEC, full_name="Petra Kos")
    make_person(Role.INS, full_name="Bram de Vries")
    (operator, _) = make_signer(Role.OPR)
    cure = can(operator, "quality.sign_inspection").reasons[0].cure
    assert "Petra Kos" in cure
    assert "Bram de Vries" in cure


@pytest.mark.requirement("ES-12")
def test_a_program_is_nobody() -> None:
    make_account(None, "machine")
    with pytest.raises(IntegrityError), transaction.atomic():
        Account.objects.create(username="both", person=make_person(), is_service=True)
