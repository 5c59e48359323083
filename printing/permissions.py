"""Who may do what with material, printers, builds and jobs."""

from __future__ import annotations

from mes.choices import Role
from mes.permissions import allow

R = Role

# fmt: off
allow("printing.receive_lot",           "receive material",                        R.MAT)
allow("printing.release_lot",           "release material",                        R.QCM)
allow("printing.reject_lot",            "reject material",                         R.QCM)
allow("printing.hold_lot",              "hold material",                           R.QAR, R.QCM, R.MAT, system=True)
allow("printing.release_lot_hold",      "release a hold on material",              R.QAR)
allow("printing.expire_lot",            "record that material expired",            system=True)
allow("printing.withdraw_material",     "take a sample or throw material away",    R.MAT, R.QCM)
allow("printing.read_certificate",      "read the certificates of material",       *[role for role in R if role not in (R.SEC, R.SYS)])
allow("printing.load_container",        "load material on a printer",              R.OPR, R.MAT)

allow("printing.define_parameters",     "define a parameter set",                  R.BLD)
allow("printing.approve_parameters",    "approve a parameter set",                 R.QCM, R.QAR)
allow("printing.retire_parameters",     "retire a parameter set",                  R.QCM, R.QAR)
allow("printing.register_printer",      "register a printer",                      R.CAL, R.SYS)
allow("printing.qualify_printer",       "approve a printer's qualification",       R.QAR, R.QCM)
allow("printing.calibrate_printer",     "record a calibration",                    R.CAL)
allow("printing.suspend_printer",       "suspend a printer",                       R.QAR, R.QCM, R.CAL)
allow("printing.hold_printer",          "hold a printer",                          R.OPR, R.QAR, R.QCM, R.CAL, system=True)
allow("printing.release_printer_hold",  "release a hold on a printer",             R.QAR, R.QCM)

allow("printing.create_build",          "create a build",                          R.BLD)
allow("printing.prepare_build",         "record the result of slicing",            system=True)
allow("printing.verify_build",          "verify a build",                          R.BLD, R.QCM)
allow("printing.cancel_build",          "give up a build",                         R.BLD)
allow("printing.supersede_build",       "give up a build of a voided design",      system=True)
allow("printing.dispatch_build",        "dispatch a build to a printer",           R.BLD, R.OPR)
allow("printing.decide_interruption",   "decide about an interrupted build",       R.QAR)

allow("printing.operate_printer",       "operate a printer",                       R.OPR)
allow("printing.clear_plate",           "confirm that a plate is clear",           R.OPR)
allow("printing.record_fleet_word",     "record what a printer says",              system=True)
allow("printing.simulate_fault",        "make a simulated printer fail",           R.SYS, R.CAL, system=True)
# fmt: on
