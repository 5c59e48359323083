"""Measuring equipment: the list, and one gauge with its calibrations and what it measured."""

from __future__ import annotations

from typing import Any

from django.db.models import QuerySet
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import render
from django.utils import timezone

from mes.api.actors import actor_of, viewer_behind
from mes.compiled import only
from mes.dashboard.actions import offered
from mes.dashboard.files import files_shown
from mes.dashboard.find import CODE, number_of
from mes.dashboard.records import told
from mes.dashboard.routes import is_fragment
from mes.permissions import require
from mes.scope import visible
from mes.selectors import events_of, signatures_of
from quality.choices import GaugeStage
from quality.models import Gauge
from quality.selectors.gauges import gauge_findings, gauges

PER_PAGE = 100
SHOWN = 50


def gauges_shown(request: HttpRequest) -> QuerySet[Any]:
    shown = visible(gauges(), viewer_behind(request))
    stage = request.GET.get("stage", "")
    if stage in GaugeStage.values:
        shown = shown.filter(stage=stage)
    search = request.GET.get("q", "").strip()[:40]
    code = CODE.match(search)
    if code and code[1].upper() == "G":
        return shown.filter(pk=int(code[2]))
    if search:
        shown = shown.filter(serial__icontains=search) | shown.filter(maker__icontains=search)
    return shown


def gauge_list(request: HttpRequest) -> HttpResponse:
    require(actor_of(request), "quality.read_gauges")
    found = list(gauges_shown(request)[: PER_PAGE + 1])
    context = {
        "gauges": found[:PER_PAGE],
        "more": len(found) > PER_PAGE,
        "stages": GaugeStage.choices,
        "stage": request.GET.get("stage", ""),
        "search": request.GET.get("q", "")[:40],
        "today": timezone.localdate(),
        "actions": offered(request, "gauges", None),
    }
    template = "quality/parts/gauge_rows.html" if is_fragment(request) else "quality/gauges.html"
    return render(request, template, context)


def gauge_by(request: HttpRequest, code: str) -> Gauge:
    found: Gauge | None = only(visible(gauges(), viewer_behind(request)).filter(pk=number_of(code, "G")))
    if found is None:
        raise Http404
    return found


def gauge_page(request: HttpRequest, code: str) -> HttpResponse:
    """One gauge: whether it may measure, its calibrations, what it measured, and what came of being found out."""
    require(actor_of(request), "quality.read_gauges")
    gauge = gauge_by(request, code)
    viewer = viewer_behind(request)
    measured = visible(gauge.inspections.select_related("device", "calibration"), viewer).order_by("-pk")
    findings = visible(gauge_findings(gauge), viewer)
    context = {
        "gauge": gauge,
        "calibrations": gauge.calibrations.select_related("recorded_by").order_by("-pk"),
        "measured": measured[:SHOWN],
        "measured_more": max(0, measured.count() - SHOWN),
        "findings": findings[:SHOWN],
        "findings_more": max(0, findings.count() - SHOWN),
        "today": timezone.localdate(),
        "actions": offered(request, "gauge", gauge),
        "files": files_shown(request, "gauge", gauge),
        "signatures": signatures_of(gauge),
        "events": told(list(events_of(gauge).order_by("-version")[:50])),
    }
    return render(request, "quality/gauge.html", context)
