"""Which masters and materials are in force, and which revision comes next. Nothing here writes."""

from __future__ import annotations

from typing import Any

from django.db.models import Max, QuerySet

from devices.choices import (
    DefinitionStatus,
)
from devices.models import Design, Device, DeviceMaster, Material
from mes.standing import not_withdrawn


def masters() -> QuerySet[DeviceMaster]:
    return DeviceMaster.objects.select_related("author").order_by("code", "-revision")


def effective_master(code: str) -> DeviceMaster | None:
    """The revision that is approved, and whose approval nobody has withdrawn."""
    rows = DeviceMaster.objects.filter(code=code, status=DefinitionStatus.EFFECTIVE)
    found: DeviceMaster | None = not_withdrawn(rows, "approval").first()
    return found


def effective_material(code: str) -> Material | None:
    """The material, where it is approved and nobody has withdrawn the approval."""
    rows = Material.objects.filter(code=code, status=DefinitionStatus.EFFECTIVE)
    found: Material | None = not_withdrawn(rows, "approval").first()
    return found


def next_master_revision(code: str) -> int:
    newest = DeviceMaster.objects.filter(code=code).aggregate(newest=Max("revision"))["newest"]
    return int(newest or 0) + 1


def next_design_revision(device: Device) -> int:
    newest = Design.objects.filter(device=device).aggregate(newest=Max("revision"))["newest"]
    return int(newest or 0) + 1


def as_facts(row: Any, *names: str) -> dict[str, Any]:
    """Some attributes of a row as a mapping."""
    return {name: getattr(row, name) for name in names}
