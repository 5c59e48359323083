"""Kits leave together: released by one act, shipped by one act, and none while something stands against another of its devices."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest
from django.db import connection, transaction
from django.http import HttpRequest

from devices.choices import ROUTES, IntendedUse, KitStage, Stage
from devices.models import Device, Kit
from devices.selectors.devices import devices
from devices.selectors.kits import kit_facts, members_of
from devices.selectors.progress import waits_for
from devices.services.holds import hold_device
from devices.services.kits import add_to_kit, dissolve_kit, make_kit, record_kit_check, take_out_of_kit
from devices.services.lifecycle import advance_device, check_transition
from devices.services.matching import compare_members
from mes import lifecycle
from mes.choices import Role
from mes.exceptions import (
    ContentChanged,
    NotPermitted,
    Refused,
    TransitionRefused,
)
from mes.lifecycle import GATES, Gate, ask_gates
from mes.models import EventRecord, Signature
from mes.registry import Registry
from mes.selectors import events_of
from mes.services.signatures import content_digest
from mes.services.signing_withdrawal import withdraw_signature
from quality.choices import Source
from quality.gates.kits import it_is_released_with_its_kit
from quality.gates.release import the_release_stands
from quality.models import ReleaseDecision
from quality.panels import (
    kit_panel,
    kits_waiting_for_a_decision,
    kits_waiting_for_release,
    kits_waiting_for_shipment,
    records_to_review_again,
)
from quality.selectors.kits import against_members
from quality.services.kits import (
    kit_release_content,
    kit_shipment_content,
    release_kit,
    ship_kit,
)
from quality.services.nonconformance import open_nonconformance
from quality.services.release import complete_record, release_device
from tests.devices.test_concurrency import await_waiting
from tests.patience import PATIENCE_S
from tests.quality.makers import (
    BUILT,
    PEOPLE,
    Staff,
    acting,
    make_built_device,
    make_staff,
    move_through,
    typed,
)
from tests.quality.test_api import Browser
from tests.quality.test_release import inspected, review, reviewed
from tests.scenes import Scene, told

pytestmark = [pytest.mark.django_db, pytest.mark.requirement("G-REL-01")]


def kit_of_two(staff: Staff, *devices: Device) -> Kit:
    kit = make_kit(device_ids=[one.pk for one in devices], actor=acting(staff[Role.ORD]))
    record_kit_check(kit_id=kit.pk, found=compare_members(kit.pk))
    return Kit.objects.get(pk=kit.pk)


def _reviewed_kit() -> int:
    """Two devices of one patient, from the same images, compared, and said to be reviewed: for tests that ask the gates of kits alone."""
    staff = make_staff()
    first = make_built_device(staff)
    second = make_built_device(staff, beside=first)
    for device in (first, second):
        move_through(device, TO_REVIEWED)
    return kit_of_two(staff, first, second).pk


TO_REVIEWED = ("post_processing", "awaiting_inspection", "inspected_pass", "ready_for_review", "reviewed")
KIT = Scene("reviewed_kit", PEOPLE.make, story=_reviewed_kit, upon=BUILT)


@pytest.fixture
def kit(staff: Staff) -> Kit:
    return Kit.objects.get(pk=int(told("reviewed_kit") or 0))


@pytest.fixture(autouse=True)
def gates_of_kits(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    if not request.node.get_closest_marker("slow"):
        only_gates_of_kits(monkeypatch)


def only_gates_of_kits(monkeypatch: pytest.MonkeyPatch) -> None:
    """What every other gate asks of each device is told where they are; the long test asks them all."""
    only: Registry[Gate] = Registry("gate")
    for name, gate in GATES.items():
        if gate.check.__module__ in ASKED or gate.check is the_release_stands:
            only.add(name, gate)
    monkeypatch.setattr(lifecycle, "GATES", only)


ASKED = ("devices.gates.kits", "quality.gates.kits")


@pytest.fixture
def leaving(monkeypatch: pytest.MonkeyPatch) -> None:
    """What is made for training may leave: whether it does is asked about elsewhere."""
    route = ROUTES[IntendedUse.TRAINING]
    monkeypatch.setitem(ROUTES, IntendedUse.TRAINING, replace(route, shipped=True))


def release(staff: Staff, kit: Kit, **fields: Any) -> list[ReleaseDecision]:
    person = staff[Role.QAX]
    return release_kit(kit_id=kit.pk, actor=acting(person), credentials=typed(person, **fields))


def ship(staff: Staff, kit: Kit) -> list[Any]:
    person = staff[Role.LBL]
    return ship_kit(kit_id=kit.pk, actor=acting(person), credentials=typed(person))


def refused(act: Callable[[], object], kit: Kit, refusal: type[Refused] = TransitionRefused) -> str:
    """Nothing is written where an act is refused, for none of the devices."""
    before = (EventRecord.objects.count(), Signature.objects.count(), ReleaseDecision.objects.count())
    stages = [one.stage for one in members_of(kit)]
    with pytest.raises(refusal) as said:
        act()
    assert [one.stage for one in members_of(kit)] == stages
    assert (EventRecord.objects.count(), Signature.objects.count(), ReleaseDecision.objects.count()) == before
    assert all(reason.cure for reason in said.value.reasons)
    return " ".join(f"{reason.rule} {reason.text} {reason.cure}" for reason in said.value.reasons)


@pytest.mark.requirement("G-SHP-01", "ES-05", "ES-19")
def test_one_act_releases_every_device_and_one_ships_them(staff: Staff, kit: Kit, leaving: None) -> None:
    releaser, packer = staff[Role.QAX], staff[Role.LBL]
    first, second = members_of(kit)

    def alone() -> object:
        return release_device(device_id=first.pk, actor=acting(releaser), credentials=typed(releaser))

    assert f"G-REL-01 {first.code} belongs to {kit.code} and is released with {second.code}" in refused(
        alone, kit
    )
    assert [*kits_waiting_for_release()] == [kit]

    # Over HTTP: what would be signed is answered first, and then signed by its digest.
    answer = Browser(releaser).sign(f"kits/{kit.code}/release/")
    decisions = list(ReleaseDecision.objects.order_by("device"))
    assert answer["devices"] == {
        one.code: made.signature_id for one, made in zip((first, second), decisions, strict=True)
    }
    kit.refresh_from_db()
    assert [one.stage for one in members_of(kit)] == [Stage.RELEASED, Stage.RELEASED]
    assert kit.stage == KitStage.RELEASED
    signed = [one.signature for one in decisions]
    assert {one.subject_id for one in signed} == {str(first.pk), str(second.pk)}
    assert len({one.batch for one in signed}) == 1
    whole = kit_facts(kit, [first, second])
    assert [json.loads(one.content)["details"]["kit"] for one in signed] == [whole, whole]
    assert json.loads(events_of(kit).get(type="devices.kit_released").payload)["whole"] == whole["digest"]
    assert "is released" in refused(lambda: release(staff, kit), kit)

    def ship_alone() -> object:
        actor, credentials = acting(packer), typed(packer)
        return advance_device(device_id=first.pk, transition="ship", actor=actor, credentials=credentials)

    assert f"G-SHP-01 {first.code} belongs to {kit.code} and is shipped with" in refused(ship_alone, kit)
    assert [*kits_waiting_for_shipment()] == [kit]
    with transaction.atomic():
        a_release_that_is_taken_back_keeps_all_of_them(staff, kit, decisions[1])
        transaction.set_rollback(True)
    shipped = Browser(packer).sign(f"kits/{kit.code}/ship/")["devices"]
    assert [one.stage for one in members_of(kit)] == [Stage.SHIPPED, Stage.SHIPPED]
    assert Signature.objects.filter(pk__in=shipped.values()).values("batch").distinct().count() == 1
    assert [event.type for event in events_of(kit)][-2:] == ["devices.kit_released", "devices.kit_shipped"]
    with pytest.raises(TransitionRefused, match="left the house"):
        dissolve_kit(kit_id=kit.pk, reason="x", actor=acting(staff[Role.QAR]))


def a_release_that_is_taken_back_keeps_all_of_them(staff: Staff, kit: Kit, taken: ReleaseDecision) -> None:
    """Until somebody from quality decides that each goes its own way."""
    first, person = members_of(kit)[0], staff[Role.QAX]
    signature, actor, credentials = taken.signature_id, acting(person), typed(person)
    withdraw_signature(signature_id=signature, reason="A mistake", actor=actor, credentials=credentials)
    said = refused(lambda: ship(staff, kit), kit)
    assert f"{taken.device.code}: No release stands for {taken.device.code}" in said
    content = kit_panel(HttpRequest(), first)
    assert content is not None
    assert content.context["against"] == [
        (taken.device, "is released no longer: the signature was withdrawn")
    ]
    dissolve_kit(kit_id=kit.pk, reason="One is made again", actor=acting(staff[Role.QAR]))
    answers = check_transition(Device.objects.get(pk=first.pk), "ship")
    assert [answer.reason for answer in answers if not answer.passed] == []


@pytest.mark.requirement("G-NC-01")
def test_what_stands_against_one_stands_against_all(staff: Staff, kit: Kit) -> None:
    """It was shown before; the hold comes between the dialog and the signature."""
    first, second = members_of(kit)
    with transaction.atomic():
        hold_device(device_id=second.pk, reason="The scan is doubted", actor=acting(staff[Role.QCM]))
        said = refused(lambda: release(staff, kit, digest="0" * 64), kit)
        assert f"{first.code}: {second.code} of {kit.code}: The device is held: The scan is doubted" in said
        assert [*against_members(members_of(kit))] == [(second, "is on hold: The scan is doubted")]
        assert [*kits_waiting_for_release()] == []
        transaction.set_rollback(True)
    found = open_nonconformance(
        device_id=first.pk,
        source=Source.PERSON,
        requirement="x",
        description="x",
        actor=acting(staff[Role.QCM]),
        evidence={},
    )
    for move in ("device.release", "device.ship"):
        answers = ask_gates(move, second, kit=kit)
        assert f"{first.code} of {kit.code}: {found.code} is open" in " ".join(one.reason for one in answers)


@pytest.mark.requirement("G-DES-01", "ES-19")
def test_a_kit_that_changed_after_its_check_or_its_review_is_not_released(staff: Staff, kit: Kit) -> None:
    coordinator, first = acting(staff[Role.ORD]), members_of(kit)[0]
    third = make_built_device(staff, beside=first)
    add_to_kit(kit_id=kit.pk, device_id=third.pk, reason="A plate too", actor=coordinator)
    assert waits_for(devices().get(pk=first.pk)) == "The other devices of its kit"
    said = " ".join(one.reason for one in ask_gates("device.release", first, kit=kit))
    assert f"{kit.code} is released as a whole, and waits for {third.code} (built)" in said
    assert "are not compared as they are now" in said

    move_through(third, ("nonconforming", "scrapped"))
    assert [*kits_waiting_for_a_decision()] == [kit]
    verdict = it_is_released_with_its_kit(first, kit=kit)
    assert verdict.cure == f"Take {third.code} out of {kit.code} with a reason, or put what replaces it in."
    take_out_of_kit(kit_id=kit.pk, device_id=third.pk, reason="Scrapped", actor=coordinator)
    assert waits_for(devices().get(pk=first.pk)) == "A quality releaser"
    record_kit_check(kit_id=kit.pk, found=compare_members(kit.pk))
    refused(lambda: release(staff, kit, digest="0" * 64), kit, ContentChanged)


@pytest.mark.requirement("G-REL-02")
def test_who_took_part_in_one_device_releases_none_of_its_kit(staff: Staff, kit: Kit) -> None:
    for role in (Role.QAR, Role.ORD):
        person = staff[role]
        with pytest.raises(NotPermitted):
            release_kit(kit_id=kit.pk, actor=acting(person), credentials=typed(person))
    with pytest.raises(TransitionRefused):
        kit_shipment_content(kit)


def test_of_a_release_and_a_dissolution_at_once_one_is_made_whole(
    committed_db: None, staff: Staff, kit: Kit
) -> None:
    """Both wait for the kit, and somebody releases a member alone beside them: what comes first decides."""
    person, coordinator, first = staff[Role.QAX], acting(staff[Role.ORD]), members_of(kit)[0]
    acts: list[Callable[[], object]] = [
        lambda: release(staff, kit),
        lambda: dissolve_kit(kit_id=kit.pk, reason="Ordered anew", actor=coordinator),
    ]
    outcomes: list[object] = []

    def work(act: Callable[[], object]) -> None:
        try:
            outcomes.append(act())
        except Exception as failure:  # noqa: BLE001 - judged below
            outcomes.append(failure)
        finally:
            connection.close()

    threads = [threading.Thread(target=work, args=(act,)) for act in acts]
    with transaction.atomic():
        Kit.objects.select_for_update().get(pk=kit.pk)
        for thread in threads:
            thread.start()
        await_waiting(len(threads))
        with pytest.raises(TransitionRefused, match="is released with"):
            release_device(device_id=first.pk, actor=acting(person), credentials=typed(person))
    for thread in threads:
        thread.join(PATIENCE_S)
    assert sum(isinstance(one, Refused) for one in outcomes) == 1, outcomes
    assert len(outcomes) == 2
    kit.refresh_from_db()
    made = ReleaseDecision.objects.count()
    assert (kit.stage, made) in ((KitStage.RELEASED, 2), (KitStage.DISSOLVED, 0))
    assert len(members_of(kit)) == made


@pytest.mark.slow
def test_a_kit_goes_its_way_past_every_gate(staff: Staff) -> None:
    """As the record has it: printed, finished, inspected, completed and reviewed, each by itself; a kit that is changed is reviewed again."""
    first = reviewed(staff)
    second = inspected(staff, beside=first)
    kit = kit_of_two(staff, first, second)
    assert complete_record(device_id=second.pk)
    review(staff, second)
    assert [*records_to_review_again()] == [first]
    said = refused(lambda: release(staff, kit), kit)
    assert f"{first.code}: " in said
    assert "Review the record again" in said
    review(staff, first)
    assert [*records_to_review_again()] == []
    shown = content_digest(kit_release_content(kit, acting(staff[Role.QAX])))
    assert len(release(staff, kit, digest=shown)) == 2
    assert "was made for training" in refused(lambda: ship(staff, kit), kit)
