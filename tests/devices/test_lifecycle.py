"""The table, the mover of stages, holds, and the same table inside the database."""

from __future__ import annotations

import json
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from functools import partial

import pytest
from django.db import DatabaseError, connection, transaction
from django.utils import timezone
from hypothesis import given
from hypothesis import strategies as st

from devices.choices import DEVICE_PAIRS, ORDER_PAIRS, OrderStage, Phase, Stage
from devices.lifecycle import DEVICE, ORDER, PASSED_BEFORE, PHASES, POINTS, UNHELD
from devices.models import Device
from devices.selectors.devices import devices
from devices.selectors.progress import phase_line, waits_for
from devices.services.holds import hold_device, resume_device
from devices.services.lifecycle import advance_device, check_transition
from mes.choices import Role
from mes.eventlog.base import Actor
from mes.exceptions import InvalidInput, NotPermitted, SignatureRefused, TransitionRefused
from mes.lifecycle import GATES, Lifecycle, Verdict, blocked, gate, passed
from mes.models import EventRecord
from mes.permissions import PERMISSIONS
from tests.devices.makers import IDENTITY, Staff, make_device, make_person, make_planned

SYSTEM = Actor.system("test")
BEFORE_RELEASE = [
    "design_frozen",
    "queued",
    "in_build",
    "built",
    "post_processing",
    "awaiting_inspection",
    "inspected_pass",
    "ready_for_review",
    "reviewed",
]


def stage_of(device: Device) -> str:
    return Device.objects.values_list("stage", flat=True).get(pk=device.pk)


# --- the table itself


@pytest.mark.requirement("K-06")
@pytest.mark.parametrize(
    ("lifecycle", "pairs", "stages"),
    [(DEVICE, DEVICE_PAIRS, Stage.values), (ORDER, ORDER_PAIRS, OrderStage.values)],
)
def test_the_table_and_the_database_pairs_are_the_same(
    lifecycle: Lifecycle, pairs: tuple[tuple[str, str], ...], stages: list[str]
) -> None:
    assert set(lifecycle.pairs) == set(pairs)
    assert len(set(pairs)) == len(pairs)
    assert {stage for pair in pairs for stage in pair} == set(stages)


def test_each_move_and_stage_is_found_once() -> None:
    for lifecycle in (DEVICE, ORDER):
        keys = [(row.name, row.source) for row in lifecycle.table]
        assert len(keys) == len(set(keys))


def test_every_move_of_a_device_has_a_permission_and_every_gate_a_move() -> None:
    for row in DEVICE.table:
        permission = PERMISSIONS[f"devices.{row.name}"]
        assert permission.system == (row.trigger == "system") or row.meaning is None
    known = DEVICE.names | ORDER.names | set(POINTS)
    asked = {
        name for one in GATES.values() for name in one.transitions if name.startswith(("device.", "order."))
    }
    assert asked <= known


@pytest.mark.requirement("EV-02")
def test_a_signed_move_is_never_made_by_the_system() -> None:
    for row in DEVICE.table:
        if row.meaning is not None:
            assert not PERMISSIONS[f"devices.{row.name}"].system, row.name


def test_every_stage_is_reached_from_planned() -> None:
    reached, new = {"planned"}, {"planned"}
    while new:
        new = {str(target) for source, target in DEVICE_PAIRS if source in new} - reached
        reached |= new
    assert reached == set(Stage.values)


def test_each_stage_after_planned_has_a_phase_or_is_an_end() -> None:
    assert set(Stage.values) - set(PHASES) == {"planned", "scrapped", "cancelled"}


@pytest.mark.requirement("K-06", "P11-10f")
@given(choices=st.lists(st.integers(min_value=0, max_value=10), min_size=1, max_size=60))
def test_no_walk_reaches_released_without_every_stage_before_it(choices: list[int]) -> None:
    """Random walks over the table: released stands at the end of an unbroken chain, whatever the detours."""
    stage, seen = "planned", ["planned"]
    for choice in choices:
        since = seen[len(seen) - seen[::-1].index("design_frozen") - 1 :] if "design_frozen" in seen else []
        moves = [
            row
            for row in DEVICE.moves_from(stage)
            if PASSED_BEFORE.get(row.name, "planned") in ("planned", *since)
        ]
        if not moves:
            break
        stage = str(moves[choice % len(moves)].target)
        seen.append(stage)
        if stage == "released":
            assert set(BEFORE_RELEASE) <= set(seen)
            # The last unbroken run since the design was frozen passes inspection and review.
            tail = seen[len(seen) - seen[::-1].index("design_frozen") - 1 :]
            assert tail.index("inspected_pass") < tail.index("reviewed") < tail.index("released")


# --- the mover


@pytest.mark.django_db
def test_a_move_is_written_with_its_gates_and_evidence() -> None:
    staff = Staff()
    device = make_device("design_frozen", staff)
    advance_device(device_id=device.pk, transition="queue", actor=staff[Role.BLD].actor, reason="plate 1")
    fresh = devices().get(pk=device.pk)
    assert (fresh.stage, fresh.phase) == ("queued", "queue")
    record = EventRecord.objects.filter(type="devices.device_stage_changed").latest("pos")
    said = json.loads(record.payload)
    assert (said["source"], said["target"]) == ("design_frozen", "queued")
    assert {one["gate"] for one in said["gates"]} >= {"G-DES-02", "G-LAT-01", "G-INT-01"}
    assert all(one["outcome"] in ("pass", "n/a") for one in said["gates"])
    assert record.reason == "plate 1"


@pytest.mark.requirement("K-06")
def test_of_many_who_move_a_device_at_once_one_succeeds(committed_db: None) -> None:
    device = make_device("design_frozen")

    def move(_: int) -> str:
        try:
            advance_device(device_id=device.pk, transition="queue", actor=SYSTEM)
        except TransitionRefused:
            return "refused"
        finally:
            connection.close()
        return "moved"

    with ThreadPoolExecutor(4) as pool:
        outcomes = sorted(pool.map(move, range(4)))
    assert outcomes == ["moved", "refused", "refused", "refused"]
    assert EventRecord.objects.filter(type="devices.device_stage_changed").count() == 1


@pytest.mark.django_db
@pytest.mark.requirement("K-06")
def test_a_move_that_does_not_exist_from_here_names_those_that_do() -> None:
    device = make_planned()
    with pytest.raises(TransitionRefused, match=r"Cancelled, Design frozen"):
        advance_device(device_id=device.pk, transition="finish_build", actor=SYSTEM)
    assert stage_of(device) == "planned"


@pytest.mark.django_db
@pytest.mark.parametrize("name", ["freeze_design", "void_design", "fly", "release' OR 1=1"])
def test_a_move_that_is_more_than_a_move_or_none_is_refused(name: str) -> None:
    device = make_planned()
    with pytest.raises(InvalidInput):
        advance_device(device_id=device.pk, transition=name, actor=SYSTEM)


@pytest.mark.django_db
@pytest.mark.requirement("G-SIG-01")
def test_a_move_that_needs_a_signature_does_not_happen_without_one() -> None:
    staff = Staff()
    device = make_planned(staff)
    with pytest.raises(SignatureRefused, match="needs the signature"):
        advance_device(device_id=device.pk, transition="cancel", actor=staff[Role.QAR].actor)
    assert stage_of(device) == "planned"
    reviewer = staff[Role.QAR]
    advance_device(
        device_id=device.pk, transition="cancel", actor=reviewer.actor, credentials=reviewer.typed()
    )
    assert stage_of(device) == "cancelled"


@pytest.mark.django_db
@pytest.mark.requirement("P11-10g")
def test_the_system_cannot_do_what_needs_a_person_nor_a_person_without_the_role() -> None:
    device = make_device("reviewed")
    with pytest.raises(NotPermitted):
        advance_device(device_id=device.pk, transition="release", actor=SYSTEM)
    outsider = make_person(Role.OPR)
    with pytest.raises(NotPermitted):
        advance_device(
            device_id=device.pk, transition="release", actor=outsider.actor, credentials=outsider.typed()
        )
    assert stage_of(device) == "reviewed"


@pytest.mark.django_db
@pytest.mark.requirement("K-14")
def test_all_blocking_gates_answer_together_and_a_broken_one_blocks() -> None:
    device = make_device("queued")

    @gate("G-TST-01", "device.start_build")
    def first(_device: Device, **_: object) -> Verdict:
        """First."""
        return blocked("one", cure="cure one")

    @gate("G-TST-02", "device.start_build")
    def second(_device: Device, **_: object) -> Verdict:
        """Second."""
        raise ZeroDivisionError

    try:
        with pytest.raises(TransitionRefused) as refused:
            advance_device(device_id=device.pk, transition="start_build", actor=SYSTEM)
    finally:
        for name in ("G-TST-01:first", "G-TST-02:second"):
            del GATES._things[name]
    assert [reason.rule for reason in refused.value.reasons if reason.rule.startswith("G-TST")] == [
        "G-TST-01",
        "G-TST-02",
    ]
    assert stage_of(device) == "queued"


@pytest.mark.django_db
def test_a_hold_blocks_forward_moves_and_not_backward_ones() -> None:
    staff = Staff()
    device = make_device("queued", staff)
    hold_device(device_id=device.pk, actor=staff[Role.QCM].actor, reason="lot recalled")
    advance_device(device_id=device.pk, transition="unqueue", actor=SYSTEM)
    assert stage_of(device) == "design_frozen"
    with pytest.raises(TransitionRefused, match="lot recalled"):
        advance_device(device_id=device.pk, transition="queue", actor=SYSTEM)
    hold_device(device_id=device.pk, actor=staff[Role.QCM].actor, reason="and the prescriber called")
    held = Device.objects.get(pk=device.pk)
    assert held.hold_reason == "lot recalled; and the prescriber called"
    assert "lot recalled" in waits_for(devices().get(pk=device.pk))
    assert phase_line(held)[list(Phase).index(Phase.SLICING)].state == "blocked"
    with pytest.raises(NotPermitted):
        resume_device(device_id=device.pk, actor=staff[Role.QCM].actor, reason="fine again")
    lift = partial(resume_device, device_id=device.pk, actor=staff[Role.QAR].actor)
    with pytest.raises(InvalidInput, match="2 holds are open"):
        lift(reason="replaced")
    lift(reason="replaced", hold=1)
    held.refresh_from_db()
    assert (held.held, held.hold_reason) == (True, "and the prescriber called")
    with pytest.raises(InvalidInput, match="Hold 1 is not open"):
        lift(reason="replaced", hold=1)
    with pytest.raises(TransitionRefused, match="the prescriber called"):
        advance_device(device_id=device.pk, transition="queue", actor=SYSTEM)
    lift(reason="answered")
    held.refresh_from_db()
    assert [hold["lifted"]["reason"] for hold in held.holds] == ["replaced", "answered"]
    advance_device(device_id=device.pk, transition="queue", actor=SYSTEM)
    assert stage_of(device) == "queued"


@pytest.mark.django_db
def test_holding_and_resuming_need_a_reason_and_a_hold() -> None:
    staff = Staff()
    device = make_planned(staff)
    with pytest.raises(InvalidInput, match="K-13"):
        hold_device(
            device_id=device.pk, actor=staff[Role.QAR].actor, reason=f"{IDENTITY.given_name} fell ill"
        )
    with pytest.raises(InvalidInput):
        hold_device(device_id=device.pk, actor=staff[Role.QAR].actor, reason=" ")
    with pytest.raises(TransitionRefused, match="not on hold"):
        resume_device(device_id=device.pk, actor=staff[Role.QAR].actor, reason="why not")
    scrapped = make_device("scrapped", Staff())
    with pytest.raises(TransitionRefused, match="nothing left to hold"):
        hold_device(device_id=scrapped.pk, actor=staff[Role.QAR].actor, reason="too late")
    assert not Device.objects.filter(held=True).exists()


@pytest.mark.django_db
def test_checking_moves_nothing_and_tells_the_stage_and_the_hold() -> None:
    staff = Staff()
    device = make_planned(staff)
    hold_device(device_id=device.pk, actor=staff[Role.QAR].actor, reason="wait")
    before = EventRecord.objects.count()
    results = check_transition(devices().get(), "queue")
    assert [result.gate for result in results if not result.passed][:2] == ["G-NC-01", "K-06"]
    assert EventRecord.objects.count() == before
    with pytest.raises(InvalidInput):
        check_transition(devices().get(), "dance")


# --- the same table inside the database


@pytest.mark.django_db
@pytest.mark.requirement("K-06")
@pytest.mark.parametrize(
    ("source", "target"), [("planned", "released"), ("reviewed", "planned"), ("queued", "built")]
)
def test_the_database_refuses_a_stage_that_is_no_neighbour(source: str, target: str) -> None:
    device = make_device(source)
    with pytest.raises(DatabaseError, match="K-06"), transaction.atomic(), connection.cursor() as cursor:
        cursor.execute("UPDATE devices_device SET stage = %s WHERE id = %s", [target, device.pk])
    assert stage_of(device) == source


@pytest.mark.django_db
@pytest.mark.requirement("K-06")
def test_the_database_refuses_a_device_that_starts_late_and_one_that_goes() -> None:
    device = make_planned()
    values = {"stage": "released", "serial": "X1", "need_by": timezone.localdate() + timedelta(days=1)}
    with pytest.raises(DatabaseError, match="K-06"), transaction.atomic():
        Device.objects.create(order=device.order, master=device.master, material=device.material, **values)
    with (
        pytest.raises(DatabaseError, match=r"K-01|permission denied"),
        transaction.atomic(),
        connection.cursor() as cursor,
    ):
        cursor.execute("DELETE FROM devices_device WHERE id = %s", [device.pk])
    assert Device.objects.count() == 1


@pytest.mark.django_db
@pytest.mark.requirement("K-09")
def test_the_database_refuses_a_serial_that_a_label_cannot_carry() -> None:
    device = make_planned()
    with pytest.raises(DatabaseError), transaction.atomic(), connection.cursor() as cursor:
        cursor.execute("UPDATE devices_device SET serial = 'low er' WHERE id = %s", [device.pk])


@pytest.mark.django_db
@pytest.mark.requirement("G-PRT-01")
@pytest.mark.requirement("G-PST-01")
def test_a_failed_build_is_not_reworked_into_an_inspection() -> None:
    device = make_device("queued")
    for move in ("start_build", "fail_build"):
        Device.objects.filter(pk=device.pk).update(
            stage={"start_build": "in_build"}.get(move, "nonconforming")
        )
    gates = {one.gate for one in check_transition(devices().get(), "start_rework") if not one.passed}
    assert "G-PRT-01" in gates
    Device.objects.filter(pk=device.pk).update(stage="rework")
    gates = {one.gate for one in check_transition(devices().get(), "finish_rework") if not one.passed}
    assert "G-PST-01" in gates


def test_backward_moves_are_moves() -> None:
    assert {row.name for row in DEVICE.table} >= UNHELD
    assert passed().outcome == "pass"
