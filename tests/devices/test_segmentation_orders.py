"""Whatever order people and results come in, a design that stands is made from the bone that is approved (G-SEG-01)."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from random import Random
from typing import Any

import pytest

from devices.choices import Stage
from devices.models import Design, Device
from devices.selectors.history import SEGMENTING
from devices.services import segmentations
from devices.services.designs import DesignMade, approve_design, record_design, request_design, review_design
from devices.services.segmentations import (
    SegmentationMade,
    approve_segmentation,
    record_segmentation,
    reject_segmentation,
    start_segmentation,
    start_segmentation_by_rule,
)
from devices.services.voiding import OPEN
from mes.choices import Role
from mes.exceptions import Refused
from mes.models import Delivery, DeliveryStatus, EventRecord
from tests.devices.makers import (
    GUIDE_VALUES,
    Staff,
    lying,
    make_artefact,
    make_person,
    make_planned,
    make_study,
    segmentation_facts,
)

pytestmark = pytest.mark.django_db
STEPS = 26
ONWARD = {
    None: "start", "recorded": "approve_bone", "rejected": "start", "approved": "request_design", "requested": "design_made",
    "generated": "review", "reviewed": "approve_design", "frozen": "result",
}  # fmt: skip
"""What somebody does next who knows where the device stands."""
BETWEEN = ("start", "start_by_rule", "result", "result", "result", "give_up", "reject_bone", "request_design")


class Floor:
    """Everybody who does something to one device, with the steps as methods. Any of them may be refused."""

    def __init__(self, chance: Random) -> None:
        self.chance, self.staff = chance, Staff()
        self.device = make_planned(self.staff)
        make_study(self.device, self.staff)
        self.second = make_person(Role.DSN)

    def fresh(self) -> Device:
        return Device.objects.select_related("current_design", "current_segmentation").get()

    def onward(self) -> str:
        device = self.fresh()
        design, bone = device.current_design, device.current_segmentation
        if device.stage == Stage.DESIGN_FROZEN:
            return ONWARD["frozen"]
        if design is not None and design.status in OPEN:
            return ONWARD[design.status]
        asked = bone is None and Delivery.objects.filter(handler=SEGMENTING, status="pending").exists()
        return "result" if asked else ONWARD[bone.status if bone else None]

    def start(self) -> None:
        start_segmentation(device_id=self.device.pk, actor=self.staff[Role.SEG].actor)

    def start_by_rule(self) -> None:
        start_segmentation_by_rule(device_id=self.device.pk, study_id=self.device.current_study_id or 0)

    def result(self) -> None:
        """Any request, answered or not, is answered now: at once, late or once more."""
        if (request := self._any_request()) is None:
            return
        self._mark(request, DeliveryStatus.DONE)
        asked = json.loads(request.payload)
        facts = segmentation_facts(str(self.chance.random()))
        record_segmentation(
            device_id=self.device.pk,
            study_id=asked["study_id"],
            author_id=asked["author_id"],
            request=request.version,
            outcome=SegmentationMade(facts),
        )

    def give_up(self) -> None:
        if (request := self._any_request()) is not None:
            self._mark(request, DeliveryStatus.DEAD)

    def approve_bone(self) -> None:
        reviewer = self.staff[Role.CLR]
        approve_segmentation(device_id=self.device.pk, actor=reviewer.actor, credentials=reviewer.typed())

    def reject_bone(self) -> None:
        reject_segmentation(
            device_id=self.device.pk, actor=self.staff[Role.CLR].actor, reason="Another window"
        )

    def request_design(self) -> None:
        request_design(device_id=self.device.pk, values=GUIDE_VALUES, actor=self.staff[Role.DSN].actor)

    def design_made(self) -> None:
        newest = Design.objects.order_by("pk").last()
        if newest is not None:
            measures = {"minimum_wall_mm": 1.5, "volume_ml": 1.5, **lying(-60.0)}
            made = DesignMade({"mesh_id": make_artefact("mesh").pk, "measures": measures})
            record_design(design_id=newest.pk, outcome=made)

    def review(self) -> None:
        review_design(device_id=self.device.pk, actor=self.second.actor, credentials=self.second.typed())

    def approve_design(self) -> None:
        prescriber = self.staff[Role.PRE]
        approve_design(device_id=self.device.pk, actor=prescriber.actor, credentials=prescriber.typed())

    def _any_request(self) -> EventRecord | None:
        asked = list(EventRecord.objects.filter(type="devices.segmentation_requested").order_by("pos"))
        return self.chance.choice(asked[-3:]) if asked else None

    def _mark(self, request: EventRecord, status: DeliveryStatus) -> None:
        Delivery.objects.filter(event=request, handler=SEGMENTING).update(status=status)


@pytest.mark.requirement("G-SEG-01")
@pytest.mark.parametrize("second_start", ["refused", "of an older record"])
def test_no_order_of_steps_leaves_a_design_on_another_bone_than_the_approved_one(
    second_start: str, tmp_path: Path, settings: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings.ARTEFACTS_DIR = tmp_path / "artefacts"
    if second_start != "refused":
        monkeypatch.setattr(segmentations, "segmentation_underway", lambda _: None)
    chance = Random(second_start)  # noqa: S311 - the same walk each time
    floor, told, frozen = Floor(chance), [], 0
    for _ in range(STEPS):
        name = chance.choice((floor.onward(), floor.onward(), chance.choice(BETWEEN)))
        step: Callable[[], None] = getattr(floor, name)
        told.append(name)
        try:
            step()
        except Refused:
            continue
        device = floor.fresh()
        design, bone = device.current_design, device.current_segmentation
        if design is not None and design.status in OPEN:
            assert bone is not None
            assert (design.segmentation_id, bone.status) == (bone.pk, "approved"), told
        frozen += device.stage == Stage.DESIGN_FROZEN
    assert frozen, told
