"""Two identifiers and the right side, and nothing less, let images through: when they come in, and before they are used (G-ORD-05, G-LAT-01)."""

from __future__ import annotations

from typing import Any

import pytest

from devices.gates.images import images_of_the_side
from devices.generators.base import MIRRORED
from devices.models import Design, Device
from devices.services.identity import IdentityMatch
from devices.services.studies import ImagesRead
from mes.eventlog.base import Actor
from mes.lifecycle import ask_gates
from tests.devices.makers import Staff, make_planned, make_study

pytestmark = [pytest.mark.django_db, pytest.mark.requirement("G-ORD-05")]
STORED = "0" * 64


def lets_through(device: Device, asked: str, rule: str = "G-ORD-05", **facts: Any) -> bool:
    results = ask_gates(asked, device, actor=Actor.system("test"), **facts)
    return all(result.passed for result in results if result.gate == rule)


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


@pytest.mark.requirement("G-LAT-01")
@pytest.mark.parametrize(
    ("shown", "ordered", "mirrors", "through"),
    [
        ("right", "right", False, True),
        ("right", "left", False, False),
        ("right", "bilateral", False, True),
        (None, "left", False, True),
        ("right", "left", True, True),
    ],
)
def test_images_that_say_another_side_come_in_only_to_be_mirrored(
    shown: str | None, ordered: str, mirrors: bool, through: bool
) -> None:
    staff = Staff()
    device = make_planned(staff)
    device.order.side = ordered
    if mirrors:
        device.master.design["envelope"][MIRRORED] = [0, 1]
    outcome = ImagesRead(
        match=IdentityMatch(("patient_id", "birth_date"), (), True),
        volume_sha256=STORED,
        facts={"acquisition": {"side": shown}},
    )
    assert lets_through(device, "device.accept_images", "G-LAT-01", outcome=outcome) is through
    device.current_study = make_study(device, staff)
    device.current_study.acquisition["side"] = shown
    assert lets_through(device, "device.start_segmentation", "G-LAT-01") is through
    device.current_design = Design(values={MIRRORED: 0})
    assert (images_of_the_side(device).outcome != "block") is (through and not mirrors)
