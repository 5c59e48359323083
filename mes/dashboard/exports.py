"""Exports of records: ask for one, watch it, stop it, take its bundles; and is a device's record as it was written?"""

from __future__ import annotations

from dataclasses import dataclass

from django.contrib import messages
from django.http import FileResponse, Http404, HttpRequest, HttpResponse
from django.shortcuts import render
from django.urls import reverse
from django.views.decorators.http import require_POST

from devices.models import Device, Order
from mes.api.actors import actor_of
from mes.compiled import by_key
from mes.dashboard.devices import device_by
from mes.dashboard.find import number_of
from mes.dashboard.routes import gone_to, is_fragment
from mes.eventlog.base import Actor
from mes.exceptions import InvalidInput, Refused
from mes.files import File, sent
from mes.models import Person
from mes.permissions import require
from printing.models import MaterialLot
from quality.choices import ExportKind
from quality.models import Export
from quality.services.export import (
    ZIP,
    cancel_export,
    records_asked,
    request_export,
    signing_fingerprint,
    take_bundle,
)
from quality.services.integrity import verify_integrity

PER_PAGE = 50
SHOWN = 20
"""Devices that the preview names."""
PAGES: dict[type, str] = {Device: "device", Order: "order", MaterialLot: "lot"}


@dataclass(frozen=True)
class Asked:
    """What the form says. `subject` is as `records_asked` wants it."""

    kind: str
    code: str
    since: str
    until: str

    @classmethod
    def of(cls, values: dict[str, str]) -> Asked:
        kind = values.get("kind", "")
        return cls(
            kind if kind in ExportKind.values else ExportKind.DEVICE,
            values.get("code", "").strip()[:40],
            values.get("since", "")[:10],
            values.get("until", "")[:10],
        )

    @property
    def subject(self) -> str:
        return f"{self.since}/{self.until}" if self.kind == ExportKind.RANGE else self.code

    @property
    def is_asked(self) -> bool:
        return bool(self.subject.strip("/"))


def exports(request: HttpRequest) -> HttpResponse:
    """The form with what it would export, and every export so far, newest first."""
    actor = actor_of(request)
    require(actor, "quality.export_record")
    if request.method == "POST":
        return _requested(request, actor)
    asked = Asked.of(request.GET.dict())
    context = {**_preview(asked, actor), "asked": asked, "kinds": ExportKind.choices, **_history(request)}
    template = "quality/parts/export_preview.html" if is_fragment(request) else "quality/exports.html"
    return render(request, template, context)


def _requested(request: HttpRequest, actor: Actor) -> HttpResponse:
    asked, reason = Asked.of(request.POST.dict()), request.POST.get("reason", "").strip()[:500]
    if not reason:
        raise InvalidInput(
            "Say who asked for the copy, and what for.", cure="Fill in the reason.", rule="EV-10"
        )
    export = request_export(kind=ExportKind(asked.kind), subject=asked.subject, actor=actor, reason=reason)
    messages.success(request, f"The export {export.code} began.")
    return gone_to(request, reverse("export", args=[export.code]))


def _preview(asked: Asked, actor: Actor) -> dict[str, object]:
    """The devices that would be exported, or why there are none."""
    if not asked.is_asked:
        return {"devices": None, "total": 0, "reasons": ()}
    try:
        found = records_asked(ExportKind(asked.kind), asked.subject.upper(), actor)
    except Refused as refusal:
        return {"devices": None, "total": 0, "reasons": refusal.reasons}
    shown = [(one.code, reverse(PAGES[type(one)], args=[one.code])) for one in found[:SHOWN]]
    return {"devices": shown, "total": len(found), "reasons": ()}


def _history(request: HttpRequest) -> dict[str, object]:
    before = request.GET.get("before", "")
    shown = Export.objects.order_by("-pk")
    if before.isascii() and before.isdigit() and len(before) < 19:
        shown = shown.filter(pk__lt=int(before))
    rows = list(shown[: PER_PAGE + 1])
    return {
        "exports": [(row, _who(row)) for row in rows[:PER_PAGE]],
        "next": rows[PER_PAGE - 1].pk if len(rows) > PER_PAGE else 0,
    }


def _who(export: Export) -> str:
    person_id = Actor.parse(export.requested_by).person_id
    person = by_key(Person, person_id) if person_id else None
    return str(person) if person else "the server's command line"


def export_by(code: str) -> Export:
    found = by_key(Export, number_of(code, "X"))
    if found is None:
        raise Http404
    return found


def export_page(request: HttpRequest, code: str) -> HttpResponse:
    """How far an export is; asks again by itself while it runs."""
    require(actor_of(request), "quality.export_record")
    export = export_by(code)
    written = list(export.records.select_related("device", "bundle"))
    left = Device.objects.filter(pk__in=set(export.devices) - {row.device_id for row in written})
    context = {
        "export": export,
        "who": _who(export),
        "written": written,
        "left": list(left.order_by("pk")[:SHOWN]),
        "fingerprint": signing_fingerprint(),
    }
    template = "quality/parts/export_state.html" if is_fragment(request) else "quality/export.html"
    return render(request, template, context)


@require_POST
def export_cancel(request: HttpRequest, code: str) -> HttpResponse:
    export = cancel_export(export_id=export_by(code).pk, actor=actor_of(request))
    messages.success(request, f"The export {export.code} was stopped.")
    return gone_to(request, reverse("export", args=[export.code]))


def export_bundle(request: HttpRequest, code: str, sha256: str) -> FileResponse:
    """A bundle, checked against its digest before it leaves; that it was taken is a fact (EV-10)."""
    row = take_bundle(export=export_by(code), sha256=sha256, actor=actor_of(request))
    return sent(File(row.name, row.bundle_id, row.bundle.size, ZIP))


def device_integrity(request: HttpRequest, code: str) -> HttpResponse:
    """The verdict on a device's record, recomputed now (11.10(a))."""
    found = verify_integrity(device_by(request, code), actor_of(request))
    return render(request, "quality/parts/integrity.html", {"found": found})
