"""Studies that come in by themselves, and who may send them."""

from __future__ import annotations

from dataclasses import dataclass

from mes.eventlog.base import Event


@dataclass(frozen=True, kw_only=True)
class PeerRegistered(Event, name="devices.peer_registered", terminal=True):
    """A sender of images is known by its application entity title and its address, both."""

    peer_id: int
    title: str
    address: str
    description: str


@dataclass(frozen=True, kw_only=True)
class PeerRevoked(Event, name="devices.peer_revoked", terminal=True):
    """Nothing is taken from this sender any more."""

    peer_id: int


@dataclass(frozen=True, kw_only=True)
class StudyArrived(Event, name="devices.study_arrived", terminal=True):
    """Objects of a study came in, or more of them; they lie in quarantine and wait for a person. Counts are of all of them
    so far. `unreadable`: how many have no header that can be read."""

    arrival_id: int
    door: str
    peer_id: int | None
    sender_id: int | None
    files: int
    size_bytes: int
    unreadable: int


@dataclass(frozen=True, kw_only=True)
class ArrivalAttached(Event, name="devices.arrival_attached", terminal=True):
    """A person said for which device a study came in: it is read like every other upload (G-ORD-05)."""

    arrival_id: int
    device_id: int
    study_id: int


@dataclass(frozen=True, kw_only=True)
class ArrivalReturned(Event, name="devices.arrival_returned", terminal=True):
    """What was read of it was refused for that device. Nothing of it is lost: it waits again."""

    arrival_id: int
    study_id: int


@dataclass(frozen=True, kw_only=True)
class ArrivalTaken(Event, name="devices.arrival_taken"):
    """Its images were accepted; what lies in quarantine goes."""

    arrival_id: int
    study_id: int


@dataclass(frozen=True, kw_only=True)
class ArrivalDiscarded(Event, name="devices.arrival_discarded"):
    """A person decided that nobody needs it; what lies in quarantine goes."""

    arrival_id: int


@dataclass(frozen=True, kw_only=True)
class UploadBegun(Event, name="devices.upload_begun", terminal=True):
    """Files for a device come in part by part. How much of them is there, quarantine says."""

    upload_id: int
    device_id: int
    files: int
    size_bytes: int


@dataclass(frozen=True, kw_only=True)
class UploadTaken(Event, name="devices.upload_taken"):
    """All of it came in, and went on to be read."""

    upload_id: int
    device_id: int


@dataclass(frozen=True, kw_only=True)
class UploadCancelled(Event, name="devices.upload_cancelled"):
    """Its sender gave it up; what came of it goes."""

    upload_id: int
    device_id: int


@dataclass(frozen=True, kw_only=True)
class UploadAbandoned(Event, name="devices.upload_abandoned"):
    """Nobody went on with it for two days; what came of it goes."""

    upload_id: int
    device_id: int
