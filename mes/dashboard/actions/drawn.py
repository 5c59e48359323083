"""What designers do with parts that they drew in another program: send one in, and state what it is."""

from __future__ import annotations

from typing import Any

from devices.choices import DesignStatus, Stage, UploadPurpose
from devices.imaging.scans import Declared
from devices.models import Device
from devices.selectors.external import admits_external, envelope_of
from devices.services.external_designs import Drawn, asked_of, hold_part, request_external_design, shown_part
from devices.services.prescribed import prescribed_values
from devices.services.voiding import void_design
from mes.dashboard.actions.base import Action, Doing, Field, Next, Values, why
from mes.dashboard.actions.devices import at, designable, fields_of, values_of
from mes.dashboard.actions.images import axes_offered, sent_files, units_offered
from mes.eventlog.base import Actor


def _takes_part(device: Device) -> bool:
    return admits_external(device.master) and designable(device)


def _part_fields(device: Device) -> tuple[Field, ...]:
    return (
        Field("part", "The part: STL, PLY, OBJ or 3MF", "file", resumable=True, purpose=UploadPurpose.DESIGN),
        Field("tool", "Program that drew it", maximum=60),
        Field("tool_version", "Its version", maximum=60),
        Field("unit", "Unit of the file", "select", False, offers=units_offered),
        Field("axes", "How its axes lie in the patient", "select", offers=axes_offered),
    )


def _send(doing: Doing) -> Next:
    typed = doing.values
    declared = Declared(str(typed["unit"] or ""), str(typed["axes"]))
    drawn = Drawn(str(typed["tool"]), str(typed["tool_version"]), declared)
    with sent_files(doing, "part") as upload:
        held = hold_part(upload, doing.subject, doing.actor, drawn)
    return Next("state-part", {"upload": held.token, "digest": held.digest})


def _stated_fields(device: Device) -> tuple[Field, ...]:
    """What the designer states, with what the order prescribes to begin with; nothing else is typed for them."""
    prescribed, envelope = prescribed_values(device.order), envelope_of(device.master, external=True)
    asked = fields_of(asked_of(device), prescribed, envelope)
    return (Field("upload", "The file", "carried"), Field("digest", "Its digest", "carried"), *asked)


def _shown(device: Device, values: Values, actor: Actor) -> dict[str, Any]:
    return shown_part(str(values["upload"]), device, actor)


def _request(doing: Doing) -> str:
    device = doing.subject
    design = request_external_design(
        device_id=device.pk,
        token=str(doing.values["upload"]),
        digest=str(doing.values["digest"]),
        values=values_of(asked_of(device), doing.values),
        actor=doing.actor,
    )
    return f"Design {design.revision} is being read and measured."


def _is_made(device: Device) -> bool:
    design = device.current_design
    return at(Stage.PLANNED)(device) and design is not None and design.status == DesignStatus.REQUESTED


def _why(device: Device) -> tuple[Field, ...]:
    return (why(),)


def _stop(doing: Doing) -> str:
    void_design(device_id=doing.subject.pk, actor=doing.actor, reason=doing.reason)
    return "The design is given up."


DRAWN_ACTIONS = (
    Action(
        "send-part", "device", "Send in a design", "Send in a design of another program", "devices.request_design", "upload",
        _takes_part, _send, fields=_part_fields,
        help="The part has to lie where the anatomy lies. Its file is kept as it is sent: one that names the patient is refused. You state next what it is.",
    ),
    Action(
        "state-part", "device", "Take this design", "State what this design is", "devices.request_design", "ruler-measure",
        _takes_part, _request, fields=_stated_fields, facts=_shown, follows="send-part",
        help="What can be measured is measured on the part and held against what you state; the rest stands as your word. Somebody else reviews it.",
    ),
    Action(
        "stop-design", "device", "Stop this design", "Give up the design that is being made", "devices.void_design", "circle-x",
        _is_made, _stop, fields=_why, danger=True,
        help="Nothing comes of it. A part that was sent in for it is removed from quarantine.",
    ),
)  # fmt: skip
