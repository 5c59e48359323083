"""Resets by two people, re-enrolment, reviews, closed accounts: nobody alone takes over what somebody else signs with."""

from __future__ import annotations

import re
from datetime import timedelta
from functools import partial

import pytest
import time_machine
from django.core import mail
from django.test import Client
from django.urls import get_resolver
from django.utils import timezone
from rest_framework.test import APIClient

from mes.choices import Role
from mes.eventlog.base import Actor
from mes.exceptions import InvalidInput, NotPermitted, Refused, SignatureRefused
from mes.models import Account, EventRecord, Person, Reset, SigningRight
from mes.panels import count_tasks
from mes.scope import viewer_of
from mes.selectors import contact_of, review_due, reviews_due, signing_right_of
from mes.services.accounts import (
    approve_reset,
    close_account,
    complete_reset,
    confirm_contact,
    name_contact,
    request_reset,
    verify_contact,
)
from mes.services.people import open_account
from mes.services.rights import confirm_reproofing, re_enrol, reproof_identity, review_credentials
from mes.services.signatures import Credentials
from mes.services.tokens import issue_token
from tests.flows.routes import every_route
from tests.mes.makers import PASSWORD, SYSTEM, make_account, make_person, make_signer, person_of
from tests.mes.test_credentials import attempt, fresh, sign_something, signer, verify

pytestmark = pytest.mark.django_db

NEW = "another long sentence"


def security() -> Actor:
    return Actor.person(make_person(Role.SEC).pk)


def link() -> str:
    found = re.search(r"/reset/#(\S+)", str(mail.outbox[-1].body))
    assert found
    return found[1]


def reset(account: Account, asker: Actor, approver: Actor) -> None:
    waiting = request_reset(account=account, actor=asker, reason="forgotten")
    approve_reset(reset_id=waiting.pk, actor=approver)
    complete_reset(word=link(), password=NEW)


@pytest.mark.requirement("ES-14")
@pytest.mark.requirement("P11-200a3")
def test_admin_reset_cannot_sign() -> None:
    """Even two administrators and the link: the right to sign waits for a new look at the owner, by two people, and for
    the owner's own signature with the new secret."""
    actor, account = signer()
    verify(person_of(actor), "owner@example.org")
    one, two = security(), security()
    reset(account, one, two)
    with pytest.raises(SignatureRefused):
        sign_something(actor, account.username, PASSWORD)
    with pytest.raises(SignatureRefused, match="ES-14"):
        sign_something(actor, account.username, NEW)
    typed = Credentials(account.username, NEW)
    with pytest.raises(Refused, match="proofed again"):
        re_enrol(actor=actor, credentials=typed)
    look = reproof_identity(person=person_of(actor), document="passport", method="in person", actor=one)
    with pytest.raises(NotPermitted, match="ES-14"):
        confirm_reproofing(reproofing_id=look.pk, actor=one)
    with pytest.raises(Refused, match="proofed again"):
        re_enrol(actor=actor, credentials=typed)
    confirm_reproofing(reproofing_id=look.pk, actor=two)
    with pytest.raises(SignatureRefused):
        re_enrol(actor=actor, credentials=Credentials(account.username, PASSWORD))
    assert signing_right_of(person_of(actor))
    re_enrol(actor=actor, credentials=typed)
    assert sign_something(actor, account.username, NEW).person_id == actor.person_id


@pytest.mark.requirement("ES-14")
def test_a_reset_takes_a_second_person_who_is_neither_asker_nor_owner() -> None:
    actor, account = signer(Role.SEC)
    verify(person_of(actor), "owner@example.org")
    asker = security()
    waiting = request_reset(account=account, actor=asker, reason="forgotten")
    for nobody in (asker, actor, Actor.person(make_person(Role.OPR).pk), SYSTEM):
        with pytest.raises(NotPermitted):
            approve_reset(reset_id=waiting.pk, actor=nobody)
    assert not [message for message in mail.outbox if "/reset/" in str(message.body)]
    assert request_reset(account=account, actor=asker, reason="again") == waiting


@pytest.mark.requirement("ES-14")
@pytest.mark.requirement("P11-200a3")
@pytest.mark.parametrize("asks", ["anonymous", "owner"])
def test_a_reset_that_no_administrator_asked_for_takes_two_of_them(asks: str) -> None:
    """Whoever comes to the door is nobody, and the owner's session may be somebody else's: neither is one of the two."""
    actor, account = signer(Role.SEC)
    verify(person_of(actor), "owner@example.org")
    if asks == "anonymous":
        Client().post("/sign-in/lost/", {"username": account.username})
    else:
        request_reset(account=account, actor=actor, reason="forgotten")
    waiting, one, two = Reset.objects.get(), security(), security()
    for _ in range(2):
        with pytest.raises(NotPermitted):
            approve_reset(reset_id=waiting.pk, actor=actor)
    approve_reset(reset_id=waiting.pk, actor=one)
    with pytest.raises(NotPermitted, match="second person"):
        approve_reset(reset_id=waiting.pk, actor=one)
    assert not [message for message in mail.outbox if "/reset/" in str(message.body)]
    approve_reset(reset_id=waiting.pk, actor=two)
    complete_reset(word=link(), password=NEW)
    told = EventRecord.objects.filter(type__in=("mes.reset_vouched", "mes.reset_approved")).order_by("pos")
    assert [event.actor for event in told] == [str(one), str(two)]


@pytest.mark.requirement("ES-14")
def test_an_administrator_who_asks_too_is_the_first_of_the_two() -> None:
    actor, account = signer()
    verify(person_of(actor), "owner@example.org")
    waiting = request_reset(account=account, actor=SYSTEM, reason="at the sign-in page")
    one, two = security(), security()
    assert request_reset(account=account, actor=one, reason="telephoned") == waiting
    with pytest.raises(NotPermitted):
        approve_reset(reset_id=waiting.pk, actor=one)
    approve_reset(reset_id=waiting.pk, actor=two)
    assert link()


@pytest.mark.requirement("ES-14")
def test_a_link_opens_once_and_for_half_an_hour() -> None:
    actor, account = signer()
    verify(person_of(actor), "owner@example.org")
    waiting = request_reset(account=account, actor=security(), reason="forgotten")
    approve_reset(reset_id=waiting.pk, actor=security())
    word = link()
    with time_machine.travel(timezone.now() + timedelta(minutes=31)), pytest.raises(Refused, match="ES-14"):
        complete_reset(word=word, password=NEW)
    with pytest.raises(InvalidInput, match="ES-01"):
        complete_reset(word=word, password="short")
    complete_reset(word=word, password=NEW)
    with pytest.raises(Refused, match="ES-14"):
        complete_reset(word=word, password="yet another sentence")
    attempt(fresh(account), NEW)
    assert not EventRecord.objects.filter(payload__contains=word).exists()


@pytest.mark.requirement("ES-14")
def test_without_a_verified_address_there_is_no_link() -> None:
    _, account = signer()
    waiting = request_reset(account=account, actor=security(), reason="forgotten")
    with pytest.raises(Refused, match="no verified address"):
        approve_reset(reset_id=waiting.pk, actor=security())


@pytest.mark.requirement("ES-14")
def test_an_administrator_cannot_make_an_own_address_the_owners() -> None:
    actor, _ = signer()
    person = person_of(actor)
    verify(person, "owner@example.org")
    administrator, second = security(), security()
    named = name_contact(person=person, address="mine@example.org", actor=administrator)
    code = str(mail.outbox[-1].body).split("The code is ")[1][:8]
    with pytest.raises(InvalidInput):
        verify_contact(contact_id=named.pk, code=code, actor=administrator)
    for who in (administrator, second):
        with pytest.raises(Refused, match="ES-14"):
            confirm_contact(contact_id=named.pk, actor=who)
    found = contact_of(person)
    assert found is not None
    assert found.address == "owner@example.org"


def test_a_code_is_tried_once() -> None:
    person = make_person()
    actor = Actor.person(person.pk)
    contact = name_contact(person=person, address="owner@example.org", actor=actor)
    code = str(mail.outbox[-1].body).split("The code is ")[1][:8]
    for wrong in ("00000000x", code):
        with pytest.raises(InvalidInput, match="ES-14"):
            verify_contact(contact_id=contact.pk, code=wrong, actor=actor)


@pytest.mark.requirement("ES-14")
def test_an_administrator_opens_an_account_without_knowing_its_password() -> None:
    person, administrator, second = make_person(), security(), security()
    with pytest.raises(NotPermitted, match="ES-14"):
        open_account(
            username="jane", password="known to the administrator", person=person, actor=administrator
        )
    account = open_account(username="jane", password="", person=person, actor=administrator)
    with pytest.raises(SignatureRefused):
        attempt(account, "")
    contact = name_contact(person=person, address="jane@example.org", actor=administrator)
    confirm_contact(contact_id=contact.pk, actor=second)
    reset(account, administrator, second)
    attempt(fresh(account), NEW)


@pytest.mark.requirement("P11-200a3")
def test_no_route_acts_as_somebody_else() -> None:
    names = {route.name for route in every_route()} | {str(route.template) for route in every_route()}
    assert not [
        name for name in names if re.search(r"impersonat|hijack|masquerad|login_as|loginas|sudo|su/", name)
    ]
    assert "account_signup" not in get_resolver().reverse_dict
    assert "socialaccount_signup" not in get_resolver().reverse_dict


@pytest.mark.requirement("P11-300b")
@pytest.mark.requirement("ES-16")
def test_an_overdue_review_suspends_signing_and_not_signing_in() -> None:
    actor, account = signer()
    reviewer = security()
    assert list(reviews_due()) == []
    Account.objects.filter(pk=account.pk).update(opened_at=timezone.now() - timedelta(days=181))
    assert account in reviews_due()
    attempt(account, PASSWORD)
    with pytest.raises(SignatureRefused, match="P11-300b"):
        sign_something(actor, account.username)
    with pytest.raises(NotPermitted):
        review_credentials(account=account, keep=True, actor=actor)
    review_credentials(account=account, keep=True, actor=reviewer, comment="roles looked at")
    assert account not in reviews_due()
    assert sign_something(actor, account.username).person_id == actor.person_id
    assert review_due(account) > timezone.now() + timedelta(days=179)


@pytest.mark.requirement("P11-10d")
def test_nobody_of_another_company_decides_who_signs_in_and_signs_here() -> None:
    account = make_account(make_person(Role.QCM))
    Account.objects.filter(pk=account.pk).update(opened_at=timezone.now() - timedelta(days=181))
    visitor = make_account(make_person(Role.QAR))
    client = Client()
    client.force_login(visitor)
    own = Actor.person(visitor.person_id or 0)
    for external, status in ((False, 200), (True, 403)):
        Person.objects.filter(accounts=visitor).update(external=external)
        looking = viewer_of(person_of(own))
        assert client.get("/security/").status_code == status
        assert client.get("/people/").status_code == status
        assert count_tasks(looking.roles, viewer=looking) == (not external)
    for act in (
        partial(review_credentials, account=account, keep=False, comment="gone"),
        partial(approve_reset, reset_id=1),
    ):
        with pytest.raises(NotPermitted, match="people of this company"):
            act(actor=own)
    assert not SigningRight.objects.exists()


@pytest.mark.requirement("P11-300b")
def test_a_review_may_take_the_right() -> None:
    actor, account = signer()
    review_credentials(account=account, keep=False, actor=security(), comment="moved to another site")
    with pytest.raises(SignatureRefused, match="P11-300b"):
        sign_something(actor, account.username)


@pytest.mark.requirement("K-04")
@pytest.mark.requirement("P11-10d")
def test_a_closed_account_opens_nothing_and_keeps_its_history_and_name() -> None:
    actor, credentials = make_signer(Role.ORD)
    account = Account.objects.get(username=credentials.username)
    signature = sign_something(actor, account.username)
    client = Client()
    client.force_login(account)
    program = APIClient()
    key = issue_token(account=account, name="key", valid_for=timedelta(days=1), actor=actor)
    program.credentials(HTTP_AUTHORIZATION=f"Bearer {key}")
    assert program.get("/api/people/").status_code == client.get("/my-work/").status_code == 200
    with pytest.raises(NotPermitted):
        close_account(account=account, actor=actor, reason="mine")
    close_account(account=account, actor=security(), reason="left")
    assert client.get("/my-work/").status_code == 302
    assert program.get("/api/people/").status_code == 401
    with pytest.raises(SignatureRefused):
        attempt(fresh(account), PASSWORD)
    with pytest.raises(InvalidInput, match="K-04"):
        make_account(person_of(actor), account.username.upper())
    signature.refresh_from_db()
    assert signature.account == account
    assert EventRecord.objects.filter(stream_type="mes.account", stream_id=str(account.pk)).count() >= 2


@pytest.mark.requirement("ES-14")
def test_whoever_asks_at_the_door_learns_nothing() -> None:
    make_account(make_person(), "jane")
    told = {
        Client().post("/sign-in/lost/", {"username": name}).content.decode().split("</form>", 1)[-1]
        for name in ("jane", "nobody")
    }
    assert len({text.split("csrf")[0] for text in told}) == 1
    assert EventRecord.objects.filter(type="mes.reset_requested").count() == 1
