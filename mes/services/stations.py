"""Stations: enrolled by an administrator in their own browser, recognised by a key that changes, revoked (21 CFR 11.10(h))."""

from __future__ import annotations

import hashlib
import hmac
import secrets
from collections.abc import Sequence
from datetime import datetime, timedelta
from functools import cache

from django.conf import settings
from django.utils import timezone

from mes.choices import StationStage
from mes.compiled import by_key
from mes.eventlog.base import Actor
from mes.eventlog.unit import publish, unit_of_work
from mes.events import StationKeyRefused, StationRegistered, StationRevoked, StationRuleSet
from mes.exceptions import Conflict, InvalidInput
from mes.locking import locked_row
from mes.models import Station, StationRule
from mes.permissions import at_station_actions, require
from mes.terminals import Terminal

RULE = "P11-10h"
EXCHANGED_EVERY = timedelta(days=1)
OVERLAP = timedelta(minutes=5)
"""How long the key before still counts: pages that were asked for together carry it too."""
SYSTEM = Actor.system("mes.stations")


@cache
def _pepper() -> bytes:
    """From the installation's own secret, so that a copied database makes no station."""
    return hashlib.sha256(b"stations" + settings.SECRET_KEY.encode()).digest()


def _digest(key: str) -> str:
    return hmac.new(_pepper(), key.encode(), hashlib.sha256).hexdigest()


@unit_of_work
def register_station(
    *, name: str, location: str, actions: Sequence[str], actor: Actor
) -> tuple[Station, str]:
    """Enrol a computer. Returns the station and its key, which the computer's browser keeps and nobody is shown."""
    require(actor, "mes.register_station")
    _refuse_words(name, location, actions)
    if Station.objects.filter(name=name.strip(), stage=StationStage.ACTIVE).exists():
        raise Conflict(
            f"There is a station {name.strip()[:60]}.", cure="Revoke it, or choose another name.", rule=RULE
        )
    key = secrets.token_urlsafe(32)
    station = Station.objects.create(
        name=name.strip(),
        location=location.strip(),
        actions=sorted(set(actions)),
        registered_by_id=actor.person_id,
        token=_digest(key),
        rotated_at=timezone.now(),
    )
    registered = StationRegistered(
        station_id=station.pk, title=station.name, location=station.location, actions=station.actions
    )
    publish(station, registered, actor=actor)
    return station, f"{station.pk}.{key}"


@unit_of_work
def revoke_station(*, station_id: int, reason: str, actor: Actor) -> Station:
    """A station counts no longer: what is done at a station is refused there from now on."""
    station = locked_row(Station.objects.all(), station_id)
    if station is None:
        raise InvalidInput("There is no such station.", cure="Look at the list again.")
    require(actor, "mes.register_station", station)
    if not reason.strip():
        raise InvalidInput("Say why.", cure="Write the reason.", rule="P11-10e")
    if station.stage == StationStage.REVOKED:
        raise Conflict(f"{station.code} is revoked already.", cure="Look at the list again.")
    station.stage, station.revoked_because = StationStage.REVOKED, reason.strip()
    station.save(update_fields=["stage", "revoked_because"])
    publish(station, StationRevoked(station_id=station.pk), actor=actor, reason=reason.strip())
    return station


@unit_of_work
def require_station(*, action: str, required: bool, reason: str, actor: Actor) -> StationRule:
    """Decide whether an action has to be done at a registered station from now on."""
    require(actor, "mes.set_station_rule")
    if action not in at_station_actions():
        raise InvalidInput("This action is not done at a station.", cure="Choose one of the list.", rule=RULE)
    if not reason.strip():
        raise InvalidInput("Say why.", cure="Write the reason.", rule="P11-10e")
    rule, _ = StationRule.objects.update_or_create(action=action, defaults={"required": required})
    publish(rule, StationRuleSet(action=action, required=required), actor=actor, reason=reason.strip())
    return rule


def recognised_station(shown: str, terminal: Terminal) -> Station | None:
    """The station behind a key, revoked ones too, so that a refusal can say so. None for a key of no station.

    An exchanged key that is shown again after its moment is a copy: that is a fact on the station, once for each key.
    """
    number, _, key = shown.partition(".")
    if not (number.isascii() and number.isdigit() and len(number) <= 18):
        return None
    station = by_key(Station, int(number))
    if station is None:
        return None
    digest = _digest(key)
    if hmac.compare_digest(digest, station.token):
        return station
    if not station.former_token or not hmac.compare_digest(digest, station.former_token):
        return None
    if timezone.now() < station.rotated_at + OVERLAP:
        return station
    _tell_of_copy(station_id=station.pk, digest=digest, terminal=terminal)
    return None


@unit_of_work
def _tell_of_copy(*, station_id: int, digest: str, terminal: Terminal) -> None:
    station = Station.objects.select_for_update().get(pk=station_id)
    if station.former_token == digest:
        station.former_token = ""
        station.save(update_fields=["former_token"])
        told = StationKeyRefused(station_id=station.pk, address=terminal.address, agent=terminal.agent)
        publish(station, told, actor=SYSTEM)


@unit_of_work
def exchanged_key(*, station_id: int, now: datetime) -> str | None:
    """A new key where the old one is a day old; None while it is not, or where another page came first."""
    station = Station.objects.select_for_update().get(pk=station_id)
    if station.stage != StationStage.ACTIVE or now < station.rotated_at + EXCHANGED_EVERY:
        return None
    key = secrets.token_urlsafe(32)
    station.former_token, station.token, station.rotated_at = station.token, _digest(key), now
    station.save(update_fields=["token", "former_token", "rotated_at"])
    return f"{station.pk}.{key}"


def _refuse_words(name: str, location: str, actions: Sequence[str]) -> None:
    if not name.strip() or not location.strip() or len(name) > 60 or len(location) > 80:
        raise InvalidInput("A station needs a name and a place.", cure="Fill in both, shortly.", rule=RULE)
    unknown = set(actions) - set(at_station_actions())
    if not actions or unknown:
        raise InvalidInput("Say what may be done there.", cure="Choose from the list.", rule=RULE)
