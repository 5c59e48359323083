"""Images without identifiers: into quarantine first, shown with their digest, then signed for, exactly those."""

from __future__ import annotations

import html
import json
import re
from pathlib import Path
from typing import Any
from urllib.parse import unquote
from uuid import uuid4

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile
from django.test import Client

from devices.imaging.nifti import write_nifti
from devices.models import Device, Study
from devices.services.reading import read_study
from devices.services.studies import link_content, quarantine_path, upload_digest
from mes.choices import Role
from mes.models import EventRecord, Signature
from mes.services.signatures import content_digest
from tests.devices.makers import (
    PASSWORD,
    Staff,
    make_design,
    make_person,
    make_planned,
    make_segmentation,
    make_study,
    make_upload,
    small_skull,
)
from tests.mes.dashboard.conftest import Visit

HTMX = {"HX-Request": "true"}
pytestmark = pytest.mark.requirement("G-ORD-05")


@pytest.fixture(autouse=True)
def quarantine(tmp_path: Path, settings: Any) -> Path:
    settings.QUARANTINE_DIR = tmp_path / "quarantine"
    settings.ARTEFACTS_DIR = tmp_path / "artefacts"
    (tmp_path / "quarantine").mkdir()
    return tmp_path / "quarantine"


@pytest.fixture
def device(staff: Staff) -> Device:
    return make_planned(staff)


def sent(client: Client, device: Device, *files: bytes) -> Any:
    images = [SimpleUploadedFile("Mustermann^Erika.dcm", content) for content in files]
    typed = {"images": images, "unidentified": "on"}
    return client.post(f"/act/device/{device.code}/receive-study/", typed, headers=HTMX)


def nifti(folder: Path) -> bytes:
    write_nifti(small_skull(), folder / "head.nii.gz")
    return (folder / "head.nii.gz").read_bytes()


def shown(client: Client, address: str) -> str:
    answer = client.get(address, headers=HTMX)
    assert answer.status_code == 200, answer.content.decode()
    return html.unescape(answer.content.decode())


def signed(client: Client, device: Device, address: str, page: str, who: str, **changed: str) -> Any:
    digest = re.search(r'name="digest" value="([0-9a-f]{64})"', page)
    assert digest
    typed = {"username": who, "password": PASSWORD, "digest": digest[1], "upload": token(address)} | changed
    return client.post(f"/act/device/{device.code}/confirm-images/", typed, headers=HTMX)


def token(address: str) -> str:
    return unquote(address.partition("upload=")[2])


@pytest.mark.requirement("ES-19")
def test_what_is_signed_is_shown_first_and_is_exactly_what_is_stored(
    staff: Staff, as_: Visit, device: Device, tmp_path: Path, quarantine: Path
) -> None:
    client, who = as_(staff[Role.IMG]), staff[Role.IMG].username
    answer = sent(client, device, nifti(tmp_path))
    assert answer.status_code == 204
    assert not Study.objects.exists()
    assert not Signature.objects.filter(meaning="verified").exists()
    page = shown(client, answer["Lamina-Dialog"])
    (held,) = quarantine.iterdir()
    digest = upload_digest(held)
    assert f'title="SHA-256 {digest}"' in page
    assert f'title="SHA-256 {content_digest(link_content(device, digest))}"' in page
    assert "NIfTI, 49 slices of 49 × 49" in page
    assert "Mustermann" not in page + answer["Lamina-Dialog"] + held.name
    assert signed(client, device, answer["Lamina-Dialog"], page, who).status_code == 204
    study, signature = Study.objects.get(), Signature.objects.get(meaning="verified")
    assert (study.link_confirmed, study.source_digest) == (True, digest)
    assert (
        json.loads(signature.content)["upload"] == digest == upload_digest(quarantine_path(study.quarantine))
    )
    assert [path.name for path in quarantine.iterdir()] == [str(study.quarantine)]


@pytest.mark.requirement("ES-19")
def test_a_file_that_changed_after_it_was_shown_is_not_signed_for(
    staff: Staff, as_: Visit, device: Device, tmp_path: Path, quarantine: Path
) -> None:
    client, who = as_(staff[Role.IMG]), staff[Role.IMG].username
    address = sent(client, device, nifti(tmp_path))["Lamina-Dialog"]
    page = shown(client, address)
    (held,) = quarantine.iterdir()
    whole = held.read_bytes()
    held.write_bytes(whole + b"x")
    refused = signed(client, device, address, page, who)
    assert (refused.status_code, "ES-19" in refused.content.decode()) == (409, True)
    assert not Study.objects.exists()
    held.write_bytes(whole)
    wrong = signed(client, device, address, page, who, password="another one entirely")
    assert (wrong.status_code, "ES-01" in wrong.content.decode()) == (403, True)
    unseen = signed(client, device, address, page, who, digest="")
    assert (unseen.status_code, "ES-19" in unseen.content.decode()) == (422, True)
    assert signed(client, device, address, page, who).status_code == 204
    again = signed(client, device, address, page, who)
    assert again.status_code == 409
    assert Study.objects.count() == 1


def test_a_held_upload_is_nobody_elses_and_of_no_other_device(
    staff: Staff, as_: Visit, device: Device, tmp_path: Path
) -> None:
    client = as_(staff[Role.IMG])
    address = sent(client, device, nifti(tmp_path))["Lamina-Dialog"]
    other = make_planned(staff)
    coordinator = as_(staff[Role.ORD]).get(address, headers=HTMX)
    stranger = as_(Staff()[Role.IMG]).get(address, headers=HTMX)
    elsewhere = client.get(address.replace(device.code, other.code), headers=HTMX)
    forged = client.get(f"/act/device/{device.code}/confirm-images/?upload=../../etc/passwd", headers=HTMX)
    bare = client.get(f"/act/device/{device.code}/confirm-images/", headers=HTMX)
    for answer in (coordinator, stranger, elsewhere, forged, bare):
        assert answer.status_code == 409
        assert "Send the files again." in answer.content.decode()


def test_an_upload_without_a_file_that_can_be_opened_is_refused_and_not_kept(
    staff: Staff, as_: Visit, device: Device, quarantine: Path
) -> None:
    client, before = as_(staff[Role.IMG]), EventRecord.objects.count()
    for content in (b"", b"PK\x03\x04 no zip at all"):
        answer = sent(client, device, content)
        assert answer.status_code == 422
        assert "G-IMG-01" in answer.content.decode()
    assert list(quarantine.iterdir()) == []
    assert EventRecord.objects.count() == before


def test_identifiers_that_the_images_do_carry_are_said_and_never_shown(
    staff: Staff, as_: Visit, device: Device, tmp_path: Path
) -> None:
    files = [path.read_bytes() for path in sorted(make_upload(tmp_path / "series").iterdir())]
    client = as_(staff[Role.IMG])
    page = shown(client, sent(client, device, *files)["Lamina-Dialog"])
    assert "DICOM CT, 49 slices of 49 × 49" in page
    assert "found: they are compared" in page
    assert "Mustermann" not in page


def test_the_second_step_has_no_button_of_its_own(staff: Staff, as_: Visit, device: Device) -> None:
    page = as_(staff[Role.IMG]).get(f"/devices/{device.code}/").content.decode()
    assert "/receive-study/" in page
    assert "/confirm-images/" not in page


# --- several series


def two_series(folder: Path) -> list[bytes]:
    """The same head in slices 2 mm and 4 mm apart, as a scanner exports two reconstructions of one acquisition."""
    make_upload(folder / "fine")
    make_upload(folder / "coarse", small_skull(4.0))
    return [path.read_bytes() for path in sorted(folder.rglob("IM*"))]


def test_of_several_series_a_person_chooses_one_without_sending_again(
    staff: Staff, as_: Visit, device: Device, tmp_path: Path, quarantine: Path
) -> None:
    client = as_(staff[Role.IMG])
    images = [SimpleUploadedFile("a", content) for content in two_series(tmp_path)]
    answer = client.post(f"/act/device/{device.code}/receive-study/", {"images": images}, headers=HTMX)
    assert (answer.status_code, Study.objects.exists()) == (204, False)
    page = shown(client, answer["Lamina-Dialog"])
    assert "49 slices of 49 × 49, 2 mm thick" in page
    keys = re.findall(r'<option value="([0-9a-f]{12})"', page)
    assert len(keys) == 2
    chosen = next(key for key in keys if re.search(rf'"{key}">[^<]* 25 slices', page))
    typed = {"upload": token(answer["Lamina-Dialog"]), "series": chosen}
    here = f"/act/device/{device.code}/choose-series/"
    assert client.post(here, typed | {"series": "0" * 12}, headers=HTMX).status_code == 422
    assert client.post(here, typed | {"upload": "x"}, headers=HTMX).status_code == 409
    assert not Study.objects.exists()
    assert client.post(here, typed, headers=HTMX).status_code == 204
    received = json.loads(EventRecord.objects.get(type="devices.study_received").payload)
    assert received["series"] == chosen
    read = read_study(Study.objects.get().pk, received["series"])
    assert (read.refusals, read.facts["slices"]) == ([], 25)
    assert [one["severity"] for one in read.facts["findings"] if one["code"] == "chosen_series"] == ["info"]


def test_a_chosen_series_without_identifiers_is_signed_for_next(
    staff: Staff, as_: Visit, device: Device, tmp_path: Path
) -> None:
    client, who = as_(staff[Role.IMG]), staff[Role.IMG].username
    answer = sent(client, device, *two_series(tmp_path))
    page = shown(client, answer["Lamina-Dialog"])
    key = re.findall(r'<option value="([0-9a-f]{12})"', page)[0]
    upload = token(answer["Lamina-Dialog"]).partition("&")[0]
    typed = {"upload": upload, "unidentified": "yes", "series": key}
    onward = client.post(f"/act/device/{device.code}/choose-series/", typed, headers=HTMX)["Lamina-Dialog"]
    assert f"series={key}" in onward
    signing = shown(client, onward)
    assert (
        signed(client, device, answer["Lamina-Dialog"], signing, who, upload=upload, series=key).status_code
        == 204
    )
    assert json.loads(EventRecord.objects.get(type="devices.study_received").payload)["series"] == key


def test_the_segment_dialog_asks_for_the_window(staff: Staff, as_: Visit, device: Device) -> None:
    make_study(device, staff)
    client = as_(staff[Role.SEG])
    here = f"/act/device/{device.code}/start-segmentation/"
    page = shown(client, here)
    assert 'name="lower_hu" value="300"' in page
    assert client.post(here, {"lower_hu": "90", "upper_hu": "3071"}, headers=HTMX).status_code == 422
    assert client.post(here, {"lower_hu": "226", "upper_hu": "3071"}, headers=HTMX).status_code == 204
    asked = json.loads(EventRecord.objects.get(type="devices.segmentation_requested").payload)
    assert asked["parameters"] == {"lower_hu": 226.0}


def test_before_new_images_are_sent_in_the_dialog_says_what_they_void(
    staff: Staff, as_: Visit, device: Device
) -> None:
    here, client = f"/act/device/{device.code}/receive-study/", as_(staff[Role.IMG])
    assert "is void" not in shown(client, here)
    make_study(device, staff)
    make_segmentation(device, staff)
    assert "Once these are accepted, the segmentation of the images that stand now is void" in shown(
        client, here
    )
    make_design(device, staff)
    assert "the segmentation and the design of the images that stand now are void" in shown(client, here)


def test_the_page_says_how_far_the_newest_images_are_and_never_that_refused_ones_are_being_read(
    staff: Staff, as_: Visit, device: Device
) -> None:
    client, address = as_(staff[Role.IMG]), f"/devices/{device.code}/"
    make_study(device, staff)
    newest = Study.objects.create(
        device=device, quarantine=uuid4(), received_by=staff[Role.IMG].person, source_digest="0" * 64
    )
    assert "The images arrived and are being read" in shown(client, address)
    newest.status = "refused"
    newest.save()
    page = shown(client, address)
    assert "are being read" not in page
    assert page.index("The newest images were refused") < page.index("Line of stages")


@pytest.mark.requirement("G-SOD-01")
def test_the_review_is_no_main_step_of_the_designs_author(staff: Staff, as_: Visit, device: Device) -> None:
    make_study(device, staff)
    make_segmentation(device, staff)
    make_design(device, staff)
    for who, look in ((staff[Role.DSN], "btn"), (make_person(Role.DSN), "btn btn-primary")):
        page = shown(as_(who), f"/devices/{device.code}/")
        assert (
            f'<button class="{look}" type="button" hx-get="/act/device/{device.code}/review-design/"' in page
        )
    refused = as_(staff[Role.DSN]).get(f"/act/device/{device.code}/review-design/", headers=HTMX)
    assert b"A second design engineer decides on it." in refused.content
