"""Where an action of the shop floor is done: at which registered station, and why not there (21 CFR 11.10(h))."""

from __future__ import annotations

from collections.abc import Iterator

from mes.choices import StationStage
from mes.compiled import by_key
from mes.events import ActedAtStation
from mes.exceptions import Reason
from mes.models import Station, StationRule
from mes.terminals import terminal

RULE = "P11-10h"


def station_here() -> Station | None:
    """The station that the running request comes from, revoked ones too; None at any other computer."""
    number = terminal().station
    return by_key(Station, number) if number else None


def place_reasons(action: str, title: str, station: Station | None) -> Iterator[Reason]:
    """Why an action may not be done at this computer. A station that was revoked, or is for other things, is refused
    whether or not the action takes a station; a computer that is none, only where it does."""
    if station is None:
        if StationRule.objects.filter(action=action, required=True).exists():
            text = f"To {title} takes a registered station, and this computer is none."
            cure = "Do it at one of them, or ask the security administrator to register this computer: /stations/."
            yield Reason(text, cure, RULE)
    elif station.stage != StationStage.ACTIVE:
        text = f"This computer was station {station.code}, {station.name}, which is revoked: {station.revoked_because}"
        cure = "Use another station, or ask the security administrator to register this computer again: /stations/."
        yield Reason(text, cure, RULE)
    elif action not in station.actions:
        text = f"Station {station.code}, {station.name}, is not one to {title}."
        cure = "Do it at a station that is, or ask the security administrator to register this one for it: /stations/."
        yield Reason(text, cure, RULE)


def acted_at(action: str, station: Station) -> ActedAtStation:
    """The fact that an action was done at a station, for the stream of what it was done to."""
    return ActedAtStation(action=action, station=station.code, location=station.location)
