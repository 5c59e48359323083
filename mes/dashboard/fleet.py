"""The fleet: one live tile for each printer. The page carries the tiles; the socket keeps them true."""

from __future__ import annotations

from django.db.models import QuerySet
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import render

from mes.api.actors import viewer_behind
from mes.compiled import only
from mes.dashboard.actions import offered
from mes.dashboard.devices import shown_panels
from mes.dashboard.find import number_of
from mes.dashboard.records import told
from mes.scope import visible
from mes.selectors import events_of
from printing.models import Printer
from printing.selectors.fleet import fleet_state
from printing.selectors.machines import standing_triples


def printers(request: HttpRequest) -> QuerySet[Printer]:
    known = visible(Printer.objects.all(), viewer_behind(request))
    return known.select_related("contact", "container__lot__material").order_by("name")


def fleet(request: HttpRequest) -> HttpResponse:
    shown = {state["code"]: state for state in fleet_state()}
    tiles = [(printer, shown[printer.code]) for printer in printers(request) if printer.code in shown]
    return render(request, "printing/fleet.html", {"tiles": tiles})


def printer_page(request: HttpRequest, code: str) -> HttpResponse:
    printer = only(printers(request).filter(pk=number_of(code, "M")))
    if printer is None:
        raise Http404
    context = {
        "printer": printer,
        "shown": fleet_state([printer.pk])[0],
        "jobs": printer.jobs.select_related("build", "container__lot").order_by("-pk")[:20],
        "commands": printer.commands.select_related("job").order_by("-pk")[:20],
        "triples": standing_triples(printer).select_related("material", "parameters")[:20],
        "actions": offered(request, "printer", printer),
        "panels": shown_panels(request, "printer", printer),
        "events": told(list(events_of(printer).order_by("-version")[:50])),
    }
    return render(request, "printing/printer.html", context)


def printer_actions(request: HttpRequest, code: str) -> HttpResponse:
    """The buttons of a tile, asked again whenever its state changes."""
    printer = only(printers(request).filter(pk=number_of(code, "M")))
    if printer is None:
        raise Http404
    context = {"code": printer.code, "actions": offered(request, "printer", printer), "small": True}
    return render(request, "mes/parts/actions.html", context)
