"""Reading an upload: from quarantine to a calibrated, de-identified volume. Computes, and writes only to the artefact store."""

from __future__ import annotations

import tempfile
from collections.abc import Iterable
from dataclasses import asdict
from functools import partial
from pathlib import Path
from typing import Any

from cryptography.exceptions import InvalidTag
from django.utils import timezone

from devices.events import Reasons
from devices.imaging.base import Finding, ImagingRefused, ReadImages, Volume, refuse_on_error
from devices.imaging.calibration import date_findings
from devices.imaging.deidentify import deidentify
from devices.imaging.intake import read_images
from devices.imaging.storage import save_volume
from devices.models import Study
from devices.services.identity import IdentityMatch, match_identity, names_person
from devices.services.studies import ImagesRead, quarantine_path
from mes.eventlog.base import plain
from mes.exceptions import IdentityErased
from mes.models import Patient
from mes.services.artefacts import store_artefact
from mes.services.patients import open_identity, pseudonym_key

VOLUME_TYPE = "application/x-npz"
SERIES_TYPES = {"DICOM": "application/zip", "NIfTI": "application/x-nifti"}
UNREADABLE_IDENTITY = Finding(
    "identity_unreadable",
    "error",
    "The patient's identity in the vault is not as it was sealed, so the images cannot be compared with it.",
    "Tell the system's operator, who runs verify and restores it from a backup. Send the images again then.",
)
ERASED = Finding(
    "identity_erased",
    "error",
    "The patient's identity was erased, so the images cannot be compared with it. They are not kept.",
    "Make nothing of this device. For new work, register the patient anew and write a new order.",
)
LOST = Finding("upload_lost", "error", "The upload is no longer in quarantine.", "Send the images again.")


def read_study(study_id: int, series: str = "") -> ImagesRead:
    """series: the key of the one that the sender chose, where the upload holds several.

    Read, match against the vault, then de-identify and store; images that do not match are not stored at all."""
    study = Study.objects.select_related("device__order__patient").get(pk=study_id)
    source = quarantine_path(study.quarantine)
    if not source.exists():
        return ImagesRead(IdentityMatch(), refusals=_reasons([LOST]))
    try:
        images = read_images(source, series_uid=series or None)
        acquired_on = images.volume.acquisition.acquired_on
        refuse_on_error([*images.findings, *date_findings(acquired_on, timezone.localdate())])
        return _stored(study, images, source)
    except ImagingRefused as refusal:
        facts = {"findings": [asdict(finding) for finding in refusal.findings]}
        return ImagesRead(IdentityMatch(), facts=facts, refusals=_reasons(refusal.findings))


def _stored(study: Study, images: ReadImages, source: Path) -> ImagesRead:
    patient, facts = study.device.order.patient, _facts(images)
    try:
        match = match_identity(patient, images.identity)
    except InvalidTag:
        return ImagesRead(IdentityMatch(), facts=facts, refusals=_reasons([UNREADABLE_IDENTITY]))
    except IdentityErased:
        return ImagesRead(IdentityMatch(), facts=facts, refusals=_reasons([ERASED]))
    if match.differing or not (match.holds or (study.link_confirmed and not match.present)):
        return ImagesRead(match, facts=facts)
    with tempfile.TemporaryDirectory(prefix=".reading-", dir=source.parent) as folder:
        series, volume = Path(folder) / "series", Path(folder) / "volume.npz"
        report = deidentify(
            images,
            source,
            series,
            key=_uid_key(patient),
            names=partial(names_person, open_identity(patient)),
        )
        save_volume(images.volume, volume)
        kept = store_artefact(series, media_type=SERIES_TYPES[images.volume.acquisition.source_format])
        calibrated = store_artefact(volume, media_type=VOLUME_TYPE)
    return ImagesRead(
        match,
        facts=facts,
        deidentification=dict(plain(asdict(report))),
        series_sha256=kept.sha256,
        volume_sha256=calibrated.sha256,
    )


def _uid_key(patient: Patient) -> bytes:
    """One key for each patient: their images keep fitting together, and only the vault's holder can go back."""
    return pseudonym_key(patient, "uids of images")


def _facts(images: ReadImages) -> dict[str, Any]:
    volume = images.volume
    acquisition = volume.acquisition
    k, j, i = volume.shape
    return {
        "findings": [asdict(finding) for finding in images.findings],
        "source_format": acquisition.source_format,
        "modality": acquisition.modality or "",
        "acquired_on": acquisition.acquired_on,
        "slices": k,
        "rows": j,
        "columns": i,
        "spacing_mm": [*volume.spacing_ij, volume.slice_spacing_mm],
        "widest_slice_step_mm": _widest_step(volume),
        "tilt_degrees": volume.tilt_degrees,
        "acquisition": plain(asdict(acquisition)),
    }


def _widest_step(volume: Volume) -> float:
    """A missing slice shows as a step twice as wide."""
    return float(volume.slice_spacings_mm.max())


def _reasons(findings: Iterable[Finding]) -> Reasons:
    return [
        {"code": finding.code, "text": finding.message, "cure": finding.cure}
        for finding in findings
        if finding.severity == "error"
    ]
