"""Two identifiers, and nothing less, let images through the gate: when they come in, and before they are used (G-ORD-05)."""

from __future__ import annotations

from typing import Any

import pytest

from devices.models import Device
from devices.services.identity import IdentityMatch
from devices.services.studies import ImagesRead
from mes.eventlog.base import Actor
from mes.lifecycle import ask_gates
from tests.devices.makers import Staff, make_planned, make_study

pytestmark = [pytest.mark.django_db, pytest.mark.requirement("G-ORD-05")]
STORED = "0" * 64


def lets_through(device: Device, asked: str, **facts: Any) -> bool:
    results = ask_gates(asked, device, actor=Actor.system("test"), **facts)
    return next(result.passed for result in results if result.gate == "G-ORD-05")


@pytest.mark.parametrize(
    ("match", "stored", "through"),
    [
        (IdentityMatch(("patient_id", "birth_date"), (), True), None, True),
        (IdentityMatch(("patient_id",), (), True), STORED, False),
        (IdentityMatch(("family_name", "birth_date"), (), True), STORED, False),
        (IdentityMatch(("patient_id", "family_name"), ("birth_date",), True), STORED, False),
        (IdentityMatch((), (), False), None, False),
        (IdentityMatch((), (), False), STORED, True),
    ],
)
def test_what_lets_images_in(match: IdentityMatch, stored: str | None, through: bool) -> None:
    """Images without any identifier were stored only where a person signed whose they are."""
    outcome = ImagesRead(match=match, volume_sha256=stored)
    assert lets_through(make_planned(Staff()), "device.accept_images", outcome=outcome) is through


@pytest.mark.parametrize(
    ("matched", "linked", "through"),
    [
        (["patient_id", "birth_date"], False, True),
        (["patient_id"], False, False),
        ([], False, False),
        ([], True, True),
    ],
)
def test_what_lets_images_be_used(matched: list[str], linked: bool, through: bool) -> None:
    staff = Staff()
    device = make_planned(staff)
    study = make_study(device, staff)
    study.matched, study.link_confirmed = matched, linked
    device.current_study = study
    assert lets_through(device, "device.start_segmentation") is through
