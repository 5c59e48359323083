"""Copies for inspectors."""

from __future__ import annotations

from dataclasses import dataclass

from mes.eventlog.base import Event


@dataclass(frozen=True, kw_only=True)
class RecordExportRequested(Event, name="quality.record_export_requested"):
    """Somebody asked for copies of the records of some devices (EV-10, 21 CFR 11.10(b))."""

    export_id: int
    kind: str
    subject: str
    mode: str
    devices: list[int]


@dataclass(frozen=True, kw_only=True)
class RecordExported(Event, name="quality.record_exported"):
    """The bundle of one device, or of the order or lot asked for, was written: its digest, and that of the record inside."""

    export_id: int
    device_id: int | None
    bundle_sha256: str
    record_sha256: str
    events: int


@dataclass(frozen=True, kw_only=True)
class RecordExportFinished(Event, name="quality.record_export_finished", terminal=True):
    """Every bundle of an export was written."""

    export_id: int
    bundles: int


@dataclass(frozen=True, kw_only=True)
class RecordExportCancelled(Event, name="quality.record_export_cancelled", terminal=True):
    """Somebody stopped an export. The bundles that it had written stay."""

    export_id: int
    bundles: int


@dataclass(frozen=True, kw_only=True)
class RecordExportFailed(Event, name="quality.record_export_failed", terminal=True):
    """An export could not be done, with every reason."""

    export_id: int
    device_id: int | None
    reasons: list[dict[str, str]]


@dataclass(frozen=True, kw_only=True)
class RecordBundleTaken(Event, name="quality.record_bundle_taken", terminal=True):
    """Somebody downloaded a bundle."""

    export_id: int
    bundle_sha256: str
