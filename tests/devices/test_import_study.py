"""Images from the command line: what was accepted, what was refused, why, and the exit status that says so."""

from __future__ import annotations

import io
import zipfile
from pathlib import Path
from typing import Any

import pytest
from django.conf import settings
from django.core.management import call_command

from devices.choices import StudyStatus
from devices.management.commands import import_study as command
from devices.models import Device, Study
from mes.choices import Role
from mes.eventlog import delivery
from mes.exceptions import InvalidInput
from mes.models import EventRecord
from tests.devices.imaging.making import change, make_series, new_uid
from tests.devices.makers import IDENTITY, PASSWORD, Staff, make_planned
from tests.devices.scanning import laid
from tests.devices.test_scans import dental

OF_PATIENT: dict[str, Any] = {"patient_id": IDENTITY.patient_id, "family_name": IDENTITY.family_name}


@pytest.fixture
def planned(committed_db: None, tmp_path: Path, settings: Any) -> Device:
    settings.ARTEFACTS_DIR, settings.QUARANTINE_DIR = tmp_path / "artefacts", tmp_path / "quarantine"
    return make_planned(Staff())


def imported(source: Path, device: Device, *words: str) -> tuple[int, str, str]:
    """Exit status, output and errors of the command, in this process."""
    out, err = io.StringIO(), io.StringIO()
    try:
        call_command(
            "import_study", str(source), "--order", device.order.code, *words, stdout=out, stderr=err
        )
    except SystemExit as ended:
        return int(ended.code or 0), out.getvalue(), err.getvalue()
    return 0, out.getvalue(), err.getvalue()


def zipped(folder: Path) -> Path:
    place = folder.with_suffix(".zip")
    with zipfile.ZipFile(place, "w") as archive:
        for path in folder.iterdir():
            archive.write(path, f"Mustermann/{path.name}")
    return place


@pytest.mark.requirement("G-IMG-01")
@pytest.mark.requirement("G-IMG-03")
@pytest.mark.parametrize("packed", [False, True])
def test_a_folder_or_a_zip_is_read_matched_and_named(planned: Device, tmp_path: Path, packed: bool) -> None:
    folder = tmp_path / "Mustermann Erika"
    make_series(folder, **OF_PATIENT)
    (folder / "REPORT.TXT").write_text("Mustermann")
    status, out, err = imported(zipped(folder) if packed else folder, planned)
    assert status == 0, err
    study = Study.objects.get()
    assert (study.status, study.received_by_id) == (StudyStatus.ACCEPTED, planned.order.created_by_id)
    assert EventRecord.objects.get(type="devices.study_received").actor == "system:console"
    assert f"{planned.code}: accepted" in out
    assert "CT (DICOM), 5 × 7 × 6 voxels of 0.500 × 0.800 × 2.000 mm" in out
    assert "is not a DICOM file" in out
    assert "Mustermann" not in out + err
    assert len(list(folder.iterdir())) == 7
    assert [path.name for path in Path(settings.QUARANTINE_DIR).iterdir()] == [str(study.quarantine)]


@pytest.mark.requirement("G-ORD-05")
def test_images_of_somebody_else_end_with_status_1_and_the_reason(planned: Device, tmp_path: Path) -> None:
    make_series(tmp_path / "series", patient_id="LM-4711", family_name="Vega")
    status, out, _ = imported(tmp_path / "series", planned)
    assert (status, Study.objects.get().status) == (1, StudyStatus.REFUSED)
    assert f"{planned.code}: refused" in out
    assert "The images are of somebody else: patient number and family name differ." in out


@pytest.mark.requirement("G-IMG-01")
def test_a_series_is_chosen_by_its_key_before_anything_is_recorded(planned: Device, tmp_path: Path) -> None:
    make_series(tmp_path / "both" / "one", **OF_PATIENT)
    uid = new_uid()
    for path in make_series(tmp_path / "both" / "two", **OF_PATIENT):
        change(path, SeriesInstanceUID=uid, SeriesNumber=7)
    status, _, err = imported(tmp_path / "both", planned)
    assert (status, Study.objects.count()) == (1, 0)
    key = next(line for line in err.splitlines() if "Series 7" in line).partition(":")[0]
    assert imported(tmp_path / "both", planned, "--series", key)[0] == 0
    assert any(finding["code"] == "chosen_series" for finding in Study.objects.get().findings)


def _nothing(folder: Path) -> Path:
    folder.mkdir()
    return folder


def _missing(folder: Path) -> Path:
    return folder


def _link(folder: Path) -> Path:
    folder.mkdir()
    (folder / "passwd").symlink_to("/etc/passwd")
    return folder


@pytest.mark.parametrize("make", [_nothing, _missing, _link])
def test_what_is_no_upload_is_refused_and_leaves_nothing(planned: Device, tmp_path: Path, make: Any) -> None:
    status, _, err = imported(make(tmp_path / "source"), planned)
    assert (status, Study.objects.count()) == (1, 0)
    assert err
    quarantine = Path(settings.QUARANTINE_DIR)
    assert not quarantine.exists() or not list(quarantine.iterdir())


@pytest.mark.parametrize(
    "words",
    [("--order", "O0999999"), ("--order", "next week"), ("--device", "D0999999"), ("--series", "0123456789ab")],
)  # fmt: skip
def test_what_is_not_there_is_named_and_nothing_received(planned: Device, tmp_path: Path, words: Any) -> None:
    make_series(tmp_path / "series", **OF_PATIENT)
    status, _, err = imported(tmp_path / "series", planned, *words)
    assert (status, Study.objects.count()) == (1, 0)
    assert err


def test_images_are_replaced_only_for_a_device_that_is_named(planned: Device, tmp_path: Path) -> None:
    make_series(tmp_path / "series", **OF_PATIENT)
    assert imported(tmp_path / "series", planned)[0] == 0
    status, _, err = imported(tmp_path / "series", planned)
    assert (status, "waits for images" in err) == (1, True)
    assert imported(tmp_path / "series", planned, "--device", planned.code)[0] == 0
    assert Study.objects.count() == 2


def test_what_lasts_is_told_every_second(
    planned: Device, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(command, "TELL_EVERY_S", 0.001)
    make_series(tmp_path / "series", **OF_PATIENT)
    assert f"s: {planned.code}: reading the images" in imported(tmp_path / "series", planned)[2]


def test_a_reading_that_failed_for_good_is_not_waited_for(
    planned: Device, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, settings: Any
) -> None:
    settings.DELIVERY_ATTEMPTS = 1

    def broken(*_: object, **__: object) -> None:
        raise InvalidInput("no")

    monkeypatch.setattr(delivery, "_commit", broken)
    make_series(tmp_path / "series", **OF_PATIENT)
    status, _, err = imported(tmp_path / "series", planned)
    assert (status, "were not read" in err) == (1, True)
    assert Study.objects.get().status == StudyStatus.RECEIVED


@pytest.mark.requirement("G-ORD-05")
def test_a_scan_is_shown_signed_for_and_read(
    committed_db: None, tmp_path: Path, settings: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings.ARTEFACTS_DIR, settings.QUARANTINE_DIR = tmp_path / "artefacts", tmp_path / "quarantine"
    staff = Staff()
    device, upload = dental(staff), laid(tmp_path)
    said = ("--axes", "own", "--unit", "mm", "--user", staff[Role.IMG].username)
    monkeypatch.setattr(command, "getpass", lambda prompt: "wrong")
    assert imported(upload, device, *said)[0] == 1
    assert not Study.objects.exists()
    status, _, err = imported(upload, device, "--axes", "LAS", "--unit", "mm")
    assert (status, "left-handed" in err) == (1, True)
    monkeypatch.setattr(command, "getpass", lambda prompt: PASSWORD)
    status, out, err = imported(upload, device, *said)
    assert status == 0, err
    assert "size: 44.8 × 21.6 × 12.0 mm" in out
    assert "surface scan (STL), 6,186 triangles" in out
    assert "Mustermann" not in out + err
    assert Study.objects.get().received_by == staff[Role.IMG].person
    assert upload.is_file()
