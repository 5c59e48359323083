"""Materials and device masters."""

from __future__ import annotations

from dataclasses import dataclass

from mes.eventlog.base import Event


@dataclass(frozen=True, kw_only=True)
class MaterialDrafted(Event, name="devices.material_drafted", terminal=True):
    """Somebody wrote down what a material is; it may be used once somebody else approves it."""

    material_id: int


@dataclass(frozen=True, kw_only=True)
class MaterialSpecified(Event, name="devices.material_specified", terminal=True):
    """A material specification was approved by signature."""

    material_id: int
    code: str
    signature_id: int


@dataclass(frozen=True, kw_only=True)
class MasterDrafted(Event, name="devices.master_drafted", terminal=True):
    """A revision of a device master was written; it may be used once somebody else approves it."""

    master_id: int
    code: str
    revision: int


@dataclass(frozen=True, kw_only=True)
class MasterPublished(Event, name="devices.master_published", terminal=True):
    """A revision of a device master was approved by signature and is effective."""

    master_id: int
    code: str
    revision: int
    signature_id: int


@dataclass(frozen=True, kw_only=True)
class MasterSuperseded(Event, name="devices.master_superseded", terminal=True):
    """A newer revision took this one's place. Devices planned under it keep it."""

    master_id: int
    superseded_by: int
