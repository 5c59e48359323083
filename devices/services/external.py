"""Segmentations that other programs made: taken into quarantine, chosen from by a person, and asked for like any other (G-SEG-01)."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any
from uuid import uuid4

from devices.imaging.base import Finding, ImagingRefused
from devices.imaging.confined import Segmented, reader, segments
from devices.imaging.labelled import Choice, Segment
from devices.imaging.naming import names_person
from devices.models import Device, Study
from devices.segmentation.external import NAME
from devices.selectors.history import sent_segmentations
from devices.selectors.sources import is_scan
from devices.services.authors import author_of
from devices.services.fitting import DIFFERS, identity_of, matched
from devices.services.held import held_upload, into_quarantine
from devices.services.identity import names_somebody
from devices.services.lifecycle import locked_device
from devices.services.linking import LinkNeeded, link_of_segmentation, sign_link
from devices.services.segmentations import request_segmentation, segmentable, set_aside
from devices.services.studies import quarantine_path, remove, upload_digest
from mes.eventlog.base import Actor
from mes.eventlog.unit import unit_of_work
from mes.exceptions import Conflict, InvalidInput, Reason, TransitionRefused
from mes.permissions import require
from mes.services.signatures import Credentials

START = "devices.start_segmentation"
RULE = "G-SEG-01"


@unit_of_work
def _may_be_segmented(device_id: int, actor: Actor) -> None:
    device = locked_device(device_id)
    require(actor, START, device)
    _voxels_of(device)


def _voxels_of(device: Device) -> Study:
    """The images of a locked device. A segmentation of them that is not approved yet is in nobody's way: it is set aside for another."""
    study = segmentable(device, unapproved_stands=False)
    if is_scan(study):
        raise TransitionRefused(
            f"{device.code} begins with a surface scan, which has no voxels that could be labelled.",
            cure="Send in another scan if this one is not good enough.",
            rule=RULE,
        )
    return study


def hold_segmentation(upload: Path, device: Device, actor: Actor) -> str:
    """Move a segmentation into quarantine until somebody chose of its segments. Returns its token.

    Raises InvalidInput for what is none, with every reason, and what `start_from_file` raises for a device that may not be segmented
    now; then it stays where it is.
    """
    _may_be_segmented(device.pk, actor)
    upload_digest(upload)
    _read(upload, device)
    return into_quarantine(upload, device, actor)


def segments_of(token: str, device: Device, actor: Actor) -> Segmented:
    """What the held file of a token says of itself. Raises Conflict where it is gone, of another device or somebody else's."""
    return _read(held_upload(token, device, actor), device)


def told_segment(segment: Segment) -> str:
    """In words, what a person tells one segment of a file from another by."""
    named = f"{segment.number}: {segment.label}" if segment.label else f"Label {segment.number}"
    by = " by ".join(part for part in (segment.algorithm.lower(), segment.algorithm_name) if part)
    counted = f"{segment.voxels:,} voxels" if segment.voxels is not None else ""
    return ", ".join(part for part in (named, by, counted) if part)


def link_to_sign(token: str, device: Device, actor: Actor) -> dict[str, Any]:
    """What is signed for a held file that names no patient. Raises Conflict like `segments_of`, and where there are no images any more."""
    study = device.current_study
    if study is None:
        raise Conflict(f"{device.code} has no images.", cure="Send in images first.", rule="G-IMG-01")
    return link_of_segmentation(device, study, upload_digest(held_upload(token, device, actor)))


def start_from_file(
    *, device: Device, token: str, choice: Choice, actor: Actor, credentials: Credentials | None = None
) -> Device:
    """Ask for the segmentation that the chosen segments of a held file are. The person becomes its author. One that is not approved yet
    is set aside.

    credentials: of the person who says by signature whose a file is that names no patient; otherwise nothing is signed.
    Raises InvalidInput with every fault of the choice, LinkNeeded where such a file comes without credentials, TransitionRefused with
    every gate that blocks, Conflict like `segments_of`; then the file goes on waiting.
    """
    held = held_upload(token, device, actor)
    found = _read(held, device)
    if faults := _faults(found, choice):
        raise InvalidInput(faults)
    named = names_somebody(found.identity)
    if not named and credentials is None:
        raise LinkNeeded
    digest = upload_digest(held)
    name = f"segmentation-{uuid4()}"
    shutil.move(held, quarantine_path(name))
    try:
        return _request(device.pk, name, choice, actor, "" if named else digest, credentials)
    except BaseException:
        shutil.move(quarantine_path(name), held)
        raise


@unit_of_work
def _request(
    device_id: int, name: str, choice: Choice, actor: Actor, unnamed: str, credentials: Credentials | None
) -> Device:
    """unnamed: the digest of a file that names no patient; "" where it names one."""
    device = locked_device(device_id)
    require(actor, START, device)
    study = _voxels_of(device)
    set_aside(device, actor, reason="A segmentation of another program was chosen in its place.")
    asked: dict[str, Any] = {
        "upload": name,
        "segments": sorted(set(choice.segments)),
        "threshold": choice.threshold,
        "resample": choice.resample,
    }
    if unnamed:
        signature = sign_link(device, study, unnamed, actor, credentials)
        asked["link"] = {"signature": signature.pk, "upload": unnamed}
    request_segmentation(device, study, author_of(actor), actor, {NAME: asked}, segmenter=NAME)
    return device


def _read(upload: Path, device: Device) -> Segmented:
    """Without the words that name the patient. What names somebody else is not shown at all (G-ORD-05)."""
    try:
        identity = identity_of(device.order.patient)
        with reader(upload.parent) as child:
            found = segments(child, upload)
        matched(identity, found.identity)
    except ImagingRefused as refusal:
        raise InvalidInput([Reason(one.message, one.cure, _rule(one)) for one in refusal.findings]) from None
    return _unnamed(found, partial(names_person, identity))


def _rule(finding: Finding) -> str:
    return finding.code if finding.code == DIFFERS else RULE


def _unnamed(found: Segmented, names: Callable[[str], bool]) -> Segmented:
    def kept(text: str) -> str:
        return "" if names(text) else text

    return replace(
        found,
        segments=tuple(
            replace(one, label=kept(one.label), algorithm_name=kept(one.algorithm_name))
            for one in found.segments
        ),
        maker={name: said for name, said in found.maker.items() if not names(said)},
    )


def _faults(found: Segmented, choice: Choice) -> list[Reason]:
    faults = []
    if not choice.segments:
        faults.append(Reason("No segment was chosen.", "Choose the ones that are the anatomy.", RULE))
    if not set(choice.segments) <= {one.number for one in found.segments}:
        faults.append(Reason("The file has no such segment.", "Choose from those that it has.", RULE))
    fractional = found.kind == "fractional"
    if fractional and not (choice.threshold is not None and 0.0 < choice.threshold <= 1.0):
        text = "The file holds fractions, and no threshold above 0 and up to 1 was stated."
        faults.append(Reason(text, "State from which fraction on a voxel is inside, such as 0.5.", RULE))
    if not fractional and choice.threshold is not None:
        faults.append(Reason("The file holds no fractions.", "Leave the threshold out.", RULE))
    return faults


def discard_sent_segmentations(device_id: int) -> None:
    """Remove from quarantine what nobody waits for any more, with whatever identity it carries. Doing it twice changes nothing."""
    for name in sent_segmentations(Device.objects.get(pk=device_id)):
        remove(quarantine_path(name))
