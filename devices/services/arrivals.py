"""Studies that came in by themselves: recorded, attached to a device by a person, given back where reading refused them.

The folder of an arrival is the truth until it is recorded (`devices.imaging.inbox`); recording it twice changes nothing.
"""

from __future__ import annotations

import hashlib
import hmac
import os
import shutil
from collections import defaultdict
from collections.abc import Iterable, Mapping
from functools import partial
from pathlib import Path
from typing import Any
from uuid import UUID, uuid4, uuid5

from django.conf import settings

from devices.choices import ArrivalStage, Door
from devices.events import ArrivalAttached, ArrivalDiscarded, ArrivalReturned, ArrivalTaken, StudyArrived
from devices.imaging.confined import sorted_objects
from devices.imaging.inbox import Arriving, arrival_id, left_behind, objects_of, sender_of, sweep_spool
from devices.imaging.sorting import Sorted
from devices.models import Arrival, Study
from devices.services.studies import quarantine_path, receive_study, received_folder
from mes.eventlog.base import Actor
from mes.eventlog.unit import publish, unit_of_work
from mes.exceptions import Conflict, InvalidInput
from mes.locking import locked_row
from mes.permissions import require

SPOOLED_S = 24 * 60 * 60.0
UNREADABLE = ".unreadable"
SYSTEM = Actor.system("devices.arrivals")


def begin_arrival(*, door: Door, peer_id: int | None = None, sender_id: int | None = None) -> Arriving:
    """A folder to receive into."""
    sender = {"door": str(door), "peer_id": peer_id, "sender_id": sender_id}
    return Arriving(received_folder(), sender)


def folder_of(quarantine: UUID | str) -> Path:
    return received_folder() / str(quarantine)


def study_key(uid: str) -> str:
    """A name for a study by which nobody finds it elsewhere: keyed with the installation's own secret."""
    pepper = hashlib.sha256(b"studies" + settings.SECRET_KEY.encode()).digest()
    return hmac.new(pepper, uid.encode(), hashlib.sha256).hexdigest() if uid else ""


def record_arrival(folder: Path, *, keep_unreadable: bool = True) -> list[Sorted]:
    """Sort what was received into studies, put each on record, and remove the folder. Returns what each object is.

    keep_unreadable: whether objects without a readable header are kept for a person, for they were confirmed.
    What a study of the same sender still waits for a person takes what belongs to it; the same objects again change nothing.
    """
    sender = sender_of(folder)
    found = sorted_objects(folder) if sender else []
    by_study: dict[str, list[Sorted]] = defaultdict(list)
    for one in found:
        if one.readable or keep_unreadable:
            by_study[one.study].append(one)
    for uid, objects in sorted(by_study.items()):
        key = study_key(uid)
        _record_study(folder, sender, key, uuid5(arrival_id(folder), key), objects)
    shutil.rmtree(folder)
    return found


@unit_of_work
def _record_study(
    folder: Path, sender: Mapping[str, Any], key: str, name: UUID, objects: Iterable[Sorted]
) -> None:
    rows = Arrival.objects.select_for_update()
    if rows.filter(quarantine=name).exclude(stage=ArrivalStage.WAITING).exists():
        return
    row = rows.filter(**sender, study_key=key, stage=ArrivalStage.WAITING).order_by("-pk").first()
    row = row or Arrival(**sender, study_key=key, quarantine=name, files=0, size_bytes=0, unreadable=0)
    held = _laid_together(folder, folder_of(row.quarantine), objects)
    if len(held) == row.files:
        return
    row.files, row.size_bytes = len(held), sum(path.stat().st_size for path in held)
    row.unreadable = sum(path.suffix == UNREADABLE for path in held)
    row.modalities = sorted({*row.modalities, *(one.modality for one in objects)} - {""})
    row.save()
    arrived = StudyArrived(
        arrival_id=row.pk,
        door=row.door,
        peer_id=row.peer_id,
        sender_id=row.sender_id,
        files=row.files,
        size_bytes=row.size_bytes,
        unreadable=row.unreadable,
    )
    publish(row, arrived, actor=SYSTEM)


def _laid_together(folder: Path, place: Path, objects: Iterable[Sorted]) -> list[Path]:
    """Give the objects of a study a second name in its folder, so that nothing is lost whichever of the two goes first."""
    place.mkdir(mode=0o700, exist_ok=True)
    for one in objects:
        target = place / (one.name if one.readable else f"{one.name}{UNREADABLE}")
        if not target.exists():
            os.link(folder / one.name, target)
    return objects_of(place)


def record_left_behind() -> int:
    """Put on record what was received by a process that ended before it could. Returns how many arrivals that were."""
    sweep_spool(received_folder(), older_than_s=SPOOLED_S)
    count = 0
    for folder in left_behind(received_folder()):
        record_arrival(folder)
        count += 1
    return count


def attach_arrival(*, arrival_id: int, device_id: int, actor: Actor, series: str = "") -> Study:
    """Send a study on to be read for a device, like an upload of its files. They stay in quarantine until they are accepted.

    Raises Conflict where it does not wait, and what `receive_study` raises; then nothing has changed.
    """
    arrival = Arrival.objects.get(pk=arrival_id)
    require(actor, "devices.receive_study", arrival)
    _refuse_gone(arrival)
    copy = quarantine_path(f".attach-{uuid4()}")
    try:
        shutil.copytree(folder_of(arrival.quarantine), copy, copy_function=os.link)
        return receive_study(
            device_id=device_id,
            upload=copy,
            actor=actor,
            series=series,
            then=partial(_attach, arrival_id=arrival_id, actor=actor),
        )
    finally:
        shutil.rmtree(copy, ignore_errors=True)


def _attach(study: Study, *, arrival_id: int, actor: Actor) -> None:
    arrival = _waiting(arrival_id)
    arrival.stage, arrival.device_id, arrival.study = ArrivalStage.ATTACHED, study.device_id, study
    arrival.save(update_fields=["stage", "device", "study"])
    attached = ArrivalAttached(arrival_id=arrival.pk, device_id=study.device_id, study_id=study.pk)
    publish(arrival, attached, actor=actor)


def _waiting(arrival_id: int) -> Arrival:
    arrival = locked_row(Arrival.objects.all(), arrival_id)
    if arrival is None:
        raise InvalidInput("There is no such study.", cure="Look at the list again.")
    if arrival.stage != ArrivalStage.WAITING:
        raise Conflict(
            f"{arrival.code} does not wait any more: {arrival.get_stage_display().lower()}.",
            cure="Look at the list again.",
        )
    return arrival


def _refuse_gone(arrival: Arrival) -> None:
    if arrival.stage == ArrivalStage.WAITING and not folder_of(arrival.quarantine).is_dir():
        raise Conflict(
            f"The files of {arrival.code} are no longer in quarantine.",
            cure="Discard it, and have it sent again.",
        )


@unit_of_work
def discard_arrival(*, arrival_id: int, reason: str, actor: Actor) -> Arrival:
    """Nobody needs it. Its files are removed from quarantine once that is in the record."""
    arrival = _waiting(arrival_id)
    require(actor, "devices.discard_arrival", arrival)
    if not reason.strip():
        raise InvalidInput("Say why.", cure="Write the reason.", rule="P11-10e")
    arrival.stage, arrival.discarded_because = ArrivalStage.DISCARDED, reason.strip()
    arrival.save(update_fields=["stage", "discarded_because"])
    publish(arrival, ArrivalDiscarded(arrival_id=arrival.pk), actor=actor, reason=reason.strip())
    return arrival


@unit_of_work
def settle_arrival(*, study_id: int, accepted: bool) -> None:
    """Its images were read: accepted, it is done; refused, it waits again. Nothing for an upload of another kind."""
    row = Arrival.objects.select_for_update().filter(study=study_id, stage=ArrivalStage.ATTACHED).first()
    if row is None:
        return
    row.stage = ArrivalStage.TAKEN if accepted else ArrivalStage.WAITING
    row.save(update_fields=["stage"])
    event = (
        ArrivalTaken(arrival_id=row.pk, study_id=study_id)
        if accepted
        else ArrivalReturned(arrival_id=row.pk, study_id=study_id)
    )
    publish(row, event, actor=SYSTEM)


def remove_arrival(arrival_id: int) -> None:
    """Remove its files from quarantine once nobody waits for them. Doing it twice changes nothing."""
    arrival = Arrival.objects.get(pk=arrival_id)
    if arrival.stage in (ArrivalStage.TAKEN, ArrivalStage.DISCARDED):
        shutil.rmtree(folder_of(arrival.quarantine), ignore_errors=True)
