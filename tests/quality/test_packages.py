"""Packages, their labels and what may leave (K-12, G-LBL-01, G-LBL-02, G-SHP-01)."""

from __future__ import annotations

from collections.abc import Callable
from datetime import date, timedelta
from typing import Any

import pytest
from django.db import DatabaseError, connection, transaction
from django.utils import timezone

from devices.choices import Stage
from devices.models import Device
from devices.services.holds import hold_device
from devices.services.lifecycle import check_transition
from mes.choices import Role
from mes.exceptions import InvalidInput, NotPermitted, TransitionRefused
from mes.models import Person
from mes.selectors import events_of
from printing.models import PrintJob
from quality.models import Package
from quality.reports.packing import EXAMINED, devices_in, packages_with_other_contents, packed_units
from quality.selectors.packages import packages_of
from quality.services.labels import apply_labels, close_package, destroy_labels, issue_labels
from quality.services.packages import (
    open_package,
    pack_device,
    put_into,
    reopen_package,
    take_out,
    take_package_out,
    void_package,
)
from tests.quality.makers import (
    PEOPLE,
    SYSTEM,
    Staff,
    acting,
    make_built_device,
    make_person,
    make_staff,
    move_through,
    typed,
)
from tests.scenes import Scene, given

pytestmark = [pytest.mark.django_db, pytest.mark.requirement("K-12")]
PACKAGING = {
    "scheme": "gs1",
    "levels": {
        "each": {"di": "09521141000175"},
        "pouch": {"sterile_barrier": True},
        "carton": {"di": "19521141000172"},
    },
    "shelf_life_days": 60,
}
RELEASED = ("ready_for_review", "reviewed", "released")


@pytest.fixture
def packer() -> Person:
    return make_person("Person LBL", Role.LBL)


def make_device(staff: Staff, *, released: bool = True, **fields: Any) -> Device:
    if released and not fields and (number := given("packable")):
        return Device.objects.get(pk=number)
    device = make_built_device(staff, stage=Stage.INSPECTED_PASS, packaging=PACKAGING, **fields)
    if released:
        move_through(device, RELEASED)
    return device


PACKABLE = Scene("packable", PEOPLE.make, story=lambda: make_device(make_staff()).pk, upon=PEOPLE)


def opened(packer: Person, device: Device, level: str, station: str = "Bench 1") -> Package:
    return open_package(
        order_id=device.order_id, level=level, station=station, line_clear=True, actor=acting(packer)
    )


def packed(packer: Person, device: Device, level: str = "carton", **fields: Any) -> Package:
    package = opened(packer, device, level, **fields)
    return pack_device(
        package_id=package.pk, device_id=device.pk, quantity=device.accepted, actor=acting(packer)
    )


def labelled(packer: Person, package: Package, quantity: int = 1) -> Package:
    package = issue_labels(package_id=package.pk, quantity=quantity, actor=acting(packer))
    return applied(packer, package, quantity)


def applied(packer: Person, package: Package, quantity: int = 1, **fields: Any) -> Package:
    values: dict[str, Any] = {"scanned": package.label.get("symbol", ""), "examined": EXAMINED} | fields
    return apply_labels(
        package_id=package.pk, quantity=quantity, actor=acting(packer), credentials=typed(packer), **values
    )


def closed(staff: Staff, package: Package) -> Package:
    checker = staff[Role.QCM]
    return close_package(package_id=package.pk, actor=acting(checker), credentials=typed(checker))


def rules_of(refused: pytest.ExceptionInfo[TransitionRefused]) -> set[str]:
    return {reason.rule for reason in refused.value.reasons}


def blocks(device: Device, transition: str) -> set[str]:
    return {answer.gate for answer in check_transition(device, transition) if not answer.passed}


def test_from_the_pouch_to_the_carton_and_back_to_the_device(staff: Staff, packer: Person) -> None:
    device = make_device(staff)
    pouch = closed(staff, labelled(packer, packed(packer, device, "pouch")))
    carton = opened(packer, device, "carton")
    put_into(package_id=pouch.pk, parent_id=carton.pk, actor=acting(packer))
    closed(staff, labelled(packer, carton))
    assert devices_in(carton) == {device: 1}
    assert packages_of(device) == [pouch, carton]
    assert not list(packages_with_other_contents())
    assert [event.type for event in events_of(carton)] == [
        "quality.package_opened",
        "quality.labels_issued",
        "quality.labels_applied",
        "quality.package_closed",
    ]


def test_a_sterile_barrier_is_no_level_with_an_identifier(staff: Staff, packer: Person) -> None:
    device = make_device(staff)
    pouch = issue_labels(package_id=packed(packer, device, "pouch").pk, quantity=1, actor=acting(packer))
    assert (pouch.sterile_barrier, pouch.di, pouch.label["symbol"]) == (True, "", "")
    with pytest.raises(DatabaseError, match="barrier"), transaction.atomic(), connection.cursor() as cursor:
        cursor.execute("UPDATE quality_package SET di = '09521141000175' WHERE id = %s", [pouch.pk])


@pytest.mark.requirement("K-08")
@pytest.mark.parametrize(("lot_of", "identifier"), [(0, "(21)"), (3, "(10)")])
def test_a_lot_stands_under_10_and_a_unit_under_21(
    staff: Staff, packer: Person, lot_of: int, identifier: str
) -> None:
    device = make_lot(staff, lot_of) if lot_of else make_device(staff)
    package = packed(packer, device)
    label = issue_labels(package_id=package.pk, quantity=1, actor=acting(packer)).label
    ended = PrintJob.objects.latest("ended_at").ended_at
    assert ended is not None
    made = ended.date()
    use_by = made + timedelta(days=60)
    expected = f"(01)19521141000172(11){made:%y%m%d}(17){use_by:%y%m%d}{identifier}{device.serial}"
    assert label["readable"] == expected
    assert label["symbol"] == expected.replace("(", "").replace(")", "")
    assert label["quantity"] == max(1, lot_of)


def make_lot(staff: Staff, size: int) -> Device:
    """A released lot, its units counted as inspection would have."""
    device = make_built_device(staff, stage=Stage.AWAITING_INSPECTION, packaging=PACKAGING, lot_of=size)
    device.accepted = size
    move_through(device, ("inspected_pass", *RELEASED))
    assert device.released == size
    return device


@pytest.mark.requirement("K-08")
def test_no_more_units_are_packed_than_were_accepted(staff: Staff, packer: Person) -> None:
    lot = make_lot(staff, 3)
    package = opened(packer, lot, "carton")
    pack: dict[str, Any] = {"package_id": package.pk, "device_id": lot.pk, "actor": acting(packer)}
    pack_device(**pack, quantity=2)
    with pytest.raises(InvalidInput, match="1 accepted ones"):
        pack_device(**pack, quantity=2)
    take_out(**pack, quantity=1, reason="Dropped")
    assert packed_units(lot) == 1
    pack_device(**pack, quantity=2)
    assert packed_units(lot) == 3


@pytest.mark.requirement("G-SHP-01")
def test_what_is_not_released_is_not_packed_to_leave(staff: Staff, packer: Person) -> None:
    device = make_device(staff, released=False)
    with pytest.raises(TransitionRefused, match="is not released") as refused:
        packed(packer, device)
    assert rules_of(refused) == {"G-SHP-01"}
    assert not device.packed.exists()
    assert packed(packer, device, "pouch").contents.get().quantity == 1


@pytest.mark.requirement("G-INS-01")
def test_what_was_not_inspected_is_not_packed(staff: Staff, packer: Person) -> None:
    device = make_built_device(staff, stage=Stage.AWAITING_INSPECTION, packaging=PACKAGING)
    Device.objects.filter(pk=device.pk).update(accepted=1)
    device.refresh_from_db()
    with pytest.raises(TransitionRefused, match="Awaiting inspection") as refused:
        packed(packer, device, "each")
    assert rules_of(refused) == {"G-INS-01"}


@pytest.mark.requirement("G-NC-01")
def test_what_is_held_is_neither_packed_nor_closed_nor_put_into_another(staff: Staff, packer: Person) -> None:
    device = make_device(staff)
    package = labelled(packer, packed(packer, device))
    pouched = make_device(staff)
    pouch = closed(staff, labelled(packer, packed(packer, pouched, "pouch", station="Bench 2")))
    carton = opened(packer, pouched, "carton", station="Bench 2")
    free = make_device(staff)
    for one in (device, pouched, free):
        hold_device(device_id=one.pk, actor=SYSTEM, reason="Recalled")
    acts: tuple[Callable[[], object], ...] = (
        lambda: closed(staff, package),
        lambda: put_into(package_id=pouch.pk, parent_id=carton.pk, actor=acting(packer)),
        lambda: packed(packer, free, station="Bench 3"),
    )
    for act in acts:
        with pytest.raises(TransitionRefused, match="Recalled") as refused:
            act()
        assert rules_of(refused) == {"G-NC-01"}


@pytest.mark.requirement("G-LBL-02")
def test_labels_are_reconciled_before_a_package_is_closed(staff: Staff, packer: Person) -> None:
    device = make_device(staff)
    package = issue_labels(package_id=packed(packer, device).pk, quantity=3, actor=acting(packer))
    applied(packer, package, 1)
    with pytest.raises(TransitionRefused, match="3 issued, 1 applied, 0 destroyed") as refused:
        closed(staff, package)
    assert rules_of(refused) == {"G-LBL-02"}
    device.refresh_from_db()
    assert "G-LBL-02" in blocks(device, "ship")
    destroy_labels(package_id=package.pk, quantity=2, reason="Reserve", actor=acting(packer))
    assert closed(staff, package).stage == "closed"
    with (
        pytest.raises(DatabaseError, match="reconciled"),
        transaction.atomic(),
        connection.cursor() as cursor,
    ):
        cursor.execute("UPDATE quality_package SET issued = 4 WHERE id = %s", [package.pk])


@pytest.mark.requirement("G-LBL-01")
@pytest.mark.parametrize(
    ("fields", "said"),
    [
        ({"scanned": "0119521141000172"}, "does not hold what was issued"),
        ({"examined": EXAMINED[:4]}, "Not examined: processing"),
    ],
)
def test_a_label_is_examined_and_read_back(
    staff: Staff, packer: Person, fields: dict[str, Any], said: str
) -> None:
    package = issue_labels(package_id=packed(packer, make_device(staff)).pk, quantity=1, actor=acting(packer))
    with pytest.raises(TransitionRefused, match=said) as refused:
        applied(packer, package, 1, **fields)
    assert rules_of(refused) == {"G-LBL-01"}
    package.refresh_from_db()
    assert package.applied == 0
    assert applied(packer, package, scanned=f"]d2{package.label['symbol']}\x1d").applied == 1


@pytest.mark.requirement("G-LBL-01")
def test_what_a_label_says_stays_true(staff: Staff, packer: Person) -> None:
    device = make_device(staff)
    package = labelled(packer, packed(packer, device))
    with pytest.raises(TransitionRefused, match="Labels are issued") as refused:
        take_out(package_id=package.pk, device_id=device.pk, quantity=1, reason="x", actor=acting(packer))
    assert rules_of(refused) == {"G-LBL-01"}
    device.master.label = {"text": "Another thing"}
    device.master.save()
    with pytest.raises(TransitionRefused, match="something else than is true now"):
        closed(staff, package)


@pytest.mark.requirement("G-SOD-01")
def test_who_applied_the_labels_does_not_close_the_package(staff: Staff, packer: Person) -> None:
    package = labelled(packer, packed(packer, make_device(staff)))
    with pytest.raises(NotPermitted, match="applied its labels"):
        close_package(package_id=package.pk, actor=acting(packer), credentials=typed(packer))


@pytest.mark.requirement("G-LBL-02")
def test_a_station_is_clear_and_packs_one_order_at_a_time(staff: Staff, packer: Person) -> None:
    device, other = make_device(staff), make_device(staff)
    with pytest.raises(InvalidInput, match="not confirmed to be clear"):
        open_package(
            order_id=device.order_id, level="carton", station="B", line_clear=False, actor=acting(packer)
        )
    package = opened(packer, device, "carton")
    with pytest.raises(TransitionRefused, match="of another order is being packed"):
        opened(packer, other, "carton", station=" bench  1 ")
    assert opened(packer, other, "carton", station="Bench 2").pk != package.pk
    with pytest.raises(InvalidInput, match="the package of O"):
        pack_device(package_id=package.pk, device_id=other.pk, quantity=1, actor=acting(packer))


def test_a_closed_package_is_opened_only_with_a_reason_and_loses_its_labels(
    staff: Staff, packer: Person
) -> None:
    device = make_device(staff)
    package = closed(staff, labelled(packer, packed(packer, device)))
    checker = acting(staff[Role.QCM])
    with pytest.raises(TransitionRefused, match="is closed"):
        take_out(package_id=package.pk, device_id=device.pk, quantity=1, reason="x", actor=acting(packer))
    with pytest.raises(InvalidInput, match="Say why"):
        reopen_package(package_id=package.pk, reason=" ", actor=checker)
    package = reopen_package(package_id=package.pk, reason="Leaflet missing", actor=checker)
    assert (package.stage, package.issued, package.applied, package.destroyed) == ("packing", 1, 0, 1)
    assert package.label_sha256 == ""
    assert events_of(package).get(type="quality.package_reopened").reason == "Leaflet missing"
    closed(staff, labelled(packer, package))


def test_a_package_inside_a_closed_one_stays_closed(staff: Staff, packer: Person) -> None:
    device = make_device(staff)
    pouch = closed(staff, labelled(packer, packed(packer, device, "pouch")))
    carton = opened(packer, device, "carton")
    put_into(package_id=pouch.pk, parent_id=carton.pk, actor=acting(packer))
    closed(staff, labelled(packer, carton))
    with pytest.raises(TransitionRefused, match="which is closed"):
        reopen_package(package_id=pouch.pk, reason="x", actor=acting(staff[Role.QCM]))
    with pytest.raises(TransitionRefused, match="is closed"):
        take_package_out(package_id=pouch.pk, reason="x", actor=acting(packer))


def test_levels_go_outwards(staff: Staff, packer: Person) -> None:
    device = make_device(staff)
    carton, pouch = packed(packer, device), opened(packer, device, "pouch")
    closed(staff, labelled(packer, carton))
    with pytest.raises(InvalidInput, match="does not lie in a pouch"):
        put_into(package_id=carton.pk, parent_id=pouch.pk, actor=acting(packer))


def test_a_package_with_an_open_one_inside_is_not_closed(staff: Staff, packer: Person) -> None:
    device = make_device(staff)
    pouch = closed(staff, labelled(packer, packed(packer, device, "pouch")))
    carton = opened(packer, device, "carton")
    put_into(package_id=pouch.pk, parent_id=carton.pk, actor=acting(packer))
    labelled(packer, carton)
    reopen_package(package_id=pouch.pk, reason="Seal", actor=acting(staff[Role.QCM]))
    with pytest.raises(TransitionRefused, match="in it is not closed"):
        closed(staff, carton)


@pytest.mark.requirement("G-SHP-01")
def test_a_device_leaves_in_a_closed_carton_alone(staff: Staff, packer: Person) -> None:
    device = make_device(staff)
    assert "G-SHP-01" in blocks(device, "ship")
    package = labelled(packer, packed(packer, device))
    assert "G-SHP-01" in blocks(device, "ship")
    closed(staff, package)
    assert not blocks(device, "ship") & {"G-SHP-01", "G-LBL-02", "G-INT-01"}
    today = timezone.localdate()
    Package.objects.filter(pk=package.pk).update(use_by=today - timedelta(days=1))
    assert "G-SHP-01" in blocks(device, "ship")


@pytest.mark.requirement("G-SHP-01")
def test_a_package_that_expires_before_it_is_needed_is_not_closed(staff: Staff, packer: Person) -> None:
    device = make_device(staff)
    device.order.need_by = date.max.replace(year=2099)
    device.order.save()
    package = labelled(packer, packed(packer, device))
    with pytest.raises(TransitionRefused, match="it is needed on") as refused:
        closed(staff, package)
    assert rules_of(refused) == {"G-SHP-01"}


@pytest.mark.requirement("K-10")
def test_a_use_by_date_has_a_precision(staff: Staff, packer: Person) -> None:
    package = issue_labels(package_id=packed(packer, make_device(staff)).pk, quantity=1, actor=acting(packer))
    assert (package.use_by_precision, package.label["use_by_limited_by"]) == ("day", "shelf_life")
    for change in ("use_by_precision = ''", "use_by = NULL"):
        with (
            pytest.raises(DatabaseError, match="use_by"),
            transaction.atomic(),
            connection.cursor() as cursor,
        ):
            cursor.execute(f"UPDATE quality_package SET {change} WHERE id = %s", [package.pk])


def test_an_empty_package_is_given_up_with_a_reason(staff: Staff, packer: Person) -> None:
    device, checker = make_device(staff), acting(staff[Role.QCM])
    package = packed(packer, device)
    with pytest.raises(TransitionRefused, match="is not empty"):
        void_package(package_id=package.pk, reason="x", actor=checker)
    take_out(package_id=package.pk, device_id=device.pk, quantity=1, reason="Wrong box", actor=acting(packer))
    assert void_package(package_id=package.pk, reason="Wrong box", actor=checker).stage == "void"


def test_contents_changed_behind_the_log_are_named(staff: Staff, packer: Person) -> None:
    package = packed(packer, make_device(staff))
    package.contents.update(quantity=2)
    assert list(packages_with_other_contents()) == [str(package.pk)]
