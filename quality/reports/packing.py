"""What lies in which package, which packages a device lies in, and what a label says (K-12, 21 CFR 801, 820.45, 830)."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterator
from datetime import date, timedelta
from typing import Any

from django.db.models import Sum

from devices.models import Device, DeviceMaster
from mes.eventlog.base import digest_of
from mes.exceptions import InvalidInput
from mes.tables import covered_by
from quality.catalog import gs1, hibc
from quality.catalog.packaging import LevelPlan, PackagingPlan, last_day, read_packaging
from quality.choices import PackageStage
from quality.models import Package, PackageContent
from quality.selectors.record import jobs_of

EXAMINED = ("identifier", "expiry", "storage", "handling", "processing")
"""The five points at which a person looks on every label (21 CFR 820.45(a))."""


def plan_of(master: DeviceMaster) -> PackagingPlan:
    """How the devices of a master are packed. Raises InvalidInput where it plans no packaging."""
    plan = read_packaging(master.packaging)
    if plan is None:
        raise InvalidInput(
            f"{master} plans no packaging.", cure="Publish a revision of the master with one.", rule="K-12"
        )
    return plan


def contents_digest(package: Package) -> str:
    """The digest that stands on a package over what lies directly in it."""
    rows = package.contents.order_by("device_id").values_list("device_id", "quantity")
    return digest_of([list(row) for row in rows])


@covered_by("quality.package")
def packages_with_other_contents() -> Iterator[str]:
    """Ids of the packages whose contents are not those of their `contents_digest`."""
    lying: dict[int, list[list[int]]] = defaultdict(list)
    rows = PackageContent.objects.order_by("package_id", "device_id")
    for package_id, device_id, quantity in rows.values_list("package_id", "device_id", "quantity"):
        lying[package_id].append([device_id, quantity])
    for key, written in Package.objects.order_by("pk").values_list("pk", "contents_digest"):
        if digest_of(lying[key]) != written:
            yield str(key)


def direct_contents(package: Package) -> list[PackageContent]:
    return list(
        package.contents.filter(quantity__gt=0)
        .select_related("device__master", "device__material", "device__current_study", "device__order")
        .order_by("device_id")
    )


def packages_inside(package: Package) -> list[Package]:
    """Every package within a package, whole levels at a time; none that was given up."""
    found: list[Package] = []
    level = [package.pk]
    while level:
        inner = list(Package.objects.filter(parent__in=level).exclude(stage=PackageStage.VOID).order_by("pk"))
        found += inner
        level = [one.pk for one in inner]
    return found


def devices_in(package: Package) -> dict[Device, int]:
    """Every device in a package or in one inside of it, with how many units of it."""
    counted: Counter[Device] = Counter()
    for one in (package, *packages_inside(package)):
        for row in direct_contents(one):
            counted[row.device] += row.quantity
    return dict(sorted(counted.items(), key=lambda item: item[0].pk))


def packed_units(device: Device) -> int:
    """How many units of a device lie in packages, each counted where it lies directly."""
    total = device.packed.exclude(package__stage=PackageStage.VOID).aggregate(all=Sum("quantity"))["all"]
    return int(total or 0)


def outermost_of(package: Package) -> Package:
    while package.parent is not None:
        package = package.parent
    return package


def is_reconciled(package: Package) -> bool:
    """Labels issued = applied + destroyed (G-LBL-02)."""
    return package.labels_left == 0


# --- the label


def produced_on(device: Device) -> date | None:
    """The day (UTC) on which the last print of a device ended."""
    ended = [job.ended_at for job in jobs_of(device) if job.ended_at]
    return max(ended).date() if ended else None


def use_by_limits(device: Device, plan: PackagingPlan) -> dict[str, date]:
    """What limits the use of a device: its shelf life from production, and the age of its images (G-IMG-02)."""
    found: dict[str, date] = {}
    produced, study = produced_on(device), device.current_study
    if plan.shelf_life_days is not None and produced is not None:
        found["shelf_life"] = produced + timedelta(days=plan.shelf_life_days)
    age = device.master.imaging.get("max_image_age_days")
    if age is not None and study is not None and study.acquired_on is not None:
        found["age_of_images"] = study.acquired_on + timedelta(days=age)
    return found


def label_of(package: Package) -> dict[str, Any]:
    """What the label of a package says, as the canonical object that is issued, shown, examined and signed.

    symbol: what the data carrier holds; empty on a sterile barrier, which is no level with an identifier. Raises
    InvalidInput for an empty package.
    """
    held = devices_in(package)
    if not held:
        raise InvalidInput(f"{package.code} is empty.", cure="Pack something first.", rule="G-LBL-01")
    order, master = package.order, package.order.master
    plan = plan_of(master)
    limits = [(value, key) for device in held for key, value in use_by_limits(device, plan).items()]
    limit, limited_by = min(limits) if limits else (None, "")
    use_by = last_day(limit, plan.precision) if limit else None
    produced = max(filter(None, (produced_on(device) for device in held)), default=None)
    symbol, shown = _carrier(package, plan, list(held), produced, use_by)
    return {
        "record": "package label",
        "package": package.code,
        "level": package.level,
        "sterile_barrier": package.sterile_barrier,
        "order": order.code,
        "case": order.patient.token,
        "master": str(master),
        "text": master.label.get("text", master.title),
        "notice": master.label.get("notice", ""),
        "side": order.side,
        "material": order.material.name,
        "quantity": sum(held.values()),
        "contents": [
            {"device": device.code, "quantity": quantity, **identifier_of(device)}
            for device, quantity in held.items()
        ],
        "produced_on": produced.isoformat() if produced else None,
        "use_by": use_by.isoformat() if use_by else None,
        "use_by_precision": str(plan.precision) if use_by else "",
        "use_by_limited_by": limited_by,
        "scheme": plan.scheme,
        "di": package.di,
        "symbol": symbol,
        "readable": shown,
    }


def identifier_of(device: Device) -> dict[str, str]:
    """A lot's number stands under AI 10, a unit's serial number under AI 21 (K-08, K-09)."""
    kind, ai = ("lot", "10") if device.is_lot else ("serial", "21")
    return {"identifier": kind, "ai": ai, "number": device.serial}


def _carrier(
    package: Package, plan: PackagingPlan, held: list[Device], produced: date | None, use_by: date | None
) -> tuple[str, str]:
    """The data carrier and its readable text. Several devices in one package have no number in common."""
    if package.sterile_barrier:
        return "", ""
    if plan.scheme == "internal":
        return package.code, package.code
    number = {identifier_of(held[0])["identifier"]: held[0].serial} if len(held) == 1 else {}
    if plan.scheme == "hibc":
        text = hibc.encoded(package.di, produced=produced, use_by=use_by, **number)
        return text, text.replace(" ", "_")
    parts = gs1.elements(package.di, produced=produced, use_by=use_by, **number)
    return gs1.encoded(parts), gs1.readable(parts)


def planned_level(package_level: str, master: DeviceMaster) -> LevelPlan:
    """The plan of a level. Raises InvalidInput where the master has no such level."""
    planned = plan_of(master).at(package_level)
    if planned is None:
        raise InvalidInput(
            f"{master} plans no {package_level[:20]}.",
            cure=f"It plans: {', '.join(one.level for one in plan_of(master).levels)}.",
            rule="K-12",
        )
    return planned
