"""Images that came in over the network: the list, one study, and who may send."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest

from devices.choices import ArrivalStage, Door, PeerStage
from devices.imaging.inbox import Spool
from devices.models import Arrival, DicomPeer
from devices.services.arrivals import begin_arrival, record_arrival
from devices.services.studies import received_folder
from mes.choices import Role
from tests.devices.makers import PASSWORD, Staff, make_planned, make_upload
from tests.mes.dashboard.conftest import Visit

HTMX = {"HX-Request": "true"}


@pytest.fixture(autouse=True)
def places(tmp_path: Path, settings: Any) -> None:
    settings.QUARANTINE_DIR = tmp_path / "quarantine"


def arrived(folder: Path, staff: Staff) -> Arrival:
    arriving = begin_arrival(door=Door.STOW, sender_id=staff[Role.IMG].person.pk)
    for path in make_upload(folder).iterdir():
        spool = Spool(received_folder())
        spool.write(path.read_bytes())
        arriving.take(spool)
        spool.drop()
    record_arrival(arriving.folder)
    arriving.close()
    return Arrival.objects.get()


def test_a_study_is_shown_and_attached_to_a_device_that_waits(
    staff: Staff, as_: Visit, tmp_path: Path
) -> None:
    client, device = as_(staff[Role.IMG]), make_planned(staff)
    assert "Nothing waits" in client.get("/arrivals/").content.decode()
    arrival = arrived(tmp_path / "s", staff)
    for address in ("/arrivals/", "/my-work/"):
        assert arrival.code in client.get(address).content.decode()
    page = client.get(f"/arrivals/{arrival.code}/").content.decode()
    assert f"<dd>{arrival.files}</dd>" in page
    assert "Mustermann" not in page
    dialog = client.get(f"/act/arrival/{arrival.code}/attach-arrival/", headers=HTMX).content.decode()
    assert f'value="{device.code}"' in dialog
    (series,) = re.findall(r'value="([^"]+)"', dialog.partition('name="series"')[2].partition("</select>")[0])
    typed = {"device": device.code, "series": series}
    address = f"/act/arrival/{arrival.code}/attach-arrival/"
    assert client.post(address, typed | {"device": "D0000999"}, headers=HTMX).status_code == 422
    assert client.post(address, typed, headers=HTMX)["HX-Redirect"] == f"/devices/{device.code}/"
    arrival.refresh_from_db()
    assert (arrival.stage, arrival.device) == (ArrivalStage.ATTACHED, device)


def test_what_nobody_needs_is_discarded_with_a_reason(staff: Staff, as_: Visit, tmp_path: Path) -> None:
    client, arrival = as_(staff[Role.ORD]), arrived(tmp_path / "s", staff)
    address = f"/act/arrival/{arrival.code}/discard-arrival/"
    assert client.post(address, {"reason": ""}, headers=HTMX).status_code == 422
    assert client.post(address, {"reason": "a test of the scanner"}, headers=HTMX).status_code == 204
    assert "a test of the scanner" in client.get(f"/arrivals/{arrival.code}/").content.decode()
    assert arrival.code not in client.get("/arrivals/").content.decode()
    assert arrival.code in client.get("/arrivals/?stage=discarded").content.decode()


def test_an_administrator_says_who_may_send(staff: Staff, as_: Visit) -> None:
    client = as_(staff[Role.SYS])
    assert "No sender yet" in client.get("/senders/").content.decode()
    typed = {"title": "CT2", "address": "10.0.0.7", "description": "CT 2, radiology"}
    register, secret = "/act/peers/new/register-peer/", {"password": PASSWORD}
    assert client.post(register, typed, headers=HTMX).status_code == 403
    assert not DicomPeer.objects.exists()
    assert client.post(register, typed | secret, headers=HTMX).status_code == 204
    peer = DicomPeer.objects.get()
    assert "10.0.0.7" in client.get("/senders/").content.decode()
    revoke = f"/act/peer/{peer.pk}/revoke-peer/"
    assert as_(staff[Role.IMG]).post(revoke, {"reason": "x"}, headers=HTMX).status_code == 403
    assert client.post(revoke, {"reason": "sold"} | secret, headers=HTMX)["HX-Redirect"] == "/senders/"
    assert DicomPeer.objects.get().stage == PeerStage.REVOKED
