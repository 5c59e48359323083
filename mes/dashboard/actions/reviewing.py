"""What people do in the review of a design besides deciding: have revisions measured against each other."""

from __future__ import annotations

from devices.models import Device
from devices.selectors.revisions import made_revisions
from devices.services.comparing import request_comparison
from mes.dashboard.actions.base import Action, Doing, Field


def _comparable(device: Device) -> bool:
    design = device.current_design
    return design is not None and bool(design.mesh_id) and design.revision > 1 and bool(_older(device))


def _older(device: Device) -> list[tuple[str, str]]:
    current = device.current_design.revision if device.current_design else 0
    return [
        (str(one.revision), f"Revision {one.revision}, {one.get_status_display().lower()}")
        for one in made_revisions(device)
        if one.revision < current
    ]


def _fields(device: Device) -> tuple[Field, ...]:
    return (Field("older", "Against", "select", choices=_older(device)),)


def _compare(doing: Doing) -> str:
    design, older = doing.subject.current_design, int(doing.values["older"])
    request_comparison(device_id=doing.subject.pk, revision=design.revision, older=older, actor=doing.actor)
    return f"Revision {design.revision} is being measured against revision {older}."


REVIEWING_ACTIONS = (
    Action(
        "compare-designs", "device", "Compare revisions", "Compare this revision with an older one",
        "devices.compare_designs", "layers-subtract", _comparable, _compare, fields=_fields,
        help="A map of the difference is made in the background; the design review shows it. The revision before is compared by itself.",
    ),
)  # fmt: skip
