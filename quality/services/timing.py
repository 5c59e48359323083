"""When a step was carried out and how long it took: what was given must agree, and what follows from it is derived."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any

from django.utils import timezone

from devices.models import Device
from mes.exceptions import InvalidInput
from mes.selectors import events_of
from printing.models import PrintJob
from quality.catalog.routing import DURATIONS, SECONDS, Step

RULE = "G-PST-01"
Times = tuple[datetime, datetime] | None
"""When a step started and ended, or that nobody gave it."""
SECOND, MINUTE = timedelta(seconds=1), timedelta(minutes=1)
ROUNDED_SHARE = 0.1
"""How much of a duration its rounding may hide at most: "1 h" may have been 55 minutes, not 31."""
DIGITS = 6


def require_ordered(started: datetime | None, ended: datetime | None) -> None:
    """Raises InvalidInput for a time without a zone, an end before its start, and a time in the future."""
    given = [moment for moment in (started, ended) if moment is not None]
    if any(timezone.is_naive(moment) for moment in given):
        raise InvalidInput("A time has no zone.", cure="Give both times with a zone.", rule=RULE)
    if given != sorted(given) or (given and given[-1] > timezone.now()):
        raise InvalidInput(
            "A step ends after it starts, and not in the future.", cure="Look at the times again.", rule=RULE
        )


def with_duration(
    step: Step, values: Mapping[str, Any], started: datetime | None, ended: datetime | None
) -> Mapping[str, Any]:
    """The values, with the duration that follows from two times where none was typed."""
    duration = step.duration
    if duration is None or duration.name in values or started is None or ended is None:
        return values
    lasted = (ended - started).total_seconds() / SECONDS[duration.unit]
    return {**values, duration.name: {"value": round(lasted, DIGITS), "unit": duration.unit}}


def mark_derived(step: Step, values: Mapping[str, Any], measured: Sequence[dict[str, Any]]) -> None:
    """Say of a duration that nobody typed where it comes from."""
    for entry in measured:
        if step.duration and entry["name"] == step.duration.name and entry["name"] not in values:
            entry["derived"] = "the duration, from both times"


def step_times(
    step: Step, measured: Sequence[dict[str, Any]], started: datetime | None, ended: datetime | None
) -> Times:
    """Both times of a step, or None where neither was given: nobody measured when it began.

    One time and a duration give the other, and the duration's entry says so. Raises InvalidInput for one time alone,
    and for times that are as far apart as the duration cannot have been.
    """
    if started is None and ended is None:
        return None
    entry = next((item for item in measured if step.duration and item["name"] == step.duration.name), None)
    if started is not None and ended is not None:
        _require_agreement(entry, started, ended)
        return started, ended
    if entry is None:
        raise InvalidInput("A step has two times.", cure="Give when it started and when it ended.", rule=RULE)
    lasted = timedelta(seconds=entry["value"] * SECONDS[entry["unit"]])
    entry["derived"] = f"the {'end' if ended is None else 'start'}, from this and the other time"
    both = (started, started + lasted) if started is not None else (_known(ended) - lasted, _known(ended))
    require_ordered(*both)
    return both


def _known(moment: datetime | None) -> datetime:
    if moment is None:
        raise InvalidInput("A step has two times.", cure="Give when it started and when it ended.", rule=RULE)
    return moment


def _require_agreement(entry: Mapping[str, Any] | None, started: datetime, ended: datetime) -> None:
    if entry is None:
        return
    unit = entry["unit"]
    typed, lasted = timedelta(seconds=entry["value"] * SECONDS[unit]), ended - started
    if abs(typed - lasted) > _read_to(started, ended) + _rounding(entry["value"], unit):
        apart = f"{lasted.total_seconds() / SECONDS[unit]:.4g} {unit}"
        raise InvalidInput(
            f"{entry['title']} is given as {entry['value']:g} {unit}, but the times are {apart} apart.",
            cure="Correct the one that is wrong, or give the times alone: the duration follows from them.",
            rule=RULE,
        )


def _read_to(started: datetime, ended: datetime) -> timedelta:
    """How far off two times can put a difference: a clock read to the minute, or to the second."""
    whole = all(moment.second == moment.microsecond == 0 for moment in (started, ended))
    return MINUTE if whole else SECOND


def _rounding(value: float, unit: str) -> timedelta:
    """Half of the last digit that was typed, and never more than a tenth of the duration."""
    exponent = Decimal(str(value)).normalize().as_tuple().exponent
    half = 0.5 * 10.0 ** min(int(exponent), 0)
    return timedelta(seconds=min(half, value * ROUNDED_SHARE) * SECONDS[unit])


def require_after_what_came_before(
    device: Device, step: Step, measured: Sequence[Mapping[str, Any]], times: Times
) -> None:
    """Raises InvalidInput for a step that started before the device was built, or before the step before it ended.

    A step without times cannot have started later than its duration before now.
    """
    earliest, why = _earliest(device)
    if earliest is None:
        return
    if times is not None and times[0] < earliest:
        raise InvalidInput(
            f"The step cannot have started before {why}, {earliest:%Y-%m-%d %H:%M:%S %Z}.",
            cure="Look at the times again.",
            rule=RULE,
        )
    lasted, now = _at_least(measured), timezone.now()
    if times is None and now - lasted < earliest:
        raise InvalidInput(
            f"{step.title} took {lasted.total_seconds():.4g} s, but {why} only {_since(earliest, now)} ago.",
            cure="Give when it started and when it ended. What was not carried out as planned is recorded as measured: a "
            "nonconformance then decides.",
            rule=RULE,
        )


def _since(earliest: datetime, now: datetime) -> str:
    return f"{max(0.0, (now - earliest).total_seconds()):.4g} s"


def _at_least(measured: Sequence[Mapping[str, Any]]) -> timedelta:
    """How long a step took at least, its duration's rounding taken off; nothing where it has no duration."""
    entry = next((item for item in measured if item["name"] in DURATIONS and item["unit"] in SECONDS), None)
    if entry is None:
        return timedelta(0)
    typed = timedelta(seconds=entry["value"] * SECONDS[entry["unit"]])
    return max(timedelta(0), typed - _rounding(entry["value"], entry["unit"]))


def _earliest(device: Device) -> tuple[datetime | None, str]:
    """When a step can have begun at the earliest: after the print, and after the end of every step before it.

    The end of a step that nobody timed is not known: it cannot lie nearer to the step before it than its duration.
    """
    bound, why = _built(device), "the device was built"
    for row in device.post_process_steps.order_by("pk"):
        if row.ended_at is not None:
            bound, why = max(bound or row.ended_at, row.ended_at), f"{row.title} had ended"
        elif bound is not None and row.in_limits:
            bound, why = bound + _at_least(row.values), f"{row.title} can have ended"
    return bound, why


def _built(device: Device) -> datetime | None:
    """When the print of the device ended, by the machine."""
    printed = events_of(device).filter(type="printing.device_print_finished").order_by("version").last()
    if printed is None:
        return None
    job = PrintJob.objects.get(pk=json.loads(printed.payload)["job_id"])
    return min(job.ended_at or printed.occurred_at, printed.occurred_at)
