"""Designs."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from devices.events.shapes import Gates, Places, Reasons
from mes.eventlog.base import Event


@dataclass(frozen=True, kw_only=True)
class DesignRequested(Event, name="devices.design_requested"):
    """A design with these values is to be made; `origin`: of one that was drawn in another program, which and what its file is."""

    device_id: int
    design_id: int
    revision: int
    values: dict[str, Any]
    gates: Gates
    origin: dict[str, Any] | None = None


@dataclass(frozen=True, kw_only=True)
class DesignGenerated(Event, name="devices.design_generated"):
    """A design was made and waits for its review."""

    device_id: int
    design_id: int
    revision: int
    mesh_sha256: str
    measures: dict[str, float]


@dataclass(frozen=True, kw_only=True)
class DesignFailed(Event, name="devices.design_failed"):
    """No design could be made from these values; the reasons say why."""

    device_id: int
    design_id: int
    reasons: Reasons


@dataclass(frozen=True, kw_only=True)
class DesignReviewed(Event, name="devices.design_reviewed"):
    """A second engineer, or the physicist whom the master names, signed the design; it waits for its approval."""

    device_id: int
    design_id: int
    signature_id: int
    gates: Gates = field(default_factory=list)


@dataclass(frozen=True, kw_only=True)
class DesignRejected(Event, name="devices.design_rejected"):
    """Changes of the design are asked for. The event's reason says what to change; `places`: where on it, LPS mm."""

    device_id: int
    design_id: int
    change_request_id: int | None = None
    places: Places = field(default_factory=list)


@dataclass(frozen=True, kw_only=True)
class DesignApproved(Event, name="devices.design_approved", terminal=True):
    """The prescriber signed exactly this mesh."""

    device_id: int
    design_id: int
    mesh_sha256: str
    signature_id: int


@dataclass(frozen=True, kw_only=True)
class DesignVoided(Event, name="devices.design_voided"):
    """Something that the design stands on changed: its approvals hold no longer."""

    device_id: int
    design_id: int
    mesh_sha256: str | None


@dataclass(frozen=True, kw_only=True)
class DesignExportRequested(Event, name="devices.design_export_requested"):
    """A design is to be given away in a format, with as many fewer triangles as stay within the tolerance, mm."""

    device_id: int
    design_id: int
    revision: int
    format: str
    tolerance_mm: float


@dataclass(frozen=True, kw_only=True)
class DesignExported(Event, name="devices.design_exported", terminal=True):
    """A design was converted. `report`: units, triangles, soundness and the measured deviation, or the figures of a map."""

    device_id: int
    design_id: int
    revision: int
    format: str
    tolerance_mm: float
    file_sha256: str
    report: dict[str, Any]


@dataclass(frozen=True, kw_only=True)
class DesignExportFailed(Event, name="devices.design_export_failed", terminal=True):
    """A design could not be converted as it was asked for; the reasons say why."""

    device_id: int
    design_id: int
    revision: int
    format: str
    reasons: Reasons


@dataclass(frozen=True, kw_only=True)
class DesignComparisonRequested(Event, name="devices.design_comparison_requested"):
    """It is to be measured how a revision of a design differs from an older one."""

    device_id: int
    design_id: int
    revision: int
    older_id: int
    older_revision: int


@dataclass(frozen=True, kw_only=True)
class DesignsCompared(Event, name="devices.designs_compared", terminal=True):
    """A revision was measured against an older one. `figures`: the largest difference, where it is, and the scale of the map, mm."""

    device_id: int
    design_id: int
    revision: int
    older_id: int
    older_revision: int
    map_sha256: str
    figures: dict[str, Any]


@dataclass(frozen=True, kw_only=True)
class DesignComparisonFailed(Event, name="devices.design_comparison_failed", terminal=True):
    """Two revisions could not be measured against each other; the reasons say why."""

    device_id: int
    design_id: int
    revision: int
    older_id: int
    older_revision: int
    reasons: Reasons


@dataclass(frozen=True, kw_only=True)
class DecisionOverdue(Event, name="devices.decision_overdue", terminal=True):
    """A design waits for its review or its approval for too long; told once a day as long as that lasts."""

    device_id: int
    design_id: int
    revision: int
    days: int
