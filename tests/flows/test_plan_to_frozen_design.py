"""From a vertebra that waits for its plan to a guide that the prescriber signed: planned, read, made, reviewed, measured back."""

from __future__ import annotations

import json
from collections.abc import Callable

import pytest

from devices.choices import OrderStage, Phase, Stage
from devices.models import Design
from devices.selectors.devices import devices
from devices.selectors.history import device_timeline
from devices.services.designs import approve_design, request_design, review_design
from devices.services.lifecycle import advance_device
from mes.choices import Role
from mes.models import EventRecord
from tests.devices.makers import IDENTITY, Staff, make_person
from tests.devices.planned import COARSE, approve, draft, make_ready


@pytest.mark.requirement("G-BLD-01")
@pytest.mark.requirement("G-DES-01")
def test_from_a_plan_to_a_frozen_guide(drain: Callable[[], int]) -> None:
    staff, second = Staff(), make_person(Role.DSN)
    device = make_ready(staff)
    draft(device, staff)
    approve(device, staff[Role.CLR])
    request_design(device_id=device.pk, values=COARSE, actor=staff[Role.DSN].actor)
    drain()
    design = Design.objects.get()
    assert design.status == "generated", design.reasons
    review_design(device_id=device.pk, actor=second.actor, credentials=second.typed())
    assert devices().get(pk=device.pk).phase == Phase.APPROVAL
    approve_design(device_id=device.pk, actor=staff[Role.PRE].actor, credentials=staff[Role.PRE].typed())
    drain()
    frozen = devices().get(pk=device.pk)
    assert (frozen.stage, frozen.order.stage) == (Stage.DESIGN_FROZEN, OrderStage.IN_PRODUCTION)
    design.refresh_from_db()
    assert design.approval is not None
    signed = json.loads(design.approval.content)["details"]
    assert (signed["plan"]["content"]["level"], signed["mesh"]) == ("L3", design.mesh_id)
    advance_device(device_id=device.pk, transition="queue", actor=staff[Role.BLD].actor)
    names = [record.type.removeprefix("devices.") for record in device_timeline(frozen)]
    assert names[-8:] == [
        "plan_drafted", "plan_approved", "design_requested", "design_generated", "design_reviewed", "device_stage_changed",
        "design_approved", "device_stage_changed",
    ]  # fmt: skip
    for value in (IDENTITY.patient_id, IDENTITY.family_name, IDENTITY.given_name, IDENTITY.birth_date):
        assert not EventRecord.objects.filter(payload__contains=value).exists()
