"""Images on their way in: into quarantine, and then accepted or refused with every finding."""

from __future__ import annotations

import hashlib
import os
import shutil
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path
from typing import Any
from uuid import UUID, uuid4

from django.conf import settings

from devices.choices import DesignStatus, SegmentationStatus, Stage, StudyStatus
from devices.events import ImagesAccepted, ImagesRefused, Reasons, StudyReceived
from devices.imaging.scans import Declared, declared_as_json, declared_faults
from devices.models import Device, Study
from devices.selectors.external import parts_waiting
from devices.selectors.history import segmentations_waiting
from devices.selectors.sources import SOURCES, SURFACE, VOLUME, sources_of
from devices.services.identity import IdentityMatch
from devices.services.lifecycle import locked_device, record_progress, refuse_held, refuse_made
from devices.services.voiding import void_design_work
from mes.choices import Meaning
from mes.eventlog.base import Actor
from mes.eventlog.unit import unit_of_work
from mes.exceptions import Conflict, InvalidInput, Reason, TransitionRefused
from mes.lifecycle import ask_gates
from mes.models import Signature
from mes.permissions import require
from mes.services.patients import refuse_erased
from mes.services.signatures import Credentials, sign

CHUNK = 1 << 20
MAX_FILES = 20_000
RECEIVED, PARCELS = "received", "parcels"
"""Folders of quarantine that others look after: `devices.services.arrivals` and `devices.services.parcels`."""
SYSTEM = Actor.system("imaging")


@dataclass(frozen=True)
class ImagesRead:
    """What reading an upload gave. Digests name files that are in the artefact store already.

    facts: the study's columns.  volume, surface: one of them, where anything is stored.  deidentification: the report, {} where it was not run (G-IMG-03).
    """

    match: IdentityMatch
    facts: dict[str, Any] = field(default_factory=dict)
    deidentification: dict[str, Any] = field(default_factory=dict)
    series_sha256: str | None = None
    volume_sha256: str | None = None
    surface_sha256: str | None = None
    refusals: Reasons = field(default_factory=list)

    @property
    def stored(self) -> bool:
        return bool(self.volume_sha256 or self.surface_sha256)


def received_folder() -> Path:
    """Where studies lie that came in by themselves; `devices.services.arrivals` looks after it."""
    return Path(settings.QUARANTINE_DIR) / RECEIVED


def quarantine_path(name: UUID | str) -> Path:
    """Where an upload lies: under a random name, never the sender's."""
    return Path(settings.QUARANTINE_DIR) / str(name)


def receive_study(
    *,
    device_id: int,
    upload: Path,
    actor: Actor,
    original_name: str = "",
    link_confirmed: bool = False,
    credentials: Credentials | None = None,
    series: str = "",
    declared: Declared | None = None,
    then: Callable[[Study], None] | None = None,
) -> Study:
    """Take a file or folder of images for a device. It is moved away from `upload` into quarantine.

    link_confirmed: the receiver vouches, by signature (VERIFIED) over the digest that was shown (ES-19), that images
    without identifiers are of this patient; see `devices.services.held`.
    series: the key of the one to use, where the upload holds several (`devices.imaging.series.series_key`).
    declared: of a surface scan, what its sender says of it; without it the upload is read as images.
    then: what belongs to the same transaction.
    Raises InvalidInput for an empty upload and a scan of which too little is said, TransitionRefused where the device takes no images; then `upload` stays.
    """
    refuse_undeclared(declared)
    digest = upload_digest(upload)
    name = uuid4()
    place = quarantine_path(name)
    place.parent.mkdir(parents=True, exist_ok=True)
    shutil.move(upload, place)
    try:
        return _record_received(
            device_id, name, digest, actor, link_confirmed, credentials, series, declared, then
        )
    except BaseException:
        shutil.move(place, upload)
        raise


def refuse_undeclared(declared: Declared | None) -> None:
    """Raises InvalidInput with everything that a sender has to say otherwise of a surface scan."""
    faults = [Reason(text, cure, "G-IMG-01") for text, cure in declared_faults(declared)] if declared else []
    if faults:
        raise InvalidInput(faults)


def upload_digest(upload: Path) -> str:
    """SHA-256 over the content of every file, in the order of their digests; links are not followed.

    It is what a person signs who vouches for the images (`link_content`). Raises InvalidInput for what is no upload.
    """
    if upload.is_symlink() or not upload.exists():
        raise InvalidInput("The upload is missing.", cure="Send it again.", rule="G-IMG-01")
    files = [upload] if upload.is_file() else [path for path in upload.rglob("*") if not path.is_dir()]
    if any(path.is_symlink() or not path.is_file() for path in files):
        raise InvalidInput("The upload holds something that is not a plain file.", cure="Send plain files.")
    if len(files) > MAX_FILES:
        raise InvalidInput(f"The upload holds more than {MAX_FILES} files.", cure="Send one series.")
    if not any(path.stat().st_size for path in files):
        raise InvalidInput(
            "The upload is empty.", cure="Send the series as the scanner exported it.", rule="G-IMG-01"
        )
    digests = sorted(_file_digest(path) for path in files)
    return hashlib.sha256("".join(digests).encode()).hexdigest()


def _file_digest(path: Path) -> str:
    with path.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()


def link_content(device: Device, upload_digest: str, declared: Declared | None = None) -> dict[str, Any]:
    """What the receiver of images without identifiers signs; of a scan, also what they say of it."""
    said = {"scan": declared_as_json(declared)} if declared else {}
    return {
        **said,
        "record": "link of images to a patient",
        "device": device.code,
        "patient": device.order.patient.token,
        "upload": upload_digest,
    }


@unit_of_work
def _record_received(
    device_id: int,
    name: UUID,
    digest: str,
    actor: Actor,
    link_confirmed: bool,
    credentials: Credentials | None,
    series: str,
    declared: Declared | None,
    then: Callable[[Study], None] | None,
) -> Study:
    device = locked_device(device_id)
    require(actor, "devices.receive_study", device)
    refuse_out_of_time(device)
    refuse_source(device, declared)
    content = link_content(device, digest, declared)
    signature = _confirmation(device, content, actor, credentials) if link_confirmed else None
    study = Study.objects.create(
        device=device,
        quarantine=name,
        link_confirmed=link_confirmed,
        # What no person sent in is answered for by whoever asked for the device.
        received_by_id=actor.person_id or device.order.created_by_id,
        source_digest=digest,
        declared=declared_as_json(declared) if declared else None,
    )
    if device.current_study is None or device.current_study.status != StudyStatus.ACCEPTED:
        device.current_study = study
    event = StudyReceived(
        device_id=device.pk,
        study_id=study.pk,
        link_confirmed=link_confirmed,
        signature_id=signature.pk if signature else None,
        series=series,
        declared=study.declared,
    )
    record_progress(device, event, "current_study", actor=actor)
    if then is not None:
        then(study)
    return study


def refuse_out_of_time(device: Device) -> None:
    """Raises TransitionRefused where the device takes no images now, Conflict where an upload is being read, IdentityErased
    where nobody can match them any more."""
    refuse_erased(device.order.patient)
    refuse_held(device, "receive_study")
    refuse_made(device, "it takes no images any more")
    if device.stage != Stage.PLANNED:
        raise TransitionRefused(
            f"{device.code} takes no images at '{Stage(device.stage).label}'.",
            cure="Void its design first: a design stands on the images it was made from.",
            rule="G-DES-02",
        )
    if device.studies.filter(status=StudyStatus.RECEIVED).exists():
        raise Conflict("An upload for this device is still being read.", cure="Wait for its result.")


def refuse_source(device: Device, declared: Declared | None) -> None:
    """Raises InvalidInput where the device's master does not take what is sent in."""
    source, takes = SURFACE if declared else VOLUME, sources_of(device.master)
    if source not in takes:
        raise InvalidInput(
            f"{device.master} does not take {SOURCES[source]}.",
            cure=f"Send in {' or '.join(SOURCES[one] for one in takes)}, or order under a master that takes these.",
            rule="G-IMG-01",
        )


def _confirmation(
    device: Device, content: dict[str, Any], actor: Actor, credentials: Credentials | None
) -> Signature:
    if credentials is None:
        raise InvalidInput(
            "Confirming that images are of this patient needs a signature.",
            cure="Type your user id and password.",
            rule="G-ORD-05",
        )
    if not credentials.digest:
        raise InvalidInput(
            "Images are vouched for once their digest was shown.",
            cure="Send them first, read what is answered, then sign its digest.",
            rule="ES-19",
        )
    return sign(
        subject=device,
        content=content,
        meaning=Meaning.VERIFIED,
        actor=actor,
        credentials=credentials,
    )


@unit_of_work
def record_images(*, study_id: int, outcome: ImagesRead) -> Study:
    """Write what reading gave: accepted if nothing refused and every gate of `device.accept_images` passes."""
    device, study = _locked_study(study_id)
    gates = ask_gates("device.accept_images", device, study=study, outcome=outcome)
    refusals = [*outcome.refusals]
    if not refusals:
        refusals = [
            {"code": result.gate, "text": result.reason, "cure": result.cure}
            for result in gates
            if not result.passed
        ]
    if device.stage not in (Stage.PLANNED, Stage.DESIGN_FROZEN):
        refusals.append(
            {"code": "too_late", "text": "The device is in production by now.", "cure": "Unqueue it first."}
        )
    _write_findings(study, outcome, refusals)
    if refusals:
        study.status = StudyStatus.REFUSED
        study.save()
        event = ImagesRefused(device_id=device.pk, study_id=study.pk, reasons=refusals)
        record_progress(device, event, actor=SYSTEM)
        return study
    study.status = StudyStatus.ACCEPTED
    study.series_id, study.volume_id = outcome.series_sha256, outcome.volume_sha256
    study.surface_id = outcome.surface_sha256
    study.save()
    _make_current(device, study)
    accepted = ImagesAccepted(
        device_id=device.pk,
        study_id=study.pk,
        volume_sha256=outcome.volume_sha256 or "",
        surface_sha256=outcome.surface_sha256,
        series_sha256=outcome.series_sha256,
        gates=[result.as_payload() for result in gates],
    )
    record_progress(device, accepted, "current_study", "current_segmentation", "current_design", actor=SYSTEM)
    return study


def _locked_study(study_id: int) -> tuple[Device, Study]:
    device = locked_device(Study.objects.values_list("device_id", flat=True).get(pk=study_id))
    study = Study.objects.select_for_update().get(pk=study_id)
    if study.status != StudyStatus.RECEIVED:
        raise Conflict("This upload was read already.")
    return device, study


def _write_findings(study: Study, outcome: ImagesRead, refusals: Reasons) -> None:
    """What reading found, and every reason of a refusal that is not among it. Names of identifiers, never values."""
    for name, value in outcome.facts.items():
        setattr(study, name, value)
    said = {(finding["code"], finding["message"]) for finding in study.findings}
    study.findings = study.findings + [
        {"code": one["code"], "severity": "error", "message": one["text"], "cure": one["cure"]}
        for one in refusals
        if (one["code"], one["text"]) not in said
    ]
    study.matched = list(outcome.match.matched)
    study.deidentification = outcome.deidentification


def _make_current(device: Device, study: Study) -> None:
    """New images: what was made from the old ones no longer counts."""
    segmentation = device.current_segmentation
    if segmentation is not None and segmentation.status in (
        SegmentationStatus.RECORDED,
        SegmentationStatus.APPROVED,
    ):
        segmentation.status = SegmentationStatus.SUPERSEDED
        segmentation.save(update_fields=["status"])
    if device.current_design is not None and device.current_design.status != DesignStatus.VOIDED:
        void_design_work(device, device.current_design, actor=SYSTEM, reason="New images were accepted.")
    device.current_study, device.current_segmentation, device.current_design = study, None, None


def discard_upload(study_id: int) -> None:
    """Remove the original from quarantine once its outcome is in the record. Doing it twice changes nothing."""
    study = Study.objects.get(pk=study_id)
    if study.status == StudyStatus.RECEIVED:
        raise TransitionRefused("This upload was not read yet.", rule="G-IMG-03")
    remove(quarantine_path(study.quarantine))


def remove(path: Path) -> None:
    """Remove a file or folder; nothing where it is gone."""
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path)
    elif path.exists() or path.is_symlink():
        os.unlink(path)


def sweep_quarantine(*, older_than: timedelta = timedelta(days=1)) -> int:
    """Remove what nobody waits for: uploads that a crash left behind, with whatever identity they carry. Returns how many."""
    waiting = {
        str(name)
        for name in Study.objects.filter(status=StudyStatus.RECEIVED).values_list("quarantine", flat=True)
    }
    waiting |= segmentations_waiting() | parts_waiting()
    before = time.time() - older_than.total_seconds()
    folder = Path(settings.QUARANTINE_DIR)
    found = list(folder.iterdir()) if folder.is_dir() else []
    left = [
        path
        for path in found
        if path.name not in waiting | {RECEIVED, PARCELS} and path.lstat().st_mtime < before
    ]
    for path in left:
        remove(path)
    return len(left)
