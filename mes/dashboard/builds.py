"""Builds: what lies on a plate, its layers, and its prints."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from django.db.models import Count, Q, QuerySet
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import render

from mes.api.actors import actor_of, viewer_behind
from mes.dashboard.actions import offered
from mes.dashboard.devices import shown_panels
from mes.dashboard.files import files_shown
from mes.dashboard.find import CODE, number_of
from mes.dashboard.records import told
from mes.dashboard.routes import is_fragment
from mes.permissions import require
from mes.scope import visible
from mes.selectors import events_of, handwritten_of, signatures_of
from printing.choices import ENDED_BUILDS, BuildState
from printing.models import Build, BuildItem
from printing.services.layers import layer_mask

PER_PAGE = 100
WIDTH, HEIGHT, POINTS = 1000.0, 100.0, 500


@dataclass(frozen=True)
class Curve:
    """The area of each layer as a path in a view box of 1000 x 100; `top_mm2` is its highest value."""

    edge: str
    area: str
    top_mm2: float
    mean_mm2: float


def curve_of(areas_mm2: Sequence[float]) -> Curve | None:
    """Thinned to the largest area of each stretch, so that no island disappears."""
    if not areas_mm2:
        return None
    step = max(1, -(-len(areas_mm2) // POINTS))
    thinned = [max(areas_mm2[at : at + step]) for at in range(0, len(areas_mm2), step)]
    top = max(thinned) or 1.0
    across = WIDTH / max(1, len(thinned) - 1)
    points = [
        f"{index * across:.1f} {HEIGHT - value / top * (HEIGHT - 4):.1f}"
        for index, value in enumerate(thinned)
    ]
    edge = "M" + " L".join(points)
    return Curve(
        edge, f"{edge} L{WIDTH:.0f} {HEIGHT:.0f} L0 {HEIGHT:.0f} Z", top, sum(areas_mm2) / len(areas_mm2)
    )


def builds_shown(request: HttpRequest) -> QuerySet[Build]:
    known = visible(Build.objects.select_related("material", "parameters"), viewer_behind(request))
    shown = known.annotate(parts=Count("items")).order_by("-pk")
    state = request.GET.get("state", "")
    if state in BuildState.values:
        shown = shown.filter(state=state)
    elif "ended" not in request.GET:
        shown = shown.exclude(state__in=ENDED_BUILDS)
    search = request.GET.get("q", "").strip()[:40]
    code = CODE.match(search)
    if code and code[1].upper() in "BD":
        number = int(code[2])
        shown = shown.filter(Q(pk=number) if code[1].upper() == "B" else Q(items__device_id=number))
    elif search:
        shown = shown.filter(material__name__icontains=search)
    return shown


def build_list(request: HttpRequest) -> HttpResponse:
    found = list(builds_shown(request)[: PER_PAGE + 1])
    context = {
        "builds": found[:PER_PAGE],
        "more": len(found) > PER_PAGE,
        "states": BuildState.choices,
        "state": request.GET.get("state", ""),
        "search": request.GET.get("q", "")[:40],
        "ended": "ended" in request.GET,
        "actions": offered(request, "builds", None),
    }
    return render(
        request, "printing/parts/build_rows.html" if is_fragment(request) else "printing/builds.html", context
    )


def build_by(request: HttpRequest, code: str) -> Build:
    found = (
        visible(Build.objects.all(), viewer_behind(request))
        .select_related("material", "parameters", "created_by", "verified_by", "file")
        .filter(pk=number_of(code, "B"))
        .first()
    )
    if found is None:
        raise Http404
    return found


def build_page(request: HttpRequest, code: str) -> HttpResponse:
    build = build_by(request, code)
    context = {
        "build": build,
        "items": BuildItem.objects.filter(build=build)
        .select_related("device__order", "device__master")
        .order_by("pk"),
        "jobs": build.jobs.select_related("printer", "container__lot")
        .prefetch_related("consumptions")
        .order_by("pk"),
        "curve": curve_of(build.areas_mm2),
        "actions": offered(request, "build", build),
        "panels": shown_panels(request, "build", build),
        "files": files_shown(request, "build", build),
        "signatures": signatures_of(build),
        "handwritten": handwritten_of(build),
        "events": told(list(events_of(build).order_by("-version")[:50])),
    }
    return render(request, "printing/build.html", context)


def build_layer(request: HttpRequest, code: str, layer: int) -> HttpResponse:
    """The mask of one layer as the printer shows it, PNG. Layers count from 1."""
    build = build_by(request, code)
    require(actor_of(request), "devices.read_artefact", build)
    mask = layer_mask(build, layer)
    if mask is None:
        raise Http404
    return HttpResponse(mask, content_type="image/png")
