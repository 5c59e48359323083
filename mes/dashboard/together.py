"""Signing several records of one kind in one act, where that is allowed (ES-05)."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from django.contrib import messages
from django.db.models import QuerySet
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import render
from django.urls import reverse
from django.views.decorators.debug import sensitive_post_parameters

from devices.choices import DesignStatus, SegmentationStatus
from devices.models import Device
from mes.api.actors import actor_of, viewer_behind
from mes.dashboard.actions import ACTIONS, permitted
from mes.dashboard.actions.base import Action, Doing
from mes.dashboard.navigation import roles_behind
from mes.dashboard.routes import gone_to
from mes.dashboard.signing import shown_content, signing_context, typed_credentials
from mes.eventlog.base import Actor
from mes.exceptions import InvalidInput, NotPermitted
from mes.scope import Viewer, visible
from mes.services.signing_batch import Deed, sign_together
from mes.services.signing_policy import TOGETHER
from printing.choices import BuildState
from printing.models import Build


@dataclass(frozen=True)
class Batch:
    """A list of what waits for the same signature. `waiting` narrows what the action's own `applies` is asked about."""

    title: str
    waiting: Callable[[], QuerySet[Any]]


BATCHES = {
    "verify-build": Batch(
        "Builds to verify",
        lambda: Build.objects.filter(state=BuildState.PREPARED).order_by("pk"),
    ),
    "review-design": Batch(
        "Designs to review",
        lambda: Device.objects.filter(current_design__status=DesignStatus.GENERATED).order_by("pk"),
    ),
    "approve-segmentation": Batch(
        "Segmentations to approve",
        lambda: Device.objects.filter(current_segmentation__status=SegmentationStatus.RECORDED).order_by(
            "pk"
        ),
    ),
}


def _asked(request: HttpRequest, name: str) -> tuple[Action, Batch]:
    if name not in BATCHES:
        raise Http404
    action = ACTIONS[name]
    if not permitted(action, roles_behind(request)):
        raise NotPermitted("You may not do this.", cure="Ask somebody who has the role.", rule="G-OPR-02")
    return action, BATCHES[name]


@sensitive_post_parameters("password")
def together(request: HttpRequest, name: str) -> HttpResponse:
    """GET lists what waits, each with what would be signed; POST signs the chosen ones, all of them or none."""
    action, batch = _asked(request, name)
    waiting = waiting_in(name, viewer_behind(request))
    meaning, content = action.signed
    if request.method == "POST":
        chosen = set(request.POST.getlist("chosen"))
        deeds = [
            deed_of(action, row, actor_of(request), request.POST.get(f"digest.{row.code}", ""))
            for row in waiting
            if row.code in chosen
        ]
        if len(deeds) != len(chosen):
            raise InvalidInput(
                "Some of what was chosen does not wait any more.", cure="Open the list again.", rule="ES-19"
            )
        credentials = typed_credentials(request)
        sign_together(deeds=deeds, meaning=meaning, credentials=credentials)
        messages.success(request, f"Signed: {', '.join(deed.code for deed in deeds)}.")
        return gone_to(request, reverse("sign-together", args=[name]))
    actor = actor_of(request)
    rows = [(row, shown_content(content(row, {}, actor))) for row in waiting[:TOGETHER]]
    context = {
        "action": action,
        "batch": batch,
        "rows": rows,
        "more": max(0, len(waiting) - len(rows)),
        **signing_context(request, meaning),
    }
    return render(request, "mes/together.html", context)


def waiting_in(name: str, viewer: Viewer) -> list[Any]:
    """What waits in a list, of what the viewer may know."""
    return [row for row in visible(BATCHES[name].waiting(), viewer) if ACTIONS[name].applies(row)]


def deed_of(action: Action, row: Any, actor: Actor, digest: str) -> Deed:
    """One row of the list: signed by the same service as its own dialog, over the digest that was shown with it."""
    return Deed(row.code, digest, lambda credentials: action.do(Doing(row, {}, actor, credentials)))


def offered_together(request: HttpRequest) -> list[tuple[str, Batch]]:
    """The lists that this person may sign from."""
    roles = roles_behind(request)
    return [(name, batch) for name, batch in BATCHES.items() if permitted(ACTIONS[name], roles)]
