"""Who may do what with orders, images, segmentations, designs and stages."""

from __future__ import annotations

from dataclasses import dataclass

from django.db.models import Q, QuerySet

from devices.choices import OrderStage
from devices.models import (
    Arrival,
    Assignment,
    ChangeRequest,
    Design,
    Device,
    DeviceMaster,
    DicomPeer,
    Kit,
    KitMember,
    Material,
    Order,
    Plan,
    Segmentation,
    SegmentationDraft,
    Study,
    Upload,
)
from devices.selectors.plans import current_plan
from devices.selectors.series import stages_of
from mes.choices import Meaning, Role
from mes.models import Patient
from mes.permissions import PERMISSIONS, allow
from mes.scope import (
    Viewer,
    belongs_to_everybody,
    belongs_to_order,
    belongs_to_plant,
    orders_named,
    patients_opened,
)
from mes.segregation import Parts, segregated
from mes.selectors import performers, signatures_of

R = Role
NOT_ACCEPTED = (
    OrderStage.DRAFT, OrderStage.SUBMITTED, OrderStage.UNDER_REVIEW, OrderStage.INFO_REQUIRED, OrderStage.REJECTED,
    OrderStage.CANCELLED,
)  # fmt: skip
"""Where two people have not accepted an order, or may never have."""

# fmt: off
allow("devices.draft_material",         "draft a material specification",       R.MAT, R.DSN, R.QAR)
allow("devices.specify_material",       "approve a material specification",     R.QAR, R.QAX, signed=True)
allow("devices.draft_master",           "draft a device master",                R.DSN, R.RA, R.QAR)
allow("devices.publish_master",         "approve a device master",              R.QAR, R.QAX, signed=True)

allow("devices.create_order",           "create an order",                      R.ORD, R.PRE)
allow("devices.submit_order",           "prescribe a device",                   R.PRE, signed=True)
allow("devices.start_order_review",     "start the review of an order",         R.ORD)
allow("devices.request_order_info",     "ask for missing information",          R.ORD, R.RA)
allow("devices.supply_order_info",      "supply missing information",           R.ORD, R.PRE)
allow("devices.approve_order",          "approve an order",                     R.ORD, R.RA, signed=True)
allow("devices.reject_order",           "reject an order",                      R.ORD, R.RA, signed=True)
allow("devices.close_order",            "close a delivered order",              R.ORD)
allow("devices.approve_series",         "approve a series for a patient",       R.PRE, signed=True)

allow("devices.make_kit",               "put devices of a patient together as a kit", R.ORD)
allow("devices.change_kit",             "change or dissolve a kit",             R.ORD, R.QAR)
allow("devices.dissolve_released_kit",  "dissolve a released kit",              R.QAR)

allow("devices.assign_person",          "assign somebody to an order",          R.ORD, R.RA, R.QAR, own_company=True)
allow("devices.receive_study",          "send in images",                       R.IMG, R.ORD, system=True)
allow("devices.send_files",             "send files by parts",                  R.IMG, R.ORD, R.DSN)
allow("devices.register_peer",          "register a sender of images",          R.SYS, secret=True)
allow("devices.read_peers",             "read who may send images",             R.SYS, R.SEC, R.IMG, R.ORD, R.QAR, R.AUD)
allow("devices.read_arrivals",          "read which images came in",            R.IMG, R.ORD, R.QAR, R.AUD)
allow("devices.discard_arrival",        "discard images that came in",          R.IMG, R.ORD)
allow("devices.start_segmentation",     "start a segmentation",                 R.IMG, R.SEG, system=True)
allow("devices.edit_segmentation",      "edit a segmentation, or read one again", R.IMG, R.SEG, R.CLR)
allow("devices.approve_segmentation",   "approve a segmentation",               R.CLR, signed=True)
allow("devices.reject_segmentation",    "reject a segmentation",                R.CLR, R.SEG)
allow("devices.draft_plan",             "draft a clinical plan",                R.DSN, R.PRE)
allow("devices.approve_plan",           "approve a clinical plan",              R.CLR, R.PRE, signed=True)
allow("devices.reject_plan",            "reject a clinical plan",               R.CLR, R.PRE, R.DSN)
allow("devices.request_design",         "request a design",                     R.DSN)
allow("devices.review_design",          "review a design",                      R.DSN, signed=True)
allow("devices.check_design",           "review a design as medical physicist", R.PHY, signed=True)
allow("devices.reject_design",          "request changes of a design",          R.DSN, R.PRE, R.CLR, R.PHY)
allow("devices.approve_design",         "approve a design for a patient",       R.PRE, signed=True)
allow("devices.approve_model",          "approve the design of a model",        R.CLR, signed=True)
allow("devices.compare_designs",        "compare revisions of a design",        R.DSN, R.CLR, R.PRE, R.PHY, R.QAR, system=True)
allow("devices.read_latency",           "read how long decisions on designs take", R.ORD, R.QAR, R.QAX, R.AUD)
allow("devices.export_design",          "export a design",                      R.DSN, R.CLR, R.PRE, R.IMG, R.BLD, R.QAR)
allow("devices.read_artefact",          "read the files of a device",           *[role for role in R if role not in (R.SEC, R.SYS)])
allow("devices.read_history",           "read the history of a device",         *[role for role in R if role not in (R.SEC, R.SYS)])

allow("devices.hold_device",            "hold a device",                        R.QAR, R.QCM, R.ORD, R.PRE, R.OPR, R.INS, system=True)
allow("devices.resume_device",          "lift a hold",                          R.QAR)

# One action for each move of a device.
allow("devices.freeze_design",          "approve a design for a patient",       R.PRE, R.CLR, signed=True)
allow("devices.void_design",            "void a design",                        R.DSN, R.PRE, R.QAR, system=True)
allow("devices.queue",                  "queue a device for building",          R.BLD, system=True)
allow("devices.unqueue",                "take a device out of the queue",       R.BLD, system=True)
allow("devices.start_build",            "start a build",                        R.OPR, system=True)
allow("devices.finish_build",           "finish a build",                       R.OPR, system=True)
allow("devices.fail_build",             "record a failed build",                R.OPR, R.QCM, system=True)
allow("devices.start_post_processing",  "start post-processing",                R.PST, system=True)
allow("devices.finish_post_processing", "finish post-processing",               R.PST, system=True)
allow("devices.pass_inspection",        "pass an inspection",                   R.INS, signed=True)
allow("devices.fail_inspection",        "fail an inspection",                   R.INS, system=True)
allow("devices.label",                  "verify a label",                       R.LBL, signed=True)
allow("devices.complete_record",        "complete the production record",       R.LBL, R.QCM, system=True)
allow("devices.review",                 "review the production record",         R.QAR, signed=True)
allow("devices.release",                "release a device",                     R.QAX, signed=True)
allow("devices.ship",                   "ship a device",                        R.LBL, R.ORD)
allow("devices.deliver",                "confirm a delivery",                   R.LBL, R.ORD)
allow("devices.find_nonconforming",     "call a device nonconforming",          R.INS, R.PST, R.QCM, R.QAR, system=True)
allow("devices.start_rework",           "approve a rework",                     R.QAR, R.QCM, system=True)
allow("devices.repeat_post_processing", "repeat post-processing",               R.PST, R.QCM, system=True)
allow("devices.finish_rework",          "finish a rework",                      R.PST, R.QCM, system=True)
allow("devices.scrap",                  "scrap a device",                       R.QAR, R.QCM, system=True)
allow("devices.cancel",                 "cancel a device",                      R.QAR, R.ORD)
# fmt: on


# --- what belongs to which order, and who is named on one


belongs_to_order(Order)
belongs_to_order(Device, "order")
belongs_to_order(Assignment, "order")
for _made in (Study, Upload, Segmentation, SegmentationDraft, Plan, Design, ChangeRequest):
    belongs_to_order(_made, "device__order")
belongs_to_order(KitMember, "device__order")
belongs_to_order(Kit, "members__device__order")
# Definitions are what a part is made by, for whoever makes it; which machines of a hospital send here is this company's.
belongs_to_everybody(DeviceMaster, Material, outsiders=True)
belongs_to_everybody(DicomPeer)
belongs_to_plant(Arrival)
belongs_to_everybody(Patient, names_orders=True)


@dataclass(frozen=True)
class _Parts:
    """What makes an order somebody's, as long as they hold the role that they have the part in (11.10(d))."""

    assigned: QuerySet[Assignment]
    prescribes: Q
    wrote: Q


NONE = Q(pk__in=())


def _parts_of(viewer: Viewer) -> _Parts:
    key, roles = viewer.person_id, viewer.roles
    return _Parts(
        Assignment.objects.filter(person=key, role__in=roles, ended=False),
        Q(prescriber=key) if roles & PERMISSIONS["devices.submit_order"].roles else NONE,
        Q(created_by=key) if roles & PERMISSIONS["devices.create_order"].roles else NONE,
    )


@orders_named
def orders_of_person(viewer: Viewer) -> QuerySet[Order]:
    """The orders that a person prescribes, wrote, or is assigned to, each in a role that they hold now."""
    parts = _parts_of(viewer)
    return Order.objects.filter(parts.prescribes | parts.wrote | Q(pk__in=parts.assigned.values("order")))


@patients_opened
def patients_of_person(viewer: Viewer) -> QuerySet[Patient]:
    """The patients of the orders that somebody else brought a person to, by naming the prescriber or assigning them, and
    of their own ones once these were accepted: nobody comes to know a patient by a draft of their own (11.10(d))."""
    parts = _parts_of(viewer)
    assigned = parts.assigned.exclude(assigned_by=viewer.person_id)
    brought = Q(pk__in=assigned.values("order")) | parts.prescribes & ~Q(created_by=viewer.person_id)
    own = (parts.prescribes | parts.wrote) & ~Q(stage__in=NOT_ACCEPTED)
    return Patient.objects.filter(pk__in=Order.objects.filter(brought | own).values("patient"))


# --- segregation of duties: AUTHORED is never APPROVED, by person and from the record (G-SOD-01)


def _prescribers(order: Order) -> Parts:
    signers = signatures_of(order, Meaning.PRESCRIBED).values_list("person_id", flat=True)
    return dict.fromkeys((*signers, order.prescriber_id), "prescribed this device")


def _known(person_id: int | None) -> tuple[int, ...]:
    return () if person_id is None else (person_id,)


def _designers(device: Device) -> Parts:
    design = device.current_design
    return {design.author_id: "are the author of this design"} if design else {}


@segregated("devices.specify_material", cure="Somebody else decides on it.")
def material_is_approved_by_another(material: Material) -> Parts:
    """Who drafted a material specification does not approve it."""
    return dict.fromkeys(
        (*_known(material.author_id), *performers(material, "devices.material_drafted")),
        "are the author of this specification",
    )


@segregated("devices.publish_master", cure="Somebody else decides on it.")
def master_is_approved_by_another(master: DeviceMaster) -> Parts:
    """Who drafted a device master does not approve it."""
    return dict.fromkeys(
        (master.author_id, *performers(master, "devices.master_drafted")), "are the author of this master"
    )


@segregated("devices.approve_order", cure="Somebody else approves it.")
def order_is_approved_by_others_than_its_prescriber(order: Order) -> Parts:
    """Who prescribes a device does not accept the order for it."""
    return _prescribers(order)


@segregated("devices.approve_order", cure="Another coordinator, or regulatory affairs, approves it.")
def order_is_approved_by_others_than_its_authors(order: Order) -> Parts:
    """Who wrote an order down, or one of its characteristics, does not approve it."""
    stated = {int(row["author"]) for row in order.characteristics if row.get("author")}
    return dict.fromkeys({order.created_by_id, *stated}, "wrote this order")


@segregated("devices.approve_segmentation", cure="Another clinical reviewer decides on it.")
def segmentation_is_approved_by_another(device: Device) -> Parts:
    """Who made a segmentation does not approve it."""
    found = device.current_segmentation
    return {found.author_id: "are the author of this segmentation"} if found else {}


@segregated("devices.approve_plan", cure="The reader named in the plan decides on it.")
def plan_is_approved_by_another(device: Device) -> Parts:
    """Who wrote a plan does not approve it."""
    plan = current_plan(device)
    return {plan.author_id: "are the author of this plan"} if plan else {}


@segregated("devices.review_design", cure="A second design engineer decides on it.")
def design_is_reviewed_by_a_second_engineer(device: Device) -> Parts:
    """The second engineer neither made the design nor prescribed the device."""
    return {**_prescribers(device.order), **_designers(device)}


@segregated("devices.check_design", cure="Another medical physicist decides on it.")
def design_is_checked_by_another(device: Device) -> Parts:
    """The physicist neither made the design nor prescribed the device."""
    return {**_prescribers(device.order), **_designers(device)}


@segregated(
    "devices.approve_design",
    "devices.approve_model",
    "devices.freeze_design",
    cure="Somebody else has to approve it.",
)
def design_is_approved_by_neither_author_nor_reviewer(device: Device) -> Parts:
    """Who approves a design for a patient neither made nor reviewed it."""
    design = device.current_design
    reviewer = design.reviewer_id if design else None
    reviewed = {reviewer: "reviewed this design"} if reviewer is not None else {}
    return {**reviewed, **_designers(device)}


@segregated("devices.approve_series", cure="Somebody else has to approve it.")
def series_is_approved_by_neither_author_nor_reviewer(order: Order) -> Parts:
    """Who approves a series for a patient neither made nor reviewed any stage of it."""
    stages = map(design_is_approved_by_neither_author_nor_reviewer, stages_of(order))
    return {person: part for parts in stages for person, part in parts.items()}
