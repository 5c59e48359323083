"""Stations: which computers there are, what may be done at each, and what takes one (21 CFR 11.10(h))."""

from __future__ import annotations

from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.urls import reverse
from django.views.decorators.debug import sensitive_post_parameters
from django.views.decorators.http import require_POST

from mes.api.actors import actor_of
from mes.api.secrets import secret_for
from mes.dashboard.find import number_of
from mes.dashboard.routes import gone_to
from mes.dashboard.stationkeys import keep_key
from mes.eventlog.base import Actor
from mes.models import Station, StationRule
from mes.permissions import at_station_actions, may, require
from mes.services.stations import register_station, require_station, revoke_station
from mes.stations import station_here

PER_PAGE = 200


@sensitive_post_parameters("password", "assertion")
def stations(request: HttpRequest) -> HttpResponse:
    """Every station, the form that makes this computer one, and the setting."""
    actor = actor_of(request)
    if request.method == "POST":
        return _registered(request, actor)
    require(actor, "mes.read_stations")
    titles = at_station_actions()
    required = set(StationRule.objects.filter(required=True).values_list("action", flat=True))
    rows = list(Station.objects.select_related("registered_by").order_by("stage", "-pk")[: PER_PAGE + 1])
    context = {
        "stations": [
            (row, [titles.get(action, action) for action in row.actions]) for row in rows[:PER_PAGE]
        ],
        "more": len(rows) > PER_PAGE,
        "rules": [(action, title, action in required) for action, title in titles.items()],
        "here": station_here(),
        "may_register": may(actor, "mes.register_station"),
        "may_set": may(actor, "mes.set_station_rule"),
    }
    return render(request, "mes/stations.html", context)


def _registered(request: HttpRequest, actor: Actor) -> HttpResponse:
    """The key goes into this browser's cookie, and nowhere else."""
    secret_for(request, "mes.register_station")
    station, key = register_station(
        name=request.POST.get("name", ""),
        location=request.POST.get("location", ""),
        actions=request.POST.getlist("action"),
        actor=actor,
    )
    messages.success(request, f"This computer is station {station.code}.")
    answer = gone_to(request, reverse("stations"))
    keep_key(answer, key)
    return answer


@require_POST
@sensitive_post_parameters("password", "assertion")
def station_revoke(request: HttpRequest, code: str) -> HttpResponse:
    secret_for(request, "mes.register_station")
    station = revoke_station(
        station_id=number_of(code, "T"), reason=request.POST.get("reason", "")[:500], actor=actor_of(request)
    )
    messages.success(request, f"{station.code} is revoked.")
    return gone_to(request, reverse("stations"))


@require_POST
def station_rule(request: HttpRequest) -> HttpResponse:
    rule = require_station(
        action=request.POST.get("action", ""),
        required=request.POST.get("required") == "yes",
        reason=request.POST.get("reason", "")[:500],
        actor=actor_of(request),
    )
    word = "takes a registered station" if rule.required else "is recorded with its station, and takes none"
    messages.success(request, f"From now on it {word}.")
    return gone_to(request, reverse("stations"))
