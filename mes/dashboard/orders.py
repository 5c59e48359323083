"""Orders: the list, and one order with its patient's token, its devices and its approvals."""

from __future__ import annotations

from django.db.models import QuerySet
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import render
from django.utils import timezone

from devices.choices import OrderStage
from devices.models import Order
from devices.selectors.orders import order_devices, orders
from devices.selectors.progress import waits_for
from devices.services.prescribed import bindings
from mes.api.actors import actor_of, viewer_behind
from mes.compiled import only
from mes.dashboard.actions import offered
from mes.dashboard.devices import shown_panels
from mes.dashboard.find import CODE, number_of
from mes.dashboard.records import told
from mes.dashboard.routes import is_fragment
from mes.permissions import may, require
from mes.scope import visible
from mes.selectors import events_of, handwritten_of, signatures_of
from mes.services.looking import knows_patient
from mes.services.viewing import view_identity

PER_PAGE = 100
ENDED = (OrderStage.CLOSED, OrderStage.REJECTED, OrderStage.CANCELLED, OrderStage.DELIVERED)


def order_by(request: HttpRequest, code: str) -> Order:
    found = only(visible(orders(), viewer_behind(request)).filter(pk=number_of(code, "O")))
    if found is None:
        raise Http404
    return found


def orders_shown(request: HttpRequest) -> QuerySet[Order]:
    shown = visible(orders(), viewer_behind(request))
    stage = request.GET.get("stage", "")
    if stage in OrderStage.values:
        shown = shown.filter(stage=stage)
    elif "ended" not in request.GET:
        shown = shown.exclude(stage__in=ENDED)
    search = request.GET.get("q", "").strip()[:40]
    code = CODE.match(search)
    if code and code[1].upper() == "O":
        return shown.filter(pk=int(code[2]))
    if search:
        shown = shown.filter(master__title__icontains=search) | shown.filter(patient__token__iexact=search)
    return shown


def order_list(request: HttpRequest) -> HttpResponse:
    found = list(orders_shown(request)[: PER_PAGE + 1])
    context = {
        "orders": found[:PER_PAGE],
        "more": len(found) > PER_PAGE,
        "stages": OrderStage.choices,
        "stage": request.GET.get("stage", ""),
        "search": request.GET.get("q", "")[:40],
        "ended": "ended" in request.GET,
        "today": timezone.localdate(),
        "actions": offered(request, "orders", None),
    }
    template = "devices/parts/order_rows.html" if is_fragment(request) else "devices/orders.html"
    return render(request, template, context)


def order_page(request: HttpRequest, code: str) -> HttpResponse:
    order = order_by(request, code)
    context = {
        "order": order,
        "characteristics": bindings(order),
        "devices": [(device, waits_for(device)) for device in order_devices(order)],
        "actions": offered(request, "order", order),
        "panels": shown_panels(request, "order", order),
        "signatures": signatures_of(order),
        "handwritten": handwritten_of(order),
        "events": told(list(events_of(order).order_by("-version")[:50])),
        "may_see_identity": may(actor_of(request), "mes.view_identity", order)
        and knows_patient(actor_of(request), order.patient),
        "may_break_glass": may(actor_of(request), "mes.break_glass"),
    }
    return render(request, "devices/order.html", context)


def order_identity(request: HttpRequest, code: str) -> HttpResponse:
    """Who the patient is: asked for with a reason, shown once in a dialog, and written down (P11-10e)."""
    order = order_by(request, code)
    require(actor_of(request), "mes.view_identity", order)
    if request.method != "POST":
        return render(request, "devices/parts/identity_ask.html", {"order": order})
    identity = view_identity(
        patient=order.patient, actor=actor_of(request), reason=request.POST.get("reason", ""), about=order
    )
    return render(request, "devices/parts/identity.html", {"order": order, "identity": identity})
