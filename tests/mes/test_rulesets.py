"""Which rules and settings applied to an event can be told for ever (K-11)."""

import json
import threading
from datetime import timedelta
from typing import Any

import pytest
from django.conf import settings as project
from django.db import connections

from mes import VERSION
from mes.eventlog.verify import verify
from mes.lifecycle import GATES, Gate, passed
from mes.models import EventRecord, RuleSet
from mes.services.rulesets import SETTINGS, configuration_in_force, ruleset_at, state_rules
from tests.mes.makers import make_person
from tests.patience import PATIENCE_S

pytestmark = pytest.mark.requirement("K-11")


def positions() -> list[int]:
    return list(
        EventRecord.objects.filter(type="mes.ruleset_in_force").order_by("pos").values_list("pos", flat=True)
    )


@pytest.mark.django_db
def test_the_rules_in_force_are_stated_once_until_they_change(
    settings: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    make_person()
    before = EventRecord.objects.order_by("-pos").values_list("pos", flat=True)[0]
    first = state_rules()
    assert state_rules() == first
    assert len(positions()) == 1
    settings.SEAL_EVERY = timedelta(seconds=99)
    second = state_rules()
    assert (second.rules, second.configuration != first.configuration) == (first.rules, True)
    settings.SEAL_EVERY = timedelta(seconds=10)
    assert state_rules() == first
    assert len(positions()) == 3
    assert RuleSet.objects.count() == 2
    assert [ruleset_at(pos) for pos in (before, *positions())] == [None, first, second, first]
    assert ruleset_at(positions()[1] + 1000) == first
    assert set(EventRecord.objects.values_list("software", flat=True)) == {VERSION}


@pytest.mark.django_db
def test_a_gate_that_changes_changes_the_rules(monkeypatch: pytest.MonkeyPatch) -> None:
    first = state_rules()
    name = next(iter(GATES))
    known = GATES[name]

    def check(**_: object) -> Any:
        return passed()

    monkeypatch.setitem(GATES._things, name, Gate(known.id, known.title, known.transitions, check))
    second = state_rules()
    assert (second.rules != first.rules, second.configuration) == (True, first.configuration)
    told = [json.loads(row.content)["rules"]["gates"] for row in (first, second)]
    assert [gate for gate in told[0] if told[0][gate] != told[1][gate]] == [name]


def test_several_processes_that_start_at_once_state_them_once(committed_db: None) -> None:
    def state() -> None:
        state_rules()
        connections.close_all()

    threads = [threading.Thread(target=state) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(PATIENCE_S)
    assert len(positions()) == 1
    assert verify(keys={}, witness=None).result == "VALID"


def test_no_secret_and_no_place_is_among_the_settings() -> None:
    text = json.dumps(configuration_in_force())
    for name in dir(project):
        value = getattr(project, name) if name.isupper() and name not in SETTINGS else None
        if isinstance(value, str) and ("SECRET" in name or "KEY" in name) and value:
            assert value not in text, name
    assert str(project.VAR_DIR) not in text
