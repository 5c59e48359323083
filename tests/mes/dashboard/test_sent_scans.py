"""A surface scan from a person's screen: what it is, in which unit and axes, then a signature over what was shown."""

from __future__ import annotations

import html
import re
from pathlib import Path
from typing import Any
from urllib.parse import unquote

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile

from devices.mesh.io import write_stl
from devices.models import Device, Study
from mes.choices import Role
from tests.devices.makers import PASSWORD, Staff, make_planned
from tests.devices.scanning import arch
from tests.devices.test_scans import dental
from tests.mes.dashboard.conftest import Visit

HTMX = {"HX-Request": "true"}
pytestmark = pytest.mark.requirement("G-ORD-05")


@pytest.fixture(autouse=True)
def quarantine(tmp_path: Path, settings: Any) -> None:
    settings.QUARANTINE_DIR = tmp_path / "quarantine"
    settings.ARTEFACTS_DIR = tmp_path / "artefacts"
    (tmp_path / "quarantine").mkdir()


def test_a_scan_is_shown_with_its_unit_and_axes_and_then_signed_for(staff: Staff, as_: Visit) -> None:
    device, who = dental(staff), staff[Role.IMG]
    client, where = as_(who), f"/act/device/{device.code}"
    form = client.get(f"{where}/receive-surface/", headers=HTMX).content.decode()
    assert "own" in form
    assert "RAS: right, front, head" in form

    def post(**said: str) -> Any:
        files = [SimpleUploadedFile("Mustermann^Erika.stl", write_stl(arch()))]
        return client.post(f"{where}/receive-surface/", {"images": files, **said}, headers=HTMX)

    assert "no unit" in html.unescape(post(unit="", axes="own").content.decode())
    assert post(unit="mm", axes="LAS").status_code != 204
    answer = post(unit="mm", axes="own", scanned_on="2026-11-02")
    assert answer.status_code == 204, answer.content.decode()
    page = html.unescape(client.get(answer["Lamina-Dialog"], headers=HTMX).content.decode())
    for words in ("44.8 × 21.6 × 12.0 mm", "mm, as the sender says", "the scanner's own", "02 Nov 2026"):
        assert words in page
    assert "Mustermann" not in page
    digest = re.search(r'name="digest" value="([0-9a-f]{64})"', page)
    assert digest
    token = unquote(answer["Lamina-Dialog"].partition("upload=")[2])
    typed = {"username": who.username, "password": PASSWORD, "digest": digest[1], "upload": token}
    assert client.post(f"{where}/confirm-images/", typed, headers=HTMX).status_code == 204
    assert Study.objects.get().declared == {"unit": "mm", "axes": "own", "scanned_on": "2026-11-02"}


def test_a_device_whose_master_takes_no_scans_does_not_offer_it(staff: Staff, as_: Visit) -> None:
    device: Device = make_planned(staff)
    page = as_(staff[Role.IMG]).get(f"/devices/{device.code}/").content.decode()
    assert "receive-surface" not in page
    assert "receive-study" in page
