"""Packages: the list, and one with what lies in it, its label and where its labels went (K-12)."""

from __future__ import annotations

from django.db.models import Q, QuerySet, Sum
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import render

from mes.api.actors import viewer_behind
from mes.compiled import only
from mes.dashboard.actions import offered
from mes.dashboard.find import CODE, number_of
from mes.dashboard.records import told
from mes.dashboard.routes import is_fragment
from mes.scope import visible
from mes.selectors import events_of, handwritten_of, signatures_of
from quality.choices import PackageLevel, PackageStage
from quality.models import Package
from quality.reports.packing import direct_contents, is_reconciled, outermost_of
from quality.selectors.packages import packages

PER_PAGE = 100


def packages_shown(request: HttpRequest) -> QuerySet[Package]:
    """What the search and the filters leave, newest first."""
    shown = visible(packages(), viewer_behind(request)).annotate(units=Sum("contents__quantity"))
    stage, level = request.GET.get("stage", ""), request.GET.get("level", "")
    if stage in PackageStage.values:
        shown = shown.filter(stage=stage)
    if level in PackageLevel.values:
        shown = shown.filter(level=level)
    search = request.GET.get("q", "").strip()[:40]
    code = CODE.match(search)
    if code and code[1].upper() in "KDO":
        number = int(code[2])
        by_letter = {"K": Q(pk=number), "D": Q(contents__device_id=number), "O": Q(order_id=number)}
        return shown.filter(by_letter[code[1].upper()])
    if search:
        return shown.filter(Q(station__icontains=search) | Q(contents__device__serial=search.upper()))
    return shown


def package_list(request: HttpRequest) -> HttpResponse:
    found = list(packages_shown(request)[: PER_PAGE + 1])
    context = {
        "packages": found[:PER_PAGE],
        "more": len(found) > PER_PAGE,
        "stages": PackageStage.choices,
        "levels": PackageLevel.choices,
        "stage": request.GET.get("stage", ""),
        "level": request.GET.get("level", ""),
        "search": request.GET.get("q", "")[:40],
    }
    template = "quality/parts/package_rows.html" if is_fragment(request) else "quality/packages.html"
    return render(request, template, context)


def package_page(request: HttpRequest, code: str) -> HttpResponse:
    found = only(visible(packages(), viewer_behind(request)).filter(pk=number_of(code, "K")))
    if found is None:
        raise Http404
    context = {
        "package": found,
        "contents": direct_contents(found),
        "inner": found.inner.exclude(stage=PackageStage.VOID).order_by("pk"),
        "outermost": outermost_of(found),
        "left": found.labels_left,
        "reconciled": is_reconciled(found),
        "actions": offered(request, "package", found),
        "signatures": signatures_of(found),
        "handwritten": handwritten_of(found),
        "events": told(list(events_of(found).order_by("-version")[:50])),
    }
    return render(request, "quality/package.html", context)
