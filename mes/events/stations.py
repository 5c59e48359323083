"""Facts about stations: the computers that work is recorded at."""

from __future__ import annotations

from dataclasses import dataclass

from mes.eventlog.base import Event


@dataclass(frozen=True, kw_only=True)
class StationRegistered(Event, name="mes.station_registered", terminal=True):
    """An administrator enrolled a computer as a station, with where it stands and what may be done there."""

    station_id: int
    title: str
    location: str
    actions: list[str]


@dataclass(frozen=True, kw_only=True)
class StationRevoked(Event, name="mes.station_revoked", terminal=True):
    """A station counts no longer: lost, stolen, replaced. Its key opens nothing any more."""

    station_id: int


@dataclass(frozen=True, kw_only=True)
class StationKeyRefused(Event, name="mes.station_key_refused", terminal=True):
    """A computer showed a key that its station had exchanged for another already: a copy is about."""

    station_id: int
    address: str
    agent: str


@dataclass(frozen=True, kw_only=True)
class StationRuleSet(Event, name="mes.station_rule_set", terminal=True):
    """Quality decided whether an action has to be done at a registered station."""

    action: str
    required: bool


@dataclass(frozen=True, kw_only=True)
class ActedAtStation(Event, name="mes.acted_at_station", terminal=True):
    """At which registered station an action was done (21 CFR 11.10(h))."""

    action: str
    station: str
    location: str
