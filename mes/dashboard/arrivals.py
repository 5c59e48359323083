"""Images that came in over the network: what waits for a person, one study, and who may send."""

from __future__ import annotations

from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import render

from devices.choices import ArrivalStage
from devices.models import Arrival, DicomPeer
from devices.selectors.arrivals import arrivals
from mes.api.actors import actor_of, viewer_behind
from mes.compiled import only
from mes.dashboard.actions import offered
from mes.dashboard.find import number_of
from mes.dashboard.records import told
from mes.dashboard.routes import is_fragment
from mes.permissions import require
from mes.scope import visible
from mes.selectors import events_of

PER_PAGE = 100


def arrival_list(request: HttpRequest) -> HttpResponse:
    """What waits for a person; or, by its state, what became of the rest."""
    require(actor_of(request), "devices.read_arrivals")
    stage = request.GET.get("stage", ArrivalStage.WAITING)
    rows = visible(arrivals(), viewer_behind(request))
    if stage in ArrivalStage.values:
        rows = rows.filter(stage=stage)
    found = list(rows[: PER_PAGE + 1])
    context = {
        "arrivals": found[:PER_PAGE],
        "more": len(found) > PER_PAGE,
        "stage": stage,
        "stages": ArrivalStage.choices,
    }
    template = "devices/parts/arrival_rows.html" if is_fragment(request) else "devices/arrivals.html"
    return render(request, template, context)


def arrival_page(request: HttpRequest, code: str) -> HttpResponse:
    """One study: how it came, how much of it there is, and why it was refused where it was."""
    require(actor_of(request), "devices.read_arrivals")
    arrival: Arrival | None = only(
        visible(arrivals(), viewer_behind(request)).filter(pk=number_of(code, "A"))
    )
    if arrival is None:
        raise Http404
    context = {
        "arrival": arrival,
        "study": arrival.study,
        "actions": offered(request, "arrival", arrival),
        "events": told(list(events_of(arrival).order_by("-version")[:50])),
    }
    return render(request, "devices/arrival.html", context)


def peers(request: HttpRequest) -> HttpResponse:
    """Who may send images over the DICOM network, and who no longer may."""
    require(actor_of(request), "devices.read_peers")
    found = list(DicomPeer.objects.select_related("registered_by").order_by("stage", "-pk")[: PER_PAGE + 1])
    context = {
        "peers": [(peer, offered(request, "peer", peer)) for peer in found[:PER_PAGE]],
        "more": len(found) > PER_PAGE,
        "actions": offered(request, "peers", None),
    }
    return render(request, "devices/peers.html", context)
