"""The key of a station, in a signed cookie that only the server reads and that changes every day."""

from __future__ import annotations

from datetime import timedelta

from django.conf import settings
from django.http import HttpRequest, HttpResponseBase
from django.utils import timezone

from mes.models import Station
from mes.services.stations import EXCHANGED_EVERY, exchanged_key, recognised_station
from mes.terminals import Terminal

NAME = "__Host-station" if settings.SESSION_COOKIE_SECURE else "station"
SALT = "mes.station"
KEPT_FOR = timedelta(days=400)
"""The longest that browsers keep a cookie. Each change of keys starts it again."""


def station_of(request: HttpRequest, place: Terminal) -> Station | None:
    """The station whose key a request carries, signed by this server. None for any other."""
    shown = request.get_signed_cookie(NAME, default="", salt=SALT)
    return recognised_station(shown, place) if shown else None


def keep_key(answer: HttpResponseBase, key: str) -> None:
    answer.set_signed_cookie(
        NAME,
        key,
        salt=SALT,
        max_age=KEPT_FOR,
        httponly=True,
        samesite="Strict",
        secure=settings.SESSION_COOKIE_SECURE,
    )


def keep_exchanged(answer: HttpResponseBase, station: Station) -> None:
    """Give the browser a new key where the old one had its day."""
    now = timezone.now()
    if now < station.rotated_at + EXCHANGED_EVERY:
        return
    if key := exchanged_key(station_id=station.pk, now=now):
        keep_key(answer, key)
