"""How long designs wait for the people who decide on them."""

from __future__ import annotations

from django.http import HttpRequest, HttpResponse
from django.shortcuts import render

from devices.selectors.latency import PERIOD, decided_waits, open_waits
from devices.selectors.waiting import OVERDUE
from mes.api.actors import actor_of, viewer_behind
from mes.permissions import require

MOST_SHOWN = 200


def decisions(request: HttpRequest) -> HttpResponse:
    """What waits, the longest first, and what each person took; of the orders that who looks may know."""
    require(actor_of(request), "devices.read_latency")
    viewer = viewer_behind(request)
    waiting = open_waits(viewer)
    context = {
        "waiting": waiting[:MOST_SHOWN],
        "more": max(0, len(waiting) - MOST_SHOWN),
        "overdue": sum(one.overdue for one in waiting),
        "rows": decided_waits(viewer),
        "days": PERIOD.days,
        "overdue_days": OVERDUE.days,
    }
    return render(request, "devices/decisions.html", context)
