"""Kits: devices of one patient that are put together, changed with a reason, and held against each other by a handler."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from contextlib import suppress
from dataclasses import asdict, replace
from typing import Any

import numpy as np
import pytest
from django.db import connection
from django.test import Client
from rest_framework.test import APIClient

from devices.choices import IntendedUse, KitStage, Stage
from devices.events import DeviceStageChanged
from devices.mesh.base import Mesh
from devices.mesh.bore import Bore
from devices.mesh.io import write_stl
from devices.models import Design, Device, Kit, KitMember, Order, Plan, Segmentation, Study
from devices.planning.instruments import SLEEVES
from devices.selectors.kits import CHECKING, basis_of, kit_of, kits_with_other_members, members_of
from devices.services.kits import (
    add_to_kit,
    dissolve_kit,
    make_kit,
    record_kit_check,
    request_kit_check,
    take_out_of_kit,
)
from devices.services.matching import (
    Member,
    along_same_bores,
    answered,
    bore_faults,
    compare_members,
    from_same_images,
    on_same_anatomy,
)
from mes.choices import Role
from mes.eventlog.base import Actor
from mes.eventlog.unit import publish, unit_of_work
from mes.exceptions import InvalidInput, NotPermitted, Refused, TransitionRefused
from mes.lifecycle import GATES
from mes.models import Account, Delivery, DeliveryStatus
from mes.selectors import events_of
from mes.services.artefacts import store_artefact
from tests.devices.drawing import guide, stated
from tests.devices.makers import (
    IDENTITY,
    PLANNED,
    Staff,
    _new_person,
    accepted,
    freeze_design_of,
    given_to,
    make_artefact,
    make_block,
    make_order,
    make_patient,
    make_planned,
)
from tests.scenes import Scene

pytestmark = [pytest.mark.django_db, pytest.mark.requirement("G-DES-01")]
BONE = make_block((60.0, 60.0, 60.0), centre=(-60.0, 0.0, 0.0))
PART = make_block((20.0, 15.0, 5.0), centre=(-60.0, 0.0, 33.0))


def _patient_with_two() -> tuple[Staff, list[int]]:
    staff = Staff()
    first = make_planned(staff)
    second = accepted(make_order(staff, patient=first.order.patient), staff)[0]
    return staff, [first.pk, second.pk]


TWO = Scene("two_orders", _new_person, story=_patient_with_two, upon=PLANNED, apart=True)


@pytest.fixture
def staff() -> Staff:
    return Staff()


@pytest.fixture
def pair(staff: Staff) -> list[Device]:
    """Two planned devices of one patient, each of an order of its own."""
    found = given_to(staff, "two_orders") or []
    return [Device.objects.get(pk=key) for key in found]


@pytest.fixture
def kit(staff: Staff, pair: list[Device]) -> Kit:
    return make_kit(device_ids=[one.pk for one in pair], actor=staff[Role.ORD].actor)


def another(staff: Staff, device: Device, **fields: Any) -> Device:
    return accepted(make_order(staff, patient=device.order.patient, **fields), staff)[0]


@unit_of_work
def designed(device: Device, staff: Staff, bone: Mesh = BONE, part: Mesh = PART, **fields: object) -> Design:
    """Give a device an approved design, and say that it is frozen, as its approval does."""
    design = freeze_design_of(device, staff, part, images=make_artefact("one volume"), bone=bone, **fields)
    device.stage = Stage.DESIGN_FROZEN
    device.save(update_fields=["stage"])
    frozen = DeviceStageChanged(
        device_id=device.pk,
        transition="freeze_design",
        source=Stage.PLANNED,
        target=Stage.DESIGN_FROZEN,
        gates=[],
        signature_id=None,
    )
    publish(device, frozen, actor=Actor.system("test"))
    return design


def moved(mesh: Mesh, *by: float) -> Mesh:
    return Mesh(mesh.vertices + np.array(by), mesh.faces)


def outcomes(kit: Kit) -> dict[str, str]:
    kit.refresh_from_db()
    return {one["title"]: one["outcome"] for one in kit.checked.get("answers", [])}


def against(device: Device, move: str = "release") -> str:
    """What the gates of kits say against a move."""
    found = Device.objects.get(pk=device.pk)
    gates = [one for one in GATES.values() if one.check.__module__ == "devices.gates.kits"]
    said = [one.check(found) for one in gates if f"device.{move}" in one.transitions]
    assert said
    return " ".join(verdict.reason for verdict in said if verdict.outcome == "block")


def page_of(staff: Staff, kit: Kit) -> str:
    client = Client()
    client.force_login(Account.objects.get(username=staff[Role.ORD].username))
    return client.get(f"/kits/{kit.code}/").content.decode()


def test_members_are_compared_once_the_last_design_is_approved(
    staff: Staff, pair: list[Device], kit: Kit, drain: Callable[[], int]
) -> None:
    first, second = pair
    designed(first, staff)
    drain()
    assert outcomes(kit) == {}
    assert against(first, "queue") == ""
    assert f"{second.code} of {kit.code} has no approved" in against(first)

    designed(second, staff)
    kit.refresh_from_db()
    assert "not compared as they are now" in against(second)
    drain()
    assert outcomes(kit) == {
        "Designed from the same images": "pass",
        "Designed on the same anatomy": "pass",
        "Drilled along the same bores": "n/a",
    }
    assert against(first) == against(second) == ""
    assert [event.type for event in events_of(kit)] == [
        "devices.kit_made",
        "devices.kit_check_requested",
        "devices.kit_checked",
    ]
    assert not list(kits_with_other_members())

    third = another(staff, first)
    actor = staff[Role.ORD].actor
    add_to_kit(kit_id=kit.pk, device_id=third.pk, reason="A plate too", actor=actor)
    assert f"{third.code} of {kit.code} has no approved design" in against(first)
    designed(third, staff, moved(BONE, 0.0, 0.0, 1.0))
    drain()
    assert outcomes(kit)["Designed on the same anatomy"] == "block"
    assert f"Under {third.code} the bone of {first.code} lies 1.00 mm off" in against(first)
    assert f"Under {third.code}" in against(first, "queue")

    take_out_of_kit(kit_id=kit.pk, device_id=third.pk, reason="For another day", actor=actor)
    assert "not compared as they are now" in against(first)
    drain()
    assert against(first) == ""
    assert kit_of(third) is None
    assert events_of(kit).filter(type="devices.kit_member_taken_out").get().reason == "For another day"


def test_what_can_never_belong_together_is_refused_with_every_reason(
    staff: Staff, pair: list[Device], kit: Kit
) -> None:
    first, actor = pair[0], staff[Role.ORD].actor
    stranger = make_planned(patient=make_patient(replace(IDENTITY, patient_id="S-2")))
    other_side = another(staff, first, side="left")
    with pytest.raises(InvalidInput) as refused:
        make_kit(device_ids=[first.pk, stranger.pk], actor=actor)
    assert [reason.rule for reason in refused.value.reasons] == ["G-DES-01", "G-ORD-05"]
    with pytest.raises(InvalidInput, match="different sides"):
        add_to_kit(kit_id=kit.pk, device_id=other_side.pk, reason="x", actor=actor)
    with pytest.raises(InvalidInput, match="two devices at least"):
        make_kit(device_ids=[other_side.pk, other_side.pk], actor=actor)
    Device.objects.filter(pk=other_side.pk).update(stage="cancelled")
    with pytest.raises(InvalidInput, match="is cancelled and joins no kit"):
        make_kit(device_ids=[other_side.pk, stranger.pk], actor=actor)
    with pytest.raises(NotPermitted):
        make_kit(device_ids=[stranger.pk], actor=staff[Role.DSN].actor)
    assert Kit.objects.count() == 1
    assert members_of(kit) == pair
    # Were they ever changed behind the services' back, the gates say it too.
    Order.objects.filter(pk=first.order_id).update(side="left", patient=stranger.order.patient)
    said = against(pair[1])
    assert f"{first.code} in {kit.code} is another patient's" in said
    assert f"are ordered for different sides (left: {first.code}; right: {pair[1].code})" in said


def test_a_kit_is_changed_and_dissolved_with_a_reason_until_it_is_released(
    staff: Staff, pair: list[Device], kit: Kit
) -> None:
    first, actor = pair[0], staff[Role.ORD].actor
    with pytest.raises(TransitionRefused, match="left with one device"):
        take_out_of_kit(kit_id=kit.pk, device_id=first.pk, reason="x", actor=actor)
    with pytest.raises(TransitionRefused, match="no approved design"):
        request_kit_check(kit_id=kit.pk, actor=actor)
    with pytest.raises(InvalidInput, match="Say why"):
        dissolve_kit(kit_id=kit.pk, reason=" ", actor=actor)
    assert members_of(kit) == pair

    Kit.objects.filter(pk=kit.pk).update(stage=KitStage.RELEASED)
    for change in (add_to_kit, take_out_of_kit):
        with pytest.raises(TransitionRefused, match="is released"):
            change(kit_id=kit.pk, device_id=first.pk, reason="x", actor=actor)
    with pytest.raises(NotPermitted):
        dissolve_kit(kit_id=kit.pk, reason="Recalled", actor=actor)
    Device.objects.filter(pk=first.pk).update(stage="cancelled")
    dissolved = dissolve_kit(kit_id=kit.pk, reason="Recalled", actor=staff[Role.QAR].actor)
    assert (dissolved.stage, members_of(kit), kit_of(first)) == (KitStage.DISSOLVED, [], None)
    assert not list(kits_with_other_members())


def test_a_kit_is_made_changed_and_dissolved_over_http(staff: Staff, pair: list[Device]) -> None:
    third = another(staff, pair[0])
    client = APIClient()
    client.force_authenticate(Account.objects.get(username=staff[Role.ORD].username))

    def post(path: str, expected: int, **body: object) -> Any:
        answer = client.post(f"/api/kits/{path}", body, format="json")
        assert answer.status_code == expected, answer.content
        return answer.json()

    page = Client()
    page.force_login(Account.objects.get(username=staff[Role.ORD].username))
    asked = f"/act/order/{pair[0].order.code}/make-kit/"
    form = page.get(asked).content.decode()
    assert f'value="{pair[0].pk}" checked>' in form
    assert f'value="{third.pk}"><span>{third.code} ' in form
    page.post(asked, {"own": [pair[0].pk], "others": [pair[1].pk, third.pk]})
    made = Kit.objects.get()
    assert members_of(made) == [*pair, third]
    post(f"{made.code}/dissolve/", 200, reason="One by one")
    code = post("", 201, devices=[one.code for one in pair])["code"]
    assert post(f"{code}/check/", 409)["reasons"][0]["rule"] == "G-DES-01"
    added = post(f"{code}/add/", 200, device=third.code, reason="A plate too")
    assert [one["code"] for one in added["members"]] == [one.code for one in (*pair, third)]
    left = post(f"{code}/take-out/", 200, device=pair[0].code, reason="Another day")
    assert [one["code"] for one in left["members"]] == [pair[1].code, third.code]
    assert post(f"{code}/dissolve/", 200, reason="Ordered anew")["stage"] == "dissolved"
    shown = page_of(staff, Kit.objects.latest("pk"))
    assert "Its devices go their own ways" in shown
    assert f'href="/devices/{third.code}/"' in shown
    assert "No kit matches" in page.get("/kits/?stage=released").content.decode()


def test_a_check_that_was_overtaken_says_nothing(
    staff: Staff, pair: list[Device], kit: Kit, monkeypatch: pytest.MonkeyPatch, drain: Callable[[], int]
) -> None:
    """A member is designed anew while the files of its old design are measured."""
    for device in pair:
        designed(device, staff)
    drain()
    old = compare_members(kit.pk)
    design = Design.objects.get(device=pair[0])
    design.mesh = store_artefact(write_stl(moved(PART, 0.0, 1.0, 0.0)), media_type="model/stl")
    design.save()
    assert "not compared as they are now" in against(pair[1])
    request_kit_check(kit_id=kit.pk, actor=staff[Role.QAR].actor)
    record_kit_check(kit_id=kit.pk, found=old)
    assert outcomes(kit) == {}
    assert "not compared" in against(pair[1])
    assert "Being compared" in page_of(staff, kit)
    asked = Delivery.objects.filter(handler=CHECKING, status=DeliveryStatus.PENDING)
    assert asked.update(status=DeliveryStatus.DEAD) == 1
    assert "The comparison was given up" in page_of(staff, kit)
    Delivery.objects.filter(status=DeliveryStatus.DEAD).update(status=DeliveryStatus.PENDING)
    drain()
    assert len(outcomes(kit)) == 3
    assert kit.checked["basis"] == basis_of(members_of(kit)) != old.basis


def test_a_file_that_says_nothing_is_an_answer_too(pair: list[Device]) -> None:
    made = [
        member(one, bone, PART) for one, bone in zip(pair, (BONE, moved(BONE, 0.0, 0.0, 0.1)), strict=True)
    ]
    made[0].design.mesh = make_artefact("no mesh")
    answer = answered("x", on_same_anatomy, made)
    assert (answer.outcome, answer.gate) == ("block", "G-DES-01")
    assert answer.cure


def member(device: Device, bone: Mesh, part: Mesh, images: str = "v", **fields: Any) -> Member:
    """A device with a design that stands in no table: its files are there."""
    surface, mesh = (store_artefact(write_stl(one), media_type="model/stl") for one in (bone, part))
    segmentation = Segmentation(surface=surface, study=Study(volume_id=images))
    return Member(device, Design(segmentation=segmentation, mesh=mesh, **fields))


@pytest.mark.parametrize(
    ("by", "part", "outcome", "says"),
    [
        (0.29, PART, "pass", ""),
        (0.31, PART, "block", "0.31 mm off on average"),
        (0.2, moved(PART, 0.0, 0.0, 30.0), "block", "lies nowhere within 2 mm"),
    ],
)
def test_bones_that_were_segmented_apart_agree_where_a_part_touches_them(
    pair: list[Device], by: float, part: Mesh, outcome: str, says: str
) -> None:
    first, second = pair
    found = on_same_anatomy([member(first, BONE, PART), member(second, moved(BONE, 0.0, 0.0, by), part)])
    assert found.outcome == outcome
    assert says in found.reason


def test_a_model_may_be_cut_where_the_bone_of_the_others_goes_on(pair: list[Device]) -> None:
    """It is held against nothing: the guide is held against it."""
    guided, model = pair
    half = make_block((60.0, 60.0, 30.0), centre=(-60.0, 0.0, 15.0))
    made = [member(guided, BONE, PART), member(model, half, half)]
    assert on_same_anatomy(made).outcome == "block"
    model.master.intended_use = IntendedUse.MODEL
    assert on_same_anatomy(made).outcome == "pass"


def test_members_of_other_images_are_refused_before_their_bones_are_compared(pair: list[Device]) -> None:
    made = [member(one, BONE, PART, images) for one, images in zip(pair, "ab", strict=True)]
    made[1] = replace(made[1], design=member(pair[1], moved(BONE, 0.0, 0.0, 9.0), PART, "b").design)
    found = from_same_images(made)
    assert (found.outcome, found.evidence["images"]) == (
        "block",
        {pair[0].code: "a", pair[1].code: "b"},
    )
    assert on_same_anatomy(made).outcome == "n/a"


@pytest.mark.parametrize(
    ("shift", "lean", "outcome"), [(0.04, 0.0, "pass"), (0.07, 0.0, "block"), (0.0, 0.3, "block")]
)
def test_bores_that_two_designers_state_are_measured_on_both_files(
    pair: list[Device], shift: float, lean: float, outcome: str
) -> None:
    """A part drawn in another program says where its bores are; both files are measured there. One leans about its entry alone."""
    cosine, sine = np.cos(np.radians(lean)), np.sin(np.radians(lean))
    leaning = np.array([[cosine, 0.0, sine], [0.0, 1.0, 0.0], [-sine, 0.0, cosine]])
    part, entry = guide(), np.array(stated()["bore_1_entry_mm"])
    other = Mesh((part.vertices - entry) @ leaning.T + entry + np.array([0.0, shift, 0.0]), part.faces)
    drawn: dict[str, Any] = {"origin": {}, "features": [{}], "values": stated()}
    made = [member(one, BONE, mesh, **drawn) for one, mesh in zip(pair, (part, other), strict=True)]
    found = along_same_bores(made)
    assert found.outcome == outcome, found.reason
    assert set(found.evidence["bores"]) == {one.code for one in pair}
    assert along_same_bores([made[0], member(pair[1], BONE, PART)]).outcome == "n/a"


def test_a_bore_that_leads_to_none_of_the_others_is_refused(pair: list[Device]) -> None:
    """A guide for the other side; and one bore beside the two of a plate, which the plate's third hole does not excuse."""
    drawn: dict[str, Any] = {"origin": {}, "features": [{}]}
    right, left = (
        member(one, BONE, guide(side), values=stated(side), **drawn)
        for one, side in zip(pair, ("right", "left"), strict=True)
    )
    found = along_same_bores([right, left])
    assert found.reason == " ".join(f"No bore of {one.code} leads to one of another device." for one in pair)

    def bore(x: float) -> Bore:
        return Bore((x, 0.0, 0.0), (0.0, 0.0, 1.0), 2.0, (0.0, 5.0))

    plate, drilled = [bore(x) for x in (0.0, 10.0, 20.0)], [bore(x) for x in (0.0, 15.0)]
    assert bore_faults([("P", "G")], {"P": plate, "G": drilled}) == ["Bore 2 of G leads to none of P."]
    assert bore_faults([("P", "G")], {"P": plate, "G": drilled[:1]}) == []
    across = [replace(plate[0], point_mm=(0.0, 0.0, 60.0))]
    assert len(bore_faults([("P", "G")], {"P": across, "G": drilled[:1]})) == 2, (
        "on one line, through the other side"
    )


def test_guides_for_two_levels_drill_their_own(pair: list[Device]) -> None:
    plans = [
        Plan(
            content={
                "level": level,
                "sleeve": asdict(SLEEVES["sleeve-3.2-15"]),
                "trajectories": [{"entry_mm": [0, 0, z], "axis": [0, 0, 1]}],
            }
        )
        for z, level in enumerate(("T12", "L1"))
    ]
    made = [member(one, BONE, PART, plan=plan) for one, plan in zip(pair, plans, strict=True)]
    assert along_same_bores(made).outcome == "n/a"
    below = moved(BONE, 0.0, 0.0, -80.0)
    made[1] = member(pair[1], below, moved(PART, 0.0, 0.0, -80.0), plan=plans[1])
    assert on_same_anatomy(made).outcome == "n/a"
    plans[1].content["level"] = "T12"
    with pytest.raises(Refused, match="cannot be measured"):
        along_same_bores(made)
    assert on_same_anatomy(made).outcome == "block"


def test_members_of_one_plan_need_no_measuring(pair: list[Device]) -> None:
    """The same sleeve and trajectories, whichever revision they stand in; other ones are measured on the files."""
    planned = {"sleeve": asdict(SLEEVES["sleeve-3.2-15"]), "trajectories": []}
    first, second, third = (
        Plan(content=planned | {"trajectories": [{"entry_mm": [0, 0, 0], "axis": [0, 0, x]}], "note": x})
        for x in (1, 1, -1)
    )
    second.content["note"] = 2
    same = [member(one, BONE, PART, plan=plan) for one, plan in zip(pair, (first, second), strict=True)]
    assert along_same_bores(same).outcome == "pass"
    with pytest.raises(Refused, match="cannot be measured"):
        along_same_bores([same[0], member(pair[1], BONE, PART, plan=third)])


def test_a_member_that_was_changed_behind_the_logs_back_is_named(kit: Kit) -> None:
    with connection.cursor() as cursor:
        cursor.execute("UPDATE devices_kit_member SET standing = false WHERE kit_id = %s", [kit.pk])
    assert list(kits_with_other_members()) == [str(kit.pk)]


def _in_order(staff: Staff, pair: list[Device], order: Iterable[int]) -> None:
    """Acts by number, refused ones left out: what stands after each is a kit of two at least, or none."""
    third, actor = another(staff, pair[0]), staff[Role.ORD].actor

    def make(*chosen: Device) -> None:
        make_kit(device_ids=[one.pk for one in chosen], actor=actor)

    def last() -> int:
        return Kit.objects.latest("pk").pk

    acts: list[Callable[[], object]] = [
        lambda: make(*pair),
        lambda: make(*pair, third),
        lambda: add_to_kit(kit_id=last(), device_id=third.pk, reason="x", actor=actor),
        lambda: take_out_of_kit(kit_id=last(), device_id=third.pk, reason="x", actor=actor),
        lambda: take_out_of_kit(kit_id=last(), device_id=pair[0].pk, reason="x", actor=actor),
        lambda: dissolve_kit(kit_id=last(), reason="x", actor=actor),
    ]
    make(*pair)
    for act in order:
        with suppress(Refused):
            acts[act]()
        standing = KitMember.objects.filter(standing=True)
        assert standing.count() == len(set(standing.values_list("device_id", flat=True)))
        for kit in Kit.objects.all():
            assert (len(members_of(kit)) >= 2) == (kit.stage == KitStage.OPEN)
        assert not list(kits_with_other_members())


def test_no_order_of_acts_leaves_a_device_in_two_kits_or_a_kit_of_one(
    staff: Staff, pair: list[Device]
) -> None:
    _in_order(staff, pair, (2, 1, 4, 3, 2, 5, 4, 1, 3))


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(10))
def test_nor_does_any_of_many(staff: Staff, pair: list[Device], seed: int) -> None:
    _in_order(staff, pair, np.random.default_rng(seed).integers(0, 6, 40).tolist())
