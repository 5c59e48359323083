"""Labels of packages: issued, examined and applied by one person, verified and closed by another (G-LBL-01, G-LBL-02)."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date
from typing import Any

from mes.choices import Meaning
from mes.eventlog.base import Actor, digest_of
from mes.eventlog.unit import publish, unit_of_work
from mes.exceptions import InvalidInput, TransitionRefused
from mes.lifecycle import ask_gates, refuse_blocked
from mes.permissions import require
from mes.services.signatures import Credentials, sign
from quality.choices import PackageStage
from quality.events import LabelsApplied, LabelsDestroyed, LabelsIssued, PackageClosed
from quality.lifecycle import PACKAGE
from quality.models import Package
from quality.reports.packing import direct_contents, label_of, packages_inside
from quality.services.packages import forget_label, given, locked_package

MOST_LABELS = 100


@unit_of_work
def issue_labels(*, package_id: int, quantity: int, actor: Actor) -> Package:
    """Issue labels for an open package as it is now. What lies in it cannot change while they exist.

    More of the same may be issued. Raises TransitionRefused where the package would say something else by now.
    """
    package = locked_package(package_id)
    require(actor, "quality.issue_labels", package)
    PACKAGE.row("close", package.stage)
    if type(quantity) is not int or not 1 <= quantity <= MOST_LABELS:
        raise InvalidInput(f"Issue 1 to {MOST_LABELS} labels.", cure="Correct the number.", rule="G-LBL-02")
    label = label_of(package)
    sha256 = digest_of(label)
    if package.label_sha256 not in ("", sha256):
        raise TransitionRefused(
            "The labels issued so far say something else.", cure="Destroy them first.", rule="G-LBL-01"
        )
    package.label, package.label_sha256 = label, sha256
    package.use_by = date.fromisoformat(label["use_by"]) if label["use_by"] else None
    package.use_by_precision = label["use_by_precision"]
    package.issued += quantity
    package.save()
    fact = LabelsIssued(
        package_id=package.pk, quantity=quantity, issued=package.issued, label=label, label_sha256=sha256
    )
    publish(package, fact, actor=actor)
    return package


def application_content(
    package: Package, quantity: int, scanned: str, examined: Sequence[str]
) -> dict[str, Any]:
    """What the person who applies labels signs: the label itself, what its symbol was read as, and what was examined."""
    return {
        "record": "label application",
        "package": package.code,
        "label": package.label,
        "label_sha256": package.label_sha256,
        "quantity": quantity,
        "scanned": scanned,
        "examined": sorted(examined),
    }


@unit_of_work
def apply_labels(
    *,
    package_id: int,
    quantity: int,
    scanned: str,
    examined: Sequence[str],
    actor: Actor,
    credentials: Credentials,
) -> Package:
    """Apply issued labels once a person has examined them and read the printed symbol back, by signature (820.45, G-LBL-01).

    scanned: the symbol as a scanner read it from the print.  examined: which of the five points were looked at.
    """
    package = locked_package(package_id)
    require(actor, "quality.apply_labels", package)
    PACKAGE.row("close", package.stage)
    left = package.labels_left
    if type(quantity) is not int or not 1 <= quantity <= left:
        raise InvalidInput(f"{left} labels are left to apply.", cure="Issue labels first.", rule="G-LBL-02")
    gates = ask_gates("package.apply_labels", package, scanned=scanned, examined=examined, actor=actor)
    refuse_blocked(gates)
    signature = sign(
        subject=package,
        content=application_content(package, quantity, scanned, examined),
        meaning=Meaning.PERFORMED,
        actor=actor,
        credentials=credentials,
    )
    package.applied += quantity
    package.applied_by, package.application = signature.person, signature
    package.save()
    fact = LabelsApplied(
        package_id=package.pk,
        quantity=quantity,
        scanned=scanned,
        examined=sorted(examined),
        signature_id=signature.pk,
        gates=[gate.as_payload() for gate in gates],
    )
    publish(package, fact, actor=actor)
    return package


@unit_of_work
def destroy_labels(*, package_id: int, quantity: int, reason: str, actor: Actor) -> Package:
    """Destroy labels of an open package, first those that were not applied. With the last one the label is forgotten."""
    package = locked_package(package_id)
    require(actor, "quality.issue_labels", package)
    PACKAGE.row("close", package.stage)
    standing = package.issued - package.destroyed
    if type(quantity) is not int or not 1 <= quantity <= standing:
        raise InvalidInput(f"There are {standing} labels.", cure="Correct the number.", rule="G-LBL-02")
    reason = given(reason)
    package.destroyed += quantity
    package.applied = min(package.applied, package.issued - package.destroyed)
    if package.issued == package.destroyed:
        forget_label(package)
    package.save()
    publish(package, LabelsDestroyed(package_id=package.pk, quantity=quantity), actor=actor, reason=reason)
    return package


def closing_content(package: Package) -> dict[str, Any]:
    """What the second person signs: what lies in the package, what it says, and where its labels went."""
    return {
        "record": "package",
        "package": package.code,
        "level": package.level,
        "order": package.order.code,
        "contents": [
            {"device": row.device.code, "quantity": row.quantity} for row in direct_contents(package)
        ],
        "packages": [inner.code for inner in packages_inside(package) if inner.parent_id == package.pk],
        "label": package.label,
        "label_sha256": package.label_sha256,
        "labels": {"issued": package.issued, "applied": package.applied, "destroyed": package.destroyed},
    }


@unit_of_work
def close_package(*, package_id: int, actor: Actor, credentials: Credentials) -> Package:
    """A second person verifies contents, label and the count of labels, and closes the package by signature.

    Raises TransitionRefused with every gate that blocks.
    """
    package = locked_package(package_id)
    require(actor, "quality.close_package", package)
    row = PACKAGE.row("close", package.stage)
    gates = ask_gates("package.close", package, actor=actor)
    refuse_blocked(gates)
    signature = sign(
        subject=package,
        content=closing_content(package),
        meaning=Meaning.VERIFIED,
        actor=actor,
        credentials=credentials,
    )
    package.stage, package.closing = PackageStage(row.target), signature
    package.save(update_fields=["stage", "closing"])
    fact = PackageClosed(
        package_id=package.pk,
        signature_id=signature.pk,
        label_sha256=package.label_sha256,
        gates=[gate.as_payload() for gate in gates],
    )
    publish(package, fact, actor=actor)
    return package
