"""People, accounts, roles, and who may do what."""

import pytest
from django.db import IntegrityError, transaction

from mes.choices import Role
from mes.eventlog.base import Actor
from mes.exceptions import InvalidInput, NotPermitted
from mes.models import Account, EventRecord, Person, RoleGrant
from mes.permissions import PERMISSIONS, may, require
from mes.registry import RegistrationError
from mes.selectors import people_with, roles_of
from mes.services.credentials import account_named
from mes.services.people import grant_role, open_account, register_person, revoke_role
from mes.text import username_read
from tests.mes.makers import PASSWORD, SYSTEM, make_account, make_person

pytestmark = pytest.mark.django_db


def facts(kind: str) -> int:
    return EventRecord.objects.filter(type=kind).count()


def test_a_refusal_names_the_missing_role_and_the_cure() -> None:
    operator = Actor.person(make_person(Role.OPR).pk)
    with pytest.raises(NotPermitted) as refused:
        require(operator, "mes.register_patient")
    (reason,) = refused.value.reasons
    assert reason.rule == "G-OPR-02"
    assert reason.text == ("To register a patient needs the role Order coordinator or Prescriber.")
    assert "security administrator" in reason.cure
    assert not may(operator, "mes.register_patient")


def test_one_of_the_roles_is_enough_until_it_is_revoked() -> None:
    person = make_person(Role.PRE, Role.OPR)
    actor = Actor.person(person.pk)
    require(actor, "mes.register_patient")
    revoke_role(person=person, role=Role.PRE, actor=SYSTEM, reason="moved")
    assert not may(actor, "mes.register_patient")
    assert roles_of(person) == {Role.OPR}
    assert list(people_with(Role.PRE)) == []
    grant_role(person=person, role=Role.PRE, actor=SYSTEM)
    assert may(actor, "mes.register_patient")
    assert RoleGrant.objects.filter(person=person, role=Role.PRE).count() == 2


def test_rules_act_only_where_that_is_declared() -> None:
    require(SYSTEM, "mes.manage_people")
    with pytest.raises(NotPermitted, match="Only a person may"):
        require(SYSTEM, "mes.view_identity")


@pytest.mark.requirement("K-04")
def test_an_inactive_or_unknown_person_may_nothing() -> None:
    person = make_person(Role.SEC)
    Person.objects.filter(pk=person.pk).update(active=False)
    for number in (person.pk, 10**9):
        with pytest.raises(NotPermitted, match="not active"):
            require(Actor.person(number), "mes.manage_people")


def test_an_unknown_action_is_a_mistake_in_the_code() -> None:
    with pytest.raises(RegistrationError, match=r"mes\.manage_people"):
        require(SYSTEM, "mes.manage_peple")
    assert all(permission.roles or permission.system for permission in PERMISSIONS.values())


def test_only_those_who_may_manage_people() -> None:
    operator = Actor.person(make_person(Role.OPR).pk)
    person = make_person()
    before = EventRecord.objects.count()
    for attempt in (
        lambda: register_person(full_name="X", actor=operator),
        lambda: open_account(username="xxx", password=PASSWORD, person=person, actor=operator),
        lambda: grant_role(person=person, role=Role.QAX, actor=operator),
        lambda: revoke_role(person=person, role=Role.QAX, actor=operator, reason="x"),
    ):
        with pytest.raises(NotPermitted):
            attempt()
    assert EventRecord.objects.count() == before


def test_nobody_grants_a_role_to_themselves() -> None:
    administrator = make_person(Role.SEC)
    with pytest.raises(NotPermitted, match="themselves"):
        grant_role(person=administrator, role=Role.QAX, actor=Actor.person(administrator.pk))
    assert roles_of(administrator) == {Role.SEC}


def test_a_role_is_held_once() -> None:
    person = make_person(Role.QAX)
    grant_role(person=person, role=Role.QAX, actor=SYSTEM)
    assert facts("mes.role_granted") == 1
    with pytest.raises(IntegrityError), transaction.atomic():
        RoleGrant.objects.create(person=person, role=Role.QAX)
    with pytest.raises(IntegrityError), transaction.atomic():
        RoleGrant.objects.create(person=person, role="XXX")


@pytest.mark.requirement("K-04", "P11-300a")
@pytest.mark.parametrize("again", ["jane", "JANE", "Jane"])
def test_a_user_name_is_never_given_again(again: str) -> None:
    make_account(make_person(), "jane")
    Account.objects.update(is_active=False)
    with pytest.raises(InvalidInput, match="K-04"):
        make_account(make_person(), again)
    with pytest.raises(IntegrityError), transaction.atomic():
        Account.objects.create(username=again, person=make_person())
    assert facts("mes.account_opened") == 1


@pytest.mark.requirement("P11-300a")
@pytest.mark.parametrize("alike", ["\uff53ecurity", "SECUR\u24d8TY", "\u017fecurity"])
def test_names_of_letters_in_another_form_are_one_name(alike: str) -> None:
    """A full-width, circled or long letter reads as the plain one, so it is the plain one."""
    account = make_account(make_person(), "security")
    with pytest.raises(InvalidInput, match="K-04"):
        make_account(make_person(), alike)
    assert account_named(alike) == Account.objects.named(alike).get() == account
    assert make_account(make_person(), "\ufb01ona").username == "fiona"


@pytest.mark.requirement("P11-300a")
@pytest.mark.parametrize(
    "alike", ["s\u0435curity", "security\ufe0f", "secu\u034frity", "\u3164", "security\u2800", "sécurity"]
)
def test_a_new_name_looks_like_no_other_one(alike: str) -> None:
    """A Cyrillic letter, a selector, a joiner, a filler, a blank shape, an accent. Who has such a name signs in with it."""
    with pytest.raises(InvalidInput, match="P11-300a"):
        make_account(make_person(), alike)
    old = Account.objects.create(username=username_read(alike), person=make_person())
    assert account_named(alike) == old


@pytest.mark.requirement("P11-50a")
@pytest.mark.parametrize("blank", ["\u3164", "\u2800", "\u034f", "...", "\u00a0\u2003"])
def test_a_printed_name_can_be_read(blank: str) -> None:
    with pytest.raises(InvalidInput):
        register_person(full_name=blank, actor=SYSTEM)
    with pytest.raises(InvalidInput):
        register_person(full_name=f"Jane{blank}\u3164", actor=SYSTEM)


@pytest.mark.requirement("ES-01")
def test_bad_names_and_passwords_are_refused_with_nothing_written() -> None:
    person = make_person()
    for username, password in (
        ("", PASSWORD),
        ("  ", PASSWORD),
        (" jane", PASSWORD),
        ("j" * 151, PASSWORD),
        ("jane", "short"),
    ):
        with pytest.raises(InvalidInput):
            open_account(username=username, password=password, person=person, actor=SYSTEM)
    with pytest.raises(InvalidInput):
        register_person(full_name=" ", actor=SYSTEM)
    assert not Account.objects.exists()


def test_passwords_are_not_in_the_record() -> None:
    make_account(make_person(), "jane")
    assert not EventRecord.objects.filter(payload__contains=PASSWORD).exists()
    assert PASSWORD not in Account.objects.get().password
