"""Packing: a package is opened at a clear station, filled, put into another, opened again (K-12, 21 CFR 820.45, 830.50)."""

from __future__ import annotations

from django.db import connection

from devices.services.lifecycle import locked_device
from devices.services.orders import locked_order
from mes.eventlog.base import Actor, digest_of
from mes.eventlog.unit import publish, unit_of_work
from mes.exceptions import InvalidInput, TransitionRefused
from mes.lifecycle import ask_gates, refuse_blocked
from mes.locking import locked_rows
from mes.permissions import require
from quality.choices import PackageLevel, PackageStage
from quality.events import PackageContentChanged, PackageMoved, PackageOpened, PackageReopened, PackageVoided
from quality.lifecycle import PACKAGE
from quality.models import Package, PackageContent
from quality.reports.packing import (
    contents_digest,
    is_reconciled,
    packages_inside,
    packed_units,
    planned_level,
)
from quality.selectors.packages import packages

RULE = "K-12"
LEVELS = list(PackageLevel)


@unit_of_work
def open_package(*, order_id: int, level: str, station: str, line_clear: bool, actor: Actor) -> Package:
    """Begin a package of an order, at a level that its device master plans.

    line_clear: the packer looked, and nothing of another order lies at the station. Raises InvalidInput without it, and
    TransitionRefused while a package of another order is open there: one order at a time (820.45).
    """
    order = locked_order(order_id)
    require(actor, "quality.open_package", order)
    planned = planned_level(level, order.master)
    station = " ".join(station.split())[:40]
    if not station or actor.person_id is None:
        raise InvalidInput("Say at which station you pack.", cure="Name it.", rule="G-LBL-02")
    if not line_clear:
        raise InvalidInput(
            "The station is not confirmed to be clear.",
            cure="Take every device, package and label of other orders away, then confirm it.",
            rule="G-LBL-02",
        )
    _refuse_shared_station(station, order_id)
    package = Package.objects.create(
        order=order,
        level=planned.level,
        sterile_barrier=planned.sterile_barrier,
        di=planned.di,
        station=station,
        opened_by_id=actor.person_id,
        contents_digest=digest_of([]),
    )
    fact = PackageOpened(
        package_id=package.pk,
        order_id=order.pk,
        level=package.level,
        sterile_barrier=package.sterile_barrier,
        di=package.di,
        station=station,
    )
    publish(package, fact, actor=actor)
    return package


@unit_of_work
def pack_device(*, package_id: int, device_id: int, quantity: int, actor: Actor) -> Package:
    """Put units of a device into an open package. Raises TransitionRefused with every gate that blocks."""
    device = locked_device(device_id)
    package = locked_package(package_id)
    require(actor, "quality.pack", package)
    _refuse_fixed(package)
    if device.order_id != package.order_id:
        raise InvalidInput(
            f"{device.code} is of {device.order.code}, the package of {package.order.code}.",
            cure="Pack one order at a time.",
            rule="G-LBL-02",
        )
    if type(quantity) is not int or not 1 <= quantity <= device.accepted - packed_units(device):
        free = device.accepted - packed_units(device)
        raise InvalidInput(
            f"{quantity} units of {device.code} cannot be packed: {free} accepted ones lie in no package.",
            cure="Pack as many as there are, or take them out of their package first.",
            rule="K-08",
        )
    gates = ask_gates("package.pack", package, device=device, actor=actor)
    refuse_blocked(gates)
    row, _ = PackageContent.objects.get_or_create(package=package, device=device, defaults={"quantity": 0})
    _set_content(package, row, row.quantity + quantity, [gate.as_payload() for gate in gates], actor, "")
    return package


@unit_of_work
def take_out(*, package_id: int, device_id: int, quantity: int, reason: str, actor: Actor) -> Package:
    """Take units of a device out of an open package, with a reason."""
    locked_device(device_id)
    package = locked_package(package_id)
    require(actor, "quality.pack", package)
    _refuse_fixed(package)
    row = package.contents.filter(device_id=device_id).first()
    if row is None or type(quantity) is not int or not 1 <= quantity <= row.quantity:
        raise InvalidInput(f"There are not so many in {package.code}.", cure="Look at it again.", rule="K-08")
    _set_content(package, row, row.quantity - quantity, [], actor, given(reason))
    return package


@unit_of_work
def put_into(*, package_id: int, parent_id: int, actor: Actor) -> Package:
    """Put a closed package into an open one that is further out. Raises TransitionRefused with every gate that blocks."""
    package, parent = locked_packages(package_id, parent_id)
    require(actor, "quality.pack", package)
    _refuse_fixed(parent)
    if LEVELS.index(PackageLevel(package.level)) >= LEVELS.index(PackageLevel(parent.level)):
        raise InvalidInput(
            f"A {package.get_level_display().lower()} does not lie in a {parent.get_level_display().lower()}.",
            cure=f"From the device outwards: {', '.join(LEVELS)}.",
            rule=RULE,
        )
    if package.order_id != parent.order_id:
        raise InvalidInput("They are of two orders.", cure="Pack one order at a time.", rule="G-LBL-02")
    if package.parent_id is not None or package.stage != PackageStage.CLOSED:
        raise TransitionRefused(
            f"{package.code} is not closed, or lies in a package already.", cure="Close it first.", rule=RULE
        )
    refuse_blocked(ask_gates("package.put_into", package, actor=actor))
    _move(package, parent, actor, "")
    return package


@unit_of_work
def take_package_out(*, package_id: int, reason: str, actor: Actor) -> Package:
    """Take a package out of the open one that it lies in, with a reason."""
    parent_id = Package.objects.filter(pk=package_id).values_list("parent_id", flat=True).first()
    if parent_id is None:
        raise InvalidInput("This package lies in no other.", cure="Look at it again.", rule=RULE)
    package, parent = locked_packages(package_id, parent_id)
    require(actor, "quality.pack", package)
    _refuse_fixed(parent)
    _move(package, None, actor, given(reason))
    return package


@unit_of_work
def reopen_package(*, package_id: int, reason: str, actor: Actor) -> Package:
    """Open a closed package again, with a reason. Its labels are destroyed: what they said holds no more (G-LBL-02)."""
    package = locked_package(package_id)
    require(actor, "quality.reopen_package", package)
    PACKAGE.row("reopen", package.stage)
    if package.parent is not None and package.parent.stage != PackageStage.PACKING:
        raise TransitionRefused(
            f"{package.code} lies in {package.parent.code}, which is closed.",
            cure=f"Open {package.parent.code} first.",
            rule=RULE,
        )
    reason, gone = given(reason), package.applied
    package.stage, package.applied, package.destroyed = PackageStage.PACKING, 0, package.destroyed + gone
    forget_label(package)
    package.save()
    publish(package, PackageReopened(package_id=package.pk, destroyed=gone), actor=actor, reason=reason)
    return package


@unit_of_work
def void_package(*, package_id: int, reason: str, actor: Actor) -> Package:
    """Give an empty package up, with a reason."""
    package = locked_package(package_id)
    require(actor, "quality.reopen_package", package)
    PACKAGE.row("void", package.stage)
    if package.contents.filter(quantity__gt=0).exists() or packages_inside(package):
        raise TransitionRefused(f"{package.code} is not empty.", cure="Take everything out first.", rule=RULE)
    if not is_reconciled(package) or package.applied or package.parent_id:
        raise TransitionRefused(
            f"{package.code} has labels, or lies in another package.",
            cure="Destroy its labels and take it out first.",
            rule="G-LBL-02",
        )
    package.stage = PackageStage.VOID
    package.save(update_fields=["stage"])
    publish(package, PackageVoided(package_id=package.pk), actor=actor, reason=given(reason))
    return package


# --- shared with the labels


def locked_package(package_id: int) -> Package:
    return locked_packages(package_id)[0]


def locked_packages(*keys: int) -> list[Package]:
    """Packages in the order that they are asked for, locked in the order of their numbers."""
    found = {package.pk: package for package in locked_rows(packages(), keys)}
    if len(found) != len(set(keys)):
        raise InvalidInput("There is no such package.", cure="Look at the list of packages.")
    return [found[key] for key in keys]


def given(reason: str) -> str:
    if not reason.strip():
        raise InvalidInput("Say why.", cure="Write the reason.", rule="P11-10e")
    return reason.strip()


def forget_label(package: Package) -> None:
    """What was issued for other contents is no label of the package any more. Nothing is saved."""
    package.label, package.label_sha256 = {}, ""
    package.use_by, package.use_by_precision = None, ""
    package.applied_by, package.application, package.closing = None, None, None


def _refuse_shared_station(station: str, order_id: int) -> None:
    with connection.cursor() as cursor:
        # Two packers who begin at one station at once: the second waits, and then sees the first.
        cursor.execute("SELECT pg_advisory_xact_lock(hashtext(%s))", [f"packing station {station}"])
    busy = Package.objects.filter(station__iexact=station, stage=PackageStage.PACKING)
    other = busy.exclude(order_id=order_id).order_by("pk").first()
    if other is not None:
        raise TransitionRefused(
            f"{other.code} of another order is being packed at {station}.",
            cure="Close it, or pack at another station: one order at a time.",
            rule="G-LBL-02",
        )


def _refuse_fixed(package: Package) -> None:
    """What lies in a package changes while it is open and bears no label."""
    if package.stage != PackageStage.PACKING:
        raise TransitionRefused(
            f"{package.code} is {package.get_stage_display().lower()}.",
            cure="Open it again with a reason, if it must be.",
            rule=RULE,
        )
    if package.label_sha256:
        raise TransitionRefused(
            f"Labels are issued for {package.code} as it is.",
            cure="Destroy them first; they say what lies in it.",
            rule="G-LBL-01",
        )


def _set_content(
    package: Package,
    row: PackageContent,
    quantity: int,
    gates: list[dict[str, object]],
    actor: Actor,
    reason: str,
) -> None:
    row.quantity = quantity
    row.save(update_fields=["quantity"])
    package.contents_digest = contents_digest(package)
    package.save(update_fields=["contents_digest"])
    fact = PackageContentChanged(
        package_id=package.pk,
        device_id=row.device_id,
        quantity=quantity,
        contents_digest=package.contents_digest,
        gates=gates,
    )
    publish(package, fact, actor=actor, reason=reason)


def _move(package: Package, parent: Package | None, actor: Actor, reason: str) -> None:
    package.parent = parent
    package.save(update_fields=["parent"])
    fact = PackageMoved(package_id=package.pk, parent_id=package.parent_id)
    publish(package, fact, actor=actor, reason=reason)
