"""Pages about how long records are kept: legal holds, disposals, and what shows that the record is safe."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from django.conf import settings
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import render
from django.utils import timezone

from mes.api.actors import actor_of
from mes.choices import HoldStage
from mes.compiled import by_key
from mes.dashboard.actions import offered
from mes.dashboard.find import number_of
from mes.dashboard.records import Subject, subject_of, told
from mes.eventlog.waiting import refusal
from mes.models import Backup, Disposal, IntegrityCheck, LegalHold, RestoreDrill, RetentionClock
from mes.permissions import require
from mes.selectors import events_of, signatures_of
from mes.services.disposals import signed_certificate
from mes.worklists import drills_to_confirm

PER_PAGE = 100
SCOPE_STREAMS = {"order": "devices.order", "lot": "printing.lot"}


def retention(request: HttpRequest) -> HttpResponse:
    """Holds that hold, disposals, and records whose time is over."""
    require(actor_of(request), "mes.read_retention")
    today = timezone.localdate()
    holds = LegalHold.objects.select_related("placed_by").order_by("stage", "review_on", "pk")
    ended = RetentionClock.objects.filter(retain_until__lt=today).order_by("retain_until", "pk")
    context = {
        "holds": [(hold, reached(hold)) for hold in holds[:PER_PAGE]],
        "holds_more": max(0, holds.count() - PER_PAGE),
        "disposals": [
            (one, subject_of(one.record_root, one.record_id))
            for one in Disposal.objects.order_by("-pk")[:PER_PAGE]
        ],
        "ended": [(clock, subject_of(clock.record_root, clock.record_id)) for clock in ended[:PER_PAGE]],
        "ended_more": max(0, ended.count() - PER_PAGE),
        "today": today,
        "actions": offered(request, "retention", None),
    }
    return render(request, "mes/retention.html", context)


def reached(hold: LegalHold) -> Subject:
    """What a hold reaches, in words and with a link where there is a page."""
    if hold.scope in SCOPE_STREAMS:
        return subject_of(SCOPE_STREAMS[hold.scope], hold.value)
    if hold.since and hold.until:
        return Subject(f"{hold.since:%d %b %Y} to {hold.until:%d %b %Y}", "")
    return Subject(f"patient {hold.value}", "")


def hold_page(request: HttpRequest, code: str) -> HttpResponse:
    require(actor_of(request), "mes.read_retention")
    hold = LegalHold.objects.select_related("placed_by").filter(pk=number_of(code, "H")).first()
    if hold is None:
        raise Http404
    context = {
        "hold": hold,
        "reached": reached(hold),
        "late": hold.stage != HoldStage.RELEASED and hold.review_on < timezone.localdate(),
        **_shared(request, "hold", hold),
    }
    return render(request, "mes/hold.html", context)


def disposal_page(request: HttpRequest, code: str) -> HttpResponse:
    require(actor_of(request), "mes.read_retention")
    disposal = by_key(Disposal, number_of(code, "Z"))
    if disposal is None:
        raise Http404
    context = {
        "disposal": disposal,
        "certificate": signed_certificate(disposal),
        "subject": subject_of(disposal.record_root, disposal.record_id),
        **_shared(request, "disposal", disposal),
    }
    return render(request, "mes/disposal.html", context)


def _shared(request: HttpRequest, page: str, row: LegalHold | Disposal) -> dict[str, Any]:
    return {
        "actions": offered(request, page, row),
        "signatures": signatures_of(row),
        "events": told(list(events_of(row).order_by("-version")[:50])),
    }


def safekeeping(request: HttpRequest) -> HttpResponse:
    """Backups, drills and checks, and what is overdue."""
    require(actor_of(request), "mes.read_safekeeping")
    drills = RestoreDrill.objects.order_by("-pk")
    good = drills.filter(digest_match=True).first()
    check = IntegrityCheck.objects.order_by("-pk").first()
    backup = Backup.objects.order_by("-pk").first()
    context = {
        "backups": Backup.objects.order_by("-pk")[:PER_PAGE],
        "drills": [
            (one, offered(request, "drill", one)) for one in drills.select_related("confirmation")[:20]
        ],
        "unconfirmed": drills_to_confirm().count(),
        "checks": IntegrityCheck.objects.order_by("-pk")[:20],
        "check": check,
        "backup": backup,
        "good": good,
        "drill_due": _older(good.done_at if good else None, settings.DRILL_EVERY),
        "backup_due": _older(backup.taken_at if backup else None, settings.BACKUP_EVERY),
        "check_due": _older(check.done_at if check else None, settings.CHECK_EVERY * 2),
        "drill_days": settings.DRILL_EVERY.days,
        "refusal": refusal(),
    }
    return render(request, "mes/safekeeping.html", context)


def _older(moment: Any, limit: timedelta) -> bool:
    return moment is None or timezone.now() - moment > limit
