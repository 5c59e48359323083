"""Images on their way in: quarantine, match, de-identification, and every refusal with nothing half-written."""

from __future__ import annotations

import io
import json
import os
import time
import zipfile
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from django.conf import settings
from django.utils import timezone

from devices.choices import DesignStatus, Stage
from devices.imaging.nifti import write_nifti
from devices.imaging.storage import load_volume
from devices.models import Design, Device, Segmentation, Study
from devices.services.holds import hold_device
from devices.services.reading import read_study
from devices.services.studies import (
    discard_upload,
    link_content,
    quarantine_path,
    receive_study,
    record_images,
    sweep_quarantine,
    upload_digest,
)
from mes.choices import Role
from mes.eventlog.unit import unit_of_work
from mes.exceptions import (
    Conflict,
    IdentityErased,
    InvalidInput,
    NotPermitted,
    SignatureRefused,
    TransitionRefused,
)
from mes.models import Artefact, EventRecord, PatientIdentity, Signature
from mes.services.artefacts import artefact_path
from mes.services.erasure import shred_identity
from mes.services.signatures import content_digest
from tests.devices.makers import (
    IDENTITY,
    SETUP,
    Staff,
    freeze_design_of,
    make_device,
    make_person,
    make_planned,
    make_upload,
    small_skull,
)

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def artefacts(tmp_path: Path, settings: Any) -> None:
    settings.ARTEFACTS_DIR = tmp_path / "artefacts"
    settings.QUARANTINE_DIR = tmp_path / "quarantine"


def receive(device: Device, upload: Path, staff: Staff, **arguments: Any) -> Study:
    return receive_study(device_id=device.pk, upload=upload, actor=staff[Role.IMG].actor, **arguments)


def read(study: Study) -> Study:
    record_images(study_id=study.pk, outcome=read_study(study.pk))
    return Study.objects.get(pk=study.pk)


def refusals() -> list[str]:
    record = EventRecord.objects.filter(type="devices.images_refused").latest("pos")
    return [reason["code"] for reason in json.loads(record.payload)["reasons"]]


def quarantined() -> list[Path]:
    folder = Path(settings.QUARANTINE_DIR)
    return [path for path in folder.iterdir() if not path.name.startswith(".")] if folder.exists() else []


# --- at the door


def test_an_upload_goes_into_quarantine_under_a_random_name(tmp_path: Path) -> None:
    staff = Staff()
    device, upload = make_planned(staff), make_upload(tmp_path / "Erika Mustermann")
    study = receive(device, upload, staff, original_name="Mustermann^Erika.zip")
    assert not upload.exists()
    assert quarantined() == [quarantine_path(study.quarantine)]
    assert (study.status, study.received_by) == ("received", staff[Role.IMG].person)
    assert Device.objects.get().current_study == study
    payloads = " ".join(EventRecord.objects.values_list("payload", flat=True))
    assert "Mustermann" not in payloads


def _empty_file(folder: Path) -> Path:
    (folder / "empty").touch()
    return folder / "empty"


def _empty_folder(folder: Path) -> Path:
    (folder / "folder").mkdir()
    return folder / "folder"


def _missing(folder: Path) -> Path:
    return folder / "missing"


def _link(folder: Path) -> Path:
    (folder / "link").symlink_to("/etc/hostname")
    return folder / "link"


def _folder_with_link(folder: Path) -> Path:
    place = _empty_folder(folder)
    (place / "a").write_bytes(b"x")
    (place / "b").symlink_to("/etc/hostname")
    return place


@pytest.mark.requirement("G-IMG-01")
@pytest.mark.parametrize("make", [_empty_file, _empty_folder, _missing, _link, _folder_with_link])
def test_what_is_no_upload_is_refused_and_nothing_moves(make: Callable[[Path], Path], tmp_path: Path) -> None:
    staff = Staff()
    device, upload = make_planned(staff), make(tmp_path)
    with pytest.raises(InvalidInput):
        receive(device, upload, staff)
    assert not Study.objects.exists()
    assert quarantined() == []
    assert upload.is_symlink() or upload.exists() or make is _missing


def test_who_may_not_send_images_gets_the_upload_back(tmp_path: Path) -> None:
    staff = Staff()
    device, upload, outsider = make_planned(staff), make_upload(tmp_path / "up"), make_person(Role.OPR)
    with pytest.raises(NotPermitted):
        receive_study(device_id=device.pk, upload=upload, actor=outsider.actor)
    assert len(list(upload.iterdir())) == 49
    assert quarantined() == []
    assert not Study.objects.exists()


@pytest.mark.parametrize("stage", ["design_frozen", "in_build"])
def test_a_device_beyond_planned_takes_no_images(stage: str, tmp_path: Path) -> None:
    staff = Staff()
    device = make_device(stage, staff)
    with pytest.raises(TransitionRefused, match="takes no images"):
        receive(device, make_upload(tmp_path / "up"), staff)
    assert Study.objects.count() == 1


def test_a_held_device_takes_no_images(tmp_path: Path) -> None:
    staff = Staff()
    device = make_planned(staff)
    hold_device(device_id=device.pk, actor=staff[Role.QAR].actor, reason="wait")
    with pytest.raises(TransitionRefused, match="on hold"):
        receive(device, make_upload(tmp_path / "up"), staff)


def test_a_second_upload_waits_for_the_first(tmp_path: Path) -> None:
    staff = Staff()
    device = make_planned(staff)
    receive(device, make_upload(tmp_path / "one"), staff)
    with pytest.raises(Conflict):
        receive(device, make_upload(tmp_path / "two"), staff)
    assert Study.objects.count() == 1


# --- reading


@pytest.mark.requirement("G-ORD-05")
@pytest.mark.requirement("G-IMG-03")
def test_matching_images_become_a_volume_and_a_series_without_identity(tmp_path: Path) -> None:
    staff = Staff()
    device = make_planned(staff)
    study = read(receive(device, make_upload(tmp_path / "up"), staff))
    assert study.status == "accepted"
    assert study.matched == ["patient_id", "family_name", "birth_date"]
    assert (study.columns, study.rows, study.slices) == (49, 49, 49)
    assert study.spacing_mm == pytest.approx([2, 2, 2])
    assert study.deidentification["files"] == 49
    volume = load_volume(artefact_path(str(study.volume_id)))
    assert volume.voxels.max() == 1000
    for sha256 in Artefact.objects.values_list("sha256", flat=True):
        content = artefact_path(sha256).read_bytes()
        for value in (IDENTITY.patient_id, IDENTITY.family_name, IDENTITY.given_name, "19640812"):
            assert value.encode() not in content


@pytest.mark.requirement("G-ORD-05")
@pytest.mark.parametrize(
    "patient", [{"patient_id": "LM-9999"}, {"birth_date": timezone.now().date()}, {"family_name": "Meier"}]
)
def test_images_of_somebody_else_are_refused_and_not_kept(patient: dict[str, Any], tmp_path: Path) -> None:
    staff = Staff()
    study = read(receive(make_planned(staff), make_upload(tmp_path / "up", **patient), staff))
    assert study.status == "refused"
    said = [finding for finding in study.findings if finding["code"] == "G-ORD-05"]
    assert [one["severity"] for one in said] == ["error"]
    name = {"birth_date": "date of birth", "patient_id": "patient number", "family_name": "family name"}[
        next(iter(patient))
    ]
    assert f"somebody else: {name} differs" in said[0]["message"]
    assert "tell the privacy officer" in said[0]["cure"]
    assert str(next(iter(patient.values()))) not in json.dumps(study.findings)
    assert "G-ORD-05" in refusals()
    assert study.volume is None
    assert not Artefact.objects.exists()


def _nothing_but_text(folder: Path) -> Path:
    (folder / "x.dcm").write_text("hello")
    return folder / "x.dcm"


def _broken_zip(folder: Path) -> Path:
    (folder / "x.zip").write_bytes(b"PK\x03\x04 and then nothing")
    return folder / "x.zip"


def _zip_of_nothing(folder: Path) -> Path:
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w") as archive:
        archive.writestr("../../etc/passwd", "x")
    (folder / "x.zip").write_bytes(stream.getvalue())
    return folder / "x.zip"


@pytest.mark.requirement("G-IMG-01")
@pytest.mark.parametrize("make", [_nothing_but_text, _broken_zip, _zip_of_nothing])
def test_what_cannot_be_read_is_refused_with_its_findings(
    make: Callable[[Path], Path], tmp_path: Path
) -> None:
    staff = Staff()
    study = read(receive(make_planned(staff), make(tmp_path), staff))
    assert study.status == "refused"
    assert refusals()
    assert study.findings
    assert not Artefact.objects.exists()
    assert not (tmp_path.parent / "etc").exists()


@pytest.mark.requirement("G-IMG-02")
def test_images_of_a_day_to_come_are_refused_under_any_master(tmp_path: Path) -> None:
    """The training master sets no limit on their age; a clock that is a time zone ahead is none either."""
    staff = Staff()
    device = make_planned(staff)
    ahead = timezone.localdate() + timedelta(days=2)
    study = read(receive(device, make_upload(tmp_path / "a", acquired_on=ahead), staff))
    assert (study.status, refusals(), study.volume_id) == ("refused", ["future_date"], None)
    ahead = timezone.localdate() + timedelta(days=1)
    assert read(receive(device, make_upload(tmp_path / "b", acquired_on=ahead), staff)).status == "accepted"


@pytest.mark.requirement("G-IMG-01")
def test_a_missing_slice_is_named_and_stops_the_device(tmp_path: Path) -> None:
    staff = Staff()
    device = make_planned(staff)
    study = read(receive(device, make_upload(tmp_path / "up", without=20), staff))
    assert "missing_slice" in {finding["code"] for finding in study.findings}
    assert study.status == "refused"
    assert study.volume is None


@pytest.mark.requirement("G-ORD-05")
def test_images_of_a_patient_whose_identity_cannot_be_opened_are_refused_with_the_cure(
    tmp_path: Path,
) -> None:
    staff = Staff()
    device = make_planned(staff)
    row = PatientIdentity.objects.get(patient=device.order.patient)
    row.sealed_family_name = bytes(row.sealed_family_name)[:-1] + b"?"
    row.save(update_fields=["sealed_family_name"])
    study = read(receive(device, make_upload(tmp_path / "series"), staff))
    assert (study.status, refusals()) == ("refused", ["identity_unreadable"])
    assert "restores it from a backup" in study.findings[-1]["cure"]


@pytest.mark.requirement("K-13")
def test_images_of_a_patient_who_was_forgotten_are_not_kept(tmp_path: Path) -> None:
    """Those that came before are refused and discarded, and no others are taken."""
    staff = Staff()
    device = make_planned(staff)
    study = receive(device, make_upload(tmp_path / "series"), staff)
    unit_of_work(shred_identity)(device.order.patient, actor=SETUP, reason="by letter", gates=[])
    assert (read(study).status, refusals()) == ("refused", ["identity_erased"])
    discard_upload(study.pk)
    assert quarantined() == []
    with pytest.raises(IdentityErased):
        receive(device, make_upload(tmp_path / "again"), staff)
    assert (quarantined(), (tmp_path / "again").exists()) == ([], True)


def test_a_lost_upload_is_refused_and_can_be_sent_again(tmp_path: Path) -> None:
    staff = Staff()
    device = make_planned(staff)
    study = receive(device, make_upload(tmp_path / "up"), staff)
    quarantine_path(study.quarantine).rename(tmp_path / "gone")
    assert read(study).status == "refused"
    assert refusals() == ["upload_lost"]
    assert read(receive(device, tmp_path / "gone", staff)).status == "accepted"


def test_an_upload_is_read_once(tmp_path: Path) -> None:
    staff = Staff()
    study = receive(make_planned(staff), make_upload(tmp_path / "up"), staff)
    outcome = read_study(study.pk)
    record_images(study_id=study.pk, outcome=outcome)
    with pytest.raises(Conflict):
        record_images(study_id=study.pk, outcome=outcome)


def test_the_original_is_removed_once_it_was_read_and_not_before(tmp_path: Path) -> None:
    staff = Staff()
    study = receive(make_planned(staff), make_upload(tmp_path / "up"), staff)
    with pytest.raises(TransitionRefused):
        discard_upload(study.pk)
    assert len(quarantined()) == 1
    read(study)
    discard_upload(study.pk)
    discard_upload(study.pk)
    assert quarantined() == []


def test_the_sweep_removes_what_a_crash_left_and_nothing_that_waits(tmp_path: Path) -> None:
    staff = Staff()
    study = receive(make_planned(staff), make_upload(tmp_path / "up"), staff)
    folder = Path(settings.QUARANTINE_DIR)
    (folder / "orphan").mkdir()
    (folder / "orphan" / "IM0001").write_bytes(b"x")
    (folder / "left.upload").write_bytes(b"x")
    (folder / "fresh.upload").write_bytes(b"x")
    long_ago = time.time() - 3 * 86_400
    for path in (folder / "orphan", folder / "left.upload", quarantine_path(study.quarantine)):
        os.utime(path, (long_ago, long_ago))
    assert sweep_quarantine() == 2
    assert {path.name for path in folder.iterdir()} == {"fresh.upload", str(study.quarantine)}


# --- images without identifiers


def shown_digest(device: Device, upload: Path) -> str:
    return content_digest(link_content(device, upload_digest(upload)))


def make_nifti(folder: Path) -> Path:
    path = folder / "head.nii.gz"
    write_nifti(small_skull(), path)
    return path


@pytest.mark.requirement("G-ORD-05")
def test_images_without_identifiers_need_a_named_person(tmp_path: Path) -> None:
    staff = Staff()
    device = make_planned(staff)
    assert read(receive(device, make_nifti(tmp_path), staff)).status == "refused"
    assert refusals()[0] == "G-ORD-05"
    imaging = staff[Role.IMG]
    with pytest.raises(InvalidInput, match="needs a signature"):
        receive(device, make_nifti(tmp_path), staff, link_confirmed=True)
    shown = shown_digest(device, tmp_path / "head.nii.gz")
    with pytest.raises(SignatureRefused):
        receive(
            device,
            tmp_path / "head.nii.gz",
            staff,
            link_confirmed=True,
            credentials=imaging.typed(password="wrong", digest=shown),
        )
    assert (tmp_path / "head.nii.gz").is_file()
    typed = imaging.typed(digest=shown)
    study = read(receive(device, tmp_path / "head.nii.gz", staff, link_confirmed=True, credentials=typed))
    assert study.status == "accepted"
    assert Signature.objects.get(meaning="verified").person == imaging.person


@pytest.mark.requirement("G-ORD-05")
def test_a_confirmation_does_not_overrule_identifiers_that_differ(tmp_path: Path) -> None:
    staff = Staff()
    upload = make_upload(tmp_path / "up", patient_id="LM-9999")
    device = make_planned(staff)
    typed = staff[Role.IMG].typed(digest=shown_digest(device, upload))
    study = receive(device, upload, staff, link_confirmed=True, credentials=typed)
    assert read(study).status == "refused"


@pytest.mark.requirement("ES-19")
def test_nobody_vouches_for_images_whose_digest_was_not_shown(tmp_path: Path) -> None:
    staff = Staff()
    device, upload = make_planned(staff), make_nifti(tmp_path)
    with pytest.raises(InvalidInput, match="ES-19"):
        receive(device, upload, staff, link_confirmed=True, credentials=staff[Role.IMG].typed())
    assert upload.is_file()
    assert not Study.objects.exists()
    assert not Signature.objects.filter(meaning="verified").exists()


# --- what new images do to what was made


def test_new_images_supersede_the_segmentation_and_void_the_design(tmp_path: Path) -> None:
    staff = Staff()
    device = make_planned(staff)
    read(receive(device, make_upload(tmp_path / "one"), staff))
    late = receive(device, make_upload(tmp_path / "two"), staff)
    device.refresh_from_db()
    device.current_study = device.studies.earliest("pk")
    freeze_design_of(device, staff)
    device.stage = Stage.DESIGN_FROZEN
    device.save()
    assert read(late).status == "accepted"
    device.refresh_from_db()
    assert (device.stage, device.current_study, device.current_design) == ("planned", late, None)
    assert Segmentation.objects.get().status == "superseded"
    assert Design.objects.get().status == DesignStatus.VOIDED
    assert EventRecord.objects.filter(type="devices.design_voided").count() == 1


def test_images_that_come_too_late_are_refused(tmp_path: Path) -> None:
    staff = Staff()
    device = make_planned(staff)
    late = receive(device, make_upload(tmp_path / "one"), staff)
    freeze_design_of(device, staff)
    for stage in ("design_frozen", "queued"):
        device.stage = stage
        device.save()
    assert read(late).status == "refused"
    assert refusals() == ["too_late"]
    assert Design.objects.get().status == "approved"
