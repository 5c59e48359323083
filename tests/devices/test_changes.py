"""Changes asked of a design: a comment and places on it, what the next revision shows, and what its approver signs."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from django.utils import timezone

from devices.models import ChangeRequest, Design, Device
from devices.selectors.devices import devices
from devices.selectors.waiting import devices_awaiting_changes, devices_awaiting_design
from devices.services.changes import FURTHEST_MM, MOST_PLACES, request_changes
from devices.services.designs import approve_design, request_design, review_design
from devices.services.signing import content_to_sign
from mes.choices import Role
from mes.eventlog.verify import check_covered
from mes.exceptions import Conflict, InvalidInput, NotPermitted, TransitionRefused
from mes.models import EventRecord
from mes.panels import open_tasks
from mes.services.signatures import content_digest
from tests.devices.makers import (
    GUIDE_VALUES,
    Staff,
    make_design,
    make_person,
    make_planned,
    make_segmentation,
    make_study,
)

pytestmark = pytest.mark.django_db
PLACES = [{"at_mm": [-60.0, 7.5, 40.25], "note": "Too thin here"}, {"at_mm": [-50, 0, 41], "note": ""}]


@pytest.fixture(autouse=True)
def artefacts(tmp_path: Path, settings: Any) -> None:
    settings.ARTEFACTS_DIR = tmp_path / "artefacts"


@pytest.fixture
def staff() -> Staff:
    return Staff()


@pytest.fixture
def device(staff: Staff) -> Device:
    """With a design that awaits its prescriber."""
    made = make_planned(staff)
    make_study(made, staff)
    make_segmentation(made, staff)
    make_design(made, staff)
    second = make_person(Role.DSN)
    review_design(device_id=made.pk, actor=second.actor, credentials=second.typed())
    return made


def ask(device: Device, staff: Staff, **fields: Any) -> ChangeRequest:
    asked: dict[str, Any] = {"reason": "Two more tubes", "places": PLACES, **fields}
    return request_changes(device_id=device.pk, actor=staff[Role.PRE].actor, **asked)


@pytest.mark.requirement("G-DES-02")
def test_a_design_goes_back_with_the_comment_and_its_places(device: Device, staff: Staff) -> None:
    asked = ask(device, staff, revision=1)
    assert (asked.comment, asked.asked_by) == ("Two more tubes", staff[Role.PRE].person)
    assert asked.places == [
        {"at_mm": [-60.0, 7.5, 40.25], "note": "Too thin here"},
        {"at_mm": [-50.0, 0.0, 41.0], "note": ""},
    ]
    assert Design.objects.get().status == "rejected"
    assert Device.objects.get().phase == "design"
    told = EventRecord.objects.get(type="devices.design_rejected")
    assert json.loads(told.payload)["places"] == asked.places
    assert told.reason == "Two more tubes"
    with pytest.raises(TransitionRefused, match="no design that is"):
        approve_design(device_id=device.pk, actor=staff[Role.PRE].actor, credentials=staff[Role.PRE].typed())


def test_it_waits_for_a_designer_since_it_was_asked(device: Device, staff: Staff) -> None:
    asked = ask(device, staff)
    assert list(devices_awaiting_changes()) == [device]
    assert list(devices_awaiting_design()) == []
    tasks = open_tasks(frozenset({Role.DSN}))
    assert [(task.title, task.code, task.since) for task in tasks] == [
        ("Change the design as asked", device.code, asked.asked_at)
    ]
    assert asked.asked_at <= timezone.now()
    request_design(device_id=device.pk, values=GUIDE_VALUES, actor=staff[Role.DSN].actor)
    assert list(devices_awaiting_changes()) == []


@pytest.mark.requirement("G-DES-02")
def test_what_was_asked_is_part_of_what_the_next_revision_signs(device: Device, staff: Staff) -> None:
    before = content_to_sign(devices().get(), "approve-design")
    ask(device, staff)
    rejected = Design.objects.get()
    make_design(device, staff, revision=2)
    second = make_person(Role.DSN)
    shown = content_to_sign(devices().get(), "review-design")
    assert shown["changes_asked"] == [
        {
            "revision": 1,
            "mesh": rejected.mesh_id,
            "asked_by": staff[Role.PRE].person.pk,
            "comment": "Two more tubes",
            "places": ChangeRequest.objects.get().places,
        }
    ]
    review_design(
        device_id=device.pk, actor=second.actor, credentials=second.typed(digest=content_digest(shown))
    )
    assert "changes_asked" not in before["details"]
    assert content_to_sign(devices().get(), "approve-design")["details"]["changes_asked"]


@pytest.mark.parametrize(
    ("asked", "said"),
    [
        ({"reason": " "}, "Say what to change"),
        ({"places": [{"at_mm": [1, 2], "note": "x"}]}, "Place 1 is no point"),
        ({"places": [*PLACES, {"at_mm": [0, float("nan"), 0]}]}, "Place 3 is no point"),
        ({"places": [{"at_mm": [0, 0, FURTHEST_MM + 1]}]}, "Place 1 is no point"),
        ({"places": [{"at_mm": ["1", "2", "3"]}]}, "Place 1 is no point"),
        ({"places": [{"at_mm": [0, 0, 0], "note": "\u202e turned"}]}, "cannot be seen"),
        ({"places": PLACES * MOST_PLACES}, "are marked"),
    ],
)
def test_a_request_that_says_nothing_usable_is_refused(
    device: Device, staff: Staff, asked: dict[str, Any], said: str
) -> None:
    with pytest.raises(InvalidInput, match=said):
        ask(device, staff, **asked)
    assert not ChangeRequest.objects.exists()
    assert Design.objects.get().status == "reviewed"


def test_changes_are_asked_of_the_revision_that_was_looked_at(device: Device, staff: Staff) -> None:
    with pytest.raises(Conflict, match="Revision 1 stands by now"):
        ask(device, staff, revision=7)
    assert Design.objects.get().status == "reviewed"


def test_only_who_may_review_or_approve_asks_and_only_once(device: Device, staff: Staff) -> None:
    with pytest.raises(NotPermitted):
        request_changes(device_id=device.pk, actor=staff[Role.OPR].actor, reason="I want another one")
    ask(device, staff)
    with pytest.raises(TransitionRefused):
        ask(device, staff)
    assert ChangeRequest.objects.count() == 1


@pytest.mark.requirement("G-INT-01")
def test_a_comment_written_behind_the_record_is_found(device: Device, staff: Staff) -> None:
    ask(device, staff)
    assert list(check_covered()) == []
    other = make_design(device, staff, revision=2)
    ChangeRequest.objects.create(
        device=device, design=other, asked_by=staff[Role.CLR].person, comment="forged"
    )
    assert [bad.what for bad in check_covered()] == ["covered rows"]
