"""Measuring equipment: a scan names what measured, and what may not measure is refused; a bad gauge reaches back."""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import timedelta
from decimal import Decimal

import pytest
import time_machine
from django.db import Error, transaction
from django.db.models.functions import Now
from django.utils import timezone

from devices.choices import Stage
from devices.models import Device
from devices.models.devices import COUNTS
from devices.services.lifecycle import count_units
from mes.choices import Role
from mes.eventlog.base import Event
from mes.eventlog.unit import publish, unit_of_work
from mes.exceptions import InvalidInput, NotPermitted, SignatureRefused, TransitionRefused
from mes.lifecycle import GATES
from mes.models import Artefact, EventRecord, RoleGrant
from mes.panels import WORKLISTS
from mes.selectors import events_of
from mes.services.artefacts import store_artefact
from quality.choices import GAUGE_PAIRS, AsFound, GaugeKind, GaugeStage, Source
from quality.events import ScanReceived
from quality.lifecycle import GAUGE
from quality.models import Calibration, Gauge, Inspection, Nonconformance
from quality.reports.agreement import disagreements
from quality.selectors.gauges import gauge_id_of
from quality.services.gauges import (
    Certified,
    calibrate_gauge,
    put_gauge_in_service,
    register_gauge,
    store_calibration_certificate,
    take_gauge_out_of_service,
)
from quality.services.inspection import sign_inspection, verdict_content
from quality.services.scans import receive_scan
from tests.quality.makers import (
    SYSTEM,
    Staff,
    acting,
    make_built_device,
    make_calibration,
    make_gauge,
    make_measured,
    make_person,
    measured,
    move_through,
    typed,
)

pytestmark = [pytest.mark.django_db, pytest.mark.requirement("P11-10h")]
OUT = AsFound.OUT_OF_TOLERANCE
DAY = timedelta(days=1)


@pytest.fixture
def device(staff: Staff) -> Device:
    return make_built_device(staff, stage=Stage.AWAITING_INSPECTION)


def send(staff: Staff, device: Device, gauge: Gauge | None, content: bytes = b"solid a facet") -> Inspection:
    number = gauge.pk if gauge else None
    return receive_scan(device_id=device.pk, upload=content, gauge_id=number, actor=acting(staff[Role.INS]))


def refusal(staff: Staff, device: Device, gauge: Gauge | None) -> str:
    with pytest.raises(TransitionRefused) as refused:
        send(staff, device, gauge)
    assert all(reason.rule == "G-INS-01" and reason.cure for reason in refused.value.reasons)
    assert not Inspection.objects.filter(device=device).exists()
    return str(refused.value)


def test_a_scan_names_its_gauge_and_the_calibration_of_that_day(staff: Staff, device: Device) -> None:
    gauge = make_gauge()
    row = send(staff, device, gauge)
    calibration = gauge.calibrations.get()
    assert (row.gauge, row.calibration, row.measured_on) == (gauge, calibration, timezone.localdate())
    told = json.loads(events_of(device).get(type="quality.scan_received").payload)
    assert (told["gauge_id"], told["calibration_id"]) == (gauge.pk, calibration.pk)
    assert told["measured_on"] == timezone.localdate().isoformat()


def test_a_gauge_that_is_unknown_measures_nothing(staff: Staff, device: Device) -> None:
    assert "No registered gauge" in refusal(staff, device, None)
    assert "No registered gauge" in refusal(staff, device, Gauge(pk=10**9))
    assert [gauge_id_of(code) for code in ("", "G9", "G" * 3, "G\N{SUPERSCRIPT TWO}", "1" * 40)] == [None] * 5


def test_a_gauge_that_is_not_in_service_measures_nothing(staff: Staff, device: Device) -> None:
    gauge = make_gauge()
    metrologist = make_person("Person CAL2", Role.CAL)
    take_gauge_out_of_service(gauge_id=gauge.pk, reason="It fell", actor=acting(metrologist))
    assert "is out of service" in refusal(staff, device, gauge)
    put_gauge_in_service(gauge_id=gauge.pk, actor=acting(metrologist))
    assert send(staff, device, gauge).gauge == gauge


def test_the_last_day_of_a_calibration_counts_and_the_next_does_not(staff: Staff) -> None:
    gauge = make_gauge(calibrated_on=timezone.localdate() - 365 * DAY)
    first, second = (make_built_device(staff, stage=Stage.AWAITING_INSPECTION) for _ in range(2))
    with time_machine.travel(timezone.localtime().replace(hour=23, minute=59), tick=False):
        assert send(staff, first, gauge).pk
    with time_machine.travel(timezone.localtime().replace(hour=0, minute=1) + DAY, tick=False):
        assert "was over on" in refusal(staff, second, gauge)


def test_no_other_days_calibration_counts(staff: Staff, device: Device) -> None:
    """The day of measuring is neither in the future nor before the part was finished."""
    gauge = make_gauge(calibrated_on=timezone.localdate() - 365 * DAY)
    for day in (timezone.localdate() + DAY, timezone.localdate() - 5 * DAY):
        with pytest.raises(InvalidInput):
            receive_scan(
                device_id=device.pk,
                upload=b"solid a facet",
                gauge_id=gauge.pk,
                measured_on=day,
                actor=acting(staff[Role.INS]),
            )
    assert not Inspection.objects.exists()


@pytest.mark.parametrize(("accuracy", "fine"), [("0.075", True), ("0.0751", False), ("0.3", False)])
def test_a_gauge_is_four_times_finer_than_the_tolerance(
    staff: Staff, device: Device, accuracy: str, fine: bool
) -> None:
    """The tolerance of the plan is 0.3 mm."""
    gauge = make_gauge(accuracy_mm=accuracy)
    if fine:
        assert send(staff, device, gauge).pk
    else:
        assert "too coarse" in refusal(staff, device, gauge)


def test_every_reason_is_given_at_once(staff: Staff, device: Device) -> None:
    said = refusal(staff, device, make_gauge(accuracy_mm="1", in_service=False))
    assert all(part in said for part in ("is registered", "was not calibrated", "too coarse"))


# --- the gate


def gate(device: Device) -> str:
    return GATES["G-INS-01:the_gauge_was_fit"].check(device).outcome


@pytest.mark.requirement("G-INS-01")
def test_the_gate_asks_again_what_measured(staff: Staff, device: Device) -> None:
    assert gate(device) == "n/a"
    make_measured(staff, device)
    assert gate(device) == "pass"
    Gauge.objects.update(accuracy_mm=Decimal("0.2"))
    assert gate(device) == "block"


@pytest.mark.requirement("G-INS-01")
def test_after_a_rework_the_gate_asks_what_measured_the_part_as_it_is_now(
    staff: Staff, device: Device
) -> None:
    before, after, inspector = make_gauge(), make_gauge(), staff[Role.INS]
    first = measured(send(staff, device, before))
    sign_inspection(inspection_id=first.pk, actor=acting(inspector), credentials=typed(inspector))
    device.refresh_from_db()
    move_through(device, [Stage.NONCONFORMING, Stage.REWORK, Stage.AWAITING_INSPECTION])
    measured(send(staff, device, after, b"solid b facet"))
    fine, coarse = Decimal("0.05"), Decimal("0.2")
    for then, now, outcome in ((coarse, fine, "pass"), (fine, coarse, "block")):
        Gauge.objects.filter(pk=before.pk).update(accuracy_mm=then)
        Gauge.objects.filter(pk=after.pk).update(accuracy_mm=now)
        assert gate(device) == outcome


@pytest.mark.requirement("G-INS-01")
def test_a_scan_without_a_gauge_is_not_accepted(staff: Staff, device: Device) -> None:
    """As records made before gauges were registered may hold one."""
    row = make_measured(staff, device)
    copy = Inspection(device=device, number=2, scan=store_artefact(b"solid b facet", media_type="model/stl"))
    copy.save()
    old = {
        "device_id": device.pk,
        "inspection_id": copy.pk,
        "number": 2,
        "scan_sha256": "0" * 64,
        "size_bytes": 3,
    }
    tell(device, ScanReceived.from_payload(old, 1))
    row.measurement.pk, row.measurement.inspection = None, copy
    row.measurement.measured_at = Now()
    row.measurement.save(force_insert=True)
    verdict = GATES["G-INS-01:the_gauge_was_fit"].check(device)
    assert verdict.outcome == "block"
    assert "names no gauge" in verdict.reason
    assert verdict_content(copy)["measured_with"] is None


@unit_of_work
def tell(device: Device, fact: Event) -> None:
    publish(device, fact, actor=SYSTEM)


def test_a_fact_of_the_time_before_gauges_is_still_read() -> None:
    old = {"device_id": 1, "inspection_id": 2, "number": 1, "scan_sha256": "0" * 64, "size_bytes": 3}
    event = ScanReceived.from_payload(old, 1)
    assert isinstance(event, ScanReceived)
    assert event.gauge_id is None


def test_the_inspector_signs_what_measured(staff: Staff, device: Device) -> None:
    row = make_measured(staff, device)
    assert row.gauge is not None
    signed = verdict_content(row)["measured_with"]
    assert (signed["gauge"], signed["calibration"]) == (row.gauge.code, 1)
    assert signed["certificate_sha256"] == row.gauge.calibrations.get().certificate_id


# --- found out of tolerance


def find_out(gauge: Gauge) -> Calibration:
    today = timezone.localdate()
    return make_calibration(gauge, today, today + 365 * DAY, OUT)


def finished_and_sent(staff: Staff, gauge: Gauge, days_ago: int, *scans: bytes) -> Device:
    """A device that was finished and measured some days ago."""
    device = make_built_device(staff)
    RoleGrant.objects.update(valid_from=timezone.now() - 60 * DAY)
    with time_machine.travel(timezone.now() - days_ago * DAY):
        move_through(device, [Stage.POST_PROCESSING, Stage.AWAITING_INSPECTION])
        for content in scans:
            send(staff, device, gauge, content)
    return device


def test_a_bad_calibration_reaches_exactly_what_was_measured_since_the_last_good_one(staff: Staff) -> None:
    gauge, other, today = make_gauge(), make_gauge(), timezone.localdate()
    finished_and_sent(staff, gauge, 20, b"solid a facet")
    since = finished_and_sent(staff, gauge, 5, b"solid b facet", b"solid c facet")
    finished_and_sent(staff, other, 5, b"solid d facet")
    make_calibration(gauge, today - 10 * DAY, today + 365 * DAY)
    find_out(gauge)
    found = Nonconformance.objects.get()
    assert (found.device, found.source, found.stage) == (since, Source.GAUGE, "open")
    assert found.evidence["gauge"] == gauge.code
    assert found.evidence["inspections"] == [1, 2]
    assert set(Device.objects.filter(held=True).values_list("pk", flat=True)) == {since.pk}
    gauge.refresh_from_db()
    assert gauge.stage == GaugeStage.OUT_OF_SERVICE
    told = json.loads(events_of(gauge).get(type="quality.gauge_found_out").payload)
    assert (told["devices"], told["since"]) == (1, (today - 10 * DAY).isoformat())


def test_a_reach_that_fails_records_no_calibration(
    staff: Staff, device: Device, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Never silently: the certificate is not in the record without what it means for the devices."""
    gauge = make_gauge()
    send(staff, device, gauge)

    def broken(**_: object) -> None:
        raise RuntimeError("no")

    monkeypatch.setattr("quality.services.gauges.open_nonconformance", broken)
    with pytest.raises(RuntimeError):
        find_out(gauge)
    gauge.refresh_from_db()
    assert (gauge.stage, gauge.calibrations.count()) == (GaugeStage.IN_SERVICE, 1)


@pytest.mark.parametrize("stage", ["released", "shipped", "delivered", "scrapped", "cancelled"])
def test_a_device_that_has_left_is_found_too(staff: Staff, device: Device, stage: str) -> None:
    gauge = make_gauge()
    send(staff, device, gauge)
    with transaction.atomic():
        put_at(device, stage)
        find_out(gauge)
    device.refresh_from_db()
    reached = stage not in ("scrapped", "cancelled")
    assert Nonconformance.objects.filter(device=device).exists() == reached
    assert device.held == (stage in ("released", "shipped"))


def put_at(device: Device, stage: str) -> None:
    """Along the pairs that the database knows."""
    ways = {
        "scrapped": ("nonconforming", "scrapped"),
        "cancelled": ("nonconforming", "scrapped"),
    }
    finished = ("inspected_pass", "ready_for_review", "reviewed", "released", "shipped", "delivered")
    way = ways.get(stage) or finished[: finished.index(stage) + 1]
    for one in way:
        device.stage = one
        count_units(device)
        device.save(update_fields=["stage", *COUNTS])


def test_a_gauge_found_out_is_refused_until_it_is_good_again(staff: Staff, device: Device) -> None:
    gauge = make_gauge()
    find_out(gauge)
    metrologist = acting(make_person("Person CAL2", Role.CAL))
    with pytest.raises(TransitionRefused, match="found out of tolerance"):
        put_gauge_in_service(gauge_id=gauge.pk, actor=metrologist)
    said = refusal(staff, device, gauge)
    assert "out of service" in said
    assert "found out of tolerance" in said
    today = timezone.localdate()
    make_calibration(gauge, today, today + 365 * DAY)
    put_gauge_in_service(gauge_id=gauge.pk, actor=metrologist)
    assert send(staff, device, gauge).pk


# --- calibrations


def test_a_calibration_is_signed_with_its_certificate(staff: Staff) -> None:
    gauge = make_gauge()
    row = gauge.calibrations.get()
    content = json.loads(row.signature.content)
    assert content["certificate_sha256"] == row.certificate_id
    assert (content["gauge"], content["number"]) == (gauge.code, 1)
    assert row.signature.meaning == "performed"


def test_who_may_not_and_who_types_wrong_record_nothing(staff: Staff) -> None:
    gauge, today = make_gauge(in_service=False), timezone.localdate()
    metrologist = make_person("Person CAL2", Role.CAL)
    file = store_calibration_certificate(file=b"A certificate", actor=acting(metrologist))
    certified = Certified(today, today + DAY, AsFound.IN_TOLERANCE, "Lab")
    inspector = staff[Role.INS]
    with pytest.raises(NotPermitted):
        calibrate_gauge(
            gauge_id=gauge.pk, certified=certified, certificate=file.sha256, actor=acting(inspector),
            credentials=typed(inspector),
        )  # fmt: skip
    with pytest.raises(SignatureRefused):
        calibrate_gauge(
            gauge_id=gauge.pk, certified=certified, certificate=file.sha256, actor=acting(metrologist),
            credentials=typed(metrologist, password="wrong"),
        )  # fmt: skip
    with pytest.raises(NotPermitted):
        take_gauge_out_of_service(gauge_id=gauge.pk, reason="x", actor=acting(inspector))
    assert not Calibration.objects.exists()


@pytest.mark.parametrize(
    ("made", "due", "said"),
    [(1, 10, "future"), (0, 0, "due after"), (-40, 10, "none is put in before")],
)
def test_days_that_cannot_be_are_refused(staff: Staff, made: int, due: int, said: str) -> None:
    gauge, today = make_gauge(), timezone.localdate()
    with pytest.raises(InvalidInput, match=said):
        make_calibration(gauge, today + made * DAY, today + due * DAY)
    assert gauge.calibrations.count() == 1


def test_the_file_of_another_record_is_no_certificate(staff: Staff, device: Device) -> None:
    """Otherwise whoever knows a digest could read any file through a gauge."""
    gauge, metrologist = make_gauge(in_service=False), make_person("Person CAL2", Role.CAL)
    taken = make_gauge().calibrations.get().certificate
    assert device.current_design is not None
    assert device.current_design.mesh is not None
    today = timezone.localdate()
    for file in (taken, device.current_design.mesh, Artefact(pk="0" * 64)):
        with pytest.raises(InvalidInput, match="not the certificate"):
            calibrate_gauge(
                gauge_id=gauge.pk,
                certified=Certified(today, today + DAY, AsFound.IN_TOLERANCE, "Lab"),
                certificate=str(file.pk),
                actor=acting(metrologist),
                credentials=typed(metrologist),
            )
    assert not gauge.calibrations.exists()


def test_a_certificate_is_a_document(staff: Staff) -> None:
    with pytest.raises(InvalidInput):
        store_calibration_certificate(file=b"PK\3\4 an archive\0", actor=acting(make_person("x", Role.CAL)))


def test_a_gauge_is_described_whole(staff: Staff) -> None:
    metrologist = acting(make_person("Person CAL2", Role.CAL))
    words = {"maker": "a", "model": "b", "serial": "c", "location": "d"}
    for name in words:
        with pytest.raises(InvalidInput, match=name):
            register_gauge(
                kind=GaugeKind.CALIPER, accuracy_mm=Decimal(1), actor=metrologist, **(words | {name: " "})
            )
    for accuracy in ("0", "-1", "NaN", "Infinity", "11"):
        with pytest.raises(InvalidInput, match="accuracy"):
            register_gauge(kind=GaugeKind.CALIPER, accuracy_mm=Decimal(accuracy), actor=metrologist, **words)
    assert not Gauge.objects.exists()


# --- the record


def test_the_lifecycle_is_the_databases() -> None:
    assert set(GAUGE.pairs) == set(GAUGE_PAIRS)


@pytest.mark.requirement("K-06")
@pytest.mark.requirement("K-01")
def test_the_database_refuses_what_the_services_would(staff: Staff) -> None:
    gauge = make_gauge()
    attempts: tuple[Callable[[], object], ...] = (
        lambda: Gauge.objects.update(stage="registered"),
        lambda: Calibration.objects.update(due_on=timezone.localdate() + 999 * DAY),
        lambda: Calibration.objects.all()._raw_delete("default"),
        lambda: Gauge.objects.filter(pk=gauge.pk)._raw_delete("default"),
    )
    for forbidden in attempts:
        with pytest.raises(Error), transaction.atomic():
            forbidden()


def test_a_changed_gauge_or_day_of_measuring_is_named(staff: Staff, device: Device) -> None:
    row = make_measured(staff, device)
    assert disagreements(device) == []
    fact = EventRecord.objects.get(type="quality.scan_received")
    assert json.loads(fact.payload)["gauge_id"] == row.gauge_id


def test_what_is_due_waits_for_the_metrologist(staff: Staff) -> None:
    waiting = WORKLISTS["quality.calibrate"]
    today = timezone.localdate()
    fresh = make_gauge()
    assert list(waiting.rows()) == []
    soon = make_gauge(calibrated_on=today - 340 * DAY)
    new = make_gauge(in_service=False)
    assert {row.pk for row in waiting.rows()} == {soon.pk, new.pk}
    assert waiting.roles == {Role.CAL}
    task = waiting.task(waiting.rows().get(pk=soon.pk), None)
    assert (task.code, task.url) == (soon.code, f"/gauges/{soon.code}/")
    assert fresh.pk not in {soon.pk, new.pk}
