"""Deliveries that were given up: what failed, and what an operator decides about it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from django.contrib import messages
from django.db.models import Count
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, render
from django.urls import reverse
from django.views.decorators.http import require_POST

from mes.api.actors import actor_of
from mes.dashboard.records import subject_of
from mes.dashboard.routes import gone_to
from mes.models import Delivery, DeliveryStatus
from mes.permissions import require
from mes.selectors import dead_deliveries
from mes.services.deliveries import replay_delivery, retry_delivery, skip_delivery

PER_PAGE = 100
DECISIONS: dict[str, tuple[Callable[..., None], str]] = {
    "retry": (retry_delivery, "The delivery gets its attempts back."),
    "skip": (skip_delivery, "The delivery is passed over; its effect will not happen."),
    "replay": (replay_delivery, "The handler will react once more."),
}


def dead_letters(request: HttpRequest) -> HttpResponse:
    require(actor_of(request), "mes.operate_deliveries")
    counts: dict[str, int] = dict(
        Delivery.objects.exclude(status=DeliveryStatus.DONE)
        .values_list("status")
        .annotate(Count("pk"))
        .order_by("status")
    )
    dead = list(dead_deliveries()[:PER_PAGE])
    rows = [(delivery, subject_of(delivery.stream_type, delivery.stream_id)) for delivery in dead]
    return render(
        request, "mes/dead_letters.html", {"rows": rows, "counts": counts, "dead": counts.get("dead", 0)}
    )


def delivery(request: HttpRequest, number: int) -> HttpResponse:
    """One delivery with its error, to decide about it."""
    require(actor_of(request), "mes.operate_deliveries")
    found = get_object_or_404(Delivery.objects.select_related("event"), pk=number)
    context: dict[str, Any] = {
        "delivery": found,
        "subject": subject_of(found.stream_type, found.stream_id),
        "held_back": Delivery.objects.filter(
            handler=found.handler,
            stream_type=found.stream_type,
            stream_id=found.stream_id,
            version__gt=found.version,
            status=DeliveryStatus.PENDING,
        ).count(),
    }
    return render(request, "mes/delivery.html", context)


@require_POST
def decide_delivery(request: HttpRequest, number: int, decision: str) -> HttpResponse:
    if decision not in DECISIONS:
        raise Http404
    service, told = DECISIONS[decision]
    service(delivery_id=number, actor=actor_of(request), reason=request.POST.get("reason", "").strip()[:2000])
    messages.success(request, told)
    return gone_to(request, reverse("dead-letters"))
