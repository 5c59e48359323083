"""Who may do what with orders, images, segmentations, designs and stages."""

from __future__ import annotations

from mes.choices import Role
from mes.permissions import allow

R = Role

# fmt: off
allow("devices.draft_material",         "draft a material specification",       R.MAT, R.DSN, R.QAR)
allow("devices.specify_material",       "approve a material specification",     R.QAR, R.QAX)
allow("devices.draft_master",           "draft a device master",                R.DSN, R.RA, R.QAR)
allow("devices.publish_master",         "approve a device master",              R.QAR, R.QAX)

allow("devices.create_order",           "create an order",                      R.ORD, R.PRE)
allow("devices.submit_order",           "prescribe a device",                   R.PRE)
allow("devices.start_order_review",     "start the review of an order",         R.ORD)
allow("devices.request_order_info",     "ask for missing information",          R.ORD, R.RA)
allow("devices.supply_order_info",      "supply missing information",           R.ORD, R.PRE)
allow("devices.approve_order",          "approve an order",                     R.ORD, R.RA)
allow("devices.reject_order",           "reject an order",                      R.ORD, R.RA)

allow("devices.receive_study",          "send in images",                       R.IMG, R.ORD)
allow("devices.start_segmentation",     "start a segmentation",                 R.IMG, R.SEG, system=True)
allow("devices.approve_segmentation",   "approve a segmentation",               R.CLR)
allow("devices.reject_segmentation",    "reject a segmentation",                R.CLR, R.SEG)
allow("devices.request_design",         "request a design",                     R.DSN)
allow("devices.review_design",          "review a design",                      R.DSN)
allow("devices.reject_design",          "reject a design",                      R.DSN, R.PRE)
allow("devices.approve_design",         "approve a design for a patient",       R.PRE)
allow("devices.read_artefact",          "read the files of a device",           *[role for role in R if role not in (R.SEC, R.SYS)])
allow("devices.read_history",           "read the history of a device",         *[role for role in R if role not in (R.SEC, R.SYS)])

allow("devices.hold_device",            "hold a device",                        R.QAR, R.QCM, R.ORD, R.PRE, R.OPR, R.INS, system=True)
allow("devices.resume_device",          "lift a hold",                          R.QAR)

# One action for each move of a device.
allow("devices.freeze_design",          "approve a design for a patient",       R.PRE)
allow("devices.void_design",            "void a design",                        R.DSN, R.PRE, R.QAR, system=True)
allow("devices.queue",                  "queue a device for building",          R.BLD, system=True)
allow("devices.unqueue",                "take a device out of the queue",       R.BLD, system=True)
allow("devices.start_build",            "start a build",                        R.OPR, system=True)
allow("devices.finish_build",           "finish a build",                       R.OPR, system=True)
allow("devices.fail_build",             "record a failed build",                R.OPR, R.QCM, system=True)
allow("devices.start_post_processing",  "start post-processing",                R.PST, system=True)
allow("devices.finish_post_processing", "finish post-processing",               R.PST, system=True)
allow("devices.pass_inspection",        "pass an inspection",                   R.INS)
allow("devices.fail_inspection",        "fail an inspection",                   R.INS, system=True)
allow("devices.label",                  "verify a label",                       R.LBL)
allow("devices.complete_record",        "complete the production record",       R.LBL, R.QCM, system=True)
allow("devices.review",                 "review the production record",         R.QAR)
allow("devices.release",                "release a device",                     R.QAX)
allow("devices.ship",                   "ship a device",                        R.LBL, R.ORD)
allow("devices.deliver",                "confirm a delivery",                   R.LBL, R.ORD)
allow("devices.find_nonconforming",     "call a device nonconforming",          R.INS, R.PST, R.QCM, R.QAR, system=True)
allow("devices.start_rework",           "approve a rework",                     R.QAR, R.QCM, system=True)
allow("devices.repeat_post_processing", "repeat post-processing",               R.PST, R.QCM, system=True)
allow("devices.finish_rework",          "finish a rework",                      R.PST, R.QCM, system=True)
allow("devices.scrap",                  "scrap a device",                       R.QAR, R.QCM, system=True)
allow("devices.cancel",                 "cancel a device",                      R.QAR, R.ORD)
# fmt: on
