"""Kits: the list, and one with its members, what was compared, and what is missing for its release."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from django.db.models import Q, QuerySet
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import render

from devices.choices import KitStage, Stage
from devices.models import Kit
from devices.selectors.devices import devices
from devices.selectors.kits import (
    check_given_up,
    every_member_of,
    is_checked,
    kits,
    kits_with_members,
    members_of,
    undesigned,
)
from devices.selectors.progress import waits_for
from mes.api.actors import actor_of, viewer_behind
from mes.compiled import only
from mes.dashboard.actions import offered
from mes.dashboard.find import CODE, number_of
from mes.dashboard.records import told
from mes.dashboard.routes import is_fragment
from mes.scope import visible
from mes.selectors import events_of
from quality.selectors.kits import against_members
from quality.services.kits import kit_checklist

PER_PAGE = 100


def kits_shown(request: HttpRequest) -> QuerySet[Kit]:
    """What the search and the filter leave, newest first."""
    shown = visible(kits_with_members(), viewer_behind(request))
    stage = request.GET.get("stage", "")
    if stage in KitStage.values:
        shown = shown.filter(stage=stage)
    search = request.GET.get("q", "").strip()[:40]
    code = CODE.match(search)
    if code and code[1].upper() in "CDO":
        number = int(code[2])
        by_letter = {
            "C": Q(pk=number),
            "D": Q(members__device_id=number),
            "O": Q(members__device__order_id=number),
        }
        return shown.filter(by_letter[code[1].upper()]).distinct()
    return shown.filter(patient__token__iexact=search) if search else shown


def kit_list(request: HttpRequest) -> HttpResponse:
    found = list(kits_shown(request)[: PER_PAGE + 1])
    context = {
        "kits": found[:PER_PAGE],
        "more": len(found) > PER_PAGE,
        "stages": KitStage.choices,
        "stage": request.GET.get("stage", ""),
        "search": request.GET.get("q", "")[:40],
    }
    template = "devices/parts/kit_rows.html" if is_fragment(request) else "devices/kits.html"
    return render(request, template, context)


def kit_page(request: HttpRequest, code: str) -> HttpResponse:
    kit = only(visible(kits(), viewer_behind(request)).filter(pk=number_of(code, "C")))
    if kit is None:
        raise Http404
    members = members_of(kit)
    shown = devices().filter(pk__in=[one.pk for one in members]).order_by("pk")
    former = [one for one in every_member_of(kit) if one not in members]
    answers = kit.checked["answers"] if is_checked(kit, members) else []
    actor = actor_of(request)
    ready = all(one.stage == Stage.REVIEWED for one in members) and kit.stage == KitStage.OPEN
    asked = kit_checklist(kit, actor) if ready else {}
    context = {
        "kit": kit,
        "against": list(against_members(members)),
        "blocked": [(code, gate) for code, gates in asked.items() for gate in gates if not gate.passed],
        "asked": bool(asked),
        "members": [(one, waits_for(one)) for one in shown],
        "former": former,
        "undesigned": undesigned(members),
        "answers": answers,
        "given_up": check_given_up(kit),
        "measured": [row for answer in answers for row in _measured(answer["evidence"])],
        "actions": offered(request, "kit", kit),
        "events": told(list(events_of(kit).order_by("-version")[:50])),
    }
    return render(request, "devices/kit.html", context)


def _measured(evidence: Mapping[str, Any]) -> Iterator[tuple[str, float, float, Mapping[str, float]]]:
    """What was measured of bones that were segmented apart: of which pair, the mean and at 95 %, mm, and what is allowed."""
    for pair, figures in evidence.get("apart", {}).items():
        if figures:
            yield pair, figures["mean_mm"], figures["p95_mm"], evidence["allowed"]
