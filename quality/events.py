"""Facts of post-processing, inspection, nonconformance, review, release and packing.

Facts about a device stand on the device's stream; those about a nonconformance or a package on its own.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, ClassVar

from mes.eventlog.base import Event


@dataclass(frozen=True, kw_only=True)
class PostProcessStepRecorded(Event, name="quality.post_process_step_recorded", terminal=True):
    """A step was carried out and its parameters were written down as measured, inside their limits or not.

    `values` lists each parameter: name, value, unit, minimum, maximum, in_limits. The times are null where nobody gave them."""

    device_id: int
    step_id: int
    step: str
    position: int
    attempt: int
    values: list[dict[str, Any]]
    in_limits: bool
    equipment: str
    started_at: str | None
    ended_at: str | None
    gates: list[dict[str, Any]]
    signature_id: int


@dataclass(frozen=True, kw_only=True)
class ScanReceived(Event, name="quality.scan_received"):
    """A scan of the part arrived and lies in the store, unread: nothing has looked at its content yet.

    It names the gauge that measured, the calibration in force on that day, and the day. All are null where the scan came
    before gauges were registered.
    """

    schema_version: ClassVar[int] = 2

    device_id: int
    inspection_id: int
    number: int
    scan_sha256: str
    unit: int = 1
    size_bytes: int
    gauge_id: int | None
    calibration_id: int | None
    measured_on: str | None

    @classmethod
    def upcast(cls, payload: Mapping[str, Any], schema_version: int) -> Mapping[str, Any]:
        """Version 1 named no gauge."""
        if schema_version == 1:
            return {"gauge_id": None, "calibration_id": None, "measured_on": None, **payload}
        return super().upcast(payload, schema_version)


@dataclass(frozen=True, kw_only=True)
class InspectionMeasured(Event, name="quality.inspection_measured", terminal=True):
    """A scan was registered to the nominal surface and compared with it.

    `figures` holds mm and shares (0..1), `limits` what the device master allows, `tool` the name, version, parameters
    and validation status of what measured; `pose` is the 4x4 matrix from the scan's frame to the nominal one.
    """

    device_id: int
    inspection_id: int
    figures: dict[str, float]
    limits: dict[str, float]
    characteristics: list[dict[str, Any]]
    passed: bool
    pose: list[list[float]]
    nominal_sha256: str
    map_sha256: str
    picture_sha256: str
    tool: dict[str, Any]


@dataclass(frozen=True, kw_only=True)
class InspectionRefused(Event, name="quality.inspection_refused", terminal=True):
    """A scan says nothing about this part: not a surface, another part, or too little of it. Every reason is named."""

    device_id: int
    inspection_id: int
    reasons: list[dict[str, str]]


@dataclass(frozen=True, kw_only=True)
class InspectionSigned(Event, name="quality.inspection_signed", terminal=True):
    """An inspector who did not make the part signed what a measurement showed."""

    device_id: int
    inspection_id: int
    decision: str
    signature_id: int


@dataclass(frozen=True, kw_only=True)
class InspectionSetAside(Event, name="quality.inspection_set_aside", terminal=True):
    """A second person signed why a failed measurement says nothing about the part. The measurement stays."""

    device_id: int
    inspection_id: int
    justification: str
    signature_id: int


@dataclass(frozen=True, kw_only=True)
class GaugeRegistered(Event, name="quality.gauge_registered", terminal=True):
    """A piece of measuring equipment became known. It measures nothing before it is calibrated and put into service."""

    gauge_id: int
    kind: str
    maker: str
    model: str
    serial: str
    accuracy_mm: str
    location: str


@dataclass(frozen=True, kw_only=True)
class GaugeStageChanged(Event, name="quality.gauge_stage_changed", terminal=True):
    """A gauge was put into service or taken out of it."""

    gauge_id: int
    source: str
    target: str
    gates: list[dict[str, Any]]


@dataclass(frozen=True, kw_only=True)
class GaugeCalibrated(Event, name="quality.gauge_calibrated", terminal=True):
    """A calibration was recorded by signature, with its certificate: until when it counts, and how the gauge was found."""

    gauge_id: int
    calibration_id: int
    number: int
    calibrated_on: str
    due_on: str
    as_found: str
    laboratory: str
    certificate_sha256: str
    signature_id: int


@dataclass(frozen=True, kw_only=True)
class GaugeFoundOut(Event, name="quality.gauge_found_out", terminal=True):
    """A calibration found a gauge out of tolerance: each device measured since `since`, the last good calibration, got a
    nonconformance and a hold. How many there were; which ones, each nonconformance says."""

    gauge_id: int
    calibration_id: int
    since: str | None
    devices: int


@dataclass(frozen=True, kw_only=True)
class NonconformanceOpened(Event, name="quality.nonconformance_opened", terminal=True):
    """Something is not as required: what, where it was found, and the evidence."""

    nonconformance_id: int
    device_id: int
    source: str
    stage: str
    requirement: str
    description: str
    severity: str
    evidence: dict[str, Any]
    units: list[int] = field(default_factory=list)


@dataclass(frozen=True, kw_only=True)
class NonconformanceStageChanged(Event, name="quality.nonconformance_stage_changed", terminal=True):
    """A nonconformance moved along its table."""

    nonconformance_id: int
    device_id: int
    source: str
    target: str


@dataclass(frozen=True, kw_only=True)
class DispositionProposed(Event, name="quality.disposition_proposed", terminal=True):
    """The owner of a nonconformance proposed, by signature, what shall happen to the device."""

    nonconformance_id: int
    device_id: int
    disposition: str
    justification: str
    signature_id: int


@dataclass(frozen=True, kw_only=True)
class DispositionReturned(Event, name="quality.disposition_returned", terminal=True):
    """Quality returned a proposal with its reason: the nonconformance is evaluated again."""

    nonconformance_id: int
    device_id: int
    disposition: str
    justification: str
    proposal_id: int | None


@dataclass(frozen=True, kw_only=True)
class NonconformanceDisposed(Event, name="quality.nonconformance_disposed", terminal=True):
    """A second person approved the disposition by signature, and it was carried out."""

    nonconformance_id: int
    device_id: int
    disposition: str
    signature_id: int


@dataclass(frozen=True, kw_only=True)
class NonconformanceVoided(Event, name="quality.nonconformance_voided", terminal=True):
    """A nonconformance was opened in error; quality signed why."""

    nonconformance_id: int
    device_id: int
    justification: str
    signature_id: int


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
