"""Images, as they come in."""

from __future__ import annotations

from dataclasses import dataclass

from devices.events.shapes import Gates, Reasons
from mes.eventlog.base import Event


@dataclass(frozen=True, kw_only=True)
class StudyReceived(Event, name="devices.study_received"):
    """An upload lies in quarantine and waits to be read. `series` is the key of the one that its sender chose, if any;
    `declared` what the sender of a surface scan said of its unit, axes and day."""

    device_id: int
    study_id: int
    link_confirmed: bool
    signature_id: int | None
    series: str = ""
    declared: dict[str, str | None] | None = None


@dataclass(frozen=True, kw_only=True)
class ImagesAccepted(Event, name="devices.images_accepted"):
    """The images are this patient's, de-identified and stored as a calibrated volume; or as a surface, and then `volume_sha256` is
    empty."""

    device_id: int
    study_id: int
    volume_sha256: str
    series_sha256: str | None
    gates: Gates
    surface_sha256: str | None = None


@dataclass(frozen=True, kw_only=True)
class ImagesRefused(Event, name="devices.images_refused"):
    """The images cannot be used; every finding is a reason."""

    device_id: int
    study_id: int
    reasons: Reasons
