"""A segmentation of another program from a person's screen: the file, then the segments that it has to choose from."""

from __future__ import annotations

import html
import json
import re
from pathlib import Path
from typing import Any
from urllib.parse import unquote

import numpy as np
import pytest
from django.core.files.uploadedfile import SimpleUploadedFile

from mes.choices import Role
from mes.models import EventRecord, Signature
from tests.devices.imaging.labelling import block, write_map, write_seg
from tests.devices.imaging.making import make_volume
from tests.devices.makers import PASSWORD, Staff, make_planned, make_study
from tests.mes.dashboard.conftest import Visit

HTMX = {"HX-Request": "true"}
pytestmark = pytest.mark.requirement("G-SEG-01")


@pytest.fixture(autouse=True)
def quarantine(tmp_path: Path, settings: Any) -> None:
    settings.QUARANTINE_DIR = tmp_path / "quarantine"
    settings.ARTEFACTS_DIR = tmp_path / "artefacts"
    (tmp_path / "quarantine").mkdir()


def test_its_segments_are_shown_and_several_of_them_chosen(staff: Staff, as_: Visit, tmp_path: Path) -> None:
    device, who = make_planned(staff), staff[Role.SEG]
    client, where = as_(who), f"/act/device/{device.code}"
    assert "receive-segmentation" not in client.get(f"/devices/{device.code}/").content.decode()
    make_study(device, staff)
    assert "receive-segmentation" in client.get(f"/devices/{device.code}/").content.decode()
    volume = make_volume()
    masks = {1: block(volume), 2: block(volume, at=3), 3: np.ones(volume.shape, np.uint8)}
    data = write_seg(
        tmp_path / "a", volume, masks, labels=("jaw", "Mustermann", "skin"), PatientID="LM-0815"
    ).read_bytes()

    def sent(content: bytes) -> Any:
        files = {"segmentation": SimpleUploadedFile("Mustermann^Erika.dcm", content)}
        return client.post(f"{where}/receive-segmentation/", files, headers=HTMX)

    assert "neither a DICOM Segmentation object" in html.unescape(sent(b"no image").content.decode())
    answer = sent(data)
    assert answer.status_code == 204, answer.content.decode()
    page = html.unescape(client.get(answer["Lamina-Dialog"], headers=HTMX).content.decode())
    assert "1: jaw, automatic by net 3" in page
    assert "Label 2, automatic by net 3" in page
    assert "Mustermann" not in page
    token = unquote(answer["Lamina-Dialog"].partition("upload=")[2])

    def chosen(*segments: str) -> Any:
        said = {"upload": token, "segments": list(segments)}
        return client.post(f"{where}/choose-segments/", said, headers=HTMX)

    assert "Choose at least one" in html.unescape(chosen().content.decode())
    assert "none of the choices" in html.unescape(chosen("1", "7").content.decode())
    answer = chosen("1", "2")
    assert answer.status_code == 204, answer.content.decode()
    asked = json.loads(EventRecord.objects.get(type="devices.segmentation_requested").payload)
    assert asked["parameters"]["external"]["segments"] == [1, 2]
    assert asked["author_id"] == who.person.pk


@pytest.mark.requirement("G-ORD-05")
def test_one_that_names_nobody_is_signed_for_in_a_step_of_its_own(
    staff: Staff, as_: Visit, tmp_path: Path
) -> None:
    device, who = make_planned(staff), staff[Role.SEG]
    make_study(device, staff)
    volume = make_volume()
    sent = write_map(tmp_path / "a.nii.gz", volume, block(volume).astype(np.int16) * 3)
    client, where = as_(who), f"/act/device/{device.code}"
    files = {"segmentation": SimpleUploadedFile("Mustermann^Erika.nii.gz", sent.read_bytes())}
    address = client.post(f"{where}/receive-segmentation/", files, headers=HTMX)["Lamina-Dialog"]
    token = unquote(address.partition("upload=")[2])
    said = {"upload": token, "segments": ["3"], "resample": "on"}
    answer = client.post(f"{where}/choose-segments/", said, headers=HTMX)
    assert answer.status_code == 204, answer.content.decode()
    asked = client.get(answer["Lamina-Dialog"], headers=HTMX)
    page = html.unescape(asked.content.decode())
    assert asked.status_code == 200, page
    assert "none: whose it is, your signature says" in page
    carried = dict(re.findall(r'type="hidden" name="(\w+)" value="([^"]*)"', page))
    typed = {**carried, "username": who.username, "password": PASSWORD}
    garbled = client.post(f"{where}/link-segmentation/", {**typed, "segments": "3;4"}, headers=HTMX)
    assert (garbled.status_code, "Choose the segments again" in garbled.content.decode()) == (422, True)
    assert not EventRecord.objects.filter(type="devices.segmentation_requested").exists()
    assert client.post(f"{where}/link-segmentation/", typed, headers=HTMX).status_code == 204
    said = json.loads(EventRecord.objects.get(type="devices.segmentation_requested").payload)["parameters"]
    assert (said["external"]["segments"], said["external"]["resample"]) == ([3], True)
    assert said["external"]["link"]["signature"] == Signature.objects.get(meaning="verified").pk
