"""The first half of the story: from an order and a CT series to a design that the prescriber signed."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest
from django.conf import settings

from devices.choices import OrderStage, Phase, Stage
from devices.models import Design, Device, Segmentation, Study
from devices.selectors.devices import devices
from devices.selectors.history import device_timeline
from devices.services.designs import approval_content, approve_design, request_design, review_design
from devices.services.lifecycle import advance_device
from devices.services.segmentations import approve_segmentation
from devices.services.studies import receive_study
from mes.choices import Role
from mes.models import EventRecord
from mes.services.artefacts import artefact_path
from mes.services.signatures import content_digest
from tests.devices.makers import GUIDE_VALUES, IDENTITY, Staff, make_person, make_planned, make_upload

Drain = Callable[[], int]


@pytest.mark.requirement("G-ORD-05")
@pytest.mark.requirement("G-IMG-03")
def test_from_an_order_to_a_frozen_design(drain: Drain, tmp_path: Path) -> None:
    staff = Staff()
    device = make_planned(staff)
    upload = make_upload(tmp_path / "Mustermann Erika")

    receive_study(device_id=device.pk, upload=upload, actor=staff[Role.IMG].actor)
    assert not upload.exists()
    drain()
    study = Study.objects.get()
    assert study.status == "accepted"
    assert sorted(study.matched) == ["birth_date", "family_name", "patient_id"]
    assert study.slices == 49
    assert list(Path(settings.QUARANTINE_DIR).iterdir()) == []

    segmentation = Segmentation.objects.get()
    assert segmentation.watertight
    assert segmentation.volume_ml == pytest.approx(278, rel=0.05)
    assert set(segmentation.overlays) == {"axial", "coronal", "sagittal"}
    assert segmentation.author_id == staff[Role.IMG].person.pk
    assert devices().get().phase == Phase.IMAGING

    approve_segmentation(
        device_id=device.pk, actor=staff[Role.CLR].actor, credentials=staff[Role.CLR].typed()
    )
    assert devices().get().phase == Phase.DESIGN
    request_design(device_id=device.pk, values=GUIDE_VALUES, actor=staff[Role.DSN].actor)
    drain()
    design = Design.objects.get()
    assert design.status == "generated", design.reasons
    assert design.measures["lateral_offset_mm"] < 0
    assert design.measures["minimum_wall_mm"] >= 1.0

    second = make_person(Role.DSN)
    review_design(device_id=device.pk, actor=second.actor, credentials=second.typed())
    fresh = devices().get()
    assert fresh.phase == Phase.APPROVAL
    shown = content_digest(approval_content(fresh, Design.objects.get()))
    prescriber = staff[Role.PRE]
    approve_design(device_id=device.pk, actor=prescriber.actor, credentials=prescriber.typed(digest=shown))
    drain()

    fresh = devices().get()
    assert (fresh.stage, fresh.phase) == (Stage.DESIGN_FROZEN, Phase.SLICING)
    assert fresh.order.stage == OrderStage.IN_PRODUCTION
    signed = json.loads(Design.objects.select_related("approval").get().approval.content)  # type: ignore[union-attr]
    assert signed["details"]["mesh"] == fresh.current_design.mesh_id  # type: ignore[union-attr]
    assert artefact_path(signed["details"]["mesh"]).is_file()
    advance_device(device_id=device.pk, transition="queue", actor=staff[Role.BLD].actor)
    assert Device.objects.get().stage == Stage.QUEUED

    names = [record.type for record in device_timeline(fresh)]
    assert names == [
        "devices.device_planned",
        "devices.study_received",
        "devices.images_accepted",
        "devices.segmentation_requested",
        "devices.segmentation_recorded",
        "devices.segmentation_approved",
        "devices.design_requested",
        "devices.design_generated",
        "devices.design_reviewed",
        "devices.device_stage_changed",
        "devices.design_approved",
        "devices.device_stage_changed",
    ]
    for value in (IDENTITY.patient_id, IDENTITY.family_name, IDENTITY.given_name, IDENTITY.birth_date):
        assert not EventRecord.objects.filter(payload__contains=value).exists()
