"""Who may do what in quality."""

from __future__ import annotations

from devices.models import Device, Kit
from devices.selectors.kits import members_of
from mes.choices import Role
from mes.permissions import allow
from mes.scope import Streams, belongs_to_everybody, belongs_to_order, belongs_to_plant, tells_of
from mes.segregation import Parts, segregated
from quality.choices import ExportKind
from quality.models import (
    Calibration,
    Export,
    ExportedRecord,
    Gauge,
    Inspection,
    Measurement,
    Nonconformance,
    Package,
    PackageContent,
    PostProcessStep,
    RecordReview,
    ReleaseDecision,
    Report,
)
from quality.selectors.people import makers_of, took_part

MAKERS_AND_CHECKERS = (Role.OPR, Role.PST, Role.INS, Role.QCM, Role.QAR, Role.QAX, Role.RA)

allow(
    "quality.record_post_process_step",
    "record a post-processing step",
    Role.PST,
    signed=True,
    at_station=True,
)
allow("quality.receive_scan", "hand in a scan of a part", Role.INS, Role.QCM, at_station=True)
allow("quality.record_measurement", "record a measurement", system=True)
allow("quality.sign_inspection", "sign an inspection", Role.INS, signed=True)
allow("quality.set_aside_inspection", "set a measurement aside", Role.QCM, Role.QAR, signed=True)
allow("quality.register_gauge", "register measuring equipment", Role.CAL, Role.QCM)
allow("quality.calibrate_gauge", "record the calibration of a gauge", Role.CAL, signed=True)
allow("quality.move_gauge", "put a gauge into or out of service", Role.CAL, Role.QCM, Role.QAR)
allow(
    "quality.read_gauges",
    "read about measuring equipment",
    *MAKERS_AND_CHECKERS,
    Role.CAL,
    Role.AUD,
    Role.REC,
)
allow("quality.open_nonconformance", "open a nonconformance", *MAKERS_AND_CHECKERS, system=True)
allow("quality.move_nonconformance", "move a nonconformance on", Role.QCM, Role.QAR)
allow("quality.propose_disposition", "propose a disposition", Role.QCM, Role.INS, Role.PST, signed=True)
allow("quality.dispose_nonconformance", "approve a disposition", Role.QAR, signed=True)
allow("quality.void_nonconformance", "void a nonconformance", Role.QAR, signed=True)
allow("quality.complete_record", "complete a production record", system=True)
allow("quality.review_record", "review a production record", Role.QAR, signed=True)
allow("quality.release_device", "release a device", Role.QAX, signed=True)
allow("quality.release_kit", "release a kit", Role.QAX, signed=True)
allow("quality.ship_kit", "ship a kit", Role.LBL, Role.ORD, signed=True)
allow("quality.open_package", "begin a package", Role.LBL, Role.PST)
allow("quality.pack", "pack devices", Role.LBL, Role.PST)
allow("quality.issue_labels", "issue labels", Role.LBL)
allow("quality.apply_labels", "apply labels", Role.LBL, signed=True)
allow("quality.close_package", "verify and close a package", Role.LBL, Role.QCM, signed=True)
allow("quality.reopen_package", "open a closed package again", Role.QCM, Role.QAR)
allow("quality.render_report", "write a report", Role.QAR, Role.QAX, Role.RA, system=True)
allow(
    "quality.export_record",
    "export records",
    Role.AUD,
    Role.QAR,
    Role.QAX,
    Role.RA,
    system=True,
    every_order=True,
)
allow("quality.verify_integrity", "verify the integrity of a record", *MAKERS_AND_CHECKERS, Role.AUD)


# --- what belongs to which order


for _model in (
    ExportedRecord,
    Inspection,
    Nonconformance,
    PostProcessStep,
    RecordReview,
    ReleaseDecision,
    Report,
):
    belongs_to_order(_model, "device__order")
# An export names devices by code; whoever may export knows every order, or none of its devices is theirs to take.
belongs_to_everybody(Export, names_orders=True)


def _streams_of(export: Export) -> Streams:
    """Of one device or order. Why somebody exports a lot, or all records of a time, is about no patient."""
    if export.kind == ExportKind.ORDER:
        return [("devices.order", export.subject.lstrip("O0"))]
    return [("devices.device", str(key)) for key in export.devices if export.kind == ExportKind.DEVICE]


tells_of(Export, _streams_of)
# Equipment serves every order, and what is said of it names none.
belongs_to_plant(Calibration, Gauge)
belongs_to_order(Measurement, "inspection__device__order")
belongs_to_order(Package, "order")
belongs_to_order(PackageContent, "package__order")


# --- segregation of duties, from the events and signatures of the device and of what it was made of


@segregated(
    "quality.sign_inspection",
    "devices.pass_inspection",
    "devices.fail_inspection",
    rule="G-INS-01",
    cure="An inspector who did not make it signs.",
)
def inspector_is_no_maker(device: Device) -> Parts:
    """Who printed or post-processed a device does not inspect it."""
    return dict.fromkeys(makers_of(device), "took part in making this device")


@segregated("quality.set_aside_inspection", cure="A second person from quality decides.")
def measurement_is_set_aside_by_another(inspection: Inspection) -> Parts:
    """Who sent a scan does not set its measurement aside."""
    sender = inspection.received_by_id
    return {sender: "sent this scan"} if sender is not None else {}


@segregated(
    "quality.dispose_nonconformance",
    "quality.void_nonconformance",
    cure="A second person from quality decides, who had no part in it.",
)
def finding_is_decided_by_another(found: Nonconformance) -> Parts:
    """Who opened a nonconformance, or proposed its disposition, neither approves the disposition nor voids it."""
    said = {
        found.opened_by_id: "opened this nonconformance",
        found.proposed_by_id: "proposed this disposition",
    }
    return {person: did for person, did in said.items() if person is not None}


@segregated(
    "quality.dispose_nonconformance",
    "quality.void_nonconformance",
    cure="Somebody from quality who did not make the device decides.",
)
def finding_is_decided_by_no_maker(found: Nonconformance) -> Parts:
    """Who printed or post-processed a device neither approves a disposition of it nor voids what was found about it."""
    return dict.fromkeys(makers_of(found.device), "took part in making this device")


@segregated("quality.close_package", cure="A second person verifies and closes it.")
def package_is_verified_by_another(package: Package) -> Parts:
    """Who applied the labels of a package does not verify it."""
    return {package.applied_by_id: "applied its labels"} if package.applied_by_id is not None else {}


@segregated("quality.review_record", "devices.review", cure="A reviewer who did neither reads the record.")
def reviewer_is_no_maker(device: Device) -> Parts:
    """Who printed, post-processed or inspected a device does not review its record."""
    made = dict.fromkeys(makers_of(device), "took part in making this device")
    decided = device.inspections.filter(verdict__decision__in=("passed", "failed"))
    inspected = decided.values_list("verdict__decided_by_id", flat=True)
    return {**dict.fromkeys(inspected, "inspected this device"), **made}


@segregated(
    "quality.release_device",
    "devices.release",
    rule="G-REL-02",
    cure="A quality releaser who took no part signs.",
)
def releaser_performed_nothing(device: Device) -> Parts:
    """Who ordered, designed, made or inspected a device does not release it."""
    return {
        person: f"took part in making this device ({facts[0]})" for person, facts in took_part(device).items()
    }


@segregated("quality.release_kit", rule="G-REL-02", cure="A quality releaser who took no part signs.")
def releaser_performed_nothing_of_a_kit(kit: Kit) -> Parts:
    """Who ordered, designed, made or inspected a device of a kit does not release it."""
    every = map(releaser_performed_nothing, members_of(kit))
    return {person: part for parts in every for person, part in parts.items()}
