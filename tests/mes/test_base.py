"""Events and their canonical text; registries; what a failure says of itself."""

import json
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta, timezone
from decimal import Decimal
from typing import Any
from uuid import UUID

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mes.choices import Role
from mes.eventlog.base import EVENT_TYPES, Actor, Event, canonical, plain
from mes.exceptions import InvalidInput, Reason, Refused, described
from mes.registry import RegistrationError, Registry
from tests.mes.events import Happened

VALUES = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**53) + 1, 2**53 - 1)
    | st.floats(-(2.0**53) + 1, 2.0**53 - 1)
    | st.text(),
    lambda children: st.lists(children) | st.dictionaries(st.text(), children),
    max_leaves=20,
)


@given(VALUES)
@settings(max_examples=50)
def test_canonical_text_says_the_same_and_is_stable(value: Any) -> None:
    text = canonical(value)
    assert json.loads(text) == value
    assert canonical(json.loads(text)) == text


def test_values_have_one_form_each() -> None:
    moment = datetime(2026, 1, 2, 3, 4, 5, tzinfo=timezone(timedelta(hours=2)))
    assert plain(moment) == "2026-01-02T01:04:05.000000Z"
    assert plain(moment) == plain(moment.astimezone(UTC))
    found = plain({"b": (Decimal("1.50"), date(2026, 1, 2), Role.QAX), 1: UUID(int=5)})
    assert found == {"b": ["1.50", "2026-01-02", "QAX"], "1": "00000000-0000-0000-0000-000000000005"}
    assert canonical({"b": 1.0, "a": 1e21}) == '{"a":1e+21,"b":1}'


@pytest.mark.parametrize("value", [float("nan"), float("inf"), 2**53, datetime(2026, 1, 1)])  # noqa: DTZ001 - naive on purpose
def test_values_without_a_form_are_refused(value: object) -> None:
    with pytest.raises(ValueError, match=r"represent|canonical|domain|safe|bounds"):
        canonical(value)
    with pytest.raises(TypeError):
        canonical(object())


def test_an_event_is_rebuilt_from_its_payload_and_nothing_else() -> None:
    assert Happened.from_payload({"note": "x"}) == Happened(note="x")
    with pytest.raises(TypeError, match="undeclared"):
        Happened.from_payload({"note": "x", "more": 1})
    assert EVENT_TYPES["test.happened"] is Happened
    with pytest.raises(RegistrationError, match="registered twice"):
        type("Copy", (Event,), {}, name="test.happened")


@pytest.mark.requirement("EV-06")
def test_an_older_schema_is_read_by_the_way_that_its_class_knows() -> None:
    @dataclass(frozen=True, kw_only=True)
    class Grown(Event, name="test.grown"):
        schema_version = 2
        grams: float

        @classmethod
        def upcast(cls, payload: Any, schema_version: int) -> Any:
            return {"grams": payload["kilograms"] * 1000} if schema_version == 1 else payload

    assert Grown.from_payload({"kilograms": 0.5}, 1) == Grown.from_payload({"grams": 500.0}, 2)
    with pytest.raises(TypeError, match="no way from schema 7"):
        Happened.from_payload({"note": "x"}, 7)


def test_an_actor_survives_its_text() -> None:
    for actor in (Actor.person(7), Actor.system("relay")):
        assert Actor.parse(str(actor)) == actor
    assert (Actor.person(7).person_id, Actor.system("relay").person_id) == (7, None)


def test_a_registry_has_each_name_once_and_names_what_it_knows() -> None:
    things: Registry[str] = Registry("colour")
    things.add("red", "r")
    things.register("blue")("b")
    things.add("red", things["red"])
    with pytest.raises(RegistrationError, match="colour 'red' is registered twice"):
        things.add("red", "other")
    with pytest.raises(RegistrationError, match="no colour 'green'; known: blue, red"):
        things["green"]
    assert (list(things), things.get("green"), len(things), "red" in things) == (
        ["blue", "red"],
        None,
        2,
        True,
    )


def test_a_refusal_carries_every_reason_and_a_foreign_failure_no_text() -> None:
    refusal = Refused([Reason("A is missing.", "Add A.", "G-A"), Reason("B is late.")])
    assert str(refusal) == "G-A: A is missing. Add A.; B is late."
    assert "larger" in described(InvalidInput("The file is larger."))
    with pytest.raises(ValueError, match="Doe") as failed:
        int("Doe^Jane")
    assert described(failed.value).startswith("ValueError (test_base.py:")
    assert "Doe" not in described(failed.value)
