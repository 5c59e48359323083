"""The planning page of a vertebra: points picked on its bone, angles and depths set, and the plan sent to its reader.

Every value stands in a field of its own, so that a plan can be written by keyboard alone; the picture only fills fields and
shows what stands in them.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any

from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.urls import reverse

from devices.choices import Stage
from devices.models import Device, Plan
from devices.planning.instruments import SLEEVES
from devices.planning.levels import LANDMARKS, LEVELS
from devices.planning.trajectories import DEPTHS_MM, SIDES, angles_of, axis_at
from devices.selectors.plans import current_plan, plan_kind_of, possible_readers
from devices.services.plans import draft_plan
from mes.api.actors import actor_of
from mes.dashboard.devices import device_by
from mes.dashboard.files import shapes_of
from mes.dashboard.routes import gone_to
from mes.permissions import require

ROWS = 8
"""Lines of the count that a page begins with: from the sacrum to the first lumbar vertebra, and two to spare."""
MOST_ROWS = 26
ANGLES = {"medial": (-10.0, 45.0, 15.0), "caudal": (-40.0, 40.0, 0.0)}
"""Degrees: lowest, highest, and where one begins."""
USUAL_DEPTH_MM = 40.0
PART = re.compile(r"[\s,;]+")


def plan_page(request: HttpRequest, code: str) -> HttpResponse:
    """Plan a device, from its last plan where there is one; POST writes the next revision. Where there is nothing to plan, its
    own page says what it waits for."""
    device = device_by(request, code)
    require(actor_of(request), "devices.draft_plan", device)
    if request.method == "POST":
        return _drafted(request, device)
    if plan_kind_of(device.master) != "trajectories" or device.current_segmentation is None:
        return gone_to(request, reverse("device", args=[device.code]))
    plan = current_plan(device)
    context = {
        "device": device,
        "plan": plan,
        "planned": device.stage == Stage.PLANNED,
        "shapes": [shape for shape in shapes_of(device) if shape.kind == "bone"],
        "levels": LEVELS,
        "landmarks": ", ".join(f"{level} by {by}" for level, by in LANDMARKS.items()),
        "sleeves": [sleeve for _, sleeve in SLEEVES.items()],
        "readers": possible_readers(device).exclude(pk=actor_of(request).person_id or 0),
        **_shown(device, plan),
    }
    return render(request, "devices/plan.html", context)


def _drafted(request: HttpRequest, device: Device) -> HttpResponse:
    reader = request.POST.get("reader", "")
    plan = draft_plan(
        device_id=device.pk,
        content=_content(request, device),
        reader_id=int(reader) if reader.isascii() and reader.isdigit() and len(reader) < 10 else 0,
        actor=actor_of(request),
    )
    messages.success(request, f"Plan {plan.revision} waits for {plan.reader}.")
    return gone_to(request, reverse("device", args=[device.code]))


# --- from the form


def _content(request: HttpRequest, device: Device) -> dict[str, Any]:
    """What the form says, as the kind of plan takes it. What cannot be read is left to it to refuse."""
    typed = request.POST
    spinous, body = numbers_in(typed.get("spinous", "")), numbers_in(typed.get("body", ""))
    sides = SIDES.get(device.order.side, ())
    contacts = {place: typed.get(f"{place}-contact", "") for place in (*sides, "spinous")}
    return {
        "level": typed.get("level", ""),
        "counted": list(_counted(typed)),
        "transitional": typed.get("transitional", ""),
        "side": device.order.side,
        "spinous_mm": spinous,
        "body_mm": body,
        "sleeve": typed.get("sleeve", ""),
        "trajectories": [_trajectory(typed, side, spinous, body) for side in sides],
        "contacts": {place: numbers_in(text) for place, text in contacts.items() if text.strip()},
    }


def _counted(typed: Mapping[str, str]) -> Iterator[dict[str, Any]]:
    for number in range(MOST_ROWS):
        level, point = typed.get(f"count-{number}-level", ""), typed.get(f"count-{number}-point", "")
        if level or point.strip():
            yield {"level": level, "point_mm": numbers_in(point)}


def _trajectory(
    typed: Mapping[str, str], side: str, spinous: list[float], body: list[float]
) -> dict[str, Any]:
    medial, caudal, depth = (
        _number(typed.get(f"{side}-{name}", "")) for name in ("medial", "caudal", "depth")
    )
    placed = len(spinous) == len(body) == 3 and medial is not None and caudal is not None
    return {
        "side": side,
        "entry_mm": numbers_in(typed.get(f"{side}-entry", "")),
        "axis": axis_at(spinous, body, side, medial or 0.0, caudal or 0.0) if placed else [],
        "depth_mm": depth,
    }


def numbers_in(text: str) -> list[float]:
    """The numbers of a point as it is typed, "12.5, -3, 80"; fewer where one of them is none."""
    found = [_number(part) for part in PART.split(text.strip())]
    return [number for number in found if number is not None]


def _number(text: str) -> float | None:
    try:
        return float(text) if len(text) < 30 and "_" not in text else None
    except ValueError:
        return None


# --- onto the form


def _shown(device: Device, plan: Plan | None) -> dict[str, Any]:
    content: Mapping[str, Any] = plan.content if plan else {}
    rows = [{"level": row["level"], "point": _text(row["point_mm"])} for row in content.get("counted", ())]
    trajectories = {row["side"]: row for row in content.get("trajectories", ())}
    contacts = content.get("contacts", {})
    return {
        "level": content.get("level", ""),
        "transitional": content.get("transitional", ""),
        "sleeve": content.get("sleeve", {}).get("id", ""),
        "reader": plan.reader_id if plan else None,
        "counted": rows + [{"level": "", "point": ""}] * max(ROWS - len(rows), 0),
        "spinous": _text(content.get("spinous_mm")),
        "body": _text(content.get("body_mm")),
        "spinous_contact": _text(contacts.get("spinous")),
        "sides": [
            _side(side, content, trajectories.get(side), contacts.get(side))
            for side in SIDES.get(device.order.side, ())
        ],
    }


def _side(
    side: str, content: Mapping[str, Any], row: Mapping[str, Any] | None, contact: list[float] | None
) -> dict[str, Any]:
    angles = dict(zip(ANGLES, angles_of(content, row), strict=True)) if row else {}
    sliders = [
        {"name": name, "title": f"{name.title()} angle (°)", "low": low, "high": high, "value": round(angles.get(name, start), 3)}
        for name, (low, high, start) in ANGLES.items()
    ]  # fmt: skip
    depth = row["depth_mm"] if row else USUAL_DEPTH_MM
    sliders.append(
        {"name": "depth", "title": "Depth (mm)", "low": DEPTHS_MM[0], "high": DEPTHS_MM[1], "value": depth}
    )
    return {
        "side": side,
        "entry": _text(row["entry_mm"] if row else None),
        "contact": _text(contact),
        "sliders": sliders,
    }


def _text(point: list[float] | None) -> str:
    return ", ".join(f"{part:g}" for part in point) if point else ""
