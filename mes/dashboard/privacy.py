"""Privacy: accesses in an emergency, their review, and requests for erasure."""

from __future__ import annotations

from datetime import timedelta

from django.conf import settings
from django.contrib import messages
from django.db.models import Count, Q
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import render
from django.urls import reverse
from django.utils import timezone

from devices.models import Order
from mes.api.actors import actor_of, viewer_behind
from mes.choices import EmergencyStage, ErasureStage
from mes.compiled import only
from mes.dashboard.acting import refuse_uninvolved
from mes.dashboard.actions import offered
from mes.dashboard.find import CODE, number_of
from mes.dashboard.records import told
from mes.dashboard.routes import gone_to
from mes.eventlog.base import Actor
from mes.exceptions import InvalidInput, NotPermitted
from mes.lifecycle import ask_gates
from mes.models import EmergencyAccess, ErasureRequest, IdentityView, Patient
from mes.permissions import may, require
from mes.scope import Viewer, visible
from mes.selectors import events_of, signatures_of
from mes.services.emergency import (
    SHORTEST_REASON,
    break_glass,
    emergencies_without_manager,
    reviewer_of,
    still_needed,
)
from mes.services.erasure import ERASE

SHOWN = 100
REPORTED = timedelta(days=90)
REVIEWS = {
    "officer": "review-emergency",
    "manager": "review-emergency-manager",
    "second officer": "review-emergency",
}


def privacy(request: HttpRequest) -> HttpResponse:
    """What waits, what was decided, and how often each person looked in the last quarter."""
    require(actor_of(request), "mes.read_privacy")
    accesses = EmergencyAccess.objects.select_related("person", "patient").order_by("-pk")
    since = timezone.now() - REPORTED
    lookers = (
        IdentityView.objects.filter(viewed_at__gt=since)
        .values("person__full_name")
        .annotate(
            views=Count("pk"),
            patients=Count("patient", distinct=True),
            urgent=Count("pk", Q(emergency__isnull=False)),
        )
        .order_by("-views")
    )
    context = {
        "accesses": accesses[:SHOWN],
        "without_manager": emergencies_without_manager().order_by("pk")[:SHOWN],
        "requests": ErasureRequest.objects.select_related("patient").order_by("-pk")[:SHOWN],
        "lookers": lookers[:SHOWN],
        "since": since,
    }
    return render(request, "mes/privacy.html", context)


def emergency_asked(request: HttpRequest) -> HttpResponse:
    """Take access in an emergency. The patient is named by an order's code or a token, never by a name."""
    require(actor_of(request), "mes.break_glass")
    about = (request.POST.get("about") or request.GET.get("about", "")).strip()[:40]
    if request.method != "POST":
        minutes = int(settings.EMERGENCY_ACCESS.total_seconds() // 60)
        asked = {"about": about, "shortest": SHORTEST_REASON, "minutes": minutes}
        return render(request, "mes/emergency_ask.html", asked)
    access = break_glass(
        patient=_patient_about(about, viewer_behind(request)),
        actor=actor_of(request),
        reason=request.POST.get("reason", "")[:2000],
    )
    messages.success(request, f"{access.code}: you have access until {access.expires_at:%H:%M} UTC.")
    return gone_to(request, reverse("patient", args=[access.patient.token]))


def _patient_about(about: str, viewer: Viewer) -> Patient:
    """A token cannot be guessed; codes count up, so the order behind one is of those that the viewer may know (P11-10d)."""
    code = CODE.match(about)
    if code and code[1].upper() == "O":
        orders = visible(Order.objects.filter(pk=int(code[2])), viewer)
        order = orders.select_related("patient").first()
        found = order.patient if order else None
    else:
        found = Patient.objects.filter(token=about.upper()).first()
    if found is None:
        raise InvalidInput(
            "There is no such order or token.", cure="Type a code such as O0000001.", rule="K-13"
        )
    return found


def emergency_page(request: HttpRequest, code: str) -> HttpResponse:
    actor = actor_of(request)
    accesses = EmergencyAccess.objects.select_related("person", "patient", "manager")
    access = only(accesses.filter(pk=number_of(code, "E")))
    if access is None:
        raise Http404
    refuse_uninvolved(access, actor)
    context = {
        "access": access,
        "needed": still_needed(access) if access.stage == EmergencyStage.ENDED else "",
        "views": access.views.order_by("viewed_at", "pk"),
        "actions": [
            action for action in offered(request, "emergency", access) if _mine(action.id, access, actor)
        ],
        "signatures": signatures_of(access),
        "events": told(list(events_of(access).order_by("-version")[:50])),
    }
    return render(request, "mes/emergency.html", context)


def _mine(action: str, access: EmergencyAccess, actor: Actor) -> bool:
    """The services decide again; a button that would be refused is not offered."""
    if action == "end-emergency":
        return actor.person_id == access.person_id or may(actor, "mes.review_emergency")
    return action == REVIEWS.get(reviewer_of(access, actor.person_id) or "")


def erasure_page(request: HttpRequest, code: str) -> HttpResponse:
    actor = actor_of(request)
    if not any(may(actor, action) for action in ("mes.read_privacy", "mes.request_erasure")):
        raise NotPermitted(
            "Requests for erasure are not part of your work.", cure="Ask the privacy officer.", rule="P11-10d"
        )
    requests = ErasureRequest.objects.select_related("patient", "registered_by")
    asked = only(requests.filter(pk=number_of(code, "R")))
    if asked is None:
        raise Http404
    waiting = asked.stage == ErasureStage.REQUESTED
    context = {
        "asked": asked,
        "gates": [result.as_payload() for result in ask_gates(ERASE, asked.patient)] if waiting else [],
        "actions": offered(request, "erasure", asked),
        "signatures": signatures_of(asked),
        "events": told(list(events_of(asked).order_by("-version")[:50])),
    }
    return render(request, "mes/erasure.html", context)
