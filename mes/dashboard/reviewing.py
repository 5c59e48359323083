"""The page of a design review: the shapes, the changes that were asked for, and the form that asks for more."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.urls import reverse

from devices.choices import DesignStatus, Stage
from devices.models import Device
from devices.selectors.changes import changes_asked
from devices.services.changes import MOST_PLACES, request_changes
from mes.api.actors import actor_of
from mes.dashboard.actions import offered
from mes.dashboard.devices import device_by
from mes.dashboard.files import shapes_of
from mes.dashboard.planning import numbers_in
from mes.dashboard.routes import gone_to
from mes.permissions import may, require

DECIDED_BY = ("review-design", "approve-design", "approve-model")
"""The signed acts that end a review."""
AWAITING = (DesignStatus.GENERATED, DesignStatus.REVIEWED)


def review_page(request: HttpRequest, code: str) -> HttpResponse:
    """Look at a design and decide; POST asks for changes. Where there is no design, the device's page says what it waits for."""
    device = device_by(request, code)
    actor = actor_of(request)
    if request.method == "POST":
        require(actor, "devices.reject_design", device)
        return _asked(request, device)
    require(actor, "devices.read_artefact", device)
    design = device.current_design
    if design is None or not design.mesh_id:
        return gone_to(request, reverse("device", args=[device.code]))
    awaits = design.status in AWAITING and device.stage == Stage.PLANNED and not device.held
    context = {
        "device": device,
        "design": design,
        "shapes": [shape for shape in shapes_of(device) if shape.kind in ("design", "bone")],
        "asked": changes_asked(device),
        "may_ask": awaits and may(actor, "devices.reject_design", device),
        "actions": [action for action in offered(request, "device", device) if action.id in DECIDED_BY],
    }
    return render(request, "devices/review.html", context)


def _asked(request: HttpRequest, device: Device) -> HttpResponse:
    revision = request.POST.get("revision", "")
    asked = request_changes(
        device_id=device.pk,
        reason=request.POST.get("comment", ""),
        places=list(_places(request)),
        revision=int(revision) if revision.isascii() and revision.isdigit() and len(revision) < 10 else 0,
        actor=actor_of(request),
    )
    messages.success(request, f"Revision {asked.design.revision} is sent back to its designer.")
    return gone_to(request, reverse("device", args=[device.code]))


def _places(request: HttpRequest) -> Iterator[dict[str, Any]]:
    """Each line that says something. What is no point is left to the service to refuse."""
    for number in range(MOST_PLACES + 1):
        at, note = (request.POST.get(f"place-{number}-{part}", "") for part in ("at", "note"))
        if at.strip() or note.strip():
            yield {"at_mm": numbers_in(at), "note": note}
