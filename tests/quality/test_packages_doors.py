"""Packages at the API and on their pages: the whole way, every state, and what is refused (K-12)."""

from __future__ import annotations

from typing import Any

import pytest
from django.test import Client

from devices.choices import Stage
from devices.models import Device
from mes.choices import Role
from mes.models import Person
from quality.export.content import genealogy_of
from quality.models import Package
from quality.panels import packages_to_finish
from quality.reports.base import REPORTS
from quality.reports.packing import EXAMINED
from quality.selectors.record import events_in, streams_of
from quality.services.packages import pack_device
from tests.quality.makers import Staff, acting, make_built_device, make_measured, move_through
from tests.quality.test_api import Browser
from tests.quality.test_packages import (
    PACKAGING,
    RELEASED,
    closed,
    labelled,
    make_device,
    opened,
    packed,
    packer,
)

__all__ = ["packer"]
pytestmark = [pytest.mark.django_db, pytest.mark.requirement("K-12")]


def page(person: Person, path: str) -> str:
    client = Client()
    client.force_login(person.accounts.get())
    answer = client.get(path)
    assert answer.status_code == 200, answer.content
    return answer.content.decode()


def test_the_whole_way_over_the_api(staff: Staff, packer: Person) -> None:
    device = make_device(staff)
    label, check = Browser(packer), Browser(staff[Role.QCM])

    def post(who: Browser, path: str, expected: int = 200, **body: Any) -> Any:
        return who._said(who.http.post(f"/api/{path}", body, format="json"), expected)

    begin = {"order": device.order.code, "level": "carton", "station": "Bench 1"}
    refused = post(label, "packages/", 422, **begin, line_clear=False)
    assert refused["reasons"][0]["rule"] == "G-LBL-02"
    code = post(label, "packages/", 201, **begin, line_clear=True)["code"]
    url = f"packages/{code}/"
    assert post(label, f"{url}pack/", device=device.code)["contents"] == [
        {"device": device.code, "quantity": 1}
    ]
    post(label, f"{url}take-out/", device=device.code, reason="Wrong side up")
    post(label, f"{url}pack/", device=device.code)
    issued = post(label, f"{url}issue-labels/", quantity=2)
    post(label, f"{url}destroy-labels/", quantity=1, reason="Smeared")
    symbol = issued["label"]["symbol"]
    label.sign(f"{url}apply-labels/", quantity=1, scanned=symbol, examined=list(EXAMINED))
    assert check.sign(f"{url}close/")["stage"] == "closed"
    assert label.get("packages/?stage=closed")["count"] == 1
    assert post(check, f"{url}reopen/", reason="Leaflet")["destroyed"] == 2
    post(label, f"{url}take-out/", device=device.code, reason="Repack")
    assert post(check, f"{url}void/", reason="Torn")["stage"] == "void"


def test_what_lies_in_another_is_moved_over_the_api(staff: Staff, packer: Person) -> None:
    device = make_device(staff)
    pouch = closed(staff, labelled(packer, packed(packer, device, "pouch")))
    carton, label = opened(packer, device, "carton"), Browser(packer)
    into = label.http.post(f"/api/packages/{pouch.code}/put-into/", {"into": carton.code}, format="json")
    assert into.json()["inside"] == carton.code
    out = label.http.post(f"/api/packages/{pouch.code}/remove/", {"reason": "Other box"}, format="json")
    assert (out.status_code, out.json()["inside"]) == (200, None)


def test_the_pages_show_every_state(staff: Staff, packer: Person) -> None:
    assert "No package yet" in page(packer, "/packages/")
    device = make_device(staff)
    carton = opened(packer, device, "carton")
    shown = page(packer, f"/packages/{carton.code}/")
    assert "Pack a device of" in shown
    assert "No label" in shown
    assert list(packages_to_finish()) == [carton]
    assert "pack-device" in shown
    pack_device(package_id=carton.pk, device_id=device.pk, quantity=1, actor=acting(packer))
    labelled(packer, carton, 2)
    assert f"{device.serial}" in page(packer, f"/packages/{carton.code}/")
    closed(staff, carton)
    assert "reopen-package" in page(staff[Role.QCM], f"/packages/{carton.code}/")
    for path in (
        "/packages/",
        f"/packages/?q={device.code}&level=carton&stage=closed",
        f"/packages/?q={carton.code}",
        f"/packages/?q={device.order.code}",
        f"/packages/?q={device.serial}",
        "/packages/?q=bench",
        f"/devices/{device.code}/",
    ):
        assert carton.code in page(packer, path), path
    assert "No package matches" in page(packer, "/packages/?q=nowhere")
    client = Client()
    client.force_login(packer.accounts.get())
    found = client.get(f"/find/?code={carton.code}")
    assert found.headers["Location"] == f"/packages/{carton.code}/"


def test_labels_that_are_left_are_told(staff: Staff, packer: Person) -> None:
    from_now = packed(packer, make_device(staff))
    browser = Browser(packer)
    browser.http.post(f"/api/packages/{from_now.code}/issue-labels/", {"quantity": 3}, format="json")
    assert "3 labels left" in page(packer, f"/packages/{from_now.code}/")


def test_the_dialogs_of_a_package_ask_and_sign(staff: Staff, packer: Person) -> None:
    device = make_device(staff)
    client = Client()
    client.force_login(packer.accounts.get())
    dialog = client.get(f"/act/order/{device.order.code}/open-package/").content.decode()
    assert "nothing of another order lies at this station" in dialog
    carton = packed(packer, device)
    values = {"quantity": "1", "reason": "x"}
    assert client.post(f"/act/package/{carton.code}/issue-labels/", values).status_code in (204, 303)
    carton.refresh_from_db()
    assert carton.issued == 1
    shown = client.get(f"/act/package/{carton.code}/apply-labels/").content.decode()
    assert "Scan the printed symbol" in shown
    assert device.serial in shown
    for name in ("take-out", "destroy-labels"):
        expected = 200 if name == "destroy-labels" else 409
        assert client.get(f"/act/package/{carton.code}/{name}/").status_code == expected, name


def test_the_record_and_the_export_tell_of_packages(staff: Staff, packer: Person) -> None:
    device = make_device(staff)
    closed(staff, labelled(packer, packed(packer, device)))
    last = events_in(streams_of(device)).last()
    assert last is not None
    sections = REPORTS["production_record"].gather(device, last.pos)["sections"]
    carton = Package.objects.get()
    assert sections["N"]["state"] == sections["O"]["state"] == "recorded"
    assert sections["N"]["tables"][0]["rows"][0][:2] == [carton.code, "carton"]
    assert [row[1] for row in sections["O"]["tables"][0]["rows"]] == ["issued", "applied"]
    assert genealogy_of(device)["packages"] == [
        {"package": carton.code, "level": "carton", "in": None, "units": 1}
    ]
    first = events_in([(last.stream_type, last.stream_id)]).first()
    assert first is not None
    before = REPORTS["production_record"].gather(device, first.pos - 1)["sections"]
    assert before["N"]["state"] == "not recorded yet"


@pytest.mark.requirement("K-08")
def test_a_lot_is_inspected_over_the_api_and_shown(staff: Staff) -> None:
    lot = make_built_device(staff, stage=Stage.AWAITING_INSPECTION, packaging=PACKAGING, lot_of=2)
    inspector = Browser(staff[Role.INS])
    refused = inspector.sign(f"devices/{lot.code}/pass-lot/", 409)
    assert {reason["rule"] for reason in refused["reasons"]} == {"G-INS-01"}
    assert "Unit 2: open" in page(staff[Role.INS], f"/devices/{lot.code}/")
    for unit in (1, 2):
        inspection = make_measured(staff, lot, unit=unit)
        inspector.sign(f"inspections/{inspection.pk}/sign/")
    assert inspector.sign(f"devices/{lot.code}/pass-lot/")["stage"] == "inspected_pass"
    told = inspector.get(f"devices/{lot.code}/")
    assert (told["tracked_as"], told["quantity"], told["accepted"], told["released"]) == ("lot", 2, 2, 0)
    lot = Device.objects.get(pk=lot.pk)
    move_through(lot, RELEASED)
    assert lot.released == 2
