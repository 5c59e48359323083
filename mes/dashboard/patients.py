"""Patients: found by an exact identifier, shown as a token; who it is only with a reason, and who looked (P11-10e)."""

from __future__ import annotations

from typing import Any

from django.contrib import messages
from django.db.models import Q, QuerySet
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseBase
from django.shortcuts import redirect, render
from django.urls import reverse
from django.views.decorators.debug import sensitive_post_parameters

from devices.models import Order
from mes.api.actors import actor_of, viewer_behind
from mes.dashboard.routes import gone_to
from mes.dashboard.sheets import taken_as_csv
from mes.eventlog.base import Actor
from mes.exceptions import NotPermitted
from mes.lifecycle import ask_gates
from mes.models import EmergencyAccess, IdentityView, Patient
from mes.permissions import may, require
from mes.scope import Viewer, visible
from mes.services.erasure import ERASE, request_erasure
from mes.services.looking import knows_patient
from mes.services.viewing import emergency_of, look_up_patient, view_identity

VIEWS_SHOWN = 50
SHEET_LIMIT = 100_000
OF_THEIR_PATIENTS = ("mes.find_patient", "mes.view_identity")
OF_EVERY_PATIENT = ("mes.read_views", "mes.request_erasure", "mes.decide_erasure")


@sensitive_post_parameters("identifier")
def patients(request: HttpRequest) -> HttpResponse:
    """Search by the whole identifier. It is sent in the body: an address would stand in logs and in the history."""
    require(actor_of(request), "mes.find_patient")
    if request.method != "POST":
        return render(request, "mes/patients.html")
    found = look_up_patient(identifier=request.POST.get("identifier", "")[:200], actor=actor_of(request))
    if found is None:
        return render(request, "mes/patients.html", {"nobody": True})
    return redirect("patient", token=found.token)


def patient_by(request: HttpRequest, token: str) -> Patient:
    """The patient, for somebody whose business it is. Another patient is not there, and is not told from a token that nobody has (P11-10d)."""
    actor = actor_of(request)
    patient = Patient.objects.filter(token=token).first()
    if patient is not None and may_open(patient, actor, viewer_behind(request)):
        return patient
    if not any(may(actor, action) for action in (*OF_THEIR_PATIENTS, *OF_EVERY_PATIENT)):
        raise NotPermitted(
            "Who a patient is, is not part of your work.",
            cure="Ask an order coordinator; in an emergency, take access and say why.",
            rule="P11-10d",
        )
    raise Http404


def may_open(patient: Patient, actor: Actor, viewer: Viewer) -> bool:
    """Whether the patient's page opens: by role, by an order that brought them here, or in an emergency that lasts."""
    if viewer.every_order and any(may(actor, action) for action in OF_EVERY_PATIENT):
        return True
    theirs = any(may(actor, action) for action in OF_THEIR_PATIENTS) and knows_patient(actor, patient)
    return theirs or emergency_of(patient, actor) is not None


def order_behind(request: HttpRequest, patient: Patient) -> Order | None:
    """On whose account this person may look: an order that they know, else one that they do not, which refuses them."""
    orders = Order.objects.filter(patient=patient).order_by("-pk")
    return visible(orders, viewer_behind(request)).first() or orders.first()


def _emergencies(patient: Patient, actor: Actor) -> QuerySet[EmergencyAccess]:
    """Those that the actor may open by themselves: all for the privacy office, else the own ones and those to answer for."""
    rows = patient.emergencies.select_related("person").order_by("-pk")
    if not may(actor, "mes.read_privacy"):
        own = actor.person_id or 0
        rows = rows.filter(Q(person=own) | Q(manager=own))
    return rows[:VIEWS_SHOWN]


def kept_by(patient: Patient) -> list[dict[str, Any]]:
    """What stands in the way of an erasure today, before anybody asks for one (K-15)."""
    return [] if patient.erased else [result.as_payload() for result in ask_gates(ERASE, patient)]


def patient_page(request: HttpRequest, token: str) -> HttpResponse:
    actor, patient = actor_of(request), patient_by(request, token)
    emergency = emergency_of(patient, actor)
    knows = may(actor, "mes.view_identity") and knows_patient(actor, patient)
    of_erasure = any(may(actor, action) for action in ("mes.read_privacy", "mes.request_erasure"))
    views = patient.views.select_related("person", "emergency").order_by("-viewed_at", "-pk")
    context = {
        "patient": patient,
        "orders": visible(Order.objects.filter(patient=patient), viewer_behind(request))
        .select_related("master")
        .order_by("-pk")[:VIEWS_SHOWN],
        "emergency": emergency,
        "may_see": not patient.erased and (emergency is not None or knows),
        "may_break": emergency is None and not knows and not patient.erased and may(actor, "mes.break_glass"),
        "may_request": not patient.erased and may(actor, "mes.request_erasure"),
        "may_read_privacy": may(actor, "mes.read_privacy"),
        "may_read_views": may(actor, "mes.read_views"),
        "views": views[:VIEWS_SHOWN] if may(actor, "mes.read_views") else None,
        "views_count": views.count(),
        "emergencies": _emergencies(patient, actor),
        "requests": patient.erasure_requests.order_by("-pk")[:VIEWS_SHOWN] if of_erasure else None,
        "gates": kept_by(patient) if of_erasure else [],
    }
    return render(request, "mes/patient.html", context)


def patient_identity(request: HttpRequest, token: str) -> HttpResponse:
    """Asked for with a reason, shown once in a dialog, never kept by a browser, and written down."""
    patient = patient_by(request, token)
    if request.method != "POST":
        return render(request, "mes/parts/patient_identity_ask.html", {"patient": patient})
    identity = view_identity(
        patient=patient,
        actor=actor_of(request),
        reason=request.POST.get("reason", "")[:2000],
        about=order_behind(request, patient),
    )
    return render(request, "mes/parts/patient_identity.html", {"patient": patient, "identity": identity})


def patient_erasure(request: HttpRequest, token: str) -> HttpResponse:
    """Register that somebody asks for this patient to be forgotten."""
    patient = patient_by(request, token)
    require(actor_of(request), "mes.request_erasure")
    if request.method != "POST":
        asked = {"patient": patient, "gates": kept_by(patient)}
        return render(request, "mes/parts/patient_erasure_ask.html", asked)
    made = request_erasure(
        patient=patient, reason=request.POST.get("reason", "")[:2000], actor=actor_of(request)
    )
    messages.success(
        request, f"{made.code} is registered. The privacy officer and a quality reviewer decide."
    )
    return gone_to(request, reverse("erasure", args=[made.code]))


def patient_views(request: HttpRequest, token: str) -> HttpResponseBase:
    """Every look at this patient, for the privacy officer's report (45 CFR 164.312(b))."""
    require(actor_of(request), "mes.read_views")
    patient = patient_by(request, token)
    views = IdentityView.objects.filter(patient=patient).select_related("person", "emergency")
    head = ("viewed at", "person", "name", "reason", "emergency")
    rows = (
        (
            view.viewed_at.isoformat(),
            view.person_id,
            str(view.person),
            view.reason,
            view.emergency.code if view.emergency else "",
        )
        for view in views.order_by("viewed_at", "pk")[:SHEET_LIMIT]
    )
    return taken_as_csv(f"views-{patient.token}", head, rows, actor=actor_of(request), subject=patient)
