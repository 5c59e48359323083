"""The dialogs of finishing, inspecting and reviewing a device."""

from __future__ import annotations

import html
from typing import Any

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile
from django.test import Client
from django.utils import timezone

from devices.choices import Stage
from devices.mesh.io import write_stl
from devices.models import Device
from mes.choices import Role
from mes.models import Signature
from quality.choices import NonconformanceStage, Source
from quality.models import Inspection, Nonconformance, PostProcessStep, Verdict
from quality.services.nonconformance import open_nonconformance
from tests.devices.makers import PASSWORD, Staff, Who, make_block, make_device
from tests.mes.dashboard.conftest import Visit
from tests.quality.makers import PASSWORD as WORDS
from tests.quality.makers import make_built_device, make_gauge, make_measured, make_staff

HTMX = {"HX-Request": "true"}


def values_of(page: str, value: float) -> dict[str, str]:
    names = [part.split('"')[0] for part in page.split('name="') if part.startswith("value.")]
    assert names
    return dict.fromkeys(names, str(value))


def typed_by(who: Who) -> dict[str, str]:
    return {"username": who.username, "password": PASSWORD}


def seen(client: Client, path: str, typed: dict[str, str]) -> dict[str, str]:
    """The digest of what the dialog shows once this has been typed."""
    shown = html.unescape(client.post(f"{path}preview/", typed, headers=HTMX).content.decode())
    return {"digest": shown.split('name="digest" value="')[1].split('"')[0]}


@pytest.mark.requirement("G-PST-01")
def test_a_step_out_of_its_limits_is_recorded_as_measured_and_holds_the_device(
    staff: Staff, as_: Visit
) -> None:
    device = make_device("post_processing", staff)
    client = as_(staff[Role.PST])
    path = f"/act/device/{device.code}/record-step/"
    page = html.unescape(client.get(path, headers=HTMX).content.decode())
    typed = typed_by(staff[Role.PST]) | {"equipment": "Washer 2"} | values_of(page, 50)
    answer = client.post(path, typed | seen(client, path, typed), headers=HTMX)
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
    device, gauge = make_device("awaiting_inspection", staff), make_gauge()
    client = as_(staff[Role.INS])
    path = f"/act/device/{device.code}/receive-scan/"
    assert "data-upload" in client.get(path, headers=HTMX).content.decode()
    scan = SimpleUploadedFile("Mustermann.stl", write_stl(make_block((20.0, 15.0, 5.0))))
    typed = {"scan": scan, "gauge": str(gauge.pk), "measured_on": timezone.localdate().isoformat()}
    answer = client.post(path, typed, headers=HTMX)
    assert (answer.status_code, answer["HX-Redirect"]) == (204, f"/devices/{device.code}/")
    assert Inspection.objects.get().device_id == device.pk
    assert "Mustermann" not in client.get(f"/devices/{device.code}/").content.decode()


@pytest.mark.parametrize(("_case", "content"), [("empty", b""), ("nothing", None)])
def test_a_scan_of_nothing_is_refused(staff: Staff, as_: Visit, _case: str, content: bytes | None) -> None:
    device = make_device("awaiting_inspection", staff)
    typed: dict[str, Any] = {"gauge": str(make_gauge().pk), "measured_on": timezone.localdate().isoformat()}
    if content is not None:
        typed["scan"] = SimpleUploadedFile("scan.stl", content)
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


WASH = {"value.duration_s": "6", "value.concentration_percent": "99"}


@pytest.mark.requirement("ES-19")
def test_a_step_signs_what_was_shown_and_no_other_step(staff: Staff, as_: Visit) -> None:
    device, finisher = make_device("post_processing", staff), staff[Role.PST]
    client, path = as_(finisher), f"/act/device/{device.code}/record-step/"
    opened = html.unescape(client.get(path, headers=HTMX).content.decode())
    assert "what you sign appears here" in opened
    wash = typed_by(finisher) | WASH | {"step": "wash", "equipment": "Washer 2"}
    digest = seen(client, path, wash)
    changed = client.post(path, wash | digest | {"equipment": "Washer 3"}, headers=HTMX)
    unseen = client.post(path, wash, headers=HTMX)
    for answer in (changed, unseen):
        assert (answer.status_code, "ES-19" in answer.content.decode()) == (409, True)
    assert not PostProcessStep.objects.exists()
    assert client.post(path, wash | digest, headers=HTMX).status_code == 204
    assert PostProcessStep.objects.get().signature.content_digest == digest["digest"]
    again = client.post(path, wash | digest, headers=HTMX)
    assert (again.status_code, "ES-19" in again.content.decode()) == (409, True)
    assert PostProcessStep.objects.count() == 1


@pytest.mark.requirement("ES-19")
@pytest.mark.requirement("G-NC-01")
def test_a_disposition_is_shown_before_it_is_proposed_and_before_it_is_approved(
    staff: Staff, as_: Visit
) -> None:
    device, owner, second = make_device("post_processing", staff), staff[Role.QCM], staff[Role.QAR]
    found = open_nonconformance(
        device_id=device.pk,
        source=Source.PERSON,
        requirement="No cracks",
        description="A crack at the first tube",
        actor=owner.actor,
    )
    path, client = f"/act/device/{device.code}/propose-disposition/", as_(owner)
    typed = typed_by(owner) | {"disposition": "scrap", "reason": "It cannot be mended"}
    digest = seen(client, path, typed)
    other = client.post(path, typed | digest | {"reason": "It can be mended"}, headers=HTMX)
    assert (other.status_code, "ES-19" in other.content.decode()) == (409, True)
    assert client.post(path, typed | digest, headers=HTMX).status_code == 204
    assert found.code in Signature.objects.get(content_digest=digest["digest"]).content

    path, client = f"/act/device/{device.code}/dispose-nonconformance/", as_(second)
    page = html.unescape(client.get(path, headers=HTMX).content.decode())
    assert "A crack at the first tube" in page
    assert "It cannot be mended" in page
    stale = client.post(path, typed_by(second) | {"digest": "0" * 64}, headers=HTMX)
    assert stale.status_code == 409
    assert Nonconformance.objects.get().stage == NonconformanceStage.DISPOSITION_PROPOSED
    answer = client.post(path, typed_by(second) | seen(client, path, {}), headers=HTMX)
    assert answer.status_code == 204
    assert Nonconformance.objects.get().stage == NonconformanceStage.CLOSED


@pytest.mark.requirement("ES-19")
def test_voiding_shows_the_finding_and_the_reason(staff: Staff, as_: Visit) -> None:
    device, quality = make_device("post_processing", staff), staff[Role.QAR]
    open_nonconformance(
        device_id=device.pk,
        source=Source.PERSON,
        requirement="No cracks",
        description="A shadow taken for a crack",
        actor=staff[Role.QCM].actor,
    )
    path, client = f"/act/device/{device.code}/void-nonconformance/", as_(quality)
    assert "A shadow taken for a crack" in client.get(path, headers=HTMX).content.decode()
    typed = typed_by(quality) | {"reason": "It was a shadow"}
    digest = seen(client, path, typed)
    assert client.post(path, typed | {"digest": "0" * 64}, headers=HTMX).status_code == 409
    assert client.post(path, typed | digest, headers=HTMX).status_code == 204
    assert Signature.objects.get(subject_type="quality.nonconformance").content_digest == digest["digest"]


@pytest.mark.requirement("ES-19")
@pytest.mark.requirement("G-INS-01")
def test_a_failure_can_be_set_aside_though_a_better_scan_followed(as_: Visit) -> None:
    people = make_staff()
    device = make_built_device(people, stage=Stage.AWAITING_INSPECTION)
    failed, better = make_measured(people, device, offset_mm=0.6), make_measured(people, device)
    reviewer = Who(people[Role.QAR], people[Role.QAR].accounts.get().username)
    client, path = as_(reviewer), f"/act/device/{device.code}/set-aside-inspection/"
    shown = client.get(path, headers=HTMX).content.decode()
    assert failed.scan_id[:12] in shown
    assert better.scan_id[:12] not in shown
    typed = {"username": reviewer.username, "password": WORDS, "reason": "The scanner was not calibrated"}
    digest = seen(client, path, typed)
    assert client.post(path, typed | {"digest": "0" * 64}, headers=HTMX).status_code == 409
    assert client.post(path, typed | digest, headers=HTMX).status_code == 204
    verdict = Verdict.objects.select_related("signature").get()
    assert (verdict.inspection_id, verdict.signature.content_digest) == (failed.pk, digest["digest"])
    assert client.get(path, headers=HTMX).status_code == 409
