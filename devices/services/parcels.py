"""Uploads that come in by parts and survive a broken connection: begun, written, taken, given up (`devices.imaging.parcels`)."""

from __future__ import annotations

import errno
import hashlib
import os
import shutil
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path
from uuid import UUID, uuid4

from django.conf import settings

from devices.choices import UploadPurpose, UploadStage
from devices.events import UploadAbandoned, UploadBegun, UploadCancelled, UploadTaken
from devices.imaging.parcels import (
    alone_with,
    append,
    make_parcel,
    offset_of,
    parcel_digest,
    unpacked,
)
from devices.imaging.sources import MAX_FILES, MAX_TOTAL_BYTES
from devices.models import Upload
from devices.services.authors import author_of
from devices.services.external_designs import NoPart, ask_drawable
from devices.services.lifecycle import locked_device
from devices.services.studies import PARCELS, refuse_out_of_time
from mes import room
from mes.eventlog.base import Actor
from mes.eventlog.unit import publish, unit_of_work
from mes.exceptions import Conflict, InvalidInput
from mes.locking import locked_row
from mes.permissions import require

RULE = "G-IMG-01"
OPEN_AT_ONCE = 4
KEPT_FREE = 512 * 1024**2
ABANDONED_AFTER = timedelta(days=2)
SYSTEM = Actor.system("devices.uploads")


class Misplaced(Conflict):
    """A part that does not go on where the last one ended. `offset`: where it would."""

    def __init__(self, offset: int) -> None:
        super().__init__(
            f"{offset} bytes are there: this part does not begin behind them.",
            cure="Ask for the offset, and go on from there.",
        )
        self.offset = offset


def folder_of(upload: Upload) -> Path:
    return Path(settings.QUARANTINE_DIR) / PARCELS / str(upload.quarantine)


@unit_of_work
def begin_upload(
    *, device_id: int, sizes: Sequence[int], actor: Actor, purpose: str = UploadPurpose.IMAGES
) -> Upload:
    """Make room for files whose sizes are known: images, or a part that was drawn in another program. Raises InvalidInput for too many or too large ones, Conflict for too many
    uploads at once, and what a device that takes none of them now raises."""
    device = locked_device(device_id)
    if purpose == UploadPurpose.DESIGN:
        ask_drawable(device, actor)
    else:
        require(actor, "devices.receive_study", device)
        refuse_out_of_time(device)
    if not (
        0 < len(sizes) <= MAX_FILES and all(size >= 0 for size in sizes) and 0 < sum(sizes) <= MAX_TOTAL_BYTES
    ):
        raise InvalidInput(
            f"An upload has 1 to {MAX_FILES} files and {MAX_TOTAL_BYTES // 1024**3} GiB at most.",
            cure="Send one series.",
            rule=RULE,
        )
    if Upload.objects.filter(sender=actor.person_id, stage=UploadStage.OPEN).count() >= OPEN_AT_ONCE:
        raise Conflict(
            f"{OPEN_AT_ONCE} uploads of yours are not finished.",
            cure="Finish or cancel one of them.",
            rule=RULE,
        )
    if room.free_bytes(Path(settings.QUARANTINE_DIR)) < sum(sizes) + KEPT_FREE:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
    upload = Upload.objects.create(
        device=device,
        sender_id=author_of(actor),
        quarantine=uuid4(),
        sizes=list(sizes),
        files=len(sizes),
        size_bytes=sum(sizes),
    )
    make_parcel(folder_of(upload), len(sizes))
    begun = UploadBegun(
        upload_id=upload.pk, device_id=device.pk, files=upload.files, size_bytes=upload.size_bytes
    )
    publish(upload, begun, actor=actor)
    return upload


def own_upload(name: UUID | str, actor: Actor) -> Upload:
    """The open upload of this name. Raises Conflict where it is over; an upload of somebody else is not there."""
    upload = Upload.objects.filter(quarantine=name, sender=actor.person_id, stage=UploadStage.OPEN).first()
    if upload is None or not folder_of(upload).is_dir():
        raise Conflict("There is no such upload any more.", cure="Send the files again.", rule=RULE)
    return upload


def held_of(upload: Upload) -> int:
    """How many of its bytes are there."""
    return offset_of(folder_of(upload), upload.sizes)


def write_part(upload: Upload, *, offset: int, part: bytes, checksum: bytes = b"") -> int:
    """Write a part where the last one ended. checksum: its SHA-256, where the sender says it. Returns the new offset.

    Raises Misplaced, and InvalidInput for a part that is too long or is not what was sent; then nothing was written.
    """
    if checksum and hashlib.sha256(part).digest() != checksum:
        raise InvalidInput("The part arrived damaged.", cure="Send it again.", rule=RULE)
    with _alone_with(upload):
        held = held_of(upload)
        if offset != held:
            raise Misplaced(held)
        if held + len(part) > upload.size_bytes:
            raise InvalidInput("More was sent than the upload has.", cure="Begin a new upload.", rule=RULE)
        return append(folder_of(upload), upload.sizes, offset, part)


@contextmanager
def _alone_with(upload: Upload) -> Iterator[None]:
    try:
        with alone_with(folder_of(upload)):
            yield
    except BlockingIOError:
        raise Conflict("This upload is being written by another request.", cure="Wait a moment.") from None


@contextmanager
def taken_upload(name: UUID | str, *, device_id: int, digest: str, actor: Actor) -> Iterator[Path]:
    """The whole upload for a device as a path, for a service that takes it; what nobody took stays.

    digest: `parcel_digest` as the sender has it, "" where it could not hash. Raises Conflict where bytes are missing,
    InvalidInput where they are not those that were sent.
    """
    upload = own_upload(name, actor)
    if upload.device_id != device_id:
        raise Conflict("These files were sent for another device.", cure="Send them again.", rule=RULE)
    with _alone_with(upload):
        held, place = held_of(upload), folder_of(upload)
        if held < upload.size_bytes:
            raise Misplaced(held)
        if digest and parcel_digest(place, upload.sizes) != digest:
            raise InvalidInput(
                "What arrived is not what was sent.",
                cure="Cancel the upload and send the files again.",
                rule=RULE,
            )
        path = unpacked(place, upload.sizes)
        try:
            yield path
        except NoPart:
            # What will never be taken must not stand in the way of another one.
            _end(upload.pk, UploadStage.CANCELLED, actor)
            raise
    if not path.exists():
        _end(upload.pk, UploadStage.TAKEN, actor)


def cancel_upload(name: UUID | str, *, actor: Actor) -> None:
    """Its sender gives it up: what came of it is removed."""
    upload = own_upload(name, actor)
    _end(upload.pk, UploadStage.CANCELLED, actor)


@unit_of_work
def _end(upload_id: int, stage: UploadStage, actor: Actor) -> None:
    upload = locked_row(Upload.objects.all(), upload_id)
    if upload is None or upload.stage != UploadStage.OPEN:
        return
    upload.stage = stage
    upload.save(update_fields=["stage"])
    about = {"upload_id": upload.pk, "device_id": upload.device_id}
    events = {
        UploadStage.TAKEN: UploadTaken(**about),
        UploadStage.CANCELLED: UploadCancelled(**about),
        UploadStage.ABANDONED: UploadAbandoned(**about),
    }
    publish(upload, events[stage], actor=actor)


def remove_upload(upload_id: int) -> None:
    """Remove what is left of an upload that is over. Doing it twice changes nothing."""
    upload = Upload.objects.get(pk=upload_id)
    if upload.stage != UploadStage.OPEN:
        shutil.rmtree(folder_of(upload), ignore_errors=True)


def sweep_uploads(*, older_than: timedelta = ABANDONED_AFTER) -> int:
    """Give up what nobody went on with, and say so. Returns how many."""
    before, count = time.time() - older_than.total_seconds(), 0
    for upload in Upload.objects.filter(stage=UploadStage.OPEN):
        if _last_written(upload) < before:
            _end(upload.pk, UploadStage.ABANDONED, SYSTEM)
            count += 1
    return count


def _last_written(upload: Upload) -> float:
    folder = folder_of(upload)
    paths = [folder, *folder.rglob("*")] if folder.is_dir() else []
    return max((path.stat().st_mtime for path in paths), default=0.0)
