"""Reading an upload: from quarantine to a calibrated, de-identified volume. Computes, and writes only to the artefact store."""

from __future__ import annotations

import tempfile
from collections.abc import Iterable
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
from cryptography.exceptions import InvalidTag
from django.utils import timezone

from devices.events import Reasons
from devices.generators.dental.marks import packed_labels
from devices.imaging.base import Finding, ImagingRefused, refuse_on_error
from devices.imaging.calibration import date_findings
from devices.imaging.confined import Asked, Found, keep, keep_scan, read, read_scan, reader
from devices.imaging.scans import declared_from_json
from devices.mesh.io import read_mesh
from devices.models import Study
from devices.planning.base import PlanRefused
from devices.planning.marks import unpacked
from devices.services.identity import IdentityMatch, compared
from devices.services.studies import ImagesRead, quarantine_path
from mes.exceptions import IdentityErased
from mes.models import Patient
from mes.services.artefacts import store_artefact
from mes.services.patients import open_identity, pseudonym_key

VOLUME_TYPE, SURFACE_TYPE = "application/x-npz", "model/stl"
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
UNKNOWN_TEETH = Finding(
    "bad_labels",
    "error",
    "A label that came with the scan is no permanent tooth.",
    "Name teeth by FDI numbers, 11 to 48, and the gum 0.",
)
LOST = Finding("upload_lost", "error", "The upload is no longer in quarantine.", "Send the images again.")


def read_study(study_id: int, series: str = "") -> ImagesRead:
    """series: the key of the one that the sender chose, where the upload holds several.

    Read in a process of its own, match against the vault, then de-identify and store; images that do not match are not
    stored at all."""
    study = Study.objects.select_related("device__order__patient").get(pk=study_id)
    source = quarantine_path(study.quarantine)
    if not source.exists():
        return ImagesRead(IdentityMatch(), refusals=_reasons([LOST]))
    try:
        with reader(source.parent) as child:
            found = _read(child, study, source, series)
            acquired_on = found.facts["acquired_on"]
            refuse_on_error([*found.findings, *date_findings(acquired_on, timezone.localdate())])
            return _stored(study, found, child, source)
    except ImagingRefused as refusal:
        facts = {"findings": [asdict(finding) for finding in refusal.findings]}
        return ImagesRead(IdentityMatch(), facts=facts, refusals=_reasons(refusal.findings))


def _read(child: Asked, study: Study, source: Path, series: str) -> Found:
    if study.declared is None:
        return read(child, source, series)
    return read_scan(child, source, declared_from_json(study.declared))


def _stored(study: Study, found: Found, child: Asked, source: Path) -> ImagesRead:
    patient = study.device.order.patient
    facts = {"findings": [asdict(finding) for finding in found.findings], **found.facts}
    try:
        identity = open_identity(patient)
    except InvalidTag:
        return ImagesRead(IdentityMatch(), facts=facts, refusals=_reasons([UNREADABLE_IDENTITY]))
    except IdentityErased:
        return ImagesRead(IdentityMatch(), facts=facts, refusals=_reasons([ERASED]))
    match = compared(identity, found.identity)
    if match.differing or not (match.holds or (study.link_confirmed and not match.present)):
        return ImagesRead(match, facts=facts)
    with tempfile.TemporaryDirectory(prefix=".reading-", dir=source.parent) as folder:
        if study.declared is not None:
            return _stored_scan(child, Path(folder), match, facts)
        report, series, volume = keep(child, Path(folder), key=uid_key(patient), identity=asdict(identity))
        kept = store_artefact(series, media_type=SERIES_TYPES[found.facts["source_format"]])
        calibrated = store_artefact(volume, media_type=VOLUME_TYPE)
    return ImagesRead(
        match,
        facts=facts,
        deidentification=report,
        series_sha256=kept.sha256,
        volume_sha256=calibrated.sha256,
    )


def _stored_scan(child: Asked, folder: Path, match: IdentityMatch, facts: dict[str, Any]) -> ImagesRead:
    """Labels stand in the facts in the form that a plan has them, for the surface as it is stored."""
    scan, surface = keep_scan(child, folder)
    if scan.labels is not None:
        try:
            teeth = packed_labels(read_mesh(surface), np.array(scan.labels, dtype=np.int16))
            unpacked(teeth["labels"])
        except PlanRefused:
            return ImagesRead(match, facts=facts, refusals=_reasons([UNKNOWN_TEETH]))
        facts = {**facts, "acquisition": {**facts["acquisition"], "teeth": teeth}}
    kept = store_artefact(surface, media_type=SURFACE_TYPE)
    return ImagesRead(match, facts=facts, deidentification=scan.report, surface_sha256=kept.sha256)


def uid_key(patient: Patient) -> bytes:
    """One key for each patient: their images keep fitting together, and only the vault's holder can go back."""
    return pseudonym_key(patient, "uids of images")


def _reasons(findings: Iterable[Finding]) -> Reasons:
    return [
        {"code": finding.code, "text": finding.message, "cure": finding.cure}
        for finding in findings
        if finding.severity == "error"
    ]
