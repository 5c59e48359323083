"""Who may do what with material, printers, builds and jobs."""

from __future__ import annotations

from mes.choices import Role
from mes.permissions import allow
from mes.scope import belongs_to_order, belongs_to_plant
from mes.segregation import Parts, segregated
from mes.selectors import performers
from printing.models import (
    Build,
    BuildItem,
    Container,
    MaterialLot,
    ParameterSet,
    Printer,
    PrinterCommand,
    PrintJob,
)

R = Role

# fmt: off
allow("printing.receive_lot",           "receive material",                        R.MAT)
allow("printing.release_lot",           "release material",                        R.QCM, signed=True)
allow("printing.reject_lot",            "reject material",                         R.QCM, signed=True)
allow("printing.hold_lot",              "hold material",                           R.QAR, R.QCM, R.MAT, system=True)
allow("printing.release_lot_hold",      "release a hold on material",              R.QAR, signed=True)
allow("printing.return_lot",            "quarantine material again",               system=True)
allow("printing.expire_lot",            "record that material expired",            system=True)
allow("printing.withdraw_material",     "take a sample or throw material away",    R.MAT, R.QCM)
allow("printing.read_certificate",      "read the certificates of material",       *[role for role in R if role not in (R.SEC, R.SYS)])
allow("printing.load_container",        "load material on a printer",              R.OPR, R.MAT, at_station=True)

allow("printing.define_parameters",     "define a parameter set",                  R.BLD)
allow("printing.approve_parameters",    "approve a parameter set",                 R.QCM, R.QAR, signed=True)
allow("printing.retire_parameters",     "retire a parameter set",                  R.QCM, R.QAR)
allow("printing.register_printer",      "register a printer",                      R.CAL, R.SYS, secret=True)
allow("printing.qualify_printer",       "approve a printer's qualification",       R.QAR, R.QCM, signed=True)
allow("printing.calibrate_printer",     "record a calibration",                    R.CAL)
allow("printing.suspend_printer",       "suspend a printer",                       R.QAR, R.QCM, R.CAL)
allow("printing.hold_printer",          "hold a printer",                          R.OPR, R.QAR, R.QCM, R.CAL, system=True)
allow("printing.release_printer_hold",  "release a hold on a printer",             R.QAR, R.QCM, signed=True)

allow("printing.create_build",          "create a build",                          R.BLD)
allow("printing.prepare_build",         "record the result of slicing",            system=True)
allow("printing.verify_build",          "verify a build",                          R.BLD, R.QCM, signed=True)
allow("printing.cancel_build",          "give up a build",                         R.BLD)
allow("printing.supersede_build",       "give up a build that may not be printed",  system=True)
allow("printing.dispatch_build",        "dispatch a build to a printer",           R.BLD, R.OPR)
allow("printing.decide_interruption",   "decide about an interrupted build",       R.QAR, signed=True)

allow("printing.operate_printer",       "operate a printer",                       R.OPR, at_station=True)
allow("printing.clear_plate",           "confirm that a plate is clear",           R.OPR, at_station=True)
allow("printing.record_fleet_word",     "record what a printer says",              system=True)
allow("printing.simulate_fault",        "make a simulated printer fail",           R.SYS, R.CAL, system=True)
# fmt: on


# --- what belongs to which order


belongs_to_order(Build, "items__device__order")
belongs_to_order(BuildItem, "device__order")
belongs_to_order(PrintJob, "build__items__device__order")
belongs_to_order(PrinterCommand, "job__build__items__device__order")
belongs_to_plant(Container, MaterialLot, ParameterSet, Printer)


# --- segregation of duties (G-SOD-01)


@segregated("printing.release_lot", cure="Somebody else signs.")
def lot_is_released_by_another(lot: MaterialLot) -> Parts:
    """Who received a lot, or took its sample, does not release it."""
    sampled = dict.fromkeys(performers(lot, "printing.material_withdrawn"), "took material of this lot")
    received = dict.fromkeys(
        (lot.received_by_id, *performers(lot, "printing.lot_received")), "received this lot yourself"
    )
    return {**sampled, **received}


@segregated("printing.approve_parameters", cure="Somebody else signs.")
def parameters_are_approved_by_another(parameters: ParameterSet) -> Parts:
    """Who wrote a parameter set does not approve it."""
    return {parameters.authored_by_id: "wrote this parameter set yourself"}


@segregated("printing.qualify_printer", cure="Somebody else signs.")
def printer_is_qualified_by_another(printer: Printer) -> Parts:
    """Who registered a printer does not approve its qualification."""
    registered = printer.registered_by_id
    return {registered: "registered this printer yourself"} if registered is not None else {}


@segregated("printing.verify_build", cure="Somebody else signs.")
def build_is_verified_by_another(build: Build) -> Parts:
    """Who made a build does not verify it."""
    return dict.fromkeys(
        (build.created_by_id, *performers(build, "printing.build_created")), "made this build yourself"
    )
