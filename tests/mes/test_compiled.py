"""A compiled question answers as Django's own query does, and Django writes its SQL once."""

from __future__ import annotations

from typing import Any

import pytest
from django.db.models import BigIntegerField, CharField, Count, JSONField, Value
from django.db.models.sql.compiler import SQLCompiler

from mes.choices import Role
from mes.compiled import LARGEST, AnyOf, Compiled, Slot, by_key, only
from mes.models import Account, Person, RoleGrant
from tests.mes.makers import make_person

GRANTS = Compiled(
    lambda: (
        RoleGrant.objects.filter(person=Slot("person", BigIntegerField()), role=AnyOf("roles", CharField()))
        .select_related("person")
        .annotate(made=Count("person__accounts"), note=Value({"of": 1}, JSONField()))
        .order_by("role")
    )
)


def test_it_finds_what_the_query_finds_each_time_for_the_values_given(db: None) -> None:
    both, one = make_person(Role.ORD, Role.IMG), make_person(Role.ORD)
    for person, roles, expected in (
        (both, ["IMG", "ORD"], ["IMG", "ORD"]),
        (both, ["ORD", "SEC"], ["ORD"]),
        (one, ["IMG", "ORD"], ["ORD"]),
        (one, [], []),
    ):
        assert [grant.role for grant in GRANTS(person=person.pk, roles=roles)] == expected


def test_joined_computed_and_converted_values_are_as_djangos(
    db: None, django_assert_num_queries: Any
) -> None:
    person = make_person(Role.ORD)
    found: Any = GRANTS.first(person=person.pk, roles=["ORD"])
    with django_assert_num_queries(0):
        assert found.person == person
        assert found.person.full_name == person.full_name
    assert (found.made, found.note) == (Account.objects.filter(person=person).count(), {"of": 1})
    told = RoleGrant.objects.get(pk=found.pk)
    names = [field.attname for field in RoleGrant._meta.concrete_fields]
    assert [getattr(found, name) for name in names] == [getattr(told, name) for name in names]
    assert not found._state.adding


def test_its_sql_is_written_once_and_each_question_counts_as_one(
    db: None, monkeypatch: pytest.MonkeyPatch, django_assert_num_queries: Any
) -> None:
    names = Compiled(
        lambda: Person.objects.filter(pk=Slot("key", BigIntegerField())).values_list("full_name")
    )
    person = make_person(Role.ORD)
    names(key=person.pk)

    def never(*_: Any, **__: Any) -> Any:
        raise AssertionError("the SQL was written again")

    monkeypatch.setattr(SQLCompiler, "as_sql", never)
    with django_assert_num_queries(2):
        assert names(key=person.pk) == ((person.full_name,),)
        assert names.first(key=0) is None


def test_a_row_by_its_key_however_the_key_is_written(db: None) -> None:
    person = make_person(Role.ORD)
    assert by_key(Person, person.pk) == by_key(Person, str(person.pk)) == person
    assert by_key(Person, 0) is by_key(Person, 2**63) is by_key(Person, -(2**64)) is None
    with pytest.raises(ValueError, match="expected a number"):
        by_key(Person, "nobody")


def test_a_key_that_the_server_cannot_hold_is_nobodys(db: None) -> None:
    assert [by_key(Person, key) for key in (LARGEST, LARGEST + 1, -LARGEST - 1, str(10**40))] == [None] * 4


def test_the_only_row_is_found_without_an_order(db: None, django_assert_num_queries: Any) -> None:
    person = make_person(Role.ORD)
    with django_assert_num_queries(1) as asked:
        assert only(Person.objects.filter(pk=person.pk).order_by("full_name")) == person
    assert "ORDER BY" not in asked[0]["sql"]
    assert only(Person.objects.filter(pk=0)) is None
