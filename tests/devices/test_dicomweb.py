"""STOW-RS: what is kept, what is answered, and who may send."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from django.test import Client
from pydicom import dcmread

from devices.choices import ArrivalStage, Door
from devices.imaging import inbox
from devices.models import Arrival
from devices.services.arrivals import folder_of
from devices.services.studies import received_folder
from mes import room
from mes.choices import Role
from mes.models import Account
from tests.devices.makers import Staff, Who, make_device, make_upload

pytestmark = [pytest.mark.django_db, pytest.mark.requirement("G-IMG-01")]
STUDIES = "/api/dicom-web/studies"
REFERENCED, OTHER, REASON, INSTANCE = "00081199", "0008119A", "00081197", "00081155"
EDGE = "a-boundary"


@pytest.fixture(autouse=True)
def places(tmp_path: Path, settings: Any) -> None:
    settings.QUARANTINE_DIR = tmp_path / "quarantine"


@pytest.fixture(scope="module")
def slices(tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    return sorted(make_upload(tmp_path_factory.mktemp("sent") / "s").iterdir())[:4]


def body(*parts: tuple[str, bytes]) -> bytes:
    told = b"".join(
        f"\r\n--{EDGE}\r\nContent-Type: {kind}\r\n\r\n".encode() + content for kind, content in parts
    )
    return told + f"\r\n--{EDGE}--\r\n".encode()


def of(*paths: Path) -> bytes:
    return body(*(("application/dicom", path.read_bytes()) for path in paths))


def post(client: Client, content: bytes, kind: str = "application/dicom") -> Any:
    return client.post(
        STUDIES,
        content,
        content_type=f'multipart/related; type="{kind}"; boundary={EDGE}',
        headers={"Accept": "application/dicom+json"},
    )


def left() -> list[Path]:
    """What lies where objects are received."""
    return [path for name in (inbox.SPOOL, inbox.ARRIVING) for path in (received_folder() / name).glob("*")]


def signed_in(who: Who) -> Client:
    client = Client()
    client.force_login(Account.objects.get(username=who.username))
    return client


@pytest.fixture
def client() -> Client:
    return signed_in(Staff()[Role.IMG])


def test_what_is_kept_is_answered_by_its_identifiers_and_waits(client: Client, slices: list[Path]) -> None:
    answer = post(client, of(*slices))
    assert (answer.status_code, answer.headers["Content-Type"]) == (200, "application/dicom+json")
    said = answer.json()
    kept = {one[INSTANCE]["Value"][0] for one in said[REFERENCED]["Value"]}
    assert kept == {str(dcmread(path).SOPInstanceUID) for path in slices}
    assert OTHER not in said
    arrival = Arrival.objects.get()
    assert (arrival.door, arrival.stage, arrival.files) == (Door.STOW, ArrivalStage.WAITING, 4)
    assert sorted(path.stat().st_size for path in folder_of(arrival.quarantine).iterdir()) == sorted(
        path.stat().st_size for path in slices
    )
    assert post(client, of(*slices)).status_code == 200
    assert Arrival.objects.get().files == 4


def test_what_is_not_kept_is_answered_with_its_reason(
    client: Client, slices: list[Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    spoilt = body(
        ("application/dicom", slices[0].read_bytes()), ("application/dicom", b"junk"), ("text/plain", b"x")
    )
    answer = post(client, spoilt)
    assert answer.status_code == 202
    assert [one[REASON]["Value"] for one in answer.json()[OTHER]["Value"]] == [[0xC000], [0xC000]]
    assert Arrival.objects.get().files == 1
    monkeypatch.setattr(room, "free_bytes", lambda _: 0)
    full = post(client, of(slices[1]))
    assert (full.status_code, full.json()[OTHER]["Value"][0][REASON]["Value"]) == (409, [0xA700])
    assert Arrival.objects.get().files == 1
    assert left() == []


def test_of_a_body_that_is_cut_nothing_is_kept(client: Client, slices: list[Path]) -> None:
    assert post(client, of(*slices)[:-300]).status_code == 400
    assert left() == []
    assert not Arrival.objects.exists()


@pytest.mark.parametrize(
    ("content", "kind"),
    [(b"", "application/dicom"), (body(), "application/dicom"), (b"x", "application/json")],
)
def test_what_is_no_such_request_is_refused(client: Client, content: bytes, kind: str) -> None:
    assert post(client, content, kind).status_code == 400
    assert left() == []
    assert not Arrival.objects.exists()


def test_who_takes_no_images_sends_none(slices: list[Path]) -> None:
    assert post(signed_in(Staff()[Role.OPR]), of(*slices)).status_code == 403
    assert post(Client(), of(*slices)).status_code in (401, 403)
    assert not received_folder().exists()


def test_a_study_is_attached_or_discarded_over_the_api(client: Client, slices: list[Path]) -> None:
    post(client, of(*slices))
    code = Arrival.objects.get().code
    listed = client.get("/api/arrivals/").json()["results"]
    assert [(one["code"], one["files"], one["device"]) for one in listed] == [(code, 4, None)]
    device = make_device()
    answer = client.post(
        f"/api/arrivals/{code}/attach/", {"device": device.code}, content_type="application/json"
    )
    assert (answer.status_code, answer.json()["status"]) == (202, "received")
    again = client.post(f"/api/arrivals/{code}/discard/", {"reason": "x"}, content_type="application/json")
    assert again.status_code == 409
    assert Arrival.objects.get().stage == ArrivalStage.ATTACHED
