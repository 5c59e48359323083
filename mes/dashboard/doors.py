"""Whether a page opens for who looks, so that no link ends in a refusal (21 CFR 11.10(d)).

Every page asks for its right where it is drawn. Here the same is asked before a link to it is drawn; following every link
of every page as every role shows where the two differ (`tests/architecture/test_links.py`).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from urllib.parse import urlsplit

from django.db.models import Model
from django.http import HttpRequest
from django.urls import resolve

from devices.models import Arrival, Device, Order
from mes.api.actors import actor_of, viewer_behind
from mes.dashboard.patients import may_open
from mes.eventlog.base import Actor
from mes.models import EmergencyAccess, Patient
from mes.permissions import may
from mes.scope import Viewer, visible
from mes.services.emergency import people_involved
from printing.models import Build, MaterialLot, Printer
from quality.models import Gauge, Package

RIGHTS: dict[str, tuple[str, ...]] = {
    "people": ("mes.read_people",),
    "skills": ("mes.read_training",),
    "documents": ("mes.read_training",),
    "document": ("mes.read_training",),
    "curricula": ("mes.read_training",),
    "who-may": ("mes.read_training",),
    "gauges": ("quality.read_gauges",),
    "gauge": ("quality.read_gauges",),
    "arrivals": ("devices.read_arrivals",),
    "arrival": ("devices.read_arrivals",),
    "peers": ("devices.read_peers",),
    "emergency-asked": ("mes.break_glass",),
    "patients": ("mes.find_patient",),
    "privacy": ("mes.read_privacy",),
    "erasure": ("mes.read_privacy", "mes.request_erasure"),
    "retention": ("mes.read_retention",),
    "hold": ("mes.read_retention",),
    "disposal": ("mes.read_retention",),
    "exports": ("quality.export_record",),
    "stations": ("mes.read_stations",),
    "audit-trail": ("mes.read_audit_trail",),
}
"""Pages that any one of some rights opens."""
ROWS: dict[str, type[Model]] = {
    "device": Device,
    "order": Order,
    "build": Build,
    "lot": MaterialLot,
    "printer": Printer,
    "gauge": Gauge,
    "package": Package,
    "arrival": Arrival,
}
"""Pages of one row, which its viewer may know."""


@dataclass
class Looking:
    """Who looks, and what was asked for them already while one page was drawn."""

    actor: Actor
    viewer: Viewer
    rights: dict[str, bool] = field(default_factory=dict)
    doors: dict[tuple[str, str], bool] = field(default_factory=dict)

    def may(self, *actions: str) -> bool:
        for action in actions:
            if action not in self.rights:
                self.rights[action] = may(self.actor, action)
        return any(self.rights[action] for action in actions)


def opens(request: HttpRequest, name: str, key: object = "") -> bool:
    """Whether the page `name`, of the thing `key` (a code, a number, a token), opens for who looks."""
    if viewer_behind(request).person_id is None:
        return False
    looking = _looking(request)
    asked = (name, str(key))
    if asked not in looking.doors:
        looking.doors[asked] = _opens(looking, *asked)
    return looking.doors[asked]


def opens_address(request: HttpRequest, address: str) -> bool:
    """Likewise for an address, such as the one that a record is looked at under."""
    found = resolve(urlsplit(address).path)
    return opens(request, found.view_name, next(iter(found.kwargs.values()), ""))


def _looking(request: HttpRequest) -> Looking:
    found: Looking | None = getattr(request, "lamina_looking", None)
    if found is None:
        found = Looking(actor_of(request), viewer_behind(request))
        request.lamina_looking = found  # type: ignore[attr-defined]  # for as long as this page is drawn
    return found


def _opens(looking: Looking, name: str, key: str) -> bool:
    if name in OWN:
        return OWN[name](looking, key)
    if name in RIGHTS and not looking.may(*RIGHTS[name]):
        return False
    return name not in ROWS or looking.viewer.every_order or _is_known(looking, ROWS[name], key)


def _is_known(looking: Looking, model: type[Model], code: str) -> bool:
    number = int(code[1:]) if code[1:].isdigit() else 0
    return visible(model._default_manager.filter(pk=number), looking.viewer).exists()


def _person(looking: Looking, key: str) -> bool:
    return key == str(looking.actor.person_id) or looking.may("mes.read_people")


def _emergency(looking: Looking, code: str) -> bool:
    if looking.may("mes.read_privacy"):
        return True
    accesses = EmergencyAccess.objects.filter(pk=int(code[1:]) if code[1:].isdigit() else 0)
    access = accesses.select_related("person", "manager").first()
    return access is not None and looking.actor.person_id in people_involved(access)


def _patient(looking: Looking, token: str) -> bool:
    patient = Patient.objects.filter(token=token).first()
    return patient is not None and may_open(patient, looking.actor, looking.viewer)


def _handwritten(looking: Looking, _: str) -> bool:
    return looking.viewer.every_order or looking.may("mes.upload_handwritten")


OWN: dict[str, Callable[[Looking, str], bool]] = {
    "person": _person,
    "emergency": _emergency,
    "patient": _patient,
    "handwritten": _handwritten,
}
