"""From an intra-oral scan to an approved series of moulds: nothing but what people do, and what follows by itself."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from devices.choices import Side, Stage
from devices.models import Design, Device, Segmentation, Study
from devices.selectors.series import stages_of
from devices.services.designs import request_design, review_design
from devices.services.plans import approve_plan, draft_plan
from devices.services.segmentations import approve_segmentation
from devices.services.series import approve_series, series_content
from devices.services.studies import receive_study
from mes.choices import Role
from mes.models import EventRecord
from mes.services.signatures import content_digest
from tests.devices.dental import scan
from tests.devices.makers import IDENTITY, Staff, accepted, make_master, make_order, make_person
from tests.devices.scanning import MM, labelled, vouching

Drain = Callable[[], int]


def ordered(staff: Staff) -> list[Device]:
    master = make_master("aligner_mould_series_training")
    bite = [{"attribute": "bite", "value": "class I", "unit": ""}]
    order = make_order(staff, master=master, side=Side.NONE, quantity=1, characteristics=bite)
    return accepted(order, staff)


@pytest.mark.requirement("G-ORD-05")
@pytest.mark.requirement("G-DES-02")
def test_from_an_intra_oral_scan_to_an_approved_series(drain: Drain, tmp_path: Path) -> None:
    staff = Staff()
    imaging, designer, clinician, prescriber = (
        staff[role] for role in (Role.IMG, Role.DSN, Role.CLR, Role.PRE)
    )
    devices = ordered(staff)
    for device in devices:
        upload = labelled(tmp_path, scan()[1])
        typed = vouching(device, imaging, upload, MM)
        receive_study(
            device_id=device.pk,
            upload=upload,
            actor=imaging.actor,
            link_confirmed=True,
            credentials=typed,
            declared=MM,
        )
    drain()
    assert [study.status for study in Study.objects.all()] == ["accepted"]
    made = Segmentation.objects.filter(device=devices[0]).get()
    assert made.tool == "surface_scan"
    assert made.parameters["teeth"] == [31, 32, 41, 42]
    content = {"treatment": {"movements": {"41": {"buccal_mm": 0.2}}}}
    for device in devices:
        approve_segmentation(device_id=device.pk, actor=clinician.actor, credentials=clinician.typed())
        draft_plan(device_id=device.pk, content=content, reader_id=clinician.person.pk, actor=designer.actor)
        approve_plan(device_id=device.pk, counted="", actor=clinician.actor, credentials=clinician.typed())
        request_design(device_id=device.pk, values={}, actor=designer.actor)
    drain()
    assert [design.status for design in Design.objects.all()] == ["generated"], [
        design.reasons for design in Design.objects.all()
    ]
    second = make_person(Role.DSN)
    for device in devices:
        review_design(device_id=device.pk, actor=second.actor, credentials=second.typed())
    order = devices[0].order
    shown = content_digest(series_content(order))
    approve_series(order_id=order.pk, actor=prescriber.actor, credentials=prescriber.typed(digest=shown))
    drain()
    assert {device.stage for device in stages_of(order)} == {Stage.DESIGN_FROZEN}
    for value in (IDENTITY.patient_id, IDENTITY.family_name):
        assert not EventRecord.objects.filter(payload__contains=value).exists()
