"""Kits: put together from devices of one patient, changed with a reason until they are released, and dissolved with one.

A kit is locked before its devices, and these by number. What stands between a kit and its release is asked by gates; here only
what can never be right is refused.
"""

from __future__ import annotations

from collections.abc import Sequence

from devices.choices import KitStage, Stage
from devices.events import (
    KitChecked,
    KitCheckRequested,
    KitDissolved,
    KitMade,
    KitMemberAdded,
    KitMemberTakenOut,
    KitReleased,
    KitShipped,
)
from devices.models import Device, Kit, KitMember
from devices.selectors.kits import (
    CLOSED_TO_KITS,
    basis_of,
    kit_facts,
    kit_of,
    members_digest,
    members_of,
    sides_of,
    told_sides,
    undesigned,
)
from devices.services.authors import author_of
from devices.services.lifecycle import locked_device
from devices.services.matching import Matched
from mes.compiled import by_keys
from mes.eventlog.base import Actor
from mes.eventlog.unit import publish, unit_of_work
from mes.exceptions import InvalidInput, Reason, TransitionRefused
from mes.limits import refuse_too_many
from mes.locking import locked_row
from mes.permissions import require

SYSTEM = Actor.system("kits")
FEWEST, MOST = 2, 20
RULE = "G-DES-01"

_WHOLE = by_keys(lambda: Kit.objects.select_related("patient", "created_by"))


def locked_kit(kit_id: int) -> Kit:
    """The kit, its row locked for this unit. Raises InvalidInput where there is none."""
    kit = locked_row(_WHOLE, kit_id)
    if kit is None:
        raise InvalidInput("There is no such kit.", cure="Look at the list of kits.")
    return kit


@unit_of_work
def make_kit(*, device_ids: Sequence[int], actor: Actor) -> Kit:
    """Put devices of one patient together. Raises InvalidInput with every reason why they cannot be a kit."""
    keys = sorted(set(device_ids))
    refuse_too_many("Devices of a kit", keys, MOST, rule=RULE)
    devices = [locked_device(key) for key in keys]
    for device in devices:
        require(actor, "devices.make_kit", device)
    if len(devices) < FEWEST:
        raise InvalidInput("A kit has two devices at least.", cure="Choose another one beside it.", rule=RULE)
    _refuse_strangers(devices, devices)
    kit = Kit.objects.create(
        patient=devices[0].order.patient, created_by_id=author_of(actor), members_digest=""
    )
    KitMember.objects.bulk_create([KitMember(kit=kit, device=device) for device in devices])
    made = KitMade(kit_id=kit.pk, patient_id=kit.patient_id, device_ids=keys)
    _changed(kit)
    publish(kit, made, actor=actor)
    _ask_if_designed(kit, actor)
    return kit


@unit_of_work
def add_to_kit(*, kit_id: int, device_id: int, reason: str, actor: Actor) -> Kit:
    """Let one more device belong to an open kit, with a reason."""
    kit = locked_kit(kit_id)
    device = locked_device(device_id)
    require(actor, "devices.change_kit", kit)
    require(actor, "devices.change_kit", device)
    refuse_fixed(kit)
    reason, members = given(reason), members_of(kit)
    refuse_too_many("Devices of a kit", [*members, device], MOST, rule=RULE)
    _refuse_strangers([device], [*members, device])
    member, _ = KitMember.objects.get_or_create(kit=kit, device=device)
    member.standing = True
    member.save(update_fields=["standing"])
    _changed(kit)
    publish(kit, KitMemberAdded(kit_id=kit.pk, device_id=device.pk), actor=actor, reason=reason)
    _ask_if_designed(kit, actor)
    return kit


@unit_of_work
def take_out_of_kit(*, kit_id: int, device_id: int, reason: str, actor: Actor) -> Kit:
    """Let a device belong to an open kit no longer, with a reason: it goes its own way, and the others theirs."""
    kit = locked_kit(kit_id)
    locked_device(device_id)
    require(actor, "devices.change_kit", kit)
    refuse_fixed(kit)
    reason = given(reason)
    member = kit.members.filter(device_id=device_id, standing=True).first()
    if member is None:
        raise InvalidInput(f"This device is not in {kit.code}.", cure="Look at the kit again.", rule=RULE)
    if len(members_of(kit)) <= FEWEST:
        raise TransitionRefused(
            f"{kit.code} would be left with one device.",
            cure="Add another one first, or dissolve the kit.",
            rule=RULE,
        )
    member.standing = False
    member.save(update_fields=["standing"])
    _changed(kit)
    publish(kit, KitMemberTakenOut(kit_id=kit.pk, device_id=device_id), actor=actor, reason=reason)
    _ask_if_designed(kit, actor)
    return kit


@unit_of_work
def dissolve_kit(*, kit_id: int, reason: str, actor: Actor) -> Kit:
    """Let the devices of a kit go their own ways, with a reason. Of a released one somebody from quality decides it, and only while
    none has left the house."""
    kit = locked_kit(kit_id)
    released = kit.stage == KitStage.RELEASED
    require(actor, "devices.dissolve_released_kit" if released else "devices.change_kit", kit)
    if kit.stage == KitStage.DISSOLVED:
        raise TransitionRefused(f"{kit.code} is dissolved already.", cure="Look at it again.", rule=RULE)
    reason, devices = given(reason), [locked_device(one.pk) for one in members_of(kit)]
    left = [one.code for one in devices if one.stage in (Stage.SHIPPED, Stage.DELIVERED)]
    if left:
        raise TransitionRefused(
            f"{', '.join(left)} of {kit.code} left the house already.",
            cure="What is wrong with a device is a nonconformance.",
            rule="G-SHP-01",
        )
    for member in kit.members.filter(standing=True):
        member.standing = False
        member.save(update_fields=["standing"])
    kit.stage = KitStage.DISSOLVED
    kit.save(update_fields=["stage"])
    _changed(kit)
    fact = KitDissolved(kit_id=kit.pk, device_ids=[one.pk for one in devices])
    publish(kit, fact, actor=actor, reason=reason)
    return kit


# --- what the packages above decide about all of its members


def record_kit_release(kit: Kit, *, signature_ids: Sequence[int], actor: Actor) -> None:
    """Every member of a locked kit was released in this unit."""
    members = members_of(kit)
    kit.stage = KitStage.RELEASED
    kit.save(update_fields=["stage"])
    fact = KitReleased(
        kit_id=kit.pk,
        device_ids=[one.pk for one in members],
        signature_ids=list(signature_ids),
        whole=kit_facts(kit, members)["digest"],
    )
    publish(kit, fact, actor=actor)


def record_kit_shipment(kit: Kit, *, signature_ids: Sequence[int], actor: Actor) -> None:
    """Every member of a locked kit left the house in this unit."""
    keys = [one.pk for one in members_of(kit)]
    fact = KitShipped(kit_id=kit.pk, device_ids=keys, signature_ids=list(signature_ids))
    publish(kit, fact, actor=actor)


# --- the check


@unit_of_work
def request_kit_check(*, kit_id: int, actor: Actor) -> Kit:
    """Have the members of an open kit compared, again where they were before."""
    kit = locked_kit(kit_id)
    require(actor, "devices.change_kit", kit)
    refuse_fixed(kit)
    members = members_of(kit)
    if missing := undesigned(members):
        raise TransitionRefused(
            f"{', '.join(missing)} of {kit.code} has no approved design.",
            cure="Have it designed and approved: the kit is checked then by itself.",
            rule=RULE,
        )
    _ask(kit, basis_of(members), actor)
    return kit


@unit_of_work
def follow_member(*, device_id: int) -> None:
    """The design of a device was approved: where that was the last one of a kit, have its members compared."""
    found = kit_of(Device.objects.get(pk=device_id))
    if found is not None:
        kit = locked_kit(found.pk)
        if kit.stage == KitStage.OPEN:
            _ask_if_designed(kit, SYSTEM)


@unit_of_work
def record_kit_check(*, kit_id: int, found: Matched) -> None:
    """Keep what a comparison of some basis answered, unless another one was asked for since."""
    kit = locked_kit(kit_id)
    if kit.asked != found.basis or kit.stage != KitStage.OPEN:
        return
    told = [answer.as_payload() for answer in found.answers]
    kit.checked = {"basis": found.basis, "answers": told}
    kit.save(update_fields=["checked"])
    publish(kit, KitChecked(kit_id=kit.pk, basis=found.basis, gates=told), actor=SYSTEM)


def _ask_if_designed(kit: Kit, actor: Actor) -> None:
    """Where every member has an approved design that was not compared yet."""
    basis = basis_of(members_of(kit))
    if basis and basis != kit.asked:
        _ask(kit, basis, actor)


def _ask(kit: Kit, basis: str, actor: Actor) -> None:
    kit.asked, kit.checked = basis, {}
    kit.save(update_fields=["asked", "checked"])
    publish(kit, KitCheckRequested(kit_id=kit.pk, basis=basis), actor=actor)


# --- what is refused, shared with the release


def refuse_fixed(kit: Kit) -> None:
    """What belongs to a kit changes until it is released."""
    if kit.stage != KitStage.OPEN:
        raise TransitionRefused(
            f"{kit.code} is {kit.get_stage_display().lower()}.",
            cure="Make another kit of what is not released yet.",
            rule="G-REL-01",
        )


def given(reason: str) -> str:
    if not reason.strip():
        raise InvalidInput("Say why.", cure="Write the reason.", rule="P11-10e")
    return reason.strip()


def _refuse_strangers(joining: Sequence[Device], devices: Sequence[Device]) -> None:
    """Every reason why these devices cannot belong together: another patient, another side, or bound already."""
    found = [reason for device in joining if (reason := _not_free(device)) is not None]
    if len({device.order.patient_id for device in devices}) > 1:
        text = "The devices of a kit are of one patient; these are not."
        found.append(Reason(text, "Choose devices of the same patient.", "G-ORD-05"))
    elif len(sides := sides_of(devices)) > 1:
        text = f"They are ordered for different sides ({told_sides(sides)})."
        found.append(Reason(text, "Make one kit for each side.", "G-LAT-01"))
    if found:
        raise InvalidInput(found)


def _not_free(device: Device) -> Reason | None:
    if device.stage in CLOSED_TO_KITS:
        stage = Stage(device.stage).label.lower()
        return Reason(f"{device.code} is {stage} and joins no kit.", "Choose one that is being made.", RULE)
    other = kit_of(device)
    if other is not None:
        return Reason(f"{device.code} belongs to {other.code} already.", "Take it out there first.", RULE)
    return None


def _changed(kit: Kit) -> None:
    kit.members_digest = members_digest(kit)
    kit.save(update_fields=["members_digest"])
