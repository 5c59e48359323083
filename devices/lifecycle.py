"""THE table: how an order and a device may move, who or what moves them, and which signature a move needs."""

from __future__ import annotations

from devices.choices import OrderStage, Phase, Stage
from mes.choices import Meaning
from mes.lifecycle import Lifecycle
from mes.lifecycle import Transition as Row

# fmt: off
DEVICE = Lifecycle("device", (
    #    name                      source                      target                      trigger   signature
    Row("freeze_design",           Stage.PLANNED,              Stage.DESIGN_FROZEN,        "person", Meaning.DESIGN_APPROVED),
    Row("void_design",             Stage.DESIGN_FROZEN,        Stage.PLANNED,              "system"),
    Row("queue",                   Stage.DESIGN_FROZEN,        Stage.QUEUED,               "system"),
    Row("unqueue",                 Stage.QUEUED,               Stage.DESIGN_FROZEN,        "system"),
    Row("start_build",             Stage.QUEUED,               Stage.IN_BUILD,             "system"),
    Row("finish_build",            Stage.IN_BUILD,             Stage.BUILT,                "system"),
    Row("fail_build",              Stage.IN_BUILD,             Stage.NONCONFORMING,        "system"),
    Row("start_post_processing",   Stage.BUILT,                Stage.POST_PROCESSING,      "system"),
    Row("finish_post_processing",  Stage.POST_PROCESSING,      Stage.AWAITING_INSPECTION,  "system"),
    Row("pass_inspection",         Stage.AWAITING_INSPECTION,  Stage.INSPECTED_PASS,       "person", Meaning.PERFORMED),
    Row("fail_inspection",         Stage.AWAITING_INSPECTION,  Stage.NONCONFORMING,        "system"),
    Row("label",                   Stage.INSPECTED_PASS,       Stage.LABELLED,             "person", Meaning.VERIFIED),
    Row("complete_record",         Stage.INSPECTED_PASS,       Stage.READY_FOR_REVIEW,     "system"),
    Row("complete_record",         Stage.LABELLED,             Stage.READY_FOR_REVIEW,     "system"),
    Row("review",                  Stage.READY_FOR_REVIEW,     Stage.REVIEWED,             "person", Meaning.REVIEWED),
    Row("release",                 Stage.REVIEWED,             Stage.RELEASED,             "person", Meaning.RELEASED),
    Row("ship",                    Stage.RELEASED,             Stage.SHIPPED,              "person", Meaning.PERFORMED),
    Row("deliver",                 Stage.SHIPPED,              Stage.DELIVERED,            "person"),
    Row("find_nonconforming",      Stage.BUILT,                Stage.NONCONFORMING,        "system"),
    Row("find_nonconforming",      Stage.POST_PROCESSING,      Stage.NONCONFORMING,        "system"),
    Row("find_nonconforming",      Stage.INSPECTED_PASS,       Stage.NONCONFORMING,        "system"),
    Row("find_nonconforming",      Stage.LABELLED,             Stage.NONCONFORMING,        "system"),
    Row("find_nonconforming",      Stage.READY_FOR_REVIEW,     Stage.NONCONFORMING,        "system"),
    Row("find_nonconforming",      Stage.REVIEWED,             Stage.NONCONFORMING,        "system"),
    Row("find_nonconforming",      Stage.REWORK,               Stage.NONCONFORMING,        "system"),
    Row("start_rework",            Stage.NONCONFORMING,        Stage.REWORK,               "system"),
    Row("finish_rework",           Stage.REWORK,               Stage.AWAITING_INSPECTION,  "person"),
    Row("repeat_post_processing",  Stage.REWORK,               Stage.POST_PROCESSING,      "person"),
    Row("scrap",                   Stage.NONCONFORMING,        Stage.SCRAPPED,             "system"),
    Row("cancel",                  Stage.PLANNED,              Stage.CANCELLED,            "person", Meaning.APPROVED),
    Row("cancel",                  Stage.DESIGN_FROZEN,        Stage.CANCELLED,            "person", Meaning.APPROVED),
))

ORDER = Lifecycle("order", (
    #    name               source                                  target                                  trigger   signature
    Row("submit",           OrderStage.DRAFT,                       OrderStage.SUBMITTED,                   "person", Meaning.PRESCRIBED),
    Row("start_review",     OrderStage.SUBMITTED,                   OrderStage.UNDER_REVIEW,                "person"),
    Row("request_info",     OrderStage.UNDER_REVIEW,                OrderStage.INFO_REQUIRED,               "person"),
    Row("supply_info",      OrderStage.INFO_REQUIRED,               OrderStage.UNDER_REVIEW,                "person"),
    Row("accept",           OrderStage.UNDER_REVIEW,                OrderStage.ACCEPTED,                    "person", Meaning.APPROVED),
    Row("reject",           OrderStage.UNDER_REVIEW,                OrderStage.REJECTED,                    "person", Meaning.REJECTED),
    Row("start_design",     OrderStage.ACCEPTED,                    OrderStage.IN_DESIGN,                   "system"),
    Row("submit_design",    OrderStage.IN_DESIGN,                   OrderStage.AWAITING_CLINICAL_APPROVAL,  "system"),
    Row("request_changes",  OrderStage.AWAITING_CLINICAL_APPROVAL,  OrderStage.IN_DESIGN,                   "system"),
    Row("approve_design",   OrderStage.AWAITING_CLINICAL_APPROVAL,  OrderStage.IN_PRODUCTION,               "system"),
    Row("request_changes",  OrderStage.IN_PRODUCTION,               OrderStage.IN_DESIGN,                   "system"),
    Row("release_all",      OrderStage.IN_PRODUCTION,               OrderStage.READY_TO_SHIP,               "system"),
    Row("ship",             OrderStage.READY_TO_SHIP,               OrderStage.SHIPPED,                     "system"),
    Row("deliver",          OrderStage.SHIPPED,                     OrderStage.DELIVERED,                   "system"),
    Row("close",            OrderStage.DELIVERED,                   OrderStage.CLOSED,                      "person"),
    Row("cancel",           OrderStage.DRAFT,                       OrderStage.CANCELLED,                   "person", Meaning.APPROVED),
    Row("cancel",           OrderStage.SUBMITTED,                   OrderStage.CANCELLED,                   "person", Meaning.APPROVED),
    Row("cancel",           OrderStage.UNDER_REVIEW,                OrderStage.CANCELLED,                   "person", Meaning.APPROVED),
    Row("cancel",           OrderStage.INFO_REQUIRED,               OrderStage.CANCELLED,                   "person", Meaning.APPROVED),
    Row("cancel",           OrderStage.ACCEPTED,                    OrderStage.CANCELLED,                   "person", Meaning.APPROVED),
    Row("cancel",           OrderStage.IN_DESIGN,                   OrderStage.CANCELLED,                   "person", Meaning.APPROVED),
    Row("cancel",           OrderStage.AWAITING_CLINICAL_APPROVAL,  OrderStage.CANCELLED,                   "person", Meaning.APPROVED),
    Row("cancel",           OrderStage.IN_PRODUCTION,               OrderStage.CANCELLED,                   "person", Meaning.APPROVED),
))

POINTS = (
    "device.accept_images", "device.start_segmentation", "device.approve_segmentation", "device.approve_plan",
    "device.request_design", "device.review_design",
    "device.post_process", "device.resume", "master.publish",
)
"""Where gates are asked without a move of the stage."""

BACKWARD = frozenset({"void_design", "unqueue", "fail_build", "fail_inspection", "find_nonconforming", "cancel", "scrap"})
"""Moves that bring a device no nearer to the patient."""

UNHELD = BACKWARD | {"start_build", "finish_build"}
"""Moves that a hold does not block: the backward ones, and what a machine has done already."""

PASSED_BEFORE: dict[str, Stage] = {"start_rework": Stage.BUILT, "finish_rework": Stage.AWAITING_INSPECTION}
"""What a device must have been since its design was frozen: a rework skips neither the build nor the post-processing."""

PHASES: dict[str, Phase] = {
    Stage.DESIGN_FROZEN:        Phase.SLICING,
    Stage.QUEUED:               Phase.QUEUE,
    Stage.IN_BUILD:             Phase.PRINTING,
    Stage.BUILT:                Phase.POST_PROCESSING,
    Stage.POST_PROCESSING:      Phase.POST_PROCESSING,
    Stage.AWAITING_INSPECTION:  Phase.INSPECTION,
    Stage.NONCONFORMING:        Phase.INSPECTION,
    Stage.REWORK:               Phase.POST_PROCESSING,
    Stage.INSPECTED_PASS:       Phase.REVIEW,
    Stage.LABELLED:             Phase.REVIEW,
    Stage.READY_FOR_REVIEW:     Phase.REVIEW,
    Stage.REVIEWED:             Phase.RELEASE,
    Stage.RELEASED:             Phase.DELIVERY,
    Stage.SHIPPED:              Phase.DELIVERY,
    Stage.DELIVERED:            Phase.DELIVERY,
}
"""The phase of each stage. A planned device's follows its progress; a scrapped or cancelled one keeps its last."""
# fmt: on

MAKING_STEPS = (
    "device.queue",
    "device.post_process",
    "device.finish_post_processing",
    "device.start_rework",
    "device.repeat_post_processing",
    "device.finish_rework",
    "device.pass_inspection",
    "device.label",
    "device.complete_record",
    "device.review",
    "device.ship",
)
"""Every step of a person from the frozen design to the shipment; the release asks for what it needs by itself."""
