"""Packages and labels. They stand on the package's own stream."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from mes.eventlog.base import Event


@dataclass(frozen=True, kw_only=True)
class PackageOpened(Event, name="quality.package_opened", terminal=True):
    """A package was begun at a station that the packer found clear of everything else (820.45)."""

    package_id: int
    order_id: int
    level: str
    sterile_barrier: bool
    di: str
    station: str


@dataclass(frozen=True, kw_only=True)
class PackageContentChanged(Event, name="quality.package_content_changed", terminal=True):
    """Units of a device were put into a package or taken out: how many of it lie there now, and every gate's answer."""

    package_id: int
    device_id: int
    quantity: int
    contents_digest: str
    gates: list[dict[str, Any]]


@dataclass(frozen=True, kw_only=True)
class PackageMoved(Event, name="quality.package_moved", terminal=True):
    """A package was put into another, or taken out again (`parent_id` is null then)."""

    package_id: int
    parent_id: int | None


@dataclass(frozen=True, kw_only=True)
class LabelsIssued(Event, name="quality.labels_issued", terminal=True):
    """Labels of a package were printed: how many, and what each says, with the digest of that."""

    package_id: int
    quantity: int
    issued: int
    label: dict[str, Any]
    label_sha256: str


@dataclass(frozen=True, kw_only=True)
class LabelsApplied(Event, name="quality.labels_applied", terminal=True):
    """A person examined the printed labels, read their symbol back and applied them, by signature (G-LBL-01)."""

    package_id: int
    quantity: int
    scanned: str
    examined: list[str]
    signature_id: int
    gates: list[dict[str, Any]]


@dataclass(frozen=True, kw_only=True)
class LabelsDestroyed(Event, name="quality.labels_destroyed", terminal=True):
    """Labels that are not used were destroyed; the event's reason says why."""

    package_id: int
    quantity: int


@dataclass(frozen=True, kw_only=True)
class PackageClosed(Event, name="quality.package_closed", terminal=True):
    """A second person verified a package and closed it, by signature; no label is left over (G-LBL-02)."""

    package_id: int
    signature_id: int
    label_sha256: str
    gates: list[dict[str, Any]]


@dataclass(frozen=True, kw_only=True)
class PackageReopened(Event, name="quality.package_reopened", terminal=True):
    """A closed package was opened again; its labels are destroyed. The event's reason says why."""

    package_id: int
    destroyed: int


@dataclass(frozen=True, kw_only=True)
class PackageVoided(Event, name="quality.package_voided", terminal=True):
    """An empty package was given up; the event's reason says why."""

    package_id: int
