"""Exports and the check of integrity, as pages and over the API: every state that a person can meet."""

from __future__ import annotations

import json
from collections.abc import Callable
from html import unescape
from pathlib import Path

import pytest
from django.db import connection, connections
from django.test import Client
from django.test.utils import CaptureQueriesContext
from rest_framework.test import APIClient

from devices.models import Device
from mes.choices import Role
from mes.embedded.roles import SUPERUSER
from mes.exceptions import Refused
from mes.models import Delivery, EventRecord, Person
from mes.models.eventlog import DeliveryStatus
from mes.services.artefacts import artefact_path
from quality.choices import ExportKind
from quality.export.verify_record import Check
from quality.models import Export
from quality.services.bundle import bundle_of
from quality.services.export import export_next, request_export
from quality.services.integrity import verify_integrity
from tests.mes.logins import tamper
from tests.mes.test_changes_explained import COPIED
from tests.quality.export.conftest import seal
from tests.quality.makers import Staff, acting
from tests.servers import Cluster

ON_THE_ORDER = "id = (SELECT min(id) FROM mes_signature WHERE subject_type = 'devices.order')"
ON_THE_DEVICE = "id = (SELECT min(id) FROM mes_signature WHERE subject_type = 'devices.device')"

MOST_QUERIES = 160
"""Of the check of one device: nothing of its record is read twice."""


def page_of(person: Person) -> Client:
    client = Client()
    client.force_login(person.accounts.get())
    return client


def api_of(person: Person) -> APIClient:
    client = APIClient()
    client.force_authenticate(person.accounts.get())
    return client


@pytest.fixture
def export_all(drain: Callable[[], int]) -> Callable[[], int]:
    """Deliver exports alone: what the device's story left behind would write more into its record."""

    def delivered() -> int:
        Delivery.objects.exclude(handler__startswith="quality.export_").update(status=DeliveryStatus.DONE)
        return drain()

    return delivered


@pytest.mark.requirement("P11-10b")
def test_an_inspector_exports_a_record_and_takes_it(
    sealed: Device, auditor: Person, export_all: Callable[[], int], tmp_path: Path
) -> None:
    client = page_of(auditor)
    assert "Nothing was exported yet" in client.get("/exports/").content.decode()
    asked = {"kind": "order", "code": sealed.order.code.lower(), "since": "", "until": ""}
    preview = client.get("/exports/", asked, headers={"HX-Request": "true"}).content.decode()
    assert "1 record:" in preview
    assert sealed.code in preview

    unnamed = client.post("/exports/", asked, headers={"HX-Request": "true"})
    assert unnamed.status_code == 422
    assert "what for" in unnamed.content.decode()
    gone = client.post("/exports/", {**asked, "reason": "FDA inspection"}, headers={"HX-Request": "true"})
    assert (gone.status_code, gone["HX-Redirect"]) == (204, "/exports/X0000001/")

    running = client.get("/exports/X0000001/").content.decode()
    assert "every 2s" in running
    assert "0 of 1 bundle written" in running
    export_all()
    done = client.get("/exports/X0000001/", headers={"HX-Request": "true"}).content.decode()
    assert "every 2s" not in done
    row = Export.objects.get().records.get()
    answer = client.get(f"/exports/X0000001/bundles/{row.bundle_id}/")
    assert answer["Content-Disposition"] == f'attachment; filename="DHR_{sealed.serial}.zip"'
    place = tmp_path / "taken.zip"
    place.write_bytes(b"".join(answer))
    with place.open("rb") as file:
        assert Check(file).run() == []
    assert EventRecord.objects.get(type="quality.record_bundle_taken").actor == f"person:{auditor.pk}"
    history = client.get("/exports/").content.decode()
    assert "X0000001" in history
    assert str(auditor) in history
    assert client.get(f"/exports/X0000001/bundles/{'0' * 64}/").status_code == 422
    assert client.get("/exports/X0000009/").status_code == 404
    assert client.get("/exports/nothing/").status_code == 404


def test_a_refused_export_shows_why(
    released: Device, keys: Path, auditor: Person, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("quality.services.export.SEALED_WITHIN_S", 0.0)
    export = request_export(kind=ExportKind.DEVICE, subject=released.code, actor=acting(auditor))
    export_next(export.pk)()
    shown = page_of(auditor).get(f"/exports/{export.code}/").content.decode()
    assert "UNSEALED" in shown
    assert "P11-10b" in shown
    assert "every 2s" not in shown


def test_an_export_is_stopped_from_its_page(sealed: Device, auditor: Person) -> None:
    export = request_export(kind=ExportKind.DEVICE, subject=sealed.code, actor=acting(auditor))
    client = page_of(auditor)
    assert client.get(f"/exports/{export.code}/cancel/").status_code == 405
    assert client.post(f"/exports/{export.code}/cancel/").status_code == 303
    assert "stopped" in client.get(f"/exports/{export.code}/").content.decode()
    assert client.post(f"/exports/{export.code}/cancel/").status_code == 409


@pytest.mark.requirement("P11-10g")
def test_the_doors_are_closed_to_everybody_else(sealed: Device, staff: Staff, auditor: Person) -> None:
    export = request_export(kind=ExportKind.DEVICE, subject=sealed.code, actor=acting(auditor))
    client, api = page_of(staff[Role.OPR]), api_of(staff[Role.OPR])
    assert client.get("/exports/").status_code == 403
    assert client.post("/exports/", {"kind": "device", "code": sealed.code, "reason": "x"}).status_code == 403
    assert client.get(f"/exports/{export.code}/").status_code == 403
    assert client.post(f"/exports/{export.code}/cancel/").status_code == 403
    assert client.get(f"/exports/{export.code}/bundles/{'0' * 64}/").status_code == 403
    assert "Exports" not in client.get("/").content.decode()
    assert api.get("/api/exports/").status_code == 403
    assert (
        api.post("/api/exports/", {"kind": "device", "subject": sealed.code, "reason": "x"}).status_code
        == 403
    )
    assert page_of(staff[Role.PRE]).get(f"/devices/{sealed.code}/integrity/").status_code == 403
    assert api_of(staff[Role.PRE]).get(f"/api/devices/{sealed.code}/integrity/").status_code == 403


def test_programs_export_and_check(sealed: Device, auditor: Person, export_all: Callable[[], int]) -> None:
    api = api_of(auditor)
    verdict = api.get(f"/api/devices/{sealed.code}/integrity/").json()
    assert (verdict["result"], verdict["altered"], verdict["open"]) == ("VALID", [], [])
    bad = api.post("/api/exports/", {"kind": "device", "subject": "D0000099", "reason": "x"})
    assert (bad.status_code, bad.json()["code"]) == (422, "invalid_input")
    asked = api.post("/api/exports/", {"kind": "device", "subject": sealed.code, "reason": "by program"})
    assert (asked.status_code, asked.json()["stage"]) == (202, "requested")
    export_all()
    export = api.get(f"/api/exports/{asked.json()['code']}/").json()
    assert (export["stage"], export["done"], export["total"]) == ("finished", 1, 1)
    answer = api.get(f"/api/exports/{export['code']}/bundles/{export['records'][0]['sha256']}/")
    assert answer["Content-Type"] == "application/zip"
    b"".join(answer)
    assert api.post(f"/api/exports/{export['code']}/cancel/").status_code == 409
    assert api.get("/api/exports/").json()["count"] == 1


@pytest.mark.requirement("P11-10a")
def test_integrity_says_valid_unverifiable_or_altered_and_where(
    released: Device, cluster: Cluster, keys: Path, auditor: Person, staff: Staff, tmp_path: Path
) -> None:
    client, address = page_of(auditor), f"/devices/{released.code}/integrity/"
    assert "Verify integrity" in client.get(f"/devices/{released.code}/").content.decode()
    unsealed = client.get(address).content.decode()
    assert "UNVERIFIABLE" in unsealed
    assert "under no seal yet" in unsealed
    seal(cluster, tmp_path)
    with CaptureQueriesContext(connection) as asked:
        assert "VALID." in client.get(address).content.decode()
    assert len(asked) < MOST_QUERIES
    assert "UNVERIFIABLE" not in client.get(address).content.decode()

    event = EventRecord.objects.filter(stream_type="devices.device").order_by("pos")[2]
    tamper(cluster, f"UPDATE mes_event SET payload = replace(payload, '1', '2') WHERE pos = {event.pos}")
    shown = client.get(address).content.decode()
    assert "ALTERED" in shown
    assert f"event {event.pos} ({event.type!r}): altered" in unescape(shown)


@pytest.mark.requirement("P11-10a")
@pytest.mark.parametrize(
    ("statement", "named"),
    [
        ("UPDATE devices_device SET hold_reason = 'x'", "the row devices.device/"),
        (f"UPDATE mes_signature SET printed_name = 'Somebody' WHERE {ON_THE_ORDER}", "'Somebody': altered"),
        (f"UPDATE mes_signature SET content = '{{}}' WHERE {ON_THE_DEVICE}", "content"),
        ("UPDATE mes_seal SET signature = repeat('0', 128)", "is not signed by its key"),
        ("UPDATE mes_leaf SET hash = repeat('0', 64) WHERE index = 3", "seal"),
        ("DELETE FROM mes_event WHERE stream_type = 'devices.device' AND version = 4", "devices.device/"),
        ("UPDATE quality_measurement SET passed = NOT passed", "passed"),
    ],
)
def test_whatever_was_changed_by_hand_is_found(
    sealed: Device, cluster: Cluster, auditor: Person, statement: str, named: str
) -> None:
    tamper(cluster, statement)
    found = verify_integrity(Device.objects.get(pk=sealed.pk), acting(auditor))
    assert found.result == "ALTERED"
    assert any(named in text for text in found.altered), found.altered


@pytest.mark.requirement("P11-10a")
def test_a_figure_edited_beside_a_copied_event_is_found_and_not_exported(
    sealed: Device, cluster: Cluster, auditor: Person, tmp_path: Path
) -> None:
    """By the owner, with the trigger off that refuses it; the event is somebody's, sealed like any other."""
    person = EventRecord.objects.filter(stream_type="mes.person").latest("pos")
    forged = COPIED.format(root="mes.person", key=person.stream_id)
    with cluster.connect(SUPERUSER, connections.settings["default"]["NAME"]) as owner:
        owner.execute(
            f"BEGIN; ALTER TABLE quality_measurement DISABLE TRIGGER quality_measurement_no_update; "
            "UPDATE quality_measurement SET figures = jsonb_set(figures, '{maximum_mm}', '0.001'); "
            f"ALTER TABLE quality_measurement ENABLE TRIGGER quality_measurement_no_update; {forged} COMMIT".encode()
        )
    seal(cluster, tmp_path)
    found = verify_integrity(Device.objects.get(pk=sealed.pk), acting(auditor))
    assert any("figures" in text for text in found.altered)
    assert any("quality_measurement/" in text for text in found.altered)
    with pytest.raises(Refused, match=r"ALTERED.*figures") as refusal:
        bundle_of(Device.objects.get(pk=sealed.pk))
    assert refusal.value.reasons[0].rule == "P11-10a"


@pytest.mark.requirement("P11-10a")
def test_a_changed_or_missing_file_is_found(sealed: Device, auditor: Person) -> None:
    design = sealed.current_design
    assert design is not None
    path = artefact_path(design.mesh_id or "")
    before = path.read_bytes()
    path.chmod(0o640)
    try:
        path.write_bytes(before + b"x")
        assert any("is altered" in text for text in verify_integrity(sealed, acting(auditor)).altered)
        path.unlink()
        assert any("is missing" in text for text in verify_integrity(sealed, acting(auditor)).altered)
    finally:
        path.write_bytes(before)


def test_a_key_that_is_not_at_hand_leaves_it_open(sealed: Device, auditor: Person, keys: Path) -> None:
    for path in keys.glob("seal-*.pub"):
        path.unlink()
    found = verify_integrity(sealed, acting(auditor))
    assert (found.result, found.altered) == ("UNVERIFIABLE", [])
    assert "not at hand" in json.dumps(found.open)
