"""Lifecycles and gates: what moves exist, and every reason why one may not happen now."""

import json
from collections.abc import Iterator
from typing import Any

import pytest
from django.db import connection
from django.db.models import TextChoices

from mes.eventlog.base import canonical
from mes.exceptions import Reason, Refused, TransitionRefused
from mes.lifecycle import (
    GATES,
    Lifecycle,
    Transition,
    Verdict,
    ask_gates,
    blocked,
    gate,
    not_applicable,
    passed,
    refuse_blocked,
)
from mes.models import Person
from mes.registry import RegistrationError
from tests.mes.makers import make_person

LIFE = Lifecycle(
    "thing",
    (
        Transition("make", "planned", "made"),
        Transition("scrap", "planned", "scrapped", trigger="person"),
        Transition("ship", "made", "shipped", trigger="person"),
    ),
)


@pytest.fixture
def gates() -> Iterator[None]:
    """Gates that a test registers are gone after it."""
    before = dict(GATES._things)
    yield
    GATES._things.clear()
    GATES._things.update(before)


@pytest.mark.requirement("K-06")
def test_a_move_that_does_not_exist_is_refused_with_those_that_do() -> None:
    assert LIFE.row("make", "planned").target == "made"
    with pytest.raises(
        TransitionRefused,
        match=r"K-06: This thing is 'planned' and cannot ship from there\. What can come next: made, scrapped\.",
    ):
        LIFE.row("ship", "planned")
    with pytest.raises(TransitionRefused, match="Nothing comes after it"):
        LIFE.row("ship", "shipped")
    assert LIFE.pairs == (("planned", "made"), ("planned", "scrapped"), ("made", "shipped"))
    assert LIFE.names == {"thing.make", "thing.scrap", "thing.ship"}


@pytest.mark.requirement("K-06")
def test_a_refused_move_is_told_in_the_words_of_the_screens() -> None:
    class State(TextChoices):
        IN_USE = "in_use", "In use"
        DEPLETED = "depleted", "Used up"

    life = Lifecycle("lot", (Transition("use_up", State.IN_USE, State.DEPLETED),))
    for key in (State.DEPLETED, "depleted"):
        with pytest.raises(
            TransitionRefused, match="This lot is 'Used up' and cannot use up from there"
        ) as refused:
            life.row("use_up", key)
        assert refused.value.reasons[0].cure == "Nothing comes after it."
    with pytest.raises(TransitionRefused, match="'In use' and cannot release hold") as refused:
        life.row("release_hold", "in_use")
    assert refused.value.reasons[0].cure == "What can come next: Used up."


@pytest.mark.django_db
def test_every_gate_is_asked_and_all_reasons_come_at_once(gates: None) -> None:
    @gate("G-TST-01", "thing.make")
    def material_is_released(thing: object, **_: object) -> Verdict:
        """The material is released."""
        return blocked("Lot L0000001 is in quarantine.", cure="Release it.", lot=1)

    @gate("G-TST-02", "thing.make", "thing.ship")
    def plan_is_signed(thing: object, *, plan: str = "", **_: object) -> Verdict:
        return passed(plan=plan) if plan else blocked("The plan is not signed.", cure="Sign it.")

    @gate("G-TST-03", "thing.make")
    def sterile(thing: object, **_: object) -> Verdict:
        return not_applicable("The thing is not sterile.")

    @gate("G-TST-04", "thing.ship")
    def elsewhere(thing: object, **_: object) -> Verdict:
        raise AssertionError("not asked")

    results = ask_gates("thing.make", object())
    assert [(result.gate, result.outcome) for result in results] == [
        ("G-TST-01", "block"),
        ("G-TST-02", "block"),
        ("G-TST-03", "n/a"),
    ]
    with pytest.raises(TransitionRefused) as refused:
        refuse_blocked(results)
    assert [reason.rule for reason in refused.value.reasons] == ["G-TST-01", "G-TST-02"]
    assert "Release it." in str(refused.value)
    assert "Sign it." in str(refused.value)
    assert results[0].title == "The material is released"
    refuse_blocked(
        result for result in ask_gates("thing.make", object(), plan="P1") if result.gate != "G-TST-01"
    )


@pytest.mark.django_db
@pytest.mark.requirement("K-14")
def test_gates_that_answer_share_a_savepoint_and_one_that_fails_spoils_no_other_s_answer(
    gates: None, django_assert_num_queries: Any
) -> None:
    seen: list[int] = []

    @gate("G-TST-01", "thing.make", "thing.ship")
    def before(thing: object, **_: object) -> Verdict:
        return passed(people=Person.objects.count())

    @gate("G-TST-02", "thing.ship")
    def broken(thing: object, **_: object) -> Verdict:
        seen.append(make_person().pk)
        raise KeyError("nothing")

    @gate("G-TST-03", "thing.make", "thing.ship")
    def after(thing: object, **_: object) -> Verdict:
        return passed(people=Person.objects.count())

    with django_assert_num_queries(4) as asked:
        assert [result.outcome for result in ask_gates("thing.make", object())] == ["pass", "pass"]
    assert [one["sql"].split()[0] for one in asked.captured_queries] == [
        "SAVEPOINT",
        "SELECT",
        "SELECT",
        "RELEASE",
    ]
    people = Person.objects.count()
    first, failed, last = ask_gates("thing.ship", object())
    assert (first.outcome, failed.outcome, last.outcome) == ("pass", "block", "pass")
    assert first.evidence == last.evidence == {"people": people}
    assert seen
    assert not Person.objects.filter(pk__in=seen).exists()


@pytest.mark.django_db
@pytest.mark.requirement("K-14")
@pytest.mark.parametrize("answer", ["raises", "None", "True", "evidence", "database"])
def test_a_gate_that_cannot_be_evaluated_blocks(
    gates: None, answer: str, caplog: pytest.LogCaptureFixture
) -> None:
    def ask(thing: object, **_: object) -> object:
        match answer:
            case "raises":
                raise KeyError("Doe^Jane")
            case "None":
                return None
            case "True":
                return True
            case "evidence":
                return passed(measured=float("nan"))
            case _:
                with connection.cursor() as cursor:
                    cursor.execute("SELECT nothing FROM nowhere")
                return passed()

    gate("G-TST-09", "thing.make")(ask)  # type: ignore[arg-type]
    (result,) = ask_gates("thing.make", object())
    assert not result.passed
    assert "could not be evaluated" in result.reason
    assert "Doe" not in caplog.text + json.dumps(result.as_payload())
    # The transaction that asked goes on: a failing gate refuses, it does not break what was asked around it.
    assert Person.objects.count() == 0
    make_person()


@pytest.mark.django_db
def test_a_result_stands_in_an_event_with_its_evidence(gates: None) -> None:
    gate("G-TST-01", "thing.make")(lambda thing, **_: passed(lot="L0000001", left_ml=12.5))
    (result,) = ask_gates("thing.make", object())
    assert json.loads(canonical(result.as_payload()))["evidence"] == {"left_ml": 12.5, "lot": "L0000001"}


def test_two_gates_of_one_id_and_name_refuse_to_start(gates: None) -> None:
    def once(thing: object) -> Verdict:
        return passed()

    gate("G-TST-01", "thing.make")(once)
    with pytest.raises(RegistrationError, match="G-TST-01:once"):
        gate("G-TST-01", "thing.make")(once)


@pytest.mark.django_db
@pytest.mark.requirement("K-14")
def test_a_refusal_inside_a_gate_blocks_with_its_own_reasons_and_cures(
    gates: None, caplog: pytest.LogCaptureFixture
) -> None:
    @gate("G-TST-10", "thing.make")
    def file_is_intact(thing: object, **_: object) -> Verdict:
        """The file is intact."""
        make_person()
        raise Refused(
            [
                Reason("File 12ab is missing or altered.", "Restore it from a backup.", "G-INT-01"),
                Reason("It is older than its record.", "Ask who changed it."),
            ]
        )

    people = Person.objects.count()
    (result,) = ask_gates("thing.make", object())
    assert not result.passed
    assert result.reason == "File 12ab is missing or altered. It is older than its record."
    assert result.cure == "Restore it from a backup. Ask who changed it."
    assert result.evidence == {"rules": ["G-INT-01"]}
    assert caplog.records == []
    assert Person.objects.count() == people, "what the gate wrote before it refused stays out"
