"""The dialogs of finishing, inspecting and reviewing a device."""

from __future__ import annotations

import html

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile

from devices.mesh.io import write_stl
from devices.models import Device
from mes.choices import Role
from mes.models import Signature
from quality.models import Inspection, Nonconformance, PostProcessStep
from tests.devices.makers import PASSWORD, Staff, make_block, make_device
from tests.mes.dashboard.conftest import Visit

HTMX = {"HX-Request": "true"}


def values_of(page: str, value: float) -> dict[str, str]:
    names = [part.split('"')[0] for part in page.split('name="') if part.startswith("value.")]
    assert names
    return dict.fromkeys(names, str(value))


@pytest.mark.requirement("G-PST-01")
def test_a_step_out_of_its_limits_is_recorded_as_measured_and_holds_the_device(
    staff: Staff, as_: Visit
) -> None:
    device = make_device("post_processing", staff)
    client = as_(staff[Role.PST])
    path = f"/act/device/{device.code}/record-step/"
    page = html.unescape(client.get(path, headers=HTMX).content.decode())
    typed = {"username": staff[Role.PST].username, "password": PASSWORD, "equipment": "Washer 2"}
    answer = client.post(path, typed | values_of(page, 9999), headers=HTMX)
    assert answer.status_code == 204
    assert not PostProcessStep.objects.get().in_limits
    assert Device.objects.get(pk=device.pk).held
    assert Nonconformance.objects.filter(device=device).count() == 1
    shown = client.get(f"/devices/{device.code}/").content.decode()
    assert "On hold" in shown
    assert "record-step" not in shown


def test_a_step_without_its_values_is_refused(staff: Staff, as_: Visit) -> None:
    device = make_device("post_processing", staff)
    typed = {"username": staff[Role.PST].username, "password": PASSWORD}
    answer = as_(staff[Role.PST]).post(f"/act/device/{device.code}/record-step/", typed, headers=HTMX)
    assert (answer.status_code, "is missing" in answer.content.decode()) == (422, True)
    assert not PostProcessStep.objects.exists()
    assert not Signature.objects.filter(meaning="performed").exists()


def test_a_scan_is_taken_in(staff: Staff, as_: Visit) -> None:
    device = make_device("awaiting_inspection", staff)
    client = as_(staff[Role.INS])
    path = f"/act/device/{device.code}/receive-scan/"
    assert "data-upload" in client.get(path, headers=HTMX).content.decode()
    scan = SimpleUploadedFile("Mustermann.stl", write_stl(make_block((20.0, 15.0, 5.0))))
    answer = client.post(path, {"scan": scan}, headers=HTMX)
    assert (answer.status_code, answer["HX-Redirect"]) == (204, f"/devices/{device.code}/")
    assert Inspection.objects.get().device_id == device.pk
    assert "Mustermann" not in client.get(f"/devices/{device.code}/").content.decode()


@pytest.mark.parametrize(("_case", "content"), [("empty", b""), ("nothing", None)])
def test_a_scan_of_nothing_is_refused(staff: Staff, as_: Visit, _case: str, content: bytes | None) -> None:
    device = make_device("awaiting_inspection", staff)
    typed = {} if content is None else {"scan": SimpleUploadedFile("scan.stl", content)}
    answer = as_(staff[Role.INS]).post(f"/act/device/{device.code}/receive-scan/", typed, headers=HTMX)
    assert answer.status_code == 422
    assert not Inspection.objects.exists()


@pytest.mark.requirement("ES-19")
def test_the_reviewer_sees_what_is_signed(staff: Staff, as_: Visit) -> None:
    device = make_device("ready_for_review", staff)
    page = (
        as_(staff[Role.QAR]).get(f"/act/device/{device.code}/review-record/", headers=HTMX).content.decode()
    )
    assert 'name="digest"' in page
    assert "Trail digest" in page
    assert "I reviewed this" in html.unescape(page)
