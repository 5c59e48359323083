"""A lot of identical devices as one tracked thing: its units are inspected one by one, and none disappears (K-08)."""

from __future__ import annotations

import random
from collections.abc import Callable

import pytest
from django.db import DatabaseError, connection, transaction

from devices.choices import Stage
from devices.models import Device
from mes.choices import Role
from mes.exceptions import InvalidInput, Refused, TransitionRefused
from mes.selectors import events_of
from quality.choices import Disposition, Source
from quality.models import Nonconformance
from quality.reports.completeness import quantities_of
from quality.reports.units import unit_states
from quality.selectors.making import judged_inspection
from quality.selectors.waiting import devices_to_inspect
from quality.services.inspection import pass_lot, sign_inspection
from quality.services.nonconformance import (
    dispose_nonconformance,
    open_nonconformance,
    propose_disposition,
    void_nonconformance,
)
from tests.quality.makers import Staff, acting, make_built_device, make_measured, typed

pytestmark = [pytest.mark.django_db, pytest.mark.requirement("K-08")]


@pytest.fixture
def lot(staff: Staff) -> Device:
    return make_built_device(staff, stage=Stage.AWAITING_INSPECTION, lot_of=3)


def scan(staff: Staff, lot: Device, unit: int, *, offset_mm: float = 0.0) -> None:
    make_measured(staff, lot, offset_mm=offset_mm, unit=unit)


def judge(staff: Staff, lot: Device, unit: int, *, good: bool = True) -> None:
    """Scan, measure and sign one unit."""
    scan(staff, lot, unit, offset_mm=0.0 if good else 0.6)
    inspection = judged_inspection(lot, unit)
    assert inspection is not None
    inspector = staff[Role.INS]
    sign_inspection(inspection_id=inspection.pk, actor=acting(inspector), credentials=typed(inspector))


def scrap(staff: Staff, lot: Device) -> None:
    """Dispose of the open nonconformance by two people."""
    found = Nonconformance.objects.filter(device=lot).exclude(stage__in=("closed", "void")).earliest("pk")
    owner, approver = staff[Role.QCM], staff[Role.QAR]
    propose_disposition(
        nonconformance_id=found.pk,
        disposition=Disposition.SCRAP,
        justification="Too thick",
        actor=acting(owner),
        credentials=typed(owner),
    )
    dispose_nonconformance(nonconformance_id=found.pk, actor=acting(approver), credentials=typed(approver))


def conclude(staff: Staff, lot: Device) -> None:
    inspector = staff[Role.INS]
    pass_lot(device_id=lot.pk, actor=acting(inspector), credentials=typed(inspector))


def counts(lot: Device) -> tuple[str, int, int, int]:
    lot.refresh_from_db()
    return lot.stage, lot.accepted, lot.scrapped, lot.released


def test_every_unit_of_a_lot_is_inspected_before_it_goes_on(staff: Staff, lot: Device) -> None:
    judge(staff, lot, 1)
    judge(staff, lot, 3)
    assert counts(lot) == ("awaiting_inspection", 2, 0, 0)
    with pytest.raises(TransitionRefused, match="Unit 2 is neither accepted nor scrapped") as refused:
        conclude(staff, lot)
    assert {reason.rule for reason in refused.value.reasons} == {"G-INS-01"}
    judge(staff, lot, 2)
    conclude(staff, lot)
    assert counts(lot) == ("inspected_pass", 3, 0, 0)
    told = quantities_of(lot)
    assert (told.ordered, told.started, told.built, told.accepted, told.agree) == (3, 3, 3, 3, True)


def test_a_unit_that_fails_is_scrapped_and_the_others_go_on(staff: Staff, lot: Device) -> None:
    judge(staff, lot, 1)
    judge(staff, lot, 2, good=False)
    lot.refresh_from_db()
    assert (lot.stage, lot.held) == ("awaiting_inspection", True)
    found = Nonconformance.objects.get()
    assert found.units == [2]
    scrap(staff, lot)
    lot.refresh_from_db()
    assert (lot.held, lot.accepted, lot.scrapped) == (False, 1, 1)
    assert unit_states(lot) == {1: "accepted", 2: "scrapped", 3: "open"}
    judge(staff, lot, 3)
    conclude(staff, lot)
    assert counts(lot) == ("inspected_pass", 2, 1, 0)
    facts = [event for event in events_of(lot) if event.type == "devices.units_counted"]
    assert len(facts) == 3


def test_an_accepted_unit_can_be_scrapped_later_and_counts_no_more(staff: Staff, lot: Device) -> None:
    for unit in (1, 2, 3):
        judge(staff, lot, unit)
    conclude(staff, lot)
    open_nonconformance(
        device_id=lot.pk,
        source=Source.PERSON,
        requirement="Not scratched",
        description="Scratched",
        units=[1],
        actor=acting(staff[Role.QCM]),
    )
    scrap(staff, lot)
    assert counts(lot) == ("inspected_pass", 2, 1, 0)
    assert quantities_of(lot).agree


def test_a_lot_whose_every_unit_fails_is_scrapped_as_a_whole(staff: Staff, lot: Device) -> None:
    for unit in (1, 2, 3):
        judge(staff, lot, unit, good=False)
        scrap(staff, lot)
    assert counts(lot) == ("scrapped", 0, 3, 0)


def test_a_finding_that_was_none_leaves_the_unit_open(staff: Staff, lot: Device) -> None:
    judge(staff, lot, 1, good=False)
    approver = staff[Role.QAR]
    void_nonconformance(
        nonconformance_id=Nonconformance.objects.get().pk,
        justification="Wrong scanner",
        actor=acting(approver),
        credentials=typed(approver),
    )
    assert unit_states(lot)[1] == "open"
    judge(staff, lot, 1)
    assert unit_states(lot)[1] == "accepted"


@pytest.mark.parametrize("unit", [0, 4])
def test_a_scan_is_of_a_unit_that_there_is(staff: Staff, lot: Device, unit: int) -> None:
    with pytest.raises(InvalidInput, match="has no unit"):
        scan(staff, lot, unit)


def test_a_unit_that_is_decided_is_not_scanned_again(staff: Staff, lot: Device) -> None:
    judge(staff, lot, 1)
    with pytest.raises(TransitionRefused, match="accepted already"):
        scan(staff, lot, 1)
    assert lot.inspections.count() == 1


def test_a_unit_that_failed_is_not_scanned_until_it_fits(staff: Staff, lot: Device) -> None:
    judge(staff, lot, 1, good=False)
    with pytest.raises(TransitionRefused, match="N0"):
        scan(staff, lot, 1)


def test_a_finding_names_units_of_the_lot(staff: Staff, lot: Device) -> None:
    with pytest.raises(InvalidInput, match="no such units"):
        open_nonconformance(
            device_id=lot.pk,
            source=Source.PERSON,
            requirement="x",
            description="x",
            units=[4],
            actor=acting(staff[Role.QCM]),
        )
    assert not Nonconformance.objects.exists()


def test_what_waits_for_the_inspector_is_seen_unit_by_unit(staff: Staff, lot: Device) -> None:
    scan(staff, lot, 1)
    scan(staff, lot, 2)
    assert devices_to_inspect().get().judged
    for unit in (2, 1):
        inspection = judged_inspection(lot, unit)
        assert inspection is not None
        inspector = staff[Role.INS]
        sign_inspection(inspection_id=inspection.pk, actor=acting(inspector), credentials=typed(inspector))
    assert not devices_to_inspect().get().judged


@pytest.mark.parametrize(
    "change",
    [
        "accepted = 4",
        "scrapped = 4",
        "accepted = 2, scrapped = 2",
        "quantity = 0",
        "released = 1",
        "tracked_as = 'unit'",
        "stage = 'inspected_pass'",
        "stage = 'inspected_pass', accepted = 2",
        "stage = 'inspected_pass', scrapped = 3",
    ],
)
def test_the_database_lets_no_unit_disappear(lot: Device, change: str) -> None:
    with pytest.raises(DatabaseError, match="device_"), transaction.atomic(), connection.cursor() as cursor:
        cursor.execute(f"UPDATE devices_device SET {change} WHERE id = %s", [lot.pk])


def test_a_count_without_a_verdict_behind_it_goes_nowhere(staff: Staff, lot: Device) -> None:
    judge(staff, lot, 1)
    Device.objects.filter(pk=lot.pk).update(accepted=3)
    with pytest.raises(TransitionRefused, match="the record says otherwise"):
        conclude(staff, lot)


@pytest.mark.parametrize("seed", range(3))
def test_whatever_happens_the_units_add_up(staff: Staff, seed: int) -> None:
    """A property: any order of verdicts, findings and disposals conserves the units, and the record names each."""
    chance = random.Random(seed)  # noqa: S311 - a seed that a failure names, not a secret
    size = chance.randint(2, 4)
    lot = make_built_device(staff, stage=Stage.AWAITING_INSPECTION, lot_of=size)
    acts: list[Callable[[], None]] = [
        lambda: judge(staff, lot, chance.randint(1, size)),
        lambda: judge(staff, lot, chance.randint(1, size), good=False),
        lambda: scrap(staff, lot),
        lambda: conclude(staff, lot),
    ]
    for _ in range(10):
        try:
            with transaction.atomic():
                chance.choice(acts)()
        except (Refused, Nonconformance.DoesNotExist):
            pass
        lot.refresh_from_db()
        states = list(unit_states(lot).values())
        assert (lot.accepted, lot.scrapped) == (states.count("accepted"), states.count("scrapped"))
        assert lot.quantity == size == len(states)
        if lot.stage == Stage.SCRAPPED:
            assert lot.scrapped == size
