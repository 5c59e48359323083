"""Numbers, days and lists that were typed or sent: finite, of a size that is measured, in one place for every door."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date, timedelta
from decimal import Decimal
from typing import Any, TypeGuard

from django.utils import timezone

from mes.exceptions import InvalidInput, Reason

LARGEST = 1e15
"""No length, mass, volume or time that is measured here comes near it, in whatever unit."""

YEAR = timedelta(days=365)


def is_number(value: object) -> TypeGuard[float]:
    """Whether a value is a finite number of a size that can be measured. A truth value is none."""
    if isinstance(value, Decimal):
        return value.is_finite() and abs(value) <= LARGEST
    return isinstance(value, (int, float)) and not isinstance(value, bool) and abs(value) <= LARGEST


def quantity_fault(
    field: str, value: Decimal, *, most: Decimal, step: Decimal, rule: str = ""
) -> Reason | None:
    """Why a quantity cannot be booked: not finite, not above zero, more than `most`, or finer than `step`."""
    if value.is_finite() and 0 < value <= most and value == value.quantize(step):
        return None
    places = -int(step.normalize().as_tuple().exponent)
    shown = f"{value:.6g}" if value.is_finite() else "no number"
    return Reason(
        f"{field} is {shown}.",
        f"Give a number above 0 and up to {most:f}, with at most {places} decimals.",
        rule,
    )


def day_fault(field: str, day: date, *, years_back: int, years_ahead: int, rule: str = "") -> Reason | None:
    """Why a day cannot be meant: further back or ahead of today than this field's ever is."""
    today = timezone.localdate()
    first, last = today - years_back * YEAR, today + years_ahead * YEAR
    if first <= day <= last:
        return None
    return Reason(
        f"{field} is {day.isoformat()}.", f"Give a date from {first} to {last}; check the year.", rule
    )


def refuse_too_many(field: str, rows: Sequence[Any], most: int, *, rule: str = "") -> None:
    """Raises InvalidInput where a list is longer than anybody reads."""
    if len(rows) > most:
        raise InvalidInput(f"{field}: {len(rows)} were given.", cure=f"Give at most {most}.", rule=rule)


def refuse(*faults: Reason | None) -> None:
    """Raises InvalidInput with every fault that there is."""
    if found := [fault for fault in faults if fault]:
        raise InvalidInput(found)
