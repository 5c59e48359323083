"""Of two who create the same thing at the same moment one does, and the other is told."""

from __future__ import annotations

import threading
from collections.abc import Callable

import pytest
from django.db import connection, transaction

from devices.services.definitions import draft_master
from mes.choices import Role
from mes.exceptions import Conflict
from tests.devices.makers import TRAINING, Staff
from tests.patience import PATIENCE_S, await_waiting
from tests.printing.makers import make_lot, make_parameters, make_printer

CREATE: dict[str, Callable[[Staff], object]] = {
    "lot": lambda staff: make_lot(staff, supplier_lot="RC-1"),
    "master": lambda staff: draft_master(definition=TRAINING, actor=staff[Role.DSN].actor),
    "parameters": lambda staff: make_parameters(staff, name="fast", approved=False),
    "printer": lambda staff: make_printer(staff, name="Left"),
}


@pytest.mark.parametrize("kind", CREATE)
def test_the_second_of_two_is_told_that_somebody_was_quicker(committed_db: None, kind: str) -> None:
    staff = Staff()
    for role in (Role.MAT, Role.DSN, Role.BLD, Role.CAL):
        assert staff[role].person.pk
    make_lot(staff, supplier_lot="before")
    outcomes: list[object] = []

    def work() -> None:
        try:
            outcomes.append(CREATE[kind](staff))
        except Exception as failure:  # noqa: BLE001 - judged below
            outcomes.append(failure)
        finally:
            connection.close()

    second = threading.Thread(target=work)
    with transaction.atomic():
        CREATE[kind](staff)
        second.start()
        await_waiting()
    second.join(PATIENCE_S)
    (outcome,) = outcomes
    assert isinstance(outcome, Conflict), repr(outcome)
    assert "same moment" in str(outcome)
