"""Facts about what is made. Identifiers and values only, never patient identity."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from mes.eventlog.base import Event

Gates = list[dict[str, Any]]
"""Every gate's answer with its evidence, as `GateResult.as_payload` gives it."""
Reasons = list[dict[str, str]]
"""[{code, text, cure}]"""


# --- how many of a lot


@dataclass(frozen=True, kw_only=True)
class UnitsCounted(Event, name="devices.units_counted", terminal=True):
    """Some units of a lot were accepted or scrapped: which ones, and how the whole lot stands since (K-08).

    `units` are their numbers in the lot, from 1; `outcome` is accepted or scrapped.
    """

    device_id: int
    outcome: str
    units: list[int]
    quantity: int
    accepted: int
    scrapped: int


# --- materials and masters


@dataclass(frozen=True, kw_only=True)
class MaterialDrafted(Event, name="devices.material_drafted", terminal=True):
    """Somebody wrote down what a material is; it may be used once somebody else approves it."""

    material_id: int


@dataclass(frozen=True, kw_only=True)
class MaterialSpecified(Event, name="devices.material_specified", terminal=True):
    """A material specification was approved by signature."""

    material_id: int
    code: str
    signature_id: int


@dataclass(frozen=True, kw_only=True)
class MasterDrafted(Event, name="devices.master_drafted", terminal=True):
    """A revision of a device master was written; it may be used once somebody else approves it."""

    master_id: int
    code: str
    revision: int


@dataclass(frozen=True, kw_only=True)
class MasterPublished(Event, name="devices.master_published", terminal=True):
    """A revision of a device master was approved by signature and is effective."""

    master_id: int
    code: str
    revision: int
    signature_id: int


@dataclass(frozen=True, kw_only=True)
class MasterSuperseded(Event, name="devices.master_superseded", terminal=True):
    """A newer revision took this one's place. Devices planned under it keep it."""

    master_id: int
    superseded_by: int


# --- orders


@dataclass(frozen=True, kw_only=True)
class OrderCreated(Event, name="devices.order_created", terminal=True):
    """An order was written down, not yet prescribed."""

    order_id: int
    patient_id: int
    master_id: int
    side: str
    need_by: str


@dataclass(frozen=True, kw_only=True)
class OrderSubmitted(Event, name="devices.order_submitted", terminal=True):
    """The prescriber signed the prescription."""

    order_id: int
    signature_id: int


@dataclass(frozen=True, kw_only=True)
class OrderReviewStarted(Event, name="devices.order_review_started", terminal=True):
    """The contract review began."""

    order_id: int


@dataclass(frozen=True, kw_only=True)
class OrderInfoRequested(Event, name="devices.order_info_requested", terminal=True):
    """Something is missing; the review waits. The event's reason says what."""

    order_id: int


@dataclass(frozen=True, kw_only=True)
class OrderInfoSupplied(Event, name="devices.order_info_supplied", terminal=True):
    """What was missing has been given; the review goes on."""

    order_id: int


@dataclass(frozen=True, kw_only=True)
class OrderApproved(Event, name="devices.order_approved", terminal=True):
    """One of the two approvals that an order needs."""

    order_id: int
    role: str
    signature_id: int


@dataclass(frozen=True, kw_only=True)
class OrderAccepted(Event, name="devices.order_accepted", terminal=True):
    """Both approvals stand and every gate passed: the devices are planned."""

    order_id: int
    device_ids: list[int]
    gates: Gates


@dataclass(frozen=True, kw_only=True)
class OrderRejected(Event, name="devices.order_rejected"):
    """The order will not be made. The event's reason says why."""

    order_id: int
    signature_id: int


@dataclass(frozen=True, kw_only=True)
class OrderClosed(Event, name="devices.order_closed"):
    """Nothing is left to do about a delivered order: its time of retention runs."""

    order_id: int


@dataclass(frozen=True, kw_only=True)
class OrderStageChanged(Event, name="devices.order_stage_changed", terminal=True):
    """The order followed its devices."""

    order_id: int
    transition: str
    source: str
    target: str


# --- devices


@dataclass(frozen=True, kw_only=True)
class DevicePlanned(Event, name="devices.device_planned", terminal=True):
    """A device has a number and waits for its images."""

    device_id: int
    order_id: int
    serial: str


@dataclass(frozen=True, kw_only=True)
class DeviceStageChanged(Event, name="devices.device_stage_changed"):
    """A device moved. Every gate that was asked stands here with the evidence it looked at."""

    device_id: int
    transition: str
    source: str
    target: str
    gates: Gates
    signature_id: int | None


@dataclass(frozen=True, kw_only=True)
class DeviceHeld(Event, name="devices.device_held", terminal=True):
    """A hold blocks every forward move. The event's reason says why; `source` names what placed it, if no person did."""

    device_id: int
    stage: str
    hold_id: int
    source: str


@dataclass(frozen=True, kw_only=True)
class DeviceHoldLifted(Event, name="devices.device_hold_lifted", terminal=True):
    """One hold is over; others may still be open."""

    device_id: int
    hold_id: int
    source: str


@dataclass(frozen=True, kw_only=True)
class DeviceResumed(Event, name="devices.device_resumed", terminal=True):
    """No hold is open any more; the device goes on from where it stood."""

    device_id: int
    stage: str


# --- images


@dataclass(frozen=True, kw_only=True)
class StudyReceived(Event, name="devices.study_received"):
    """An upload lies in quarantine and waits to be read. `series` is the key of the one that its sender chose, if any."""

    device_id: int
    study_id: int
    link_confirmed: bool
    signature_id: int | None
    series: str = ""


@dataclass(frozen=True, kw_only=True)
class ImagesAccepted(Event, name="devices.images_accepted"):
    """The images are this patient's, de-identified and stored as a calibrated volume."""

    device_id: int
    study_id: int
    volume_sha256: str
    series_sha256: str | None
    gates: Gates


@dataclass(frozen=True, kw_only=True)
class ImagesRefused(Event, name="devices.images_refused"):
    """The images cannot be used; every finding is a reason."""

    device_id: int
    study_id: int
    reasons: Reasons


# --- segmentation


@dataclass(frozen=True, kw_only=True)
class SegmentationRequested(Event, name="devices.segmentation_requested"):
    """Every gate passed: the segmentation may be computed. `parameters` are those that a person set; the rest is the
    master's."""

    device_id: int
    study_id: int
    author_id: int
    gates: Gates
    parameters: dict[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, kw_only=True)
class SegmentationRefused(Event, name="devices.segmentation_refused", terminal=True):
    """A gate forbids the segmentation; the gates say why and what cures it."""

    device_id: int
    study_id: int
    gates: Gates


@dataclass(frozen=True, kw_only=True)
class SegmentationRecorded(Event, name="devices.segmentation_recorded", terminal=True):
    """A mask and its surface were made and wait for a clinical reviewer."""

    device_id: int
    segmentation_id: int
    author_id: int
    mask_sha256: str
    surface_sha256: str
    volume_ml: float
    watertight: bool


@dataclass(frozen=True, kw_only=True)
class SegmentationFailed(Event, name="devices.segmentation_failed", terminal=True):
    """No mask or surface could be made; the reasons say why."""

    device_id: int
    study_id: int
    reasons: Reasons


@dataclass(frozen=True, kw_only=True)
class SegmentationIgnored(Event, name="devices.segmentation_ignored", terminal=True):
    """A result came that nothing waits for: a late one, or one that was delivered again. `request` is the version of the
    event that asked for it; the event's reason says why it does not count."""

    device_id: int
    study_id: int
    request: int


@dataclass(frozen=True, kw_only=True)
class SegmentationApproved(Event, name="devices.segmentation_approved", terminal=True):
    """A clinical reviewer, not its author, signed the segmentation."""

    device_id: int
    segmentation_id: int
    signature_id: int
    gates: Gates


@dataclass(frozen=True, kw_only=True)
class SegmentationRejected(Event, name="devices.segmentation_rejected", terminal=True):
    """The segmentation may not be used. The event's reason says why."""

    device_id: int
    segmentation_id: int


# --- design


@dataclass(frozen=True, kw_only=True)
class DesignRequested(Event, name="devices.design_requested"):
    """A design with these values is to be made."""

    device_id: int
    design_id: int
    revision: int
    values: dict[str, Any]
    gates: Gates


@dataclass(frozen=True, kw_only=True)
class DesignGenerated(Event, name="devices.design_generated", terminal=True):
    """A design was made and waits for a second engineer."""

    device_id: int
    design_id: int
    revision: int
    mesh_sha256: str
    measures: dict[str, float]


@dataclass(frozen=True, kw_only=True)
class DesignFailed(Event, name="devices.design_failed", terminal=True):
    """No design could be made from these values; the reasons say why."""

    device_id: int
    design_id: int
    reasons: Reasons


@dataclass(frozen=True, kw_only=True)
class DesignReviewed(Event, name="devices.design_reviewed"):
    """A second engineer signed the design; it waits for the prescriber."""

    device_id: int
    design_id: int
    signature_id: int
    gates: Gates = field(default_factory=list)


@dataclass(frozen=True, kw_only=True)
class DesignRejected(Event, name="devices.design_rejected"):
    """The design may not be used. The event's reason says what to change."""

    device_id: int
    design_id: int


@dataclass(frozen=True, kw_only=True)
class DesignApproved(Event, name="devices.design_approved", terminal=True):
    """The prescriber signed exactly this mesh."""

    device_id: int
    design_id: int
    mesh_sha256: str
    signature_id: int


@dataclass(frozen=True, kw_only=True)
class DesignVoided(Event, name="devices.design_voided"):
    """Something that the design stands on changed: its approvals hold no longer."""

    device_id: int
    design_id: int
    mesh_sha256: str | None


@dataclass(frozen=True, kw_only=True)
class PersonAssigned(Event, name="devices.person_assigned", terminal=True):
    """A person may know an order from now on, and works on it in a role."""

    order_id: int
    person_id: int
    role: str


@dataclass(frozen=True, kw_only=True)
class AssignmentEnded(Event, name="devices.assignment_ended", terminal=True):
    """A person no longer works on an order in a role."""

    order_id: int
    person_id: int
    role: str
