"""Post-processing and inspection."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
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
