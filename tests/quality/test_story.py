"""From a built device to its production record, told through services and handlers, each person doing their part."""

from __future__ import annotations

import json
from collections.abc import Callable

import pytest

from devices.choices import Stage
from devices.models import Device
from mes.choices import Role
from mes.models import Delivery
from mes.selectors import events_of
from mes.services.artefacts import artefact_path
from printing.models import PrintJob
from quality.models import Inspection, Report
from quality.services.inspection import sign_inspection
from quality.services.release import release_device, review_record
from quality.services.scans import receive_scan
from tests.quality.makers import (
    CURE,
    UNDRAWN,
    WASH,
    acting,
    leave_undrawn,
    make_built_device,
    make_part,
    make_scan,
    make_staff,
    the_gauge,
    typed,
)
from tests.quality.test_postprocessing import record


@pytest.mark.requirement("G-REL-01")
def test_a_built_device_becomes_a_released_one_with_its_record(
    drain: Callable[[], int], monkeypatch: pytest.MonkeyPatch
) -> None:
    leave_undrawn(monkeypatch)
    staff = make_staff()
    device = make_built_device(staff)
    drain()
    assert stage(device) == Stage.POST_PROCESSING
    record(staff, device.pk, "wash", WASH)
    record(staff, device.pk, "cure", CURE)
    receive_scan(
        device_id=device.pk,
        upload=make_scan(make_part()),
        gauge_id=the_gauge().pk,
        actor=acting(staff[Role.INS]),
    )
    drain()
    inspection = Inspection.objects.get()
    assert inspection.status == "measured"

    inspector, reviewer, releaser = staff[Role.INS], staff[Role.QAR], staff[Role.QAX]
    sign_inspection(inspection_id=inspection.pk, actor=acting(inspector), credentials=typed(inspector))
    drain()
    assert stage(device) == Stage.READY_FOR_REVIEW
    review_record(device_id=device.pk, actor=acting(reviewer), credentials=typed(reviewer))
    release_device(device_id=device.pk, actor=acting(releaser), credentials=typed(releaser))
    drain()

    written = Report.objects.get()
    told = json.loads(artefact_path(written.json).read_bytes())
    assert told["status"] == "released"
    assert told["sections"]["L"]["pictures"][0]["sha256"] == inspection.measurement.picture_id
    assert artefact_path(written.pdf).read_bytes() == UNDRAWN
    assert [event.type for event in events_of(device)][-3:] == [
        "devices.device_stage_changed",
        "quality.device_released",
        "quality.production_record_rendered",
    ]
    assert PrintJob.objects.count() == 1
    assert not Delivery.objects.filter(handler__startswith="quality.").exclude(status="done").exists()


def stage(device: Device) -> str:
    return str(Device.objects.values_list("stage", flat=True).get(pk=device.pk))
