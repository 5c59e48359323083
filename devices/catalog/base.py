"""What a device type and a material are, as definitions in code. A definition does nothing until it is published.

A definition becomes a revision of a device master when one person drafts it and another approves it by signature.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from devices.choices import DeviceField, IntendedUse, TrackedAs
from mes.exceptions import Reason
from mes.registry import Registry

CONTACTS = (
    "none",
    "intact_skin",
    "mucosa",
    "breached_surface",
    "tissue_bone_24h",
    "tissue_bone_30d",
    "tissue_bone_long_term",
)
"""Contact categories after ISO 10993-1, from the mildest. A material qualified for one may be used for all before it."""


@dataclass(frozen=True, kw_only=True)
class MaterialDefinition:
    """minimum_wall_mm: the thinnest wall the process builds in this material.  contact_category: one of `CONTACTS`.

    required_results: what the certificate of every lot must show, [{characteristic, unit, minimum, maximum}], a limit
    left out or null where there is none, but not both (G-MAT-03).
    """

    code: str
    name: str
    process: str
    minimum_wall_mm: float
    density_g_per_ml: float
    contact_category: str
    required_results: tuple[Mapping[str, Any], ...] = ()


@dataclass(frozen=True, kw_only=True)
class MasterDefinition:
    """A device type. See `devices.models.DeviceMaster` for the sections' keys and units."""

    code: str
    title: str
    field: DeviceField
    intended_use: IntendedUse
    pathway: str
    contact_category: str
    imaging: Mapping[str, Any]
    segmentation: Mapping[str, Any]
    design: Mapping[str, Any]
    materials: tuple[str, ...]
    process: str
    routing: tuple[Mapping[str, Any], ...]
    inspection: Mapping[str, Any]
    label: Mapping[str, Any]
    tracked_as: TrackedAs = TrackedAs.UNIT
    packaging: Mapping[str, Any] = dataclasses.field(default_factory=dict)


Check = Callable[[Any], Iterable[Reason]]
SECTIONS: Registry[tuple[str, Check]] = Registry("section validator")
"""By id: the section of a device master that a package above uses, and what is wrong with one (`section`)."""


def section(id: str, name: str) -> Callable[[Check], Check]:
    """Register what checks a section of a device master ("package.name") before it is published, by whom it is used later."""

    def declare(check: Check) -> Check:
        SECTIONS.add(id, (name, check))
        return check

    return declare


def section_faults(sections: Mapping[str, Any]) -> Iterator[Reason]:
    """Everything that is wrong with the sections of a master, by name; each fault names its section."""
    for _, (name, check) in SECTIONS.items():
        for fault in check(sections[name]):
            yield Reason(f"{name}: {fault.text}", fault.cure, fault.rule)


MATERIALS: Registry[MaterialDefinition] = Registry("material")
MASTERS: Registry[MasterDefinition] = Registry("device master")


def covers(qualified: str, needed: str) -> bool:
    """Whether a material qualified for one contact may be used for another. Unknown categories are never covered."""
    if qualified not in CONTACTS or needed not in CONTACTS:
        return False
    return CONTACTS.index(qualified) >= CONTACTS.index(needed)
