"""Material: quarantine, release, hold, loading, and a balance that always holds."""

from __future__ import annotations

from datetime import date
from decimal import Decimal
from functools import partial
from typing import Any

import pytest
from django.utils import timezone
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from mes.choices import Role
from mes.eventlog.base import Actor
from mes.exceptions import InvalidInput, NotPermitted, Refused, SignatureRefused, TransitionRefused
from mes.selectors import events_of
from mes.services.people import grant_role
from mes.services.signing_withdrawal import withdraw_signature
from printing.choices import ContainerState, LotState, Precision
from printing.handlers import expire_lots
from printing.models import Consumption, Container, MaterialLot
from printing.services.consumption import withdraw_material
from printing.services.labels import ALPHABET, new_label, read_label
from printing.services.loading import load_container, unload_container
from printing.services.lots import (
    expire_lot,
    hold_lot,
    reject_lot,
    release_lot,
    release_lot_hold,
    return_lot,
)
from tests.devices.makers import Staff, make_material
from tests.printing.makers import (
    GOOD,
    SYSTEM,
    Floor,
    container_of,
    in_days,
    make_lot,
    make_printer,
    make_released_lot,
)

pytestmark = pytest.mark.django_db


@pytest.fixture
def staff() -> Staff:
    return Staff()


def rules(refusal: pytest.ExceptionInfo[Any]) -> set[str]:
    return {reason.rule for reason in refusal.value.reasons}


def release(lot: MaterialLot, staff: Staff) -> None:
    release_lot(lot_id=lot.pk, actor=staff[Role.QCM].actor, credentials=staff[Role.QCM].typed())


def test_a_received_lot_stands_in_quarantine_with_labelled_containers(staff: Staff) -> None:
    lot = make_lot(staff, quantity=Decimal("1500"), containers=[Decimal("1000"), Decimal("500")])
    assert lot.state == LotState.QUARANTINE
    labels = list(Container.objects.filter(lot=lot).values_list("label", flat=True))
    assert len(set(labels)) == 2
    assert [event.type for event in events_of(lot)] == ["printing.lot_received"]


@pytest.mark.parametrize(
    "fields",
    [
        {"quantity": Decimal("0")},
        {"quantity": Decimal("-1")},
        {"quantity": Decimal("NaN")},
        {"quantity": Decimal("Infinity")},
        {"quantity": Decimal("1e9")},
        {"quantity": Decimal("1.00001")},
        {"containers": [Decimal("400")]},
        {"unit": "kg"},
        {"supplier": "  "},
        {"supplier_lot": "../../etc/passwd"},
        {"supplier_lot": ""},
        {"expires_precision": "year"},
        {"certificate": [{"characteristic": "x", "value": float("nan")}]},
        {"certificate": [{"characteristic": "x", "value": 1e308}]},
        {"certificate": [{"characteristic": "x", "value": 10**400}]},
        {"certificate": [{"characteristic": "x", "value": 1, "maximum": -1e16}]},
        {"certificate": [{"characteristic": "", "value": 1}]},
        {"certificate": [{"characteristic": "x", "value": "nine"}]},
        {"certificate_file": b""},
        {"certificate_file": b"PK\x03\x04 an archive"},
        {"certificate_file": b"\xfe\xff no text"},
        {"certificate_file": bytes(128) + b"DICM"},
    ],
)
def test_what_cannot_be_received_leaves_nothing_behind(staff: Staff, fields: dict[str, Any]) -> None:
    make_material()
    with pytest.raises(InvalidInput):
        make_lot(staff, **fields)
    assert not MaterialLot.objects.exists()
    assert not Container.objects.exists()


def test_the_same_lot_is_received_once(staff: Staff) -> None:
    lot = make_lot(staff, supplier_lot="RC-SAME", supplier="Resins & Co")
    reject_lot(
        lot_id=lot.pk, actor=staff[Role.QCM].actor, credentials=staff[Role.QCM].typed(), reason="cloudy"
    )
    for supplier, number in (
        ("Resins & Co", "RC-SAME"),
        ("resins  & CO", "RC-SAME"),
        ("Resins & Co", "rc-same"),
        ("Resins&Co", "RC -Same"),
    ):
        with pytest.raises(InvalidInput, match="received before: it is L"):
            make_lot(staff, supplier_lot=number, supplier=supplier)
    make_lot(staff, supplier_lot="RCS-AME", supplier="Resins & Co")


@pytest.mark.requirement("K-10")
def test_a_month_without_a_day_means_its_last_day() -> None:
    lot = MaterialLot(expires_on=date(2028, 2, 1), expires_precision=Precision.MONTH)
    assert lot.last_day == date(2028, 2, 29)
    assert MaterialLot(expires_on=date(2027, 12, 5), expires_precision=Precision.MONTH).last_day == date(
        2027, 12, 31
    )
    assert MaterialLot(expires_on=date(2027, 12, 5), expires_precision=Precision.DAY).last_day == date(
        2027, 12, 5
    )


@pytest.mark.requirement("G-MAT-03")
def test_release_is_signed_against_the_certificate(staff: Staff) -> None:
    lot = make_lot(staff)
    release(lot, staff)
    lot.refresh_from_db()
    assert lot.state == LotState.RELEASED
    assert lot.release_signature is not None
    assert "viscosity" in lot.release_signature.content


@pytest.mark.requirement("G-MAT-03")
@pytest.mark.parametrize(
    "fields",
    [
        {"certificate": []},
        {"certificate_file": None},
        {"certificate": [{**GOOD[0], "value": 700}]},
        {"certificate": [{**GOOD[0], "value": 1101}]},
        {"certificate": [{"characteristic": "v", "value": 1}]},
        {"certificate": [*GOOD, {"characteristic": "colour", "value": 1}]},
        {"certificate": [*GOOD, {**GOOD[0], "value": 901}]},
        {"certificate": [*GOOD, {**GOOD[0], "characteristic": "Viscosity "}]},
        {"certificate": [{**GOOD[0], "minimum": 1100, "maximum": 800}]},
    ],
)
def test_a_missing_or_bad_certificate_blocks_release(staff: Staff, fields: dict[str, Any]) -> None:
    lot = make_lot(staff, **fields)
    with pytest.raises(TransitionRefused) as refusal:
        release(lot, staff)
    assert rules(refusal) == {"G-MAT-03"}
    lot.refresh_from_db()
    assert lot.state == LotState.QUARANTINE
    assert events_of(lot).count() == 1


STRENGTH = {"characteristic": "flexural modulus", "value": 2150, "unit": "MPa", "minimum": 1900}
REQUIRED = (
    {"characteristic": "Viscosity", "unit": "mPa·s", "minimum": 850, "maximum": 1000},
    {"characteristic": "flexural modulus", "unit": "MPa", "minimum": 2000},
)


@pytest.mark.requirement("G-MAT-03")
@pytest.mark.parametrize(
    ("certificate", "said"),
    [
        (GOOD, r"flexural modulus \(MPa\) is required and not on the certificate"),
        ([STRENGTH], r"Viscosity \(mPa·s\) is required"),
        ([{**GOOD[0], "value": 840}, STRENGTH], "Viscosity is 840 mPa·s; the material requires 850 to 1000"),
        (
            [GOOD[0], {**STRENGTH, "value": 1950}],
            "flexural modulus is 1950 MPa; the material requires 2000 to …",
        ),
        ([GOOD[0], {**STRENGTH, "unit": "mPa"}], "flexural modulus is given in 'mPa', required in MPa"),
    ],
    ids=["missing", "the other", "outside", "outside one limit", "another unit"],
)
def test_a_lot_without_what_its_material_requires_is_not_released(
    staff: Staff, certificate: list[dict[str, Any]], said: str
) -> None:
    """Within the supplier's limits all the same: the material's own count."""
    make_material(code="resin-strict", required_results=REQUIRED)
    lot = make_lot(staff, material="resin-strict", certificate=certificate)
    with pytest.raises(TransitionRefused, match=said) as refusal:
        release(lot, staff)
    assert rules(refusal) == {"G-MAT-03"}
    assert all(reason.cure for reason in refusal.value.reasons)
    lot.refresh_from_db()
    assert (lot.state, lot.release_signature_id) == (LotState.QUARANTINE, None)


@pytest.mark.requirement("G-MAT-03")
@pytest.mark.parametrize("unit", ["mPa·s", "mPa.s", "mPa s"])
def test_a_lot_with_what_its_material_requires_is_released(staff: Staff, unit: str) -> None:
    make_material(code="resin-strict", required_results=REQUIRED)
    lot = make_lot(staff, material="resin-strict", certificate=[{**GOOD[0], "unit": unit}, STRENGTH])
    release(lot, staff)
    lot.refresh_from_db()
    assert lot.state == LotState.RELEASED


@pytest.mark.requirement("G-MAT-02")
def test_an_expired_lot_is_not_released(staff: Staff) -> None:
    lot = make_lot(staff, expires_on=in_days(-1))
    with pytest.raises(TransitionRefused) as refusal:
        release(lot, staff)
    assert rules(refusal) == {"G-MAT-02"}


@pytest.mark.requirement("G-SOD-01")
def test_who_received_a_lot_does_not_release_it(staff: Staff) -> None:
    both = staff[Role.MAT]
    lot = make_lot(staff)
    grant_role(person=both.person, role=Role.QCM, actor=SYSTEM)
    with pytest.raises(NotPermitted) as refusal:
        release_lot(lot_id=lot.pk, actor=both.actor, credentials=both.typed())
    assert rules(refusal) == {"G-SOD-01"}


def test_release_needs_the_role_and_the_password(staff: Staff) -> None:
    lot = make_lot(staff)
    with pytest.raises(NotPermitted):
        release_lot(lot_id=lot.pk, actor=staff[Role.MAT].actor, credentials=staff[Role.MAT].typed())
    with pytest.raises(SignatureRefused):
        release_lot(
            lot_id=lot.pk,
            actor=staff[Role.QCM].actor,
            credentials=staff[Role.QCM].typed(password="something else"),
        )
    lot.refresh_from_db()
    assert lot.state == LotState.QUARANTINE


def test_hold_returns_to_where_the_lot_stood(staff: Staff) -> None:
    lot = make_released_lot(staff)
    hold_lot(lot_id=lot.pk, actor=staff[Role.QAR].actor, reason="recall")
    lot.refresh_from_db()
    assert (lot.state, lot.held_from) == (LotState.ON_HOLD, LotState.RELEASED)
    release_lot_hold(
        lot_id=lot.pk,
        actor=staff[Role.QAR].actor,
        credentials=staff[Role.QAR].typed(),
        reason="another lot was meant",
    )
    lot.refresh_from_db()
    assert (lot.state, lot.held_from) == (LotState.RELEASED, "")


@pytest.mark.requirement("G-MAT-03")
@pytest.mark.requirement("ES-18")
def test_a_lot_whose_release_is_withdrawn_is_released_again(staff: Staff) -> None:
    who = staff[Role.QCM]
    used, held = make_released_lot(staff), make_released_lot(staff)
    load_container(
        printer_id=make_printer(staff).pk,
        scanned_code=container_of(used).label,
        actor=staff[Role.OPR].actor,
    )
    hold_lot(lot_id=held.pk, actor=staff[Role.QAR].actor, reason="a question")
    for lot in (used, held):
        assert lot.release_signature
        withdraw_signature(
            signature_id=lot.release_signature.pk,
            reason="the wrong certificate",
            actor=who.actor,
            credentials=who.typed(),
        )
        return_lot(signature_id=lot.release_signature.pk, actor=SYSTEM)
    quality = staff[Role.QAR]
    release_lot_hold(
        lot_id=held.pk, actor=quality.actor, credentials=quality.typed(), reason="it is answered"
    )
    for lot in (used, held):
        lot.refresh_from_db()
        assert lot.state == LotState.QUARANTINE
        release(lot, staff)
        lot.refresh_from_db()
        assert lot.state == LotState.RELEASED
        assert [event.type for event in events_of(lot)].count("printing.lot_returned") == 1


def test_reject_ends_a_lot(staff: Staff) -> None:
    lot = make_lot(staff)
    reject_lot(
        lot_id=lot.pk,
        actor=staff[Role.QCM].actor,
        credentials=staff[Role.QCM].typed(),
        reason="leaking",
    )
    lot.refresh_from_db()
    assert lot.state == LotState.REJECTED
    with pytest.raises(TransitionRefused):
        release(lot, staff)


def test_the_clock_expires_lots(staff: Staff) -> None:
    old, young = make_lot(staff, expires_on=in_days(-1)), make_lot(staff)
    expire_lots(None)  # type: ignore[arg-type]  # the job needs nothing of its slot
    old.refresh_from_db()
    young.refresh_from_db()
    assert (old.state, young.state) == (LotState.EXPIRED, LotState.QUARANTINE)
    with pytest.raises(NotPermitted):
        expire_lot(lot_id=young.pk, actor=Actor.system("tick"))


# --- labels and loading


@pytest.mark.requirement("K-09")
@given(st.integers(0, 9), st.sampled_from(ALPHABET), st.integers(0, 8))
def test_every_single_error_and_swap_in_a_label_is_found(place: int, letter: str, swap: int) -> None:
    label = new_label()
    assert read_label(f" {label[:5].lower()} {label[5:]} ") == label
    wrong = label[:place] + letter + label[place + 1 :]
    swapped = label[:swap] + label[swap + 1] + label[swap] + label[swap + 2 :]
    for bad in {wrong, swapped} - {label}:
        with pytest.raises(InvalidInput):
            read_label(bad)


def load(printer_id: int, label: str, staff: Staff) -> Container:
    return load_container(printer_id=printer_id, scanned_code=label, actor=staff[Role.OPR].actor)


def test_loading_opens_the_container_and_takes_the_lot_into_use(staff: Staff) -> None:
    lot, printer = make_released_lot(staff), make_printer(staff)
    container = load(printer.pk, container_of(lot).label, staff)
    printer.refresh_from_db()
    lot.refresh_from_db()
    assert printer.container_id == container.pk
    assert lot.state == LotState.IN_USE
    assert container_of(lot).state == ContainerState.OPEN


@pytest.mark.requirement("G-MAT-01")
@pytest.mark.parametrize("state", ["quarantine", "on_hold", "rejected"])
def test_a_lot_that_is_not_released_is_not_loaded(staff: Staff, state: str) -> None:
    printer, lot = make_printer(staff), make_lot(staff)
    if state == "on_hold":
        hold_lot(lot_id=lot.pk, actor=staff[Role.QAR].actor, reason="recall")
    if state == "rejected":
        reject_lot(
            lot_id=lot.pk, actor=staff[Role.QCM].actor, credentials=staff[Role.QCM].typed(), reason="bad"
        )
    with pytest.raises(TransitionRefused) as refusal:
        load(printer.pk, container_of(lot).label, staff)
    assert rules(refusal) == {"G-MAT-01"}
    printer.refresh_from_db()
    assert printer.container_id is None


@pytest.mark.requirement("G-MAT-02")
def test_an_expired_lot_is_not_loaded(staff: Staff) -> None:
    lot, printer = make_released_lot(staff), make_printer(staff)
    MaterialLot.objects.filter(pk=lot.pk).update(expires_on=timezone.localdate().replace(year=2020))
    with pytest.raises(TransitionRefused) as refusal:
        load(printer.pk, container_of(lot).label, staff)
    # The release was signed over the day that the lot had then, so it does not stand either.
    assert rules(refusal) == {"G-MAT-01", "G-MAT-02"}


@pytest.mark.requirement("G-MAT-08")
def test_a_container_is_on_one_printer_only(staff: Staff) -> None:
    lot = make_released_lot(staff)
    first, second = make_printer(staff), make_printer(staff)
    load(first.pk, container_of(lot).label, staff)
    with pytest.raises(TransitionRefused) as refusal:
        load(second.pk, container_of(lot).label, staff)
    assert rules(refusal) == {"G-MAT-08"}
    unload_container(printer_id=first.pk, actor=staff[Role.OPR].actor)
    load(second.pk, container_of(lot).label, staff)


@pytest.mark.requirement("G-MAT-08")
def test_an_unknown_label_is_refused(staff: Staff) -> None:
    printer = make_printer(staff)
    with pytest.raises(Refused, match="No container"):
        load(printer.pk, new_label(), staff)
    with pytest.raises(InvalidInput):
        load(printer.pk, "<script>", staff)


@pytest.mark.requirement("G-PRN-06")
def test_a_change_of_material_asks_for_a_clean_line(staff: Staff) -> None:
    printer = make_printer(staff)
    load(printer.pk, container_of(make_released_lot(staff)).label, staff)
    printer.refresh_from_db()
    assert printer.clearance_needed == ""


# --- the balance


def test_a_sample_is_taken_and_an_overdraft_refused(staff: Staff) -> None:
    lot = make_lot(staff)
    container = container_of(lot)
    who = staff[Role.QCM].actor
    withdraw_material(
        container_id=container.pk,
        quantity=Decimal("20"),
        withdrawal="sampled",
        actor=who,
        reason="viscosity",
    )
    with pytest.raises(InvalidInput):
        withdraw_material(
            container_id=container.pk,
            quantity=Decimal("981"),
            withdrawal="wasted",
            actor=who,
            reason="spilt",
        )
    lot.refresh_from_db()
    assert (lot.sampled, lot.wasted, lot.remaining) == (Decimal("20"), Decimal("0"), Decimal("980"))


amounts = st.lists(
    st.tuples(
        st.integers(0, 2), st.decimals("0.001", "700", places=3), st.sampled_from(["sampled", "wasted"])
    ),
    max_size=8,
)


@settings(
    max_examples=8,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
@given(amounts)
def test_the_balance_always_holds(django_db_blocker: object, taken: list[tuple[int, Decimal, str]]) -> None:
    staff = Staff()
    lot = make_released_lot(
        staff, quantity=Decimal("1500"), containers=[Decimal("500"), Decimal("600"), Decimal("400")]
    )
    containers = list(lot.containers.order_by("pk"))
    for number, quantity, withdrawal in taken:
        container = containers[number]
        container.refresh_from_db()
        act = partial(
            withdraw_material,
            container_id=container.pk,
            quantity=quantity,
            withdrawal=withdrawal,
            actor=staff[Role.MAT].actor,
            reason="r",
        )
        if quantity > container.remaining:
            with pytest.raises(InvalidInput):
                act()
        else:
            act()
    lot.refresh_from_db()
    booked = sum((row.quantity for row in Consumption.objects.filter(lot=lot)), Decimal())
    on_shelf = sum((row.remaining for row in Container.objects.filter(lot=lot)), Decimal())
    assert lot.received == lot.consumed + lot.sampled + lot.wasted + lot.remaining
    assert booked == lot.received - lot.remaining
    assert on_shelf == lot.remaining


def test_a_job_books_what_the_machine_reports_and_never_more_than_was_there(floor: Floor) -> None:
    job = floor.finish(floor.start(), material_ml=5000.0)
    floor.lot.refresh_from_db()
    assert floor.lot.remaining == 0
    assert floor.lot.state == LotState.DEPLETED
    booked = Consumption.objects.get(job=job)
    assert (booked.quantity, booked.basis) == (Decimal("1000"), "reported")
    told = events_of(floor.lot).get(type="printing.material_consumed")
    assert '"measured":"5000.000"' in told.payload
