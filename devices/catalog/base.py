"""What a device type and a material are, as definitions in code. A definition does nothing until it is published.

A definition becomes a revision of a device master when one person drafts it and another approves it by signature.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from devices.choices import DeviceField, IntendedUse, TrackedAs
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
    """minimum_wall_mm: the thinnest wall the process builds in this material.  contact_category: one of `CONTACTS`."""

    code: str
    name: str
    process: str
    minimum_wall_mm: float
    density_g_per_ml: float
    contact_category: str


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


MATERIALS: Registry[MaterialDefinition] = Registry("material")
MASTERS: Registry[MasterDefinition] = Registry("device master")


def covers(qualified: str, needed: str) -> bool:
    """Whether a material qualified for one contact may be used for another. Unknown categories are never covered."""
    if qualified not in CONTACTS or needed not in CONTACTS:
        return False
    return CONTACTS.index(qualified) >= CONTACTS.index(needed)
