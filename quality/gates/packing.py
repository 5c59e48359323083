"""Gates of packing and shipping: what may be packed, whether a label says what is true, and what may leave (K-12)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from django.utils import timezone

from devices.choices import Stage
from devices.models import Device, DeviceMaster
from mes.exceptions import InvalidInput
from mes.lifecycle import Verdict, blocked, gate, not_applicable, passed
from mes.standing import reasons_against
from quality.catalog.gs1 import scanned_text
from quality.catalog.packaging import read_packaging
from quality.choices import PackageStage
from quality.gates.making import no_nonconformance_is_open, nothing_it_stands_on_is_held
from quality.models import Package
from quality.reports.packing import (
    EXAMINED,
    devices_in,
    is_reconciled,
    label_of,
    outermost_of,
    packages_inside,
    packed_units,
    plan_of,
)
from quality.selectors.making import GONE_ON
from quality.selectors.packages import packages_of

OUT = (Stage.RELEASED, Stage.SHIPPED, Stage.DELIVERED)


@gate("G-LBL-01", "master.publish")
def the_packaging_can_be_labelled(master: DeviceMaster, **_: Any) -> Verdict:
    """The packaging that a device master plans has levels and identifiers that a label can carry."""
    plan = read_packaging(master.packaging)
    if plan is None:
        return not_applicable("The device master plans no packaging.")
    return passed(scheme=plan.scheme, levels={one.level: one.di for one in plan.levels})


@gate("G-INS-01", "package.pack")
def what_is_packed_was_inspected(_package: Package, *, device: Device, **_: Any) -> Verdict:
    """Only units that passed their inspection are packed."""
    if device.stage not in (*GONE_ON, Stage.RELEASED):
        return blocked(
            f"{device.code} is at '{Stage(device.stage).label}'.", cure="Pack it once its inspection passed."
        )
    return passed(device=device.code, stage=device.stage)


@gate("G-SHP-01", "package.pack")
def what_is_packed_to_leave_is_released(package: Package, *, device: Device, **_: Any) -> Verdict:
    """Only a released device is packed at the level that leaves the house."""
    return _released(package, [device])


@gate("G-NC-01", "package.pack")
def what_is_packed_is_not_held(_package: Package, *, device: Device, **_: Any) -> Verdict:
    """Nothing that is held or recalled, or has an open nonconformance, is packed."""
    return _unheld([device])


@gate("G-NC-01", "package.close", "package.put_into")
def nothing_inside_is_held(package: Package, **_: Any) -> Verdict:
    """No device in a package is held or recalled, or has an open nonconformance, nor does a lot that it is made of."""
    return _unheld(list(devices_in(package)))


@gate("G-SHP-01", "package.close")
def what_leaves_is_released(package: Package, **_: Any) -> Verdict:
    """What lies in a package that leaves the house is released, and its use-by date is not before it is needed."""
    verdict = _released(package, list(devices_in(package)))
    if verdict.outcome == "block" or package.use_by is None:
        return verdict
    needed = max(package.order.need_by, timezone.localdate())
    evidence = {"use_by": package.use_by.isoformat(), "needed_on": needed.isoformat()}
    if package.use_by < needed:
        return blocked(
            f"It may be used until {package.use_by}; it is needed on {needed}.",
            cure="Make the device anew from new images, or agree on an earlier date.",
            **evidence,
        )
    return verdict if verdict.outcome != "pass" else passed(**verdict.evidence, **evidence)


@gate("G-SHP-01", "package.close")
def it_is_packed_as_planned(package: Package, **_: Any) -> Verdict:
    """A package is not empty, every package in it is closed, and no more units lie in packages than were accepted."""
    held = devices_in(package)
    if not held:
        return blocked(f"{package.code} is empty.", cure="Pack something, or give it up.")
    unclosed = [one.code for one in packages_inside(package) if one.stage != PackageStage.CLOSED]
    if unclosed:
        return blocked(f"{', '.join(unclosed)} in it is not closed.", cure="Close it first.")
    too_many = [device.code for device in held if packed_units(device) > device.accepted]
    if too_many:
        return blocked(
            f"More units of {', '.join(too_many)} are packed than are good.",
            cure="Take the scrapped ones out.",
        )
    return passed(contents={device.code: quantity for device, quantity in held.items()})


@gate("G-LBL-01", "package.apply_labels")
def the_printed_symbol_says_what_was_issued(package: Package, *, scanned: str = "", **_: Any) -> Verdict:
    """The symbol, read back from the print, holds what was issued."""
    expected = str(package.label.get("symbol", ""))
    if not expected:
        return not_applicable("A sterile barrier bears no symbol: it is no level with an identifier.")
    if scanned_text(scanned) != expected:
        return blocked(
            "The symbol does not hold what was issued for this package.",
            cure="Destroy the label, and print and scan it again.",
            scanned=scanned,
            expected=expected,
        )
    return passed(scanned=scanned)


@gate("G-LBL-01", "package.apply_labels")
def the_five_points_were_examined(_package: Package, *, examined: Sequence[str] = (), **_: Any) -> Verdict:
    """A person looked at identifier, expiry, storage, handling and processing on the print."""
    missing = [point for point in EXAMINED if point not in examined]
    if missing:
        return blocked(f"Not examined: {', '.join(missing)}.", cure="Look at the print, at each point.")
    return passed(examined=sorted(examined))


@gate("G-LBL-01", "package.apply_labels", "package.close")
def the_label_says_what_is_inside(package: Package, **_: Any) -> Verdict:
    """What the label says is what lies in the package."""
    if not package.label_sha256:
        return blocked(f"{package.code} has no label.", cure="Issue one.")
    if label_of(package) != package.label:
        return blocked(
            "The label says something else than is true now.", cure="Destroy it and issue a new one."
        )
    return passed(label_sha256=package.label_sha256)


@gate("G-LBL-02", "package.close")
def every_label_is_accounted_for(package: Package, **_: Any) -> Verdict:
    """Labels issued equal those applied and destroyed, and one at least is applied."""
    counts = {"issued": package.issued, "applied": package.applied, "destroyed": package.destroyed}
    if not is_reconciled(package) or not package.applied:
        return blocked(
            f"{package.issued} issued, {package.applied} applied, {package.destroyed} destroyed.",
            cure="Apply or destroy every label; at least one is applied.",
            **counts,
        )
    return passed(**counts)


@gate("G-LBL-02", "device.release", "device.ship")
def no_label_of_its_packages_is_left(device: Device, **_: Any) -> Verdict:
    """No label of a package of the device is unaccounted for."""
    found = packages_of(device)
    if not found:
        return not_applicable("The device lies in no package.")
    open_ones = [package.code for package in found if not is_reconciled(package)]
    if open_ones:
        return blocked(
            f"Labels of {', '.join(open_ones)} are left.", cure="Apply or destroy them.", packages=open_ones
        )
    return passed(packages=[package.code for package in found])


@gate("G-SIG-01", "package.close", "package.put_into", "device.ship")
def its_packages_are_signed_for(subject: Package | Device, **_: Any) -> Verdict:
    """Whoever applied the labels and closed the packages stands by it."""
    found = packages_of(subject) if isinstance(subject, Device) else [subject, *packages_inside(subject)]
    signed = ("application", "closing")
    cure = "Open the package again, and have it labelled and closed anew."
    if against := [
        fault for one in found for fault in reasons_against(one, signed, f"A signature on {one.code}", cure)
    ]:
        return blocked(" ".join(reason.text for reason in against), cure=cure)
    return passed(packages=[one.code for one in found])


@gate("G-SHP-01", "device.ship")
def it_lies_in_a_closed_package(device: Device, **_: Any) -> Verdict:
    """Every released unit lies in a closed package of the level that leaves the house, and is not expired."""
    plan = read_packaging(device.master.packaging)
    if plan is None:
        return not_applicable("The device master plans no packaging.")
    direct = list(device.packed.filter(quantity__gt=0).select_related("package__parent__parent"))
    outer = [outermost_of(row.package) for row in direct]
    units = sum(row.quantity for row in direct)
    evidence = {"released": device.released, "packed": units, "packages": sorted({one.code for one in outer})}
    wrong = [one.code for one in outer if one.stage != PackageStage.CLOSED or one.level != plan.outermost]
    if wrong or units != device.released:
        return blocked(
            f"{units} of {device.released} units are packed; not closed, or no {plan.outermost}: {', '.join(wrong) or 'none'}.",
            cure=f"Pack every unit in a closed {plan.outermost}.",
            **evidence,
        )
    today = timezone.localdate()
    expired = [one.code for one in outer if one.use_by is not None and one.use_by < today]
    if expired:
        return blocked(f"{', '.join(expired)} is expired.", cure="Do not ship it.", **evidence)
    return passed(**evidence)


def _released(package: Package, held: Sequence[Device]) -> Verdict:
    try:
        outermost = plan_of(package.order.master).outermost
    except InvalidInput as fault:
        return blocked(str(fault), cure="Publish a revision of the master with a packaging.")
    if package.level != outermost:
        return not_applicable(f"What leaves the house is the {outermost}.")
    waiting = [device.code for device in held if device.stage not in OUT]
    if waiting:
        return blocked(
            f"{', '.join(waiting)} is not released.",
            cure="Release it first, or pack it further in.",
            not_released=waiting,
        )
    return passed(devices=[device.code for device in held])


def _unheld(held: Sequence[Device]) -> Verdict:
    for device in held:
        for asked in (nothing_it_stands_on_is_held, no_nonconformance_is_open):
            verdict = asked(device)
            if verdict.outcome == "block":
                return blocked(f"{device.code}: {verdict.reason}", cure=verdict.cure, **verdict.evidence)
    return passed(devices=[device.code for device in held])
