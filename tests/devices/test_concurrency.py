"""The same step asked for several times at once is done once."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from typing import Any

import pytest
from django.db import connection, transaction

from devices.choices import DesignStatus
from devices.models import Design, Device
from devices.services.designs import request_design, review_design
from devices.services.segmentations import approve_segmentation
from mes.choices import Role
from mes.exceptions import Refused
from mes.models import Signature
from mes.selectors import events_of
from tests.devices.makers import Staff, make_design, make_person, make_planned, make_segmentation, make_study
from tests.patience import PATIENCE_S


def all_at_once(device: Device, *steps: Callable[[], Any]) -> list[Any]:
    """Let every step wait for the device's lock, then free it. Returns what each gave or raised."""
    outcomes: list[Any] = []

    def work(step: Callable[[], Any]) -> None:
        try:
            outcomes.append(step())
        except Exception as failure:  # noqa: BLE001 - judged by the test
            outcomes.append(failure)
        finally:
            connection.close()

    threads = [threading.Thread(target=work, args=(step,)) for step in steps]
    with transaction.atomic():
        Device.objects.select_for_update().get(pk=device.pk)
        for thread in threads:
            thread.start()
        await_waiting(len(threads))
    for thread in threads:
        thread.join(PATIENCE_S)
    assert len(outcomes) == len(steps)
    return outcomes


def await_waiting(number: int) -> None:
    ends = time.monotonic() + PATIENCE_S
    with connection.cursor() as cursor:
        while time.monotonic() < ends:
            cursor.execute(
                "SELECT count(*) FROM pg_stat_activity "
                "WHERE datname = current_database() AND wait_event_type = 'Lock'"
            )
            if cursor.fetchone()[0] == number:
                return
            cursor.execute("SELECT pg_stat_clear_snapshot()")
            time.sleep(0.02)
    raise AssertionError(f"not {number} steps waited for the device")


def refused(outcomes: list[Any]) -> list[Any]:
    others = [o for o in outcomes if isinstance(o, Exception) and not isinstance(o, Refused)]
    assert others == []
    return [outcome for outcome in outcomes if isinstance(outcome, Refused)]


@pytest.mark.requirement("ES-10")
def test_of_three_reviews_at_once_one_signs(committed_db: None) -> None:
    staff = Staff()
    device = _segmented(staff)
    make_design(device, staff)
    who = make_person(Role.DSN)
    before = Signature.objects.count()

    def review() -> Design:
        return review_design(device_id=device.pk, actor=who.actor, credentials=who.typed())

    outcomes = all_at_once(device, review, review, review)
    assert len(refused(outcomes)) == 2
    assert Signature.objects.count() == before + 1
    assert events_of(device).filter(type="devices.design_reviewed").count() == 1


def test_of_three_approvals_of_a_segmentation_at_once_one_signs(committed_db: None) -> None:
    staff = Staff()
    device = make_planned(staff)
    make_study(device, staff)
    make_segmentation(device, staff, approved=False)
    who = staff[Role.CLR]

    def approve() -> Any:
        return approve_segmentation(device_id=device.pk, actor=who.actor, credentials=who.typed())

    assert len(refused(all_at_once(device, approve, approve, approve))) == 2
    assert events_of(device).filter(type="devices.segmentation_approved").count() == 1


def test_three_designs_at_once_leave_one_open(committed_db: None) -> None:
    staff = Staff()
    device = _segmented(staff)

    def request() -> Design:
        return request_design(
            device_id=device.pk, values={"landmark_mm": [-50, 0, 40]}, actor=staff[Role.DSN].actor
        )

    assert refused(all_at_once(device, request, request, request)) == []
    statuses = list(Design.objects.order_by("revision").values_list("status", flat=True))
    assert statuses == [DesignStatus.VOIDED, DesignStatus.VOIDED, DesignStatus.REQUESTED]


def test_a_design_asked_for_during_a_review_gives_an_answer_to_both(committed_db: None) -> None:
    staff = Staff()
    device = _segmented(staff)
    make_design(device, staff)
    who = make_person(Role.DSN)
    outcomes = all_at_once(
        device,
        lambda: request_design(
            device_id=device.pk, values={"landmark_mm": [-50, 0, 40]}, actor=staff[Role.DSN].actor
        ),
        lambda: review_design(device_id=device.pk, actor=who.actor, credentials=who.typed()),
    )
    assert len(refused(outcomes)) <= 1
    assert Design.objects.exclude(status=DesignStatus.VOIDED).count() == 1


def _segmented(staff: Staff) -> Device:
    device = make_planned(staff)
    make_study(device, staff)
    make_segmentation(device, staff)
    return device
