"""Uploads that wait for a signature. One that carries no identifiers is taken into quarantine first, so that its digest,
and what its headers say, can be shown before somebody vouches for it (ES-19). Nobody refers to it but whoever sent it, by
a signed token; what nobody signs is swept from quarantine like every upload that was left behind."""

from __future__ import annotations

import shutil
from dataclasses import asdict
from pathlib import Path
from typing import Any
from uuid import uuid4

from django.core import signing

from devices.imaging.base import ImagingRefused
from devices.imaging.confined import glanced, read_scan, reader
from devices.imaging.glance import Glance, Seen
from devices.imaging.scans import OWN_AXES, Declared, declared_as_json, declared_from_json
from devices.models import Device, Study
from devices.services.studies import (
    link_content,
    quarantine_path,
    receive_study,
    refuse_out_of_time,
    refuse_source,
    refuse_undeclared,
    upload_digest,
)
from mes.eventlog.base import Actor
from mes.exceptions import Conflict, InvalidInput, Reason
from mes.permissions import require
from mes.services.signatures import Credentials

SALT = "lamina.held-upload"
LONGEST_S = 12 * 60 * 60
RULE = "G-ORD-05"


def hold_upload(upload: Path, device: Device, actor: Actor, declared: Declared | None = None) -> str:
    """Move an upload into quarantine until it is signed for. Returns its token. Raises InvalidInput where it is
    empty or cannot be opened, NotPermitted for who takes no images, TransitionRefused for a device that takes none now;
    then it stays where it is."""
    require(actor, "devices.receive_study", device)
    refuse_out_of_time(device)
    refuse_undeclared(declared)
    refuse_source(device, declared)
    upload_digest(upload)
    seen_upload(upload, declared)
    return into_quarantine(upload, device, actor, declared_as_json(declared) if declared else None)


def into_quarantine(
    upload: Path, device: Device, actor: Actor, said: dict[str, Any] | None = None, *, kind: str = SALT
) -> str:
    """Move an upload to where it waits for whoever sent it. kind: what it was taken for; no token of it serves for anything else.
    Returns its token."""
    name = f"held-{uuid4()}"
    quarantine_path(name).parent.mkdir(parents=True, exist_ok=True)
    shutil.move(upload, quarantine_path(name))
    return signing.dumps([name, device.pk, actor.person_id, said], salt=kind)


def held_upload(token: str, device: Device, actor: Actor) -> Path:
    """Where it lies. Raises Conflict where it is gone, too old, of another device or of somebody else."""
    return _held(token, device, actor)[0]


def _held(token: str, device: Device, actor: Actor) -> tuple[Path, Declared | None]:
    place, said = held_with(token, device, actor)
    return place, declared_from_json(said) if said else None


def held_with(
    token: str, device: Device, actor: Actor, *, kind: str = SALT
) -> tuple[Path, dict[str, Any] | None]:
    """Where an upload of this kind lies, and what was said of it. Raises Conflict like `held_upload`."""
    try:
        name, device_id, person_id, said = signing.loads(token, salt=kind, max_age=LONGEST_S)
    except (signing.BadSignature, ValueError):
        raise _gone() from None
    place = quarantine_path(name)
    if (device_id, person_id) != (device.pk, actor.person_id) or not place.exists():
        raise _gone()
    return place, said


def content_to_confirm(token: str, device: Device, actor: Actor) -> dict[str, Any]:
    """What is signed for the upload of a token. Raises Conflict like `held_upload`."""
    upload, declared = _held(token, device, actor)
    return link_content(device, upload_digest(upload), declared)


def choose_series(*, device: Device, token: str, series: str, actor: Actor) -> Study:
    """Send on a held upload that names its patient, with the series that was chosen of it.

    Raises InvalidInput where it has no such series, Conflict like `held_upload`, and what `receive_study` raises.
    """
    upload = held_upload(token, device, actor)
    if series not in dict(series_of(upload)):
        raise InvalidInput("The upload has no such series.", cure="Choose one of the list.", rule="G-IMG-01")
    return receive_study(device_id=device.pk, upload=upload, actor=actor, series=series)


def series_of(upload: Path) -> list[tuple[str, str]]:
    """The CT series of an upload that may be volumes: key and, in words, what a person tells them apart by."""
    return [(image.key, told_apart(image)) for image in _usable(upload)]


def series_offered(upload: Path) -> list[dict[str, Any]]:
    """The same in values, where there is a choice; [] where there is none, or the upload cannot be opened: that is refused on the
    record, when it is read."""
    try:
        usable = _usable(upload)
    except InvalidInput:
        return []
    return [{"told": told_apart(image), **asdict(image)} for image in usable] if len(usable) > 1 else []


def _usable(upload: Path) -> list[Seen]:
    return [image for image in _glance(upload).images if image.usable]


def told_apart(image: Seen) -> str:
    """In words, what a person tells one series of an upload from another by."""
    columns, rows, slices = image.size[:3]
    number = f"Series {image.number}" if image.number is not None else "Series without a number"
    shows = f", {' '.join(image.shows).lower()}" if image.shows else ""
    thick = f", {image.thickness_mm:g} mm thick" if image.thickness_mm is not None else ""
    spacing = f", spacing {' × '.join(f'{mm:.3f}' for mm in image.spacing_mm)} mm" if image.spacing_mm else ""
    uneven = " (unevenly)" if image.uneven else ""
    tilt = f", gantry tilt {image.tilt_degrees:.2f}°" if image.tilt_degrees else ""
    kernel = f", kernel {image.kernel}" if image.kernel else ""
    apart = f"; one of several that differ in {', '.join(image.apart)}" if image.apart else ""
    kind = image.kind.removeprefix("DICOM ")
    return f"{number}: {kind}{shows}, {slices} slices of {columns} × {rows}{thick}{spacing}{uneven}{tilt}{kernel}{apart}"


def confirm_upload(
    *, device: Device, token: str, actor: Actor, credentials: Credentials, series: str = ""
) -> Study:
    """Vouch by signature for a held upload, exactly as it was shown; it goes on to be read.

    Raises Conflict like `held_upload`, and what `receive_study` raises; then it goes on waiting.
    """
    upload, declared = _held(token, device, actor)
    return receive_study(
        device_id=device.pk,
        upload=upload,
        actor=actor,
        link_confirmed=True,
        credentials=credentials,
        series=series,
        declared=declared,
    )


def _gone() -> Conflict:
    return Conflict("This upload no longer waits to be taken.", cure="Send the files again.", rule=RULE)


def shown_held(token: str, device: Device, actor: Actor) -> dict[str, Any]:
    """What is shown of the upload of a token. Raises Conflict like `held_upload`."""
    upload, declared = _held(token, device, actor)
    return seen_upload(upload, declared)


def seen_upload(upload: Path, declared: Declared | None) -> dict[str, Any]:
    """What images say of themselves, or what a scan is with what its sender said of it, in words. Raises InvalidInput where it cannot
    be opened."""
    return shown_scan(upload, declared) if declared else shown_upload(upload)


def shown_scan(upload: Path, declared: Declared) -> dict[str, Any]:
    """Read whole, as far as a person can tell by it that it is the scan they mean. Raises InvalidInput for one that cannot be read."""
    try:
        with reader(upload.parent) as child:
            scan = read_scan(child, upload, declared).facts["acquisition"]
    except ImagingRefused as refusal:
        raise _unopened(refusal) from None
    axes = "the scanner's own" if declared.axes == OWN_AXES else declared.axes
    return {
        "scan": f"{scan['source_format']}, {scan['triangles']:,} triangles, {'closed' if scan['watertight'] else 'open'}",
        "size": f"{' × '.join(f'{mm:.1f}' for mm in scan['extent_mm'])} mm",
        "unit": f"{scan['unit']}, as the {scan['unit_stated_by']} says",
        "axes": axes,
        "scanned_on": str(declared.scanned_on or "not said"),
        "identifiers": "none: a scan is linked to its patient by signature",
    }


def shown_upload(upload: Path) -> dict[str, Any]:
    """What the headers say, in words."""
    found = _glance(upload)
    return {
        "files": found.files,
        "size": f"{found.size_bytes / 1e6:.1f} MB"
        if found.size_bytes >= 1e6
        else f"{found.size_bytes / 1e3:.1f} kB",
        "images": [_said(image) for image in found.images] or "none found",
        **({"other_files": len(found.rejected)} if found.rejected else {}),
        "identifiers": "found: they are compared with the patient's, whatever is signed"
        if found.identified
        else "none",
    }


def _said(image: Seen) -> str:
    if len(image.size) < 3:
        return f"{image.kind}, no stack of slices"
    columns, rows, slices = image.size[:3]
    return f"{image.kind}, {slices} slices of {columns} × {rows}"


def _glance(upload: Path) -> Glance:
    try:
        return glanced(upload)
    except ImagingRefused as refusal:
        raise _unopened(refusal) from None


def _unopened(refusal: ImagingRefused) -> InvalidInput:
    return InvalidInput([Reason(one.message, one.cure, "G-IMG-01") for one in refusal.findings])
