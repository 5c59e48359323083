"""What images are held against, and what their page says of them: the field of view, and the report of their de-identification."""

from __future__ import annotations

from typing import Any

import pytest
from django.template.loader import render_to_string
from django.test import RequestFactory

from devices.catalog.base import MASTERS
from devices.gates.images import images_within_protocol
from devices.models import Device
from devices.panels import images_panel
from tests.devices.makers import TRAINING, Staff, make_master, make_planned, make_study

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def artefacts(tmp_path: Any, settings: Any) -> None:
    settings.ARTEFACTS_DIR = tmp_path / "artefacts"


def panel(device: Device) -> str:
    content = images_panel(RequestFactory().get("/"), device)
    assert content
    return render_to_string(content.template, dict(content.context))


@pytest.mark.requirement("G-IMG-01")
@pytest.mark.parametrize(
    ("shown", "through"),
    [
        ([200.0, 240.0, 160.0], True),
        ([240.0, 200.0, 160.0], True),
        ([200.0, 240.0, 119.0], False),
        ([160.0, 240.0, 160.0], False),
        (None, False),
    ],
)  # fmt: skip
def test_the_field_of_view_covers_the_anatomy_of_the_master(shown: list[float] | None, through: bool) -> None:
    staff = Staff()
    protocol = {**MASTERS[TRAINING].imaging, "min_field_of_view_mm": [180.0, 220.0, 120.0]}
    device = make_planned(staff, master=make_master(imaging=protocol))
    study = make_study(device, staff)
    study.acquisition = {**study.acquisition, "field_of_view_mm": shown}
    study.save()
    verdict = images_within_protocol(device)
    assert (verdict.outcome == "pass") is through
    assert (
        through
        or "field of view" in verdict.reason
        or "the anatomy needs 180 × 220 × 120 mm" in verdict.reason
    )


@pytest.mark.requirement("G-IMG-03")
def test_the_page_says_what_was_removed_kept_and_mapped() -> None:
    staff = Staff()
    device = make_planned(staff)
    report = {
        "files": 40,
        "sha256": "0" * 64,
        "removed": {"PatientComments": 40},
        "kept": {"KVP": 40},
        "mapped": {"SOPInstanceUID": 40},
    }
    findings = [
        {"code": code, "severity": "warning", "message": "m", "cure": "c"}
        for code in ("gantry_tilt", "uneven_spacing", "rejected_burned_in")
    ]
    make_study(device, staff, deidentification=report, findings=findings, tilt_degrees=-18.5)
    page = panel(device)
    for said in (
        "De-identification report",
        "PatientComments",
        "SOPInstanceUID",
        "40×",
        "-18.50°",
        "unevenly spaced",
        "burned in",
        "the shear is kept",
    ):
        assert said in page, said


def test_images_without_these_findings_say_nothing_of_them() -> None:
    staff = Staff()
    device = make_planned(staff)
    make_study(device, staff)
    page = panel(device)
    for unsaid in ("unevenly spaced", "burned in", "the shear is kept"):
        assert unsaid not in page
