"""The files of a device, build and lot: one declaration, the same list and the same checks on the page and over HTTP."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from typing import Any

import pytest
from django.test import Client

from devices.choices import Stage
from devices.models import Device
from mes.choices import Role
from mes.files import SOURCES, Named, files
from mes.models import Account, Person
from mes.services.artefacts import artefact_path, store_artefact
from printing.models import Build, MaterialLot
from quality.services.reports import record_report
from tests.quality.makers import Staff, make_built_device, make_measured, make_person, make_picture


def browser_of(person: Person) -> Client:
    client = Client()
    client.force_login(Account.objects.get(person=person))
    return client


@pytest.fixture
def device(staff: Staff) -> Device:
    made = make_built_device(staff, stage=Stage.AWAITING_INSPECTION)
    make_measured(staff, made)
    record_report(
        device_id=made.pk, name="production_record", json=make_picture(1), pdf=make_picture(2), last_pos=1
    )
    return made


def listed(client: Client, kind: str, row: Any) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = client.get(f"/api/{kind}/{row.code}/artefacts/").json()
    return found


def content(answer: Any) -> bytes:
    assert answer.status_code == 200
    return b"".join(answer.streaming_content)


def test_the_api_offers_what_the_device_page_offers(staff: Staff, device: Device) -> None:
    client = browser_of(staff[Role.QAR])
    page = client.get(f"/devices/{device.code}/").content.decode()
    offered = listed(client, "devices", device)
    words = {file["name"].removeprefix(f"{device.code}-").partition(".")[0] for file in offered}
    assert {"scan-1", "deviation-1", "deviation-picture-1", "design-1"} <= words
    assert any(name.startswith("production_record-") for name in words)
    assert any(file["name"].endswith("-build.zip") for file in offered) == bool(
        Build.objects.filter(items__device=device, file__isnull=False)
    )
    assert page.count("/files/") >= len(offered)
    for file in offered:
        shown = f"/devices/{device.code}/files/{file['sha256']}/"
        assert f'<a href="{shown}" download>{file["name"]}</a>' in page
        over_api, over_page = client.get(file["url"]), client.get(shown)
        sent = content(over_api)
        assert (hashlib.sha256(sent).hexdigest(), len(sent)) == (file["sha256"], file["size"])
        assert over_api["Content-Type"] == file["media_type"]
        for header in ("Content-Type", "Content-Disposition", "Content-Security-Policy"):
            assert over_api[header] == over_page[header]
        assert content(over_page) == sent


def test_neither_gives_a_file_to_who_may_not_read_it(staff: Staff, device: Device) -> None:
    other = make_built_device(staff)
    reader, system = browser_of(staff[Role.QAR]), browser_of(make_person("Person SYS", Role.SYS))
    elsewhere = {file["sha256"] for file in listed(reader, "devices", other)}
    own = {file["sha256"]: file["url"] for file in listed(reader, "devices", device)}
    assert set(own) - elsewhere
    for sha256, over_api in own.items():
        for url in (over_api, f"/devices/{device.code}/files/{sha256}/"):
            assert system.get(url).status_code == 404  # what a person may not know is not there
            if sha256 not in elsewhere:
                assert reader.get(url.replace(device.code, other.code)).status_code == 404
            assert Client().get(url).status_code in (302, 401, 403)
    assert system.get(f"/api/devices/{device.code}/artefacts/").status_code == 403
    assert "/files/" not in system.get(f"/devices/{device.code}/").content.decode().partition("<aside>")[2]


@pytest.mark.requirement("G-INT-01")
def test_neither_gives_an_altered_file(staff: Staff, device: Device) -> None:
    client = browser_of(staff[Role.QAR])
    scan = next(file for file in listed(client, "devices", device) if "-scan-" in file["name"])
    stored = artefact_path(scan["sha256"])
    stored.chmod(0o640)
    stored.write_bytes(b"solid forged")
    assert client.get(scan["url"]).status_code == 409
    assert client.get(f"/devices/{device.code}/files/{scan['sha256']}/").status_code == 409


def test_one_declaration_offers_a_file_everywhere(
    staff: Staff, device: Device, monkeypatch: pytest.MonkeyPatch
) -> None:
    stored = store_artefact(b"a note", media_type="text/plain")
    monkeypatch.setattr(SOURCES, "_things", dict(SOURCES.items()))

    @files("test.notes", page="device", permission="devices.read_artefact")
    def notes(of: Device) -> Iterator[Named]:
        yield stored.sha256, f"{of.code}-note"
        yield None, "not written yet"

    client = browser_of(staff[Role.QAR])
    note = next(file for file in listed(client, "devices", device) if file["sha256"] == stored.sha256)
    assert (note["name"], note["media_type"], note["size"]) == (f"{device.code}-note.txt", "text/plain", 6)
    assert f"{device.code}-note.txt" in client.get(f"/devices/{device.code}/").content.decode()
    assert content(client.get(note["url"])) == b"a note"


def test_a_permission_of_its_own_hides_a_file_and_not_its_neighbours(
    staff: Staff, device: Device, monkeypatch: pytest.MonkeyPatch
) -> None:
    stored = store_artefact(b"a secret", media_type="text/plain")
    monkeypatch.setattr(SOURCES, "_things", dict(SOURCES.items()))

    @files("test.secrets", page="device", permission="mes.operate_deliveries")
    def secrets(of: Device) -> Iterator[Named]:
        yield stored.sha256, f"{of.code}-secret"

    client = browser_of(staff[Role.QAR])
    digests = {file["sha256"] for file in listed(client, "devices", device)}
    assert digests
    assert stored.sha256 not in digests
    for url in ("/api/devices/{}/artefacts/{}/", "/devices/{}/files/{}/"):
        assert client.get(url.format(device.code, stored.sha256)).status_code == 404


def test_builds_and_lots_have_files_too(staff: Staff, device: Device) -> None:
    client = browser_of(staff[Role.QAR])
    build, lot = Build.objects.filter(items__device=device).get(), MaterialLot.objects.get()
    Build.objects.filter(pk=build.pk).update(
        file=store_artefact(b"PK plate", media_type="application/vnd.lamina.build+zip")
    )
    MaterialLot.objects.filter(pk=lot.pk).update(
        certificate_file=store_artefact(b"%PDF-1.7", media_type="application/pdf")
    )
    for kind, row, name in (("builds", build, "build.zip"), ("lots", lot, "certificate.pdf")):
        (file,) = listed(client, kind, row)
        assert file["name"] == f"{row.code}-{name}"
        page = client.get(f"/{kind}/{row.code}/").content.decode()
        shown = f"/{kind}/{row.code}/files/{file['sha256']}/"
        assert f'<a href="{shown}" download>{file["name"]}</a>' in page
        assert content(client.get(file["url"])) == content(client.get(shown))
    (build_file,) = [file for file in listed(client, "devices", device) if file["name"].startswith("B")]
    assert build_file["name"] == f"{build.code}-build.zip"
