"""Uploads by parts: every byte once, in order, from whoever began; what is given up goes, and the record says so."""

from __future__ import annotations

import base64
import errno
import hashlib
import os
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from django.test import Client

from devices.choices import Side, UploadStage
from devices.imaging import parcels
from devices.mesh.io import write_stl
from devices.models import Device, Study, Upload
from devices.services.parcels import OPEN_AT_ONCE, folder_of, remove_upload, sweep_uploads
from devices.services.studies import quarantine_path, upload_digest
from mes import room
from mes.choices import Role
from mes.models import EventRecord
from tests.devices.generators.bodies import cap
from tests.devices.makers import PASSWORD, Staff, make_device, make_master, make_planned
from tests.devices.test_dicomweb import signed_in

pytestmark = [pytest.mark.django_db, pytest.mark.requirement("G-IMG-01")]
UPLOADS, PART = "/api/uploads", "application/offset+octet-stream"
FILES = [os.urandom(700), b"", os.urandom(1300)]
WHOLE = b"".join(FILES)


@pytest.fixture(autouse=True)
def places(tmp_path: Path, settings: Any) -> None:
    settings.QUARANTINE_DIR = tmp_path / "quarantine"


@pytest.fixture
def staff() -> Staff:
    return Staff()


@pytest.fixture
def device(staff: Staff) -> Device:
    return make_planned(staff)


class Sender:
    """Sends files in parts, as somebody."""

    def __init__(self, client: Client, device: Device, files: list[bytes] = FILES) -> None:
        self.client = client
        self.begun = client.post(
            UPLOADS, {"device": device.code, "sizes": list(map(len, files))}, content_type="application/json"
        )
        self.address = f"{UPLOADS}/{self.begun.json().get('upload', '')}"

    def part(self, begin: int, end: int, *, offset: int | None = None, checksum: str = "") -> Any:
        sent = {"Upload-Offset": str(begin if offset is None else offset), "Upload-Checksum": checksum}
        return self.client.patch(self.address, WHOLE[begin:end], content_type=PART, headers=sent)

    def offset(self) -> int:
        return int(self.client.head(self.address)["Upload-Offset"])

    def finish(self, **values: str) -> Any:
        return self.client.post(f"{self.address}/finish", values, content_type="application/json")


@pytest.fixture
def sender(staff: Staff, device: Device) -> Sender:
    return Sender(signed_in(staff[Role.IMG]), device)


def digest() -> str:
    return hashlib.sha256(hashlib.sha256(WHOLE).digest()).hexdigest()


def test_parts_become_the_files_that_were_sent(sender: Sender, tmp_path: Path) -> None:
    assert sender.begun.status_code == 201
    assert sender.offset() == 0
    assert sender.part(0, 900)["Upload-Offset"] == "900"
    assert sender.offset() == 900
    checksum = base64.b64encode(hashlib.sha256(WHOLE[900:]).digest()).decode()
    assert sender.part(900, 2000, checksum=f"sha256 {checksum}").status_code == 204
    answer = sender.finish(digest=digest())
    assert answer.status_code == 202, answer.content
    for number, content in enumerate(FILES):
        (tmp_path / f"{number}").write_bytes(content)
    sent = tmp_path / "sent"
    sent.mkdir()
    for number, content in enumerate(FILES):
        (sent / str(number)).write_bytes(content)
    study, upload = Study.objects.get(), Upload.objects.get()
    assert study.source_digest == upload_digest(sent)
    assert quarantine_path(study.quarantine).is_dir()
    assert upload.stage == UploadStage.TAKEN
    remove_upload(upload.pk)
    assert not folder_of(upload).exists()
    assert sender.client.head(sender.address).status_code == 409


def test_a_part_elsewhere_is_told_where_to_go_on(sender: Sender) -> None:
    sender.part(0, 900)
    for offset in (0, 899, 901):
        answer = sender.part(900, 1000, offset=offset)
        assert (answer.status_code, answer["Upload-Offset"]) == (409, "900")
    assert sender.offset() == 900
    assert (sender.finish().status_code, Study.objects.exists()) == (409, False)


def test_what_arrives_damaged_or_too_long_is_not_written(sender: Sender) -> None:
    wrong = base64.b64encode(bytes(32)).decode()
    assert sender.part(0, 10, checksum=f"sha256 {wrong}").status_code == 422
    assert sender.part(0, 10, checksum="md5 x").status_code == 400
    assert sender.part(0, 10, offset=-1).status_code == 400
    long = {"Upload-Offset": "0"}
    assert (
        sender.client.patch(sender.address, bytes(2001), content_type=PART, headers=long).status_code == 422
    )
    assert sender.offset() == 0


def test_a_part_that_was_half_written_is_gone_on_with(
    sender: Sender, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The disk is full after the first of two files."""
    sync = os.fsync
    with monkeypatch.context() as full:
        calls: list[int] = []

        def fsync(held: int) -> None:
            calls.append(held)
            if len(calls) > 1:
                raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
            sync(held)

        full.setattr("devices.imaging.parcels.os.fsync", fsync)
        sender.client.raise_request_exception = False
        assert sender.part(0, 900).status_code == 507
    offset = sender.offset()
    assert 700 <= offset <= 900
    assert sender.part(offset, 2000).status_code == 204
    assert sender.finish(digest=digest()).status_code == 202


def test_the_digest_of_the_whole_is_what_was_sent(sender: Sender) -> None:
    sender.part(0, 2000)
    assert sender.finish(digest="0" * 64).status_code == 422
    assert not Study.objects.exists()
    assert sender.offset() == 2000


def test_the_digest_is_that_of_pieces(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(parcels, "PIECE_BYTES", 512)
    folder, sizes = tmp_path / "p", list(map(len, FILES))
    parcels.make_parcel(folder, len(sizes))
    parcels.append(folder, sizes, 0, WHOLE)
    pieces = [hashlib.sha256(WHOLE[at : at + 512]).digest() for at in range(0, len(WHOLE), 512)]
    assert parcels.parcel_digest(folder, sizes) == hashlib.sha256(b"".join(pieces)).hexdigest()


def test_an_upload_is_its_senders_alone(sender: Sender, staff: Staff) -> None:
    other = signed_in(staff[Role.ORD])
    assert other.head(sender.address).status_code == 404
    assert (
        other.patch(sender.address, b"x", content_type=PART, headers={"Upload-Offset": "0"}).status_code
        == 404
    )
    assert signed_in(staff[Role.OPR]).get(sender.address).status_code == 403
    assert Client().get(sender.address).status_code in (401, 403)
    assert sender.offset() == 0


def test_what_a_device_does_not_take_waits(sender: Sender, device: Device) -> None:
    sender.part(0, 2000)
    Study.objects.create(
        device=device, quarantine=Upload.objects.get().quarantine, received_by=Upload.objects.get().sender
    )
    assert sender.finish().status_code == 409
    assert sender.offset() == 2000


def test_what_its_sender_gives_up_is_removed(sender: Sender) -> None:
    sender.part(0, 900)
    assert sender.client.delete(sender.address).status_code == 204
    upload = Upload.objects.get()
    assert upload.stage == UploadStage.CANCELLED
    remove_upload(upload.pk)
    assert not folder_of(upload).exists()


def test_what_nobody_goes_on_with_is_given_up_and_the_record_says_so(sender: Sender) -> None:
    sender.part(0, 900)
    assert sweep_uploads() == 0
    assert sweep_uploads(older_than=timedelta(0)) == 1
    assert Upload.objects.get().stage == UploadStage.ABANDONED
    assert EventRecord.objects.filter(type="devices.upload_abandoned").count() == 1


def test_uploads_have_their_limits(
    sender: Sender, staff: Staff, device: Device, monkeypatch: pytest.MonkeyPatch
) -> None:
    client = signed_in(staff[Role.ORD])
    for files in ([], [b""]):
        assert Sender(client, device, files).begun.status_code in (400, 422)
    with monkeypatch.context() as full:
        full.setattr(room, "free_bytes", lambda _: 1000)
        client.raise_request_exception = False
        assert Sender(client, device).begun.status_code == 507
    assert [Sender(client, device).begun.status_code for _ in range(OPEN_AT_ONCE)] == [201] * OPEN_AT_ONCE
    assert Sender(client, device).begun.status_code == 409
    assert Sender(client, make_device()).begun.status_code == 409
    assert Upload.objects.count() == OPEN_AT_ONCE + 1


@pytest.mark.requirement("G-ORD-05")
def test_a_surface_scan_sent_by_parts_waits_for_a_signature(staff: Staff) -> None:
    device = make_planned(staff, master=make_master("bolus_training"), side=Side.NONE)
    scan, client = write_stl(cap(80.0, 48.0)), signed_in(staff[Role.IMG])
    sender = Sender(client, device, [scan])
    sent = {"Upload-Offset": "0", "Upload-Checksum": ""}
    assert client.patch(sender.address, scan, content_type=PART, headers=sent).status_code == 204
    answer = sender.finish(unit="mm", axes="own").json()
    assert answer["content"]["scan"] == {"unit": "mm", "axes": "own", "scanned_on": None}
    assert not Study.objects.exists(), "nobody signed for it yet"
    typed = {
        "upload": answer["upload"],
        "digest": answer["digest"],
        "username": staff[Role.IMG].username,
        "password": PASSWORD,
    }
    confirmed = client.post(f"/api/devices/{device.code}/confirm-images/", typed)
    assert confirmed.status_code == 202, confirmed.content
    assert Study.objects.get().declared == {"unit": "mm", "axes": "own", "scanned_on": None}
