"""Images without identifiers over HTTP: sent, answered with what has to be signed, then signed for, exactly those."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile
from rest_framework.test import APIClient

from devices.imaging.nifti import write_nifti
from devices.models import Device, Study
from mes.choices import Role
from mes.models import EventRecord, Signature
from tests.devices.makers import PASSWORD, Staff, Who, make_planned, make_upload, small_skull

pytestmark = [pytest.mark.django_db, pytest.mark.requirement("ES-19")]
OTHER = "0" * 64


@pytest.fixture(autouse=True)
def quarantine(tmp_path: Path, settings: Any) -> Path:
    settings.ARTEFACTS_DIR = tmp_path / "artefacts"
    settings.QUARANTINE_DIR = tmp_path / "quarantine"
    return tmp_path / "quarantine"


@pytest.fixture
def images(tmp_path: Path) -> bytes:
    write_nifti(small_skull(), tmp_path / "head.nii.gz")
    return (tmp_path / "head.nii.gz").read_bytes()


class Sender:
    """One person who sends images of one device and signs for them."""

    def __init__(self, device: Device, who: Who) -> None:
        self.device, self.who, self.http = device, who, APIClient()
        self.http.force_authenticate(who.person.accounts.get())

    def send(self, content: bytes, **more: str) -> Any:
        sent = {"files": SimpleUploadedFile("Mustermann^Erika.nii", content), "link_confirmed": "true"} | more
        return self.http.post(f"/api/devices/{self.device.code}/studies/", sent, format="multipart")

    def confirm(self, held: Any, **changed: str) -> Any:
        typed = {"username": self.who.username, "password": PASSWORD}
        body = typed | {"upload": held["upload"], "digest": held["digest"]} | changed
        sent = {name: value for name, value in body.items() if value}
        return self.http.post(f"/api/devices/{self.device.code}/confirm-images/", sent, format="json")


def vouched() -> bool:
    return Study.objects.exists() or Signature.objects.filter(meaning="verified").exists()


def test_what_is_signed_is_answered_first_and_is_exactly_what_is_stored(images: bytes) -> None:
    staff = Staff()
    sender = Sender(make_planned(staff), staff[Role.IMG])
    answer = sender.send(images)
    assert (answer.status_code, vouched()) == (202, False)
    held = answer.json()
    assert held["content"]["patient"] == sender.device.order.patient.token
    assert held["seen"]["images"] == ["NIfTI, 49 slices of 49 × 49"]
    assert "Mustermann" not in json.dumps(held)
    confirmed = sender.confirm(held)
    assert confirmed.status_code == 202, confirmed.content
    signature = Signature.objects.get(meaning="verified")
    study = Study.objects.get()
    assert json.loads(signature.content)["upload"] == held["content"]["upload"] == study.source_digest
    assert (confirmed.json()["link_confirmed"], study.link_confirmed) == (True, True)
    assert sender.confirm(held).status_code == 409
    assert Study.objects.count() == 1


@pytest.mark.parametrize(
    "typed", [{"username": "x", "password": PASSWORD}, {"password": ""}, {"digest": OTHER}]
)
def test_one_step_is_refused_and_leaves_nothing(
    images: bytes, quarantine: Path, typed: dict[str, str]
) -> None:
    staff = Staff()
    sender, before = Sender(make_planned(staff), staff[Role.IMG]), EventRecord.objects.count()
    answer = sender.send(images, **typed)
    assert answer.status_code == 422
    assert [reason["rule"] for reason in answer.json()["reasons"]] == ["ES-19"]
    assert not vouched()
    assert EventRecord.objects.count() == before
    assert not quarantine.exists() or list(quarantine.iterdir()) == []


def test_another_digest_than_the_one_that_was_answered_is_a_conflict(images: bytes, quarantine: Path) -> None:
    staff = Staff()
    sender = Sender(make_planned(staff), staff[Role.IMG])
    held = sender.send(images).json()
    other = sender.confirm(held, digest=OTHER)
    assert (other.status_code, other.json()["code"]) == (409, "content_changed")
    assert sender.confirm(held, digest="").status_code == 400
    (lying,) = quarantine.iterdir()
    lying.write_bytes(images + b"x")
    assert sender.confirm(held).status_code == 409
    assert not vouched()
    lying.write_bytes(images)
    assert sender.confirm(held).status_code == 202


def test_a_held_upload_is_nobody_elses_and_of_no_other_device(images: bytes) -> None:
    staff = Staff()
    sender = Sender(make_planned(staff), staff[Role.IMG])
    held = sender.send(images).json()
    assert Sender(sender.device, Staff()[Role.IMG]).confirm(held).status_code == 409
    assert Sender(make_planned(staff), sender.who).confirm(held).status_code == 409
    assert sender.confirm(held, upload="../../etc/passwd").status_code == 409
    assert not vouched()


def test_images_are_held_for_nobody_who_may_not_send_them(images: bytes, quarantine: Path) -> None:
    staff = Staff()
    device = make_planned(staff)
    assert Sender(device, staff[Role.OPR]).send(images).status_code == 403
    assert not quarantine.exists() or list(quarantine.iterdir()) == []


@pytest.mark.requirement("G-IMG-01")
def test_of_several_series_what_each_is_comes_first_and_one_is_chosen(tmp_path: Path) -> None:
    staff = Staff()
    sender = Sender(make_planned(staff), staff[Role.IMG])
    make_upload(tmp_path / "fine")
    make_upload(tmp_path / "coarse", small_skull(4.0))
    files = [
        SimpleUploadedFile("Mustermann.dcm", path.read_bytes()) for path in sorted(tmp_path.rglob("IM*"))
    ]
    here = f"/api/devices/{sender.device.code}"
    answer = sender.http.post(f"{here}/studies/", {"files": files}, format="multipart")
    assert (answer.status_code, Study.objects.exists()) == (202, False)
    assert "Mustermann" not in answer.content.decode()
    offered = {one["size"][2]: one for one in answer.json()["series"]}
    assert offered[25]["spacing_mm"][2] == pytest.approx(4.0)
    chosen = {"upload": answer.json()["upload"], "series": offered[25]["key"]}
    assert (
        sender.http.post(f"{here}/choose-series/", chosen | {"series": "x"}, format="json").status_code == 422
    )
    stranger = Sender(sender.device, Staff()[Role.IMG])
    assert stranger.http.post(f"{here}/choose-series/", chosen, format="json").status_code == 409
    assert not Study.objects.exists()
    assert sender.http.post(f"{here}/choose-series/", chosen, format="json").status_code == 202
    received = json.loads(EventRecord.objects.get(type="devices.study_received").payload)
    assert received["series"] == offered[25]["key"]
