"""The record's review, the release, and the report."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from mes.eventlog.base import Event


@dataclass(frozen=True, kw_only=True)
class RecordReviewed(Event, name="quality.record_reviewed", terminal=True):
    """A quality reviewer read the audit trail up to `last_pos` and signed the digest of the list of its events."""

    device_id: int
    review_id: int
    events: int
    last_pos: int
    trail_digest: str
    findings: str
    signature_id: int


@dataclass(frozen=True, kw_only=True)
class DeviceReleased(Event, name="quality.device_released"):
    """A releaser who took no part in making the device released it: with the whole checklist and its evidence.

    `record_sha256` is the record as it was shown, stored as a file and bound by the signature; `genealogy` the digest of the
    links from material to device, which a copy of the record is compared with.
    """

    device_id: int
    decision_id: int
    signature_id: int
    record_sha256: str
    checklist: list[dict[str, Any]]
    quantity: int = 1
    genealogy: str = ""


@dataclass(frozen=True, kw_only=True)
class ProductionRecordRendered(Event, name="quality.production_record_rendered", terminal=True):
    """The production record was written out as canonical JSON and as PDF; `pdf` carries the digest of `json`."""

    device_id: int
    report_id: int
    report: str
    json_sha256: str
    pdf_sha256: str
    last_pos: int
