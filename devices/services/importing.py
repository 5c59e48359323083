"""Images brought in at the machine itself: a folder, a zip or one file, for the devices of an order.

The way is that of every upload: quarantine, reading, matching, de-identification, and every gate. The source stays where it
is; what goes into quarantine is a copy under numbers, because files are named after patients.
"""

from __future__ import annotations

import shutil
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from django.conf import settings

from devices.choices import StudyStatus
from devices.imaging.base import ImagingRefused, RejectedFile
from devices.imaging.confined import glanced
from devices.imaging.glance import Glance
from devices.imaging.scans import Declared
from devices.models import Device, Order, Study
from devices.selectors.devices import device_id_of, devices
from devices.selectors.history import READING
from devices.selectors.orders import order_id_of
from devices.selectors.waiting import devices_awaiting_images
from devices.services.held import seen_upload, told_apart
from devices.services.studies import (
    link_content,
    receive_study,
    refuse_source,
    refuse_undeclared,
    upload_digest,
)
from mes.compiled import by_key
from mes.eventlog.base import Actor
from mes.eventlog.relay import deliver_here
from mes.exceptions import Conflict, InvalidInput, Reason
from mes.models import Account, Delivery, DeliveryStatus
from mes.services.signatures import Credentials, content_digest
from mes.text import username_read

CONSOLE = Actor.system("console")
LONGEST_S = 3600.0
LOOK_AGAIN_S = 0.5
Told = Callable[[str], None]


@dataclass(frozen=True)
class Vouching:
    """A surface scan, and who signs that it is this patient's. secret: asks them for their password once they were told what they sign."""

    declared: Declared
    username: str
    secret: Callable[[dict[str, Any]], str]


def import_scan(*, source: Path, order: str, told: Told, by: Vouching, device: str = "") -> Iterator[Study]:
    """Send a surface scan in for each device of an order that waits, signed for one by one, and wait until it is read.

    Raises as `import_study` does, InvalidInput for a scan that cannot be read or of which too little is said, and SignatureRefused.
    """
    refuse_undeclared(by.declared)
    for one in _receivers(order, device):
        refuse_source(one, by.declared)
        with _copied(source, told) as upload:
            # Whoever types their password is not talked to meanwhile.
            told("")
            study = _signed_for(one, upload, by)
        told(f"{one.code}: reading the scan")
        yield _read(study)


def _signed_for(device: Device, upload: Path, by: Vouching) -> Study:
    content = link_content(device, upload_digest(upload), by.declared)
    secret = by.secret({"device": device.code, **seen_upload(upload, by.declared)})
    return receive_study(
        device_id=device.pk,
        upload=upload,
        actor=_actor_named(by.username),
        link_confirmed=True,
        credentials=Credentials(by.username, secret, content_digest(content)),
        declared=by.declared,
    )


def _actor_named(username: str) -> Actor:
    """Nobody is told by this whether there is such an account: the signature is refused then."""
    account = Account.objects.filter(username=username_read(username), is_active=True).first()
    return Actor.person(account.person_id) if account and account.person_id else CONSOLE


def import_study(
    *, source: Path, order: str, told: Told, device: str = "", series: str = ""
) -> Iterator[tuple[Study, tuple[RejectedFile, ...]]]:
    """Send images in for each device of an order that waits for some, and wait until they are read.

    device: the code of the only one to send them to, whether it waits or not.  series: the key of the one to use.
    told: hears what is being done.  Yields each study, accepted or refused, with the files that are no part of any volume.
    Raises InvalidInput for an order, device or series that is not there and for what cannot be opened, Conflict where nobody
    reads the images in time, and what `receive_study` raises.
    """
    for one in _receivers(order, device):
        with _copied(source, told) as upload:
            told("looking through the headers")
            seen = _looked_through(upload, series)
            study = receive_study(device_id=one.pk, upload=upload, actor=CONSOLE, series=series)
        told(f"{one.code}: reading the images")
        yield _read(study), seen.rejected


def _receivers(order: str, device: str) -> list[Device]:
    row = by_key(Order, order_id_of(order))
    if row is None:
        raise InvalidInput(f"There is no order {order[:20]}.", cure="Look at the list of orders again.")
    if device:
        found = list(devices().filter(order=row, pk=device_id_of(device)))
        if not found:
            raise InvalidInput(
                f"{row.code} has no device {device[:20]}.", cure="Look at the order's page again."
            )
        return found
    found = list(devices_awaiting_images().filter(order=row))
    if not found:
        raise InvalidInput(
            f"No device of {row.code} waits for images.",
            cure="Have the order accepted first; or name the device whose images these replace.",
            rule="G-IMG-01",
        )
    return found


@contextmanager
def _copied(source: Path, told: Told) -> Iterator[Path]:
    """The source as one path in the place of uploads, gone afterwards if nobody took it."""
    files = _plain_files(source)
    place = Path(settings.QUARANTINE_DIR)
    place.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix=".import-", dir=place) as scratch:
        folder = Path(scratch) / "files"
        folder.mkdir()
        for number, path in enumerate(files, 1):
            told(f"copying file {number} of {len(files)}")
            shutil.copyfile(path, folder / f"{number:06d}", follow_symlinks=False)
        yield folder / "000001" if source.is_file() else folder


def _plain_files(source: Path) -> list[Path]:
    """In the order of their names. Links are refused, as in every upload."""
    if not source.exists() or source.is_symlink():
        raise InvalidInput(
            "There is no such file or folder.", cure="Name a folder, a zip or an image.", rule="G-IMG-01"
        )
    found = [source] if source.is_file() else sorted(path for path in source.rglob("*") if not path.is_dir())
    if any(path.is_symlink() or not path.is_file() for path in found):
        raise InvalidInput("The folder holds something that is not a plain file.", cure="Send plain files.")
    if not found:
        raise InvalidInput("The folder is empty.", cure="Name the folder of the series.", rule="G-IMG-01")
    return found


def _looked_through(upload: Path, series: str) -> Glance:
    """Nothing is recorded of an upload that cannot be opened, or of whose series somebody has to choose one first."""
    try:
        seen = glanced(upload)
    except ImagingRefused as refusal:
        reasons = [Reason(one.message, one.cure, "G-IMG-01") for one in refusal.findings]
        raise InvalidInput(reasons) from None
    usable = {image.key: told_apart(image) for image in seen.images if image.usable}
    if (series and series not in usable) or (not series and len(usable) > 1):
        said = [f"{key}: {words}" for key, words in usable.items()]
        text = "There is no series of this key." if series else "There are several series to choose from."
        raise InvalidInput(
            [Reason(text, "Name one by its key.", "G-IMG-01"), *(Reason(line) for line in said)]
        )
    return seen


def _read(study: Study) -> Study:
    """Read here, or wait for who has begun. A reading that failed for good waits for an operator."""
    lane = (READING, "devices.device", str(study.device_id))
    until = time.monotonic() + LONGEST_S
    while study.status == StudyStatus.RECEIVED:
        deliver_here(lane)
        study.refresh_from_db()
        if study.status != StudyStatus.RECEIVED:
            break
        if time.monotonic() > until or _given_up(lane):
            raise Conflict(
                "The images arrived, and were not read.",
                cure="An operator sees why among the deliveries, and tries again there.",
            )
        time.sleep(LOOK_AGAIN_S)
    return study


def _given_up(lane: tuple[str, str, str]) -> bool:
    handler, kind, key = lane
    dead = Delivery.objects.filter(handler=handler, stream_type=kind, stream_id=key)
    return dead.filter(status=DeliveryStatus.DEAD).exists()
