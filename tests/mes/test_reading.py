"""What a page reads more than once is asked once; a decision inside a unit of work always asks afresh."""

from __future__ import annotations

from time import sleep

import pytest
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext

from mes.choices import Role
from mes.eventlog.base import Actor
from mes.eventlog.unit import open_unit
from mes.exceptions import NotPermitted
from mes.models import Person, RoleGrant
from mes.permissions import can, may, require
from mes.reading import once, present, reading
from mes.selectors import roles_of
from tests.mes.makers import make_account, make_person

pytestmark = pytest.mark.django_db
ACTION = "mes.read_people"


def _loses_all(person: Person) -> None:
    RoleGrant.objects.filter(person=person).update(revoked=True)


def test_a_question_is_asked_once_in_a_reading_and_again_in_the_next() -> None:
    asked: list[int] = []

    @once
    def doubled(number: int) -> int:
        asked.append(number)
        return 2 * number

    assert [doubled(2), doubled(2)] == [4, 4]
    with reading():
        assert [doubled(3), doubled(3), doubled(4)] == [6, 6, 8]
        with open_unit():
            assert doubled(3) == 6
        # What the unit wrote is seen.
        assert [doubled(3), doubled(3)] == [6, 6]
    with reading():
        assert doubled(3) == 6
    assert asked == [2, 2, 3, 4, 3, 3, 3]


def test_a_reading_tells_of_one_moment() -> None:
    with reading():
        moment = present()
        sleep(0.002)
        assert present() == moment
    assert present() > moment


@pytest.mark.requirement("P11-10g")
def test_who_loses_a_role_while_a_page_is_drawn_decides_nothing_any_more() -> None:
    """The page is of one moment; whatever changes something asks after its locks, within a unit."""
    person = make_person(Role.SEC)
    actor = Actor.person(person.pk)
    with reading():
        assert may(actor, ACTION)
        _loses_all(person)
        assert may(actor, ACTION)
        with open_unit():
            assert roles_of(person) == frozenset()
            with pytest.raises(NotPermitted):
                require(actor, ACTION)
    assert not may(actor, ACTION)


def test_whom_to_ask_is_looked_up_where_it_is_read() -> None:
    """A button that is not shown says nothing: its reasons cost nothing."""
    actor = Actor.person(make_person(Role.OPR).pk)
    with CaptureQueriesContext(connection) as asked, reading():
        decision = can(actor, ACTION)
        assert not decision.allowed
        silent = len(asked)
        assert decision.reasons[0].rule == "G-OPR-02"
    assert silent == 3
    assert len(asked) > silent


@pytest.mark.parametrize("method", ["get", "head"])
def test_a_page_asks_once_which_roles_somebody_holds(method: str) -> None:
    client = Client()
    client.force_login(make_account(make_person(Role.QAR)))
    with CaptureQueriesContext(connection) as asked:
        assert getattr(client, method)("/training/").status_code == 200
    table = RoleGrant._meta.db_table
    own = f'"{table}"."person_id" = '
    assert len([query for query in asked if own in query["sql"]]) == 1
