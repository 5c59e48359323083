"""Where a device stands, and what it waits for. Nothing here writes."""

from __future__ import annotations

import json
from dataclasses import dataclass

from devices.choices import (
    DesignStatus,
    Phase,
    PlanStatus,
    SegmentationStatus,
    Stage,
    StudyStatus,
)
from devices.models import Device
from mes.choices import Role
from mes.models import DeliveryStatus


def phase_of(device: Device) -> Phase:
    """Where a planned device stands, by its progress."""
    design, segmentation = device.current_design, device.current_segmentation
    if design is not None and design.status == DesignStatus.REVIEWED:
        return Phase.APPROVAL
    if segmentation is not None and segmentation.status == SegmentationStatus.APPROVED:
        return Phase.DESIGN
    return Phase.IMAGING


@dataclass(frozen=True)
class PhaseStep:
    """One step of the line that a device's page draws. state: done, current, blocked or ahead."""

    phase: Phase
    state: str

    @property
    def label(self) -> str:
        return str(self.phase.label)


def phase_line(device: Device) -> tuple[PhaseStep, ...]:
    """Every phase in order, with what is done, current or blocked. Ended devices have no current step."""
    every = list(Phase)
    here = every.index(Phase(device.phase))
    finished = device.stage == Stage.DELIVERED
    stopped = device.held or device.stage in (Stage.NONCONFORMING, Stage.SCRAPPED, Stage.CANCELLED)
    current = "blocked" if stopped else "current"
    states = [
        "done" if place < here or finished else current if place == here else "ahead"
        for place in range(len(every))
    ]
    return tuple(PhaseStep(phase, state) for phase, state in zip(every, states, strict=True))


WAITING = {
    Stage.DESIGN_FROZEN: "A place in a build",
    Stage.QUEUED: "Its build",
    Stage.IN_BUILD: "The printer",
    Stage.BUILT: "Post-processing",
    Stage.POST_PROCESSING: "Post-processing",
    Stage.AWAITING_INSPECTION: "An inspector",
    Stage.INSPECTED_PASS: "The completeness of its record",
    Stage.LABELLED: "The completeness of its record",
    Stage.READY_FOR_REVIEW: "A quality reviewer",
    Stage.REVIEWED: "A quality releaser",
    Stage.RELEASED: "Shipping",
    Stage.SHIPPED: "Confirmation of delivery",
    Stage.NONCONFORMING: "A disposition",
    Stage.REWORK: "Rework",
}

BEFORE_SHIPPING = frozenset(WAITING) - {Stage.SHIPPED, Stage.NONCONFORMING}


def waits_for(device: Device) -> str:
    """What a device waits for, in words; reads only what `devices()` has selected."""
    if device.held:
        return f"A quality reviewer lifts the hold: {device.hold_reason}"
    if device.stage == Stage.PLANNED:
        return _planned_waits_for(device)
    if getattr(device, "approval_withdrawn", False) and device.stage in BEFORE_SHIPPING:
        return f"A decision: the {device.master.approver.label.lower()} withdrew the approval of its design"
    if device.stage == Stage.RELEASED and not device.master.route.shipped:
        return f"Nothing: it was {device.master.route.stays} and is not shipped"
    if getattr(device, "kit_waits", False):
        return "The other devices of its kit"
    return WAITING.get(Stage(device.stage), "")


def _planned_waits_for(device: Device) -> str:
    study, segmentation, design = device.current_study, device.current_segmentation, device.current_design
    if study is None:
        return "Images"
    if study.status == StudyStatus.REFUSED:
        return "Other images: the last ones were refused"
    if study.status == StudyStatus.RECEIVED:
        return "Reading of the images"
    if segmentation is None or segmentation.status == SegmentationStatus.REJECTED:
        return _segmentation_of(device)
    if segmentation.status != SegmentationStatus.APPROVED:
        return "A clinical reviewer"
    if wanted := _plan_of(device):
        return wanted
    if design is None:
        return "A design engineer"
    return {
        DesignStatus.REQUESTED: "The design being made",
        DesignStatus.GENERATED: _reviewer(device.master.reviewer),
        DesignStatus.REVIEWED: f"The {device.master.approver.label.lower()}",
    }.get(DesignStatus(design.status), "A design engineer")


def _reviewer(role: Role) -> str:
    return "A second design engineer" if role == Role.DSN else f"A {role.label.lower()}"


def _plan_of(device: Device) -> str:
    """Who has to plan or read before a design, where the master asks for a plan."""
    status = getattr(device, "plan_status", None)
    if "plan" not in device.master.design or status == PlanStatus.APPROVED:
        return ""
    return "The reader of its plan" if status == PlanStatus.DRAFTED else "A clinical plan"


def _segmentation_of(device: Device) -> str:
    told = json.loads(getattr(device, "segmentation_asked", None) or "{}")
    if told.get("study_id") != device.current_study_id:
        return "A segmentation"
    if "reasons" in told:
        return "A segmentation: the last one failed"
    if run := getattr(device, "segmentation_run", None):
        given_up = "A segmentation: computing the last one was given up"
        return given_up if run == DeliveryStatus.DEAD else "The segmentation being computed"
    gates = sorted({one["gate"] for one in told["gates"] if one["outcome"] == "block"})
    return f"A segmentation, refused: {', '.join(gates)}" if gates else "A segmentation"
