"""Packages, and those that a device lies in."""

from __future__ import annotations

from django.db.models import QuerySet

from devices.models import Device
from quality.models import Package, PackageContent


def packages_of(device: Device) -> list[Package]:
    """The packages that a device lies in or was taken out of, and those around them, in the order of their numbers."""
    found: dict[int, Package] = {}
    wanted = set(PackageContent.objects.filter(device=device).values_list("package_id", flat=True))
    while wanted:
        found |= {package.pk: package for package in packages().filter(pk__in=wanted)}
        wanted = {package.parent_id for package in found.values() if package.parent_id} - found.keys()
    return [found[key] for key in sorted(found)]


def packages() -> QuerySet[Package]:
    """Every package, newest first."""
    related = (
        "order__master",
        "order__material",
        "order__patient",
        "parent__parent",
        "opened_by",
        "applied_by",
    )
    return Package.objects.select_related(*related).order_by("-pk")
