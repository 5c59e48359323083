"""Reading a segmentation that another program made: from quarantine to a mask of the accepted images. Writes nothing."""

from __future__ import annotations

import tempfile
from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any

from cryptography.exceptions import InvalidTag

from devices.imaging.base import Finding, ImagingRefused, PatientIdentifiers, Volume
from devices.imaging.confined import BESIDE, Stored, fit, reader, segments
from devices.imaging.labelled import Choice
from devices.imaging.storage import load_mask
from devices.models import Study
from devices.segmentation.base import Segmentation as Segmented
from devices.segmentation.external import segmentation_of
from devices.services.identity import IdentityMatch, compared
from devices.services.linking import UNLINKED, is_linked
from devices.services.reading import ERASED, LOST, UNREADABLE_IDENTITY, uid_key
from devices.services.studies import quarantine_path, upload_digest
from mes.exceptions import IdentityErased
from mes.models import Patient
from mes.services.artefacts import intact_path
from mes.services.patients import Identity, open_identity

MINIMUM_ML = 0.1
DIFFERS = "G-ORD-05"


def fitted(study: Study, volume: Volume, asked: Mapping[str, Any], section: Mapping[str, Any]) -> Segmented:
    """The segments that a person chose of an upload, as a segmentation of the study's volume.

    asked: the name of the upload, the choice, and the link of a file that names no patient. Raises ImagingRefused, SegmentationRefused. G-ORD-05, G-SEG-01.
    """
    source = quarantine_path(asked["upload"])
    if not source.exists():
        raise ImagingRefused([LOST])
    patient = study.device.order.patient
    choice = Choice(tuple(asked["segments"]), asked["threshold"], asked["resample"])
    with (
        reader(source.parent) as child,
        tempfile.TemporaryDirectory(prefix=".reading-", dir=source.parent) as folder,
    ):
        identity = identity_of(patient)
        match = matched(identity, segments(child, source).identity)
        link = None if match.present else _link(study, source, asked)
        said, path = fit(
            child, source, Path(folder), choice, _stored(study, volume), key=uid_key(patient), identity=asdict(identity)
        )  # fmt: skip
        mask = load_mask(path)
    if mask.shape != volume.shape:
        raise ImagingRefused([BESIDE])
    least = section["parameters"].get("minimum_ml", MINIMUM_ML)
    evidence = {**said, "matched": list(match.matched), **({"link": link} if link else {})}
    return segmentation_of(volume, mask, evidence, minimum_ml=least)


def _link(study: Study, source: Path, asked: Mapping[str, Any]) -> Mapping[str, Any]:
    """The signed link of a file that names no patient. Raises ImagingRefused where there is none that stands, over this very file."""
    link: Mapping[str, Any] | None = asked.get("link")
    if link is None or link["upload"] != upload_digest(source) or not is_linked(study, link):
        raise ImagingRefused([UNLINKED])
    return link


def _stored(study: Study, volume: Volume) -> Stored:
    series = intact_path(str(study.series_id)) if study.source_format == "DICOM" else None
    return Stored(intact_path(str(study.volume_id)), volume.shape, series)


def identity_of(patient: Patient) -> Identity:
    """Raises ImagingRefused where nobody can compare with it any more."""
    try:
        return open_identity(patient)
    except InvalidTag:
        raise ImagingRefused([UNREADABLE_IDENTITY]) from None
    except IdentityErased:
        raise ImagingRefused([ERASED]) from None


def matched(identity: Identity, stated: PatientIdentifiers) -> IdentityMatch:
    """A file that names somebody has to name the patient, by two identifiers; of one that names nobody a person signs whose it is
    (`devices.services.linking`). Raises ImagingRefused."""
    match = compared(identity, stated)
    if match.present and not match.holds:
        how = match.difference if match.differing else "fewer than two identifiers agree"
        raise ImagingRefused([
            Finding(
                DIFFERS, "error", f"The segmentation does not name the order's patient: {how}.",
                "Check the patient and send in the right file; tell the privacy officer if it is somebody else's.",
            )
        ])  # fmt: skip
    return match
