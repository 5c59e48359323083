"""What several gates ask."""

from __future__ import annotations

from datetime import date, timedelta
from decimal import Decimal

from django.db.models import BigIntegerField, Model
from django.utils import timezone

from devices.models import Device
from mes.compiled import Compiled, Slot
from mes.eventlog.base import Actor
from mes.lifecycle import Verdict, blocked, passed
from mes.reading import once
from mes.segregation import segregation_of, segregation_reasons
from mes.standing import carries
from printing.choices import (
    USABLE_LOTS,
)
from printing.models import Build, BuildItem, MaterialLot

DISPATCH, START, RESUME = "job.dispatch", "job.start", "job.resume"
MARGIN = Decimal("1.10")
NO_CONTAINER = "No container is loaded."
LOAD = "Load a container of the right material by its label."


def apart(actor: Actor, action: str, subject: Model) -> Verdict:
    """Whether the registered rules of segregation let this person do it (G-SOD-01)."""
    reasons = segregation_reasons(actor, action, subject)
    if reasons:
        return blocked(reasons[0].text, cure=reasons[0].cure, person=actor.person_id)
    return passed(person=actor.person_id, rules=[rule.title for rule in segregation_of(action)])


def lasts_until(lot: MaterialLot, needed_until: date) -> Verdict:
    last = lot.last_day
    evidence = {"lot": lot.code, "last_day": str(last), "needed_until": str(needed_until)}
    if last < needed_until:
        return blocked(
            f"{lot.code} may be used until {last:%d %b %Y}.", cure="Use a lot that lasts longer.", **evidence
        )
    return passed(**evidence)


def is_released(lot: MaterialLot) -> Verdict:
    if lot.state not in USABLE_LOTS:
        return blocked(
            f"{lot.code} is {lot.get_state_display()}.",
            cure="Use a released lot, or have this one released.",
            lot=lot.code,
            state=lot.state,
        )
    if not carries(lot, "release_signature"):
        return blocked(
            f"No release stands for {lot.code}.", cure="Have the lot released again.", lot=lot.code
        )
    return passed(lot=lot.code, state=lot.state)


def allows_material(device: Device, material_id: int) -> bool:
    return device.material_id == material_id and device.material.code in device.master.materials


POINTED = (
    "master",
    "order__patient",
    "material",
    "current_study",
    "current_design__approval",
    "current_design__segmentation",
    "current_segmentation",
    "current_segmentation__approval",
)
_ITEMS = Compiled(
    lambda: (
        BuildItem.objects.filter(build=Slot("build", BigIntegerField()))
        .select_related(*(f"device__{name}" for name in POINTED))
        .order_by("device_id")
    )
)


@once
def devices_on(build: Build) -> list[Device]:
    """The devices on a plate with what their gates look at: read once for all gates of a move."""
    return [item.device for item in _ITEMS(build=build.pk)]


def planned_end(build: Build) -> date:
    return timezone.localdate(timezone.now() + timedelta(seconds=build.print_seconds or 0.0))
