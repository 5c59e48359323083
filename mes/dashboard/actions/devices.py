"""What people do with a device up to its frozen design, and with its stage."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

from devices.choices import DesignStatus, ExportFormat, PlanStatus, SegmentationStatus, Stage, StudyStatus
from devices.generators.base import GENERATORS, MIDLINE, Parameter, design_parameters
from devices.lifecycle import DEVICE
from devices.mesh.convert import MAXIMUM_TOLERANCE_MM
from devices.models import Device
from devices.selectors.devices import FINAL_STAGES
from devices.selectors.external import envelope_of
from devices.selectors.history import segmentation_underway
from devices.selectors.kits import kit_of
from devices.selectors.plans import current_plan, plan_kind_of
from devices.selectors.series import in_series
from devices.services.designs import (
    approval_content,
    approve_design,
    approve_model,
    check_design,
    design_content,
    request_design,
    review_design,
)
from devices.services.exporting import request_export
from devices.services.holds import hold_device, resume_device
from devices.services.lifecycle import advance_device, move_content
from devices.services.planned import typed_parameters
from devices.services.prescribed import prescribed_values
from devices.services.segmentations import (
    approve_segmentation,
    reject_segmentation,
    segmentation_content,
    start_segmentation,
)
from mes.choices import Meaning, Role
from mes.dashboard.actions.base import Action, Doing, Field, Kind, Values, why
from mes.dashboard.actions.holds import held_choices
from mes.eventlog.base import Actor

WINDOW = {"lower_hu": "Lower end of the window", "upper_hu": "Upper end of the window"}


def at(*stages: Stage) -> Callable[[Device], bool]:
    return lambda device: device.stage in stages and not device.held


def _segmented(*statuses: SegmentationStatus) -> Callable[[Device], bool]:
    return lambda device: at(Stage.PLANNED)(device) and device.current_segmentation is not None and device.current_segmentation.status in statuses  # fmt: skip


def _designed(*statuses: DesignStatus) -> Callable[[Device], bool]:
    return lambda device: at(Stage.PLANNED)(device) and device.current_design is not None and device.current_design.status in statuses  # fmt: skip


def designable(device: Device) -> bool:
    plan = current_plan(device) if plan_kind_of(device.master) else None
    ready = not plan_kind_of(device.master) or (plan is not None and plan.status == PlanStatus.APPROVED)
    return ready and _segmented(SegmentationStatus.APPROVED)(device)


def _awaits_review(reviewer: Role) -> Callable[[Device], bool]:
    generated = _designed(DesignStatus.GENERATED)
    return lambda device: generated(device) and device.master.reviewer == reviewer


def _awaits(approver: Role) -> Callable[[Device], bool]:
    """Whether a reviewed design waits for somebody of this role; a stage of a series waits for the decision about all of them."""
    reviewed = _designed(DesignStatus.REVIEWED)
    return lambda device: reviewed(device) and device.master.approver == approver and not in_series(device)


def needs_segmentation(device: Device) -> bool:
    ready = device.current_study is not None and device.current_study.status == StudyStatus.ACCEPTED
    missing = (
        device.current_segmentation is None
        or device.current_segmentation.status == SegmentationStatus.REJECTED
    )
    return at(Stage.PLANNED)(device) and ready and missing and segmentation_underway(device) is None


# --- segmentation


def _window_fields(device: Device) -> tuple[Field, ...]:
    """What the master leaves open of its segmenter, with the values of the master."""
    section = device.master.segmentation
    return tuple(
        Field(
            name,
            f"{WINDOW.get(name, name)} (HU)",
            "whole",
            True,
            f"The master's is {section['parameters'].get(name, low):g}.",
            f"{section['parameters'].get(name, low):g}",
            limits=(low, high),
        )
        for name, (low, high) in section.get("envelope", {}).items()
    )


def _segment(doing: Doing) -> str:
    standing = doing.subject.master.segmentation["parameters"]
    typed = {name: value for name, value in doing.values.items() if value != standing.get(name)}
    start_segmentation(device_id=doing.subject.pk, actor=doing.actor, parameters=typed)
    return "The segmentation has begun."


def _approve_segmentation(doing: Doing) -> str:
    approve_segmentation(device_id=doing.subject.pk, actor=doing.actor, credentials=doing.credentials)
    return "The segmentation is approved."


def _reject_segmentation(doing: Doing) -> str:
    reject_segmentation(device_id=doing.subject.pk, actor=doing.actor, reason=doing.reason)
    return "The segmentation is rejected."


# --- design


def design_fields(device: Device) -> tuple[Field, ...]:
    """The generator's parameters, narrowed to the master's envelope, with the last values or the master's defaults."""
    generator = GENERATORS[device.master.design["generator"]]
    envelope = envelope_of(device.master)
    last = dict(device.current_design.values) if device.current_design else {}
    last.pop(MIDLINE.name, None)  # it is picked anew on the images each time, never carried on unseen
    prescribed = prescribed_values(device.order)
    start = {**device.master.design.get("defaults", {}), **last, **prescribed}
    asked = map(_as_prescribed(prescribed), typed_parameters(design_parameters(generator)))
    return fields_of([one for one in asked if one.kind != "text"], start, envelope)


def _as_prescribed(prescribed: Values) -> Callable[[Parameter], Parameter]:
    """A parameter whose help says what the order prescribes, where it does."""

    def told(parameter: Parameter) -> Parameter:
        if parameter.name not in prescribed:
            return parameter
        said = f"{prescribed[parameter.name]:g} {parameter.unit}".strip()
        return replace(parameter, help=f"{parameter.help} The order prescribes {said}.")

    return told


def fields_of(
    parameters: Sequence[Parameter], values: Values, envelope: dict[str, tuple[float, float]]
) -> tuple[Field, ...]:
    """What is asked for some parameters, beginning with these values. Where a plane or an axis stands is picked like any place."""
    anchors = {parameter.stands_at for parameter in parameters}
    fields = (_field(one, values.get(one.name, one.default), envelope) for one in parameters)
    return tuple(replace(field, picks=field.picks or field.name in anchors) for field in fields)


def _field(parameter: Parameter, value: Any, envelope: dict[str, tuple[float, float]]) -> Field:
    kind: Kind = "number"
    if parameter.kind == "vector":
        kind = "vector"
    elif parameter.kind == "number" and parameter.name in envelope:
        kind = "slider"
    return Field(
        parameter.name,
        f"{parameter.title} ({parameter.unit})" if parameter.unit else parameter.title,
        kind,
        parameter.default is None and not parameter.optional,
        parameter.help,
        value,
        limits=envelope.get(parameter.name, (parameter.minimum, parameter.maximum)),
        picks=parameter.is_place,
        drawn=parameter.drawn or ("place" if parameter.is_place else ""),
        stands_at=parameter.stands_at,
    )


def design_values(device: Device, typed: Values) -> dict[str, Any]:
    """What was typed, as the generator of the device takes it."""
    generator = GENERATORS[device.master.design["generator"]]
    return values_of(typed_parameters(design_parameters(generator)), typed)


def values_of(parameters: tuple[Parameter, ...], typed: Values) -> dict[str, Any]:
    """What was typed, by parameter; what was left empty is left out."""
    values: dict[str, Any] = {}
    for parameter in parameters:
        given = typed.get(parameter.name)
        if parameter.kind == "text" or given is None:
            continue
        whole = parameter.kind == "integer" and given == int(given)
        values[parameter.name] = int(given) if whole else given
    return values


def _request_design(doing: Doing) -> str:
    values = design_values(doing.subject, doing.values)
    design = request_design(device_id=doing.subject.pk, values=values, actor=doing.actor)
    return f"Design {design.revision} is being made."


def _review_design(doing: Doing) -> str:
    review_design(device_id=doing.subject.pk, actor=doing.actor, credentials=doing.credentials)
    return f"The design is reviewed and waits for a {doing.subject.master.approver.label.lower()}."


def _check_design(doing: Doing) -> str:
    check_design(device_id=doing.subject.pk, actor=doing.actor, credentials=doing.credentials)
    return f"The design is checked and waits for a {doing.subject.master.approver.label.lower()}."


def _export_fields(_: Device) -> tuple[Field, ...]:
    return (
        Field("format", "Format", "select", choices=ExportFormat.choices),
        Field(
            "tolerance_mm", "Fewer triangles, within (mm)", "number", hint="0 keeps every triangle.", initial=0.0,
            limits=(0.0, MAXIMUM_TOLERANCE_MM),
        ),
    )  # fmt: skip


def _export_design(doing: Doing) -> str:
    asked = doing.values
    request_export(
        device_id=doing.subject.pk,
        format=str(asked["format"]),
        tolerance_mm=float(asked["tolerance_mm"]),
        actor=doing.actor,
    )
    return "The export is being made."


def _approve_model(doing: Doing) -> str:
    approve_model(device_id=doing.subject.pk, actor=doing.actor, credentials=doing.credentials)
    return "The design is approved and frozen."


def _approve_design(doing: Doing) -> str:
    approve_design(device_id=doing.subject.pk, actor=doing.actor, credentials=doing.credentials)
    return "The design is approved and frozen."


# --- stage


def _hold(doing: Doing) -> str:
    hold_device(device_id=doing.subject.pk, actor=doing.actor, reason=doing.reason)
    return "The device is on hold."


def _resume(doing: Doing) -> str:
    chosen = doing.values.get("hold")
    resume_device(
        device_id=doing.subject.pk,
        actor=doing.actor,
        reason=doing.reason,
        hold=int(chosen) if chosen else None,
    )
    return "The hold is lifted."


def _moving(name: str, told: str) -> Callable[[Doing], str]:
    def move(doing: Doing) -> str:
        advance_device(
            device_id=doing.subject.pk,
            transition=name,
            actor=doing.actor,
            credentials=doing.credentials,
            reason=doing.reason,
        )
        return told

    return move


def _move_signs(name: str) -> Callable[[Device, Values, Actor], dict[str, Any]]:
    return lambda device, values, actor: move_content(device, DEVICE.row(name, device.stage))


def _which_hold(device: Device) -> tuple[Field, ...]:
    return (*held_choices(device.holds), *_because(device))


def _because(device: Device) -> tuple[Field, ...]:
    return (why(),)


def _segmentation_signs(device: Device, values: Values, actor: Actor) -> dict[str, Any]:
    return segmentation_content(device, device.current_segmentation) if device.current_segmentation else {}


def _review_signs(device: Device, values: Values, actor: Actor) -> dict[str, Any]:
    return design_content(device, device.current_design) if device.current_design else {}


def _approval_signs(device: Device, values: Values, actor: Actor) -> dict[str, Any]:
    return approval_content(device, device.current_design) if device.current_design else {}


DEVICE_ACTIONS = (
    Action(
        "start-segmentation", "device", "Segment", "Segment the images again", "devices.start_segmentation", "bone",
        needs_segmentation, _segment, fields=_window_fields,
        help="Bone is what lies within the window. Lower its lower end where thin bone is missing, raise it where soft tissue is in.",
    ),
    Action(
        "approve-segmentation", "device", "Approve the segmentation", "Approve the segmentation", "devices.approve_segmentation",
        "writing-sign", _segmented(SegmentationStatus.RECORDED), _approve_segmentation, meaning=Meaning.APPROVED,
        content=_segmentation_signs, main=True,
    ),
    Action(
        "reject-segmentation", "device", "Reject the segmentation", "Reject the segmentation", "devices.reject_segmentation",
        "circle-x", _segmented(SegmentationStatus.RECORDED), _reject_segmentation, fields=_because, danger=True,
    ),
    Action(
        "request-design", "device", "Make a design", "Make a design", "devices.request_design", "ruler-measure",
        designable, _request_design, fields=design_fields, main=True,
        help="The limits are those of the device master. What stands so far is voided.",
    ),
    Action(
        "review-design", "device", "Review the design", "Review the design", "devices.review_design", "writing-sign",
        _awaits_review(Role.DSN), _review_design, meaning=Meaning.REVIEWED, content=_review_signs, main=True,
    ),
    Action(
        "check-design", "device", "Check the design", "Check this design as its medical physicist", "devices.check_design",
        "writing-sign", _awaits_review(Role.PHY), _check_design, meaning=Meaning.REVIEWED, content=_review_signs, main=True,
        help="Thickness, fit to the skin, material and density: what the dose rests on.",
    ),
    Action(
        "approve-design", "device", "Approve for my patient", "Approve this design for my patient", "devices.approve_design",
        "writing-sign", _awaits(Role.PRE), _approve_design, meaning=Meaning.DESIGN_APPROVED,
        content=_approval_signs, main=True,
    ),
    Action(
        "export-design", "device", "Export the design", "Export the design", "devices.export_design", "file-3d",
        lambda device: device.current_design is not None and bool(device.current_design.mesh_id), _export_design,
        fields=_export_fields, help="The file is made in the background and then listed below. It carries the device's code and no name.",
    ),
    Action(
        "approve-model", "device", "Approve the model", "Approve the design of this model", "devices.approve_model",
        "writing-sign", _awaits(Role.CLR), _approve_model, meaning=Meaning.DESIGN_APPROVED,
        content=_approval_signs, main=True, help="A model touches no patient: a clinical reviewer approves it, and no prescriber.",
    ),
    Action(
        "ship", "device", "Ship", "Ship this device", "devices.ship", "truck-delivery",
        lambda device: at(Stage.RELEASED)(device) and kit_of(device) is None,
        _moving("ship", "Shipped."), meaning=Meaning.PERFORMED, content=_move_signs("ship"), main=True,
    ),
    Action(
        "deliver", "device", "Confirm delivery", "Confirm that it was delivered", "devices.deliver", "package",
        at(Stage.SHIPPED), _moving("deliver", "Delivered."), main=True,
    ),
    Action(
        "hold-device", "device", "Hold", "Hold this device", "devices.hold_device", "hand-stop",
        lambda device: not device.held and device.stage not in FINAL_STAGES, _hold, fields=_because, danger=True,
    ),
    Action(
        "resume-device", "device", "Lift the hold", "Lift the hold", "devices.resume_device", "player-play",
        lambda device: device.held, _resume, fields=_which_hold, main=True,
    ),
)  # fmt: skip
