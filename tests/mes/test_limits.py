"""Numbers, days and lists beyond anything that is measured or meant."""

from __future__ import annotations

import math
from datetime import date, timedelta
from decimal import Decimal

import pytest
from django.utils import timezone

from mes.exceptions import InvalidInput
from mes.limits import day_fault, is_number, quantity_fault, refuse, refuse_too_many


@pytest.mark.parametrize(
    "value",
    [
        math.nan,
        math.inf,
        -math.inf,
        1e300,
        pytest.param(10**400, id="a long number"),
        True,
        "1",
        None,
        Decimal("NaN"),
        Decimal("sNaN"),
    ],
)
def test_no_number_that_could_be_measured(value: object) -> None:
    assert not is_number(value)


@pytest.mark.parametrize("value", [0, -3, 1.5, 10**15, Decimal("0.001")])
def test_numbers(value: object) -> None:
    assert is_number(value)


@pytest.mark.parametrize(
    "number", ["NaN", "sNaN", "Infinity", "-Infinity", "1e300", "0", "-1", "0.0001", "1001"]
)
def test_a_quantity_that_cannot_be_booked_says_what_can(number: str) -> None:
    fault = quantity_fault("The quantity", Decimal(number), most=Decimal(1000), step=Decimal("0.001"))
    assert fault is not None
    assert fault.text.startswith("The quantity is ")
    assert fault.cure == "Give a number above 0 and up to 1000, with at most 3 decimals."


def test_a_quantity() -> None:
    assert (
        quantity_fault("The quantity", Decimal("1000.000"), most=Decimal(1000), step=Decimal("0.001")) is None
    )


@pytest.mark.parametrize(
    "day", [date(1950, 1, 1), date(1999, 12, 31), date(9999, 12, 31), date.min, date.max]
)
def test_a_day_of_another_century_cannot_be_meant(day: date) -> None:
    fault = day_fault("The expiry date", day, years_back=10, years_ahead=25, rule="G-MAT-02")
    assert fault is not None
    assert (fault.text, fault.rule) == (f"The expiry date is {day.isoformat()}.", "G-MAT-02")


def test_a_day_of_these_years() -> None:
    for days in (-300, 0, 9000):
        assert (
            day_fault("d", timezone.localdate() + timedelta(days=days), years_back=10, years_ahead=25) is None
        )


def test_what_nobody_reads_is_too_many() -> None:
    refuse_too_many("Rows", [0] * 100, 100)
    with pytest.raises(InvalidInput, match=r"Rows: 101 were given. Give at most 100."):
        refuse_too_many("Rows", [0] * 101, 100)


def test_every_fault_is_raised_at_once() -> None:
    refuse(None, None)
    bad = [quantity_fault(name, Decimal(0), most=Decimal(1), step=Decimal(1)) for name in ("one", "two")]
    with pytest.raises(InvalidInput) as refusal:
        refuse(None, *bad)
    assert len(refusal.value.reasons) == 2
