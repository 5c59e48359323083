"""What people do to pack devices, to label packages, and to open them again."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from devices.models import Order
from mes.choices import Meaning
from mes.dashboard.actions.base import Action, Doing, Done, Field, Values, why
from mes.eventlog.base import Actor
from quality.catalog.packaging import read_packaging
from quality.choices import PackageLevel, PackageStage
from quality.models import Package
from quality.reports.packing import EXAMINED, direct_contents, packed_units
from quality.services.labels import (
    application_content,
    apply_labels,
    close_package,
    closing_content,
    destroy_labels,
    issue_labels,
)
from quality.services.packages import (
    open_package,
    pack_device,
    put_into,
    reopen_package,
    take_out,
    take_package_out,
    void_package,
)

POINTS = {
    "identifier": "Identifier: as on the order",
    "expiry": "Expiry: as issued",
    "storage": "Storage conditions",
    "handling": "Handling",
    "processing": "Processing instructions",
}


def _at(stage: PackageStage) -> Callable[[Package], bool]:
    return lambda package: package.stage == stage


def _open(package: Package) -> bool:
    """Being packed, and its contents are not on a label yet."""
    return package.stage == PackageStage.PACKING and not package.label_sha256


def _because(subject: Any) -> tuple[Field, ...]:
    return (why(),)


# --- opening and filling


def _can_begin(order: Order) -> bool:
    return bool(order.master.packaging) and order.devices.filter(accepted__gt=0).exists()


def _opening_fields(order: Order) -> tuple[Field, ...]:
    plan = read_packaging(order.master.packaging)
    levels = [(str(one.level), one.level.label) for one in plan.levels] if plan else []
    return (
        Field("level", "Level", "select", choices=levels),
        Field("station", "Packing station", maximum=40),
        Field("line_clear", "I looked: nothing of another order lies at this station", "check"),
    )


def _begin(doing: Doing) -> Done:
    values = doing.values
    package = open_package(
        order_id=doing.subject.pk,
        level=str(values["level"]),
        station=str(values["station"]),
        line_clear=bool(values["line_clear"]),
        actor=doing.actor,
    )
    return Done(f"{package.code} is open.", "package", package.code)


def _free(package: Package) -> list[tuple[str, str]]:
    """The devices of the order with units that lie in no package."""
    found = [(one, one.accepted - packed_units(one)) for one in package.order.devices.order_by("pk")]
    return [(str(one.pk), f"{one.code} {one.serial}: {units} to pack") for one, units in found if units > 0]


def _packing_fields(package: Package) -> tuple[Field, ...]:
    return (
        Field("device", "Device", "select", choices=_free(package)),
        Field("quantity", "How many", "whole", initial=1, limits=(1, 1000)),
    )


def _pack(doing: Doing) -> str:
    device, quantity = int(doing.values["device"]), int(doing.values["quantity"])
    pack_device(package_id=doing.subject.pk, device_id=device, quantity=quantity, actor=doing.actor)
    return "Packed."


def _removal_fields(package: Package) -> tuple[Field, ...]:
    lying = [(str(row.device_id), f"{row.device.code}: {row.quantity}") for row in direct_contents(package)]
    return (
        Field("device", "Device", "select", choices=lying),
        Field("quantity", "How many", "whole", initial=1, limits=(1, 1000)),
        why(),
    )


def _take_out(doing: Doing) -> str:
    take_out(
        package_id=doing.subject.pk,
        device_id=int(doing.values["device"]),
        quantity=int(doing.values["quantity"]),
        reason=doing.reason,
        actor=doing.actor,
    )
    return "Taken out."


def _outer(package: Package) -> list[tuple[str, str]]:
    """Open packages of the order that are further out."""
    levels = list(PackageLevel)
    further = levels[levels.index(PackageLevel(package.level)) + 1 :]
    found = Package.objects.filter(
        order=package.order_id, stage=PackageStage.PACKING, level__in=further, label_sha256=""
    )
    return [(str(one.pk), f"{one.code}, {one.get_level_display().lower()}") for one in found.order_by("pk")]


def _parent_fields(package: Package) -> tuple[Field, ...]:
    return (Field("parent", "Into", "select", choices=_outer(package)),)


def _put_into(doing: Doing) -> str:
    put_into(package_id=doing.subject.pk, parent_id=int(doing.values["parent"]), actor=doing.actor)
    return "Put in."


def _remove(doing: Doing) -> str:
    take_package_out(package_id=doing.subject.pk, reason=doing.reason, actor=doing.actor)
    return "Taken out."


# --- labels


def _count_fields(package: Package) -> tuple[Field, ...]:
    return (Field("quantity", "How many labels", "whole", initial=1, limits=(1, 100)),)


def _issue(doing: Doing) -> str:
    quantity = int(doing.values["quantity"])
    issue_labels(package_id=doing.subject.pk, quantity=quantity, actor=doing.actor)
    return "Issued: apply or destroy every one."


def _application_fields(package: Package) -> tuple[Field, ...]:
    asked = [Field("quantity", "How many labels", "whole", initial=package.labels_left, limits=(1, 100))]
    if package.label.get("symbol"):
        asked.append(
            Field(
                "scanned", "Scan the printed symbol", hint="What the scanner reads, no brackets", maximum=200
            )
        )
    return (*asked, *(Field(f"point.{point}", POINTS[point], "check") for point in EXAMINED))


def _examined(values: Values) -> list[str]:
    return [point for point in EXAMINED if values.get(f"point.{point}")]


def _application_signs(package: Package, values: Values, actor: Actor) -> dict[str, Any]:
    quantity, scanned = values.get("quantity"), str(values.get("scanned") or "")
    return application_content(package, int(quantity), scanned, _examined(values)) if quantity else {}


def _apply(doing: Doing) -> str:
    apply_labels(
        package_id=doing.subject.pk,
        quantity=int(doing.values["quantity"]),
        scanned=str(doing.values.get("scanned") or ""),
        examined=_examined(doing.values),
        actor=doing.actor,
        credentials=doing.credentials,
    )
    return "Applied. A second person verifies and closes the package."


def _destruction_fields(package: Package) -> tuple[Field, ...]:
    return (*_count_fields(package), why())


def _destroy(doing: Doing) -> str:
    destroy_labels(
        package_id=doing.subject.pk,
        quantity=int(doing.values["quantity"]),
        reason=doing.reason,
        actor=doing.actor,
    )
    return "Destroyed."


# --- closing and opening again


def _closing_signs(package: Package, values: Values, actor: Actor) -> dict[str, Any]:
    return closing_content(package)


def _close(doing: Doing) -> str:
    close_package(package_id=doing.subject.pk, actor=doing.actor, credentials=doing.credentials)
    return "Closed."


def _reopen(doing: Doing) -> str:
    reopen_package(package_id=doing.subject.pk, reason=doing.reason, actor=doing.actor)
    return "Open again; its labels are destroyed."


def _void(doing: Doing) -> str:
    void_package(package_id=doing.subject.pk, reason=doing.reason, actor=doing.actor)
    return "Given up."


PACKING_ACTIONS = (
    Action(
        "open-package", "order", "Begin a package", "Begin a package of this order", "quality.open_package", "package", _can_begin,
        _begin, fields=_opening_fields,
    ),
    Action(
        "pack-device", "package", "Pack a device", "Pack units of a device", "quality.pack", "package",
        lambda package: _open(package) and bool(_free(package)), _pack, fields=_packing_fields, main=True,
    ),
    Action(
        "take-out", "package", "Take out", "Take units of a device out", "quality.pack", "x",
        lambda package: _open(package) and bool(direct_contents(package)), _take_out, fields=_removal_fields,
    ),
    Action(
        "put-into", "package", "Put into another", "Put this package into another", "quality.pack", "package",
        lambda package: package.stage == PackageStage.CLOSED and not package.parent_id and bool(_outer(package)), _put_into,
        fields=_parent_fields, main=True,
    ),
    Action(
        "take-package-out", "package", "Take it out", "Take this package out of the one around it", "quality.pack", "x",
        lambda package: bool(package.parent_id) and _open(package.parent), _remove, fields=_because,
    ),
    Action(
        "issue-labels", "package", "Issue labels", "Issue labels of this package", "quality.issue_labels", "barcode",
        lambda package: _at(PackageStage.PACKING)(package)
        and bool(direct_contents(package) or package.inner.exists()), _issue, fields=_count_fields, main=True,
    ),
    Action(
        "apply-labels", "package", "Apply labels", "Examine and apply labels", "quality.apply_labels", "barcode",
        lambda package: _at(PackageStage.PACKING)(package) and package.labels_left > 0, _apply, fields=_application_fields,
        meaning=Meaning.PERFORMED, content=_application_signs, main=True,
    ),
    Action(
        "destroy-labels", "package", "Destroy labels", "Destroy labels of this package", "quality.issue_labels", "trash-x",
        lambda package: _at(PackageStage.PACKING)(package) and package.issued > package.destroyed, _destroy,
        fields=_destruction_fields, danger=True,
    ),
    Action(
        "close-package", "package", "Verify and close", "Verify and close this package", "quality.close_package", "lock",
        lambda package: _at(PackageStage.PACKING)(package) and package.applied > 0, _close, meaning=Meaning.VERIFIED,
        content=_closing_signs, main=True,
    ),
    Action(
        "reopen-package", "package", "Open again", "Open this package again", "quality.reopen_package", "repeat",
        _at(PackageStage.CLOSED), _reopen, fields=_because, danger=True,
    ),
    Action(
        "void-package", "package", "Give up", "Give this empty package up", "quality.reopen_package", "circle-x",
        lambda package: _open(package) and not direct_contents(package) and not package.inner.exists(), _void, fields=_because,
        danger=True,
    ),
)  # fmt: skip
