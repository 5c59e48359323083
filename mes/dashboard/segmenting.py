"""The page on which a person segments: slices of the images with the mask over them, and the steps of a draft."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import render
from django.urls import reverse
from django.views.decorators.http import require_GET, require_POST

from devices.choices import DraftPurpose
from devices.models import Device, Segmentation, SegmentationDraft
from devices.segmentation.editing import open_to_people
from devices.segmentation.operations.base import NUMBERS, OPERATIONS, Parameter
from devices.selectors.drafts import draft_of, readings_of
from devices.services.drafts import (
    apply_step,
    cancel_steps,
    discard_draft,
    finish_draft,
    open_draft,
    remove_step,
    undo_step,
)
from mes.api.actors import actor_of
from mes.dashboard.devices import device_by
from mes.dashboard.routes import gone_to
from mes.dashboard.slices import mask_address, slices_shown
from mes.eventlog.base import Actor
from mes.exceptions import Conflict
from mes.permissions import may, require

GROUPS = {"select": "Select", "part": "Parts", "shape": "Shape", "repair": "Repair", "edit": "By hand"}


@dataclass(frozen=True)
class Tool:
    """An operation that the master leaves to people, as the page offers it."""

    name: str
    title: str
    group: str
    does: str
    parameters: tuple[Parameter, ...]


@dataclass(frozen=True)
class Shown:
    """A mask that can be laid over the slices."""

    title: str
    url: str


@require_GET
def segment_page(request: HttpRequest, code: str) -> HttpResponse:
    """The images of a device, slice by slice, with its masks, and the draft of who looks."""
    device = device_by(request, code)
    require(actor_of(request), "devices.read_artefact", device)
    study = device.current_study
    volume = str(study.volume_id) if study is not None and study.volume_id else ""
    context: dict[str, Any] = {"device": device, "volume": volume, **_panel(request, device)}
    if volume:
        context |= slices_shown(device, volume)
    return render(request, "devices/segment.html", context)


@require_GET
def segment_draft(request: HttpRequest, code: str) -> HttpResponse:
    """The draft as it is now: asked for again while its steps are computed."""
    device = device_by(request, code)
    require(actor_of(request), "devices.read_artefact", device)
    return render(request, "devices/parts/draft.html", _panel(request, device))


def _panel(request: HttpRequest, device: Device) -> dict[str, Any]:
    actor = actor_of(request)
    draft = draft_of(device, actor.person_id)
    editing = device.master.segmentation.get("editing", {})
    tools = [
        Tool(kind.name, kind.title, GROUPS[kind.group], kind.does(), parameters)
        for kind, parameters in open_to_people(editing)
    ]
    return {
        "device": device,
        "draft": draft,
        "rows": _rows(draft),
        "tools": sorted(tools, key=lambda tool: list(GROUPS.values()).index(tool.group))
        if draft and not draft.replaced
        else [],
        "masks": _masks(device, draft),
        "may_edit": bool(editing) and may(actor, "devices.edit_segmentation", device),
        "may_begin": bool(editing) and may(actor, "devices.start_segmentation", device),
        "segmentation": device.current_segmentation,
        "readings": readings_of(device.current_segmentation) if device.current_segmentation else [],
    }


def _rows(draft: SegmentationDraft | None) -> list[dict[str, Any]]:
    """The steps of a draft, each with its volume once it was computed."""
    volumes = draft.volumes_ml if draft else []
    return [
        {
            "number": number,
            "title": OPERATIONS[step["operation"]].title,
            "said": _said(step["parameters"]),
            "volume_ml": volumes[number - 1] if number <= len(volumes) else None,
        }
        for number, step in enumerate(draft.steps if draft else [], 1)
    ]


def _said(parameters: dict[str, Any]) -> str:
    return ", ".join(f"{name} {_value(value)}" for name, value in parameters.items())


def _value(value: Any) -> str:
    if isinstance(value, list):
        many = len(value) > 1 or not value
        return f"{len(value)} points" if many and isinstance((value or [[]])[0], list) else _triples(value)
    return f"{value:g}" if isinstance(value, float) else str(value)


def _triples(value: list[Any]) -> str:
    numbers = value[0] if isinstance(value[0], list) else value
    return "(" + ", ".join(f"{number:.1f}" for number in numbers) + ")"


def _masks(device: Device, draft: SegmentationDraft | None) -> list[Shown]:
    """A draft of images that were replaced has none: its masks lie on other slices than those that are shown."""
    drawn = draft is not None and bool(draft.masks) and not draft.replaced
    shown = [Shown("This draft", mask_address(device, draft.masks[-1]))] if draft and drawn else []
    standing = device.current_segmentation
    if isinstance(standing, Segmentation) and standing.mask_id:
        shown.append(Shown("The segmentation", mask_address(device, standing.mask_id)))
        shown += [
            Shown(f"Read again by {reading.author}", mask_address(device, reading.masks[-1]))
            for reading in readings_of(standing)
        ]
    return shown


# --- what a person does


def _mine(device: Device, actor: Actor) -> SegmentationDraft:
    draft = draft_of(device, actor.person_id)
    if draft is None:
        raise Conflict("You have no draft open here.", cure="Open one.", rule="G-SEG-01")
    return draft


def _asked(verb: str, request: HttpRequest) -> dict[str, Any]:
    """What a form says beside the verb: the revision that was seen, and of which step."""
    seen = {"revision": _whole(request.POST.get("revision", ""))}
    if verb == "apply":
        name = request.POST.get("operation", "")
        return {**seen, "operation": name, "parameters": typed_parameters(name, request)}
    return {**seen, "number": _whole(request.POST.get("number", ""))} if verb == "remove" else seen


def _whole(text: str) -> int:
    """No revision and no step has the number that stands for what is no number."""
    return int(text) if text.isascii() and text.isdigit() and len(text) < 10 else -1


def typed_parameters(name: str, request: HttpRequest) -> dict[str, Any]:
    """What a form says of an operation's parameters. What is no number stays text, and the service refuses it by name."""
    kind = OPERATIONS.get(name)
    declared = kind.declared() if kind else ()
    return {one.name: _typed(one, request.POST[one.name]) for one in declared if one.name in request.POST}


def _typed(parameter: Parameter, text: str) -> Any:
    if parameter.kind == "points":
        return [_numbers(line) for line in text.splitlines() if line.strip()]
    if parameter.kind == "direction":
        return _numbers(text)
    return _number(text) if parameter.kind in NUMBERS else text


def _numbers(line: str) -> list[Any]:
    return [_number(word) for word in line.replace(",", " ").split()]


def _number(text: str) -> Any:
    try:
        return float(text)
    except ValueError:
        return text


CHANGES: dict[str, Callable[..., object]] = {
    "apply": apply_step,
    "undo": undo_step,
    "remove": remove_step,
    "cancel": cancel_steps,
    "discard": discard_draft,
    "finish": finish_draft,
}
OPENS = {"open": DraftPurpose.SEGMENTATION, "read": DraftPurpose.READING}
ENDS = {"finish": "device", "discard": "segment"}
"""The verbs after which there is no draft, and the page that is shown then."""
VERBS = (*OPENS, *CHANGES)


@require_POST
def segment_act(request: HttpRequest, code: str, verb: str) -> HttpResponse:
    """One verb of the draft of who asks; the draft comes back as it is then."""
    if verb not in VERBS:
        raise Http404
    device, actor = device_by(request, code), actor_of(request)
    require(actor, "devices.edit_segmentation", device)
    if verb in OPENS:
        open_draft(device_id=device.pk, purpose=OPENS[verb], actor=actor)
        return gone_to(request, reverse("segment", args=[device.code]))
    draft = _mine(device, actor)
    CHANGES[verb](draft_id=draft.pk, actor=actor, **_asked(verb, request))
    if verb in ENDS:
        return gone_to(request, reverse(ENDS[verb], args=[device.code]))
    return render(request, "devices/parts/draft.html", {**_panel(request, device), "aside": True})
