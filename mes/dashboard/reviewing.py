"""The page of a design review: the shapes, the changes that were asked for, and the form that asks for more."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.urls import reverse

from devices.choices import DesignStatus, Stage
from devices.generators.base import GENERATORS
from devices.generators.marks import marks_of, tubes_of
from devices.models import Design, Device
from devices.selectors.changes import changes_asked
from devices.selectors.revisions import changed_values, differences_of, made_revisions
from devices.selectors.sources import is_scan
from devices.services.changes import MOST_PLACES, request_changes
from mes.api.actors import actor_of
from mes.dashboard.actions import offered
from mes.dashboard.devices import device_by
from mes.dashboard.files import Shape, shapes_of
from mes.dashboard.planning import numbers_in
from mes.dashboard.routes import gone_to
from mes.dashboard.slices import mask_address, slices_shown
from mes.exceptions import Refused
from mes.permissions import may, require

OFFERED = ("review-design", "check-design", "approve-design", "approve-model", "compare-designs")
"""The signed acts that end a review, and what helps to decide."""
SHOWN = ("design", "bone")
ON_A_SCAN = (
    "This design stands on a surface scan: there is a surface and nothing inside it, so there are no slices."
)
WITHOUT_IMAGES = "The images that this design stands on have no volume that could be shown in slices."
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
    compared = _compared(device, design, request.GET.get("against", ""))
    context = {
        "device": device,
        "design": design,
        "shapes": [shape for shape in shapes_of(device) if shape.kind in SHOWN] + compared.pop("shapes", []),
        **compared,
        **_sliced(device, design),
        "marks": _marks(design),
        "asked": changes_asked(device),
        "may_ask": awaits and may(actor, "devices.reject_design", device),
        "actions": [action for action in offered(request, "device", device) if action.id in OFFERED],
    }
    return render(request, "devices/review.html", context)


def _sliced(device: Device, design: Design) -> dict[str, Any]:
    """The slices of the images that a design stands on and the mask of its segmentation, or why there are none to look at."""
    segmentation = design.segmentation
    study = segmentation.study
    if not study.volume_id:
        return {"sliceless": ON_A_SCAN if is_scan(study) else WITHOUT_IMAGES}
    mask = mask_address(device, segmentation.mask_id) if segmentation.mask_id else ""
    try:
        return {**slices_shown(device, study.volume_id), "mask": mask}
    except Refused as refused:
        return {"sliceless": " ".join(f"{reason.text} {reason.cure}" for reason in refused.reasons)}


def _marks(design: Design) -> list[dict[str, Any]]:
    """What the design was made from, and its tubes as built. What another program drew names no place here."""
    generator = GENERATORS.get(design.generator)
    picked = marks_of(generator.parameters, design.values) if generator else []
    return [*picked, *tubes_of(design.features)]


def _compared(device: Device, design: Design, against: str) -> dict[str, Any]:
    """The older revision that was chosen, or the one before: what differs in values, and the map where it was made."""
    revisions = [one for one in made_revisions(device) if one.revision < design.revision]
    if not revisions:
        return {}
    older = next((one for one in revisions if str(one.revision) == against), revisions[0])
    told = differences_of(device).get((design.revision, older.revision))
    maps = [_map(device, design, older, told)] if told else []
    return {
        "revisions": revisions,
        "older": older,
        "changed": changed_values(older, design),
        "figures": told["figures"] if told else None,
        "shapes": [*maps, _as_before(device, older)],
    }


def _map(device: Device, design: Design, older: Design, told: dict[str, Any]) -> Shape:
    url = reverse("device-file", args=[device.code, told["map_sha256"]])
    note = f"Revision {design.revision} against {older.revision}"
    return Shape("difference", "Difference", url, "ply", note, told["figures"]["limit_mm"])


def _as_before(device: Device, older: Design) -> Shape:
    url = reverse("device-file", args=[device.code, older.mesh_id])
    return Shape(
        "design", f"Revision {older.revision}", url, "stl", f"As it was in revision {older.revision}"
    )


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
