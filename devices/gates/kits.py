"""What must be true of a kit before a member of it is built or released: one patient, one side, made for each other."""

from __future__ import annotations

from typing import Any

from devices.models import Device, Kit
from devices.selectors.kits import is_checked, kit_of, members_of, sides_of, told_sides, undesigned
from mes.lifecycle import Verdict, blocked, gate, not_applicable, passed

ALONE = "The device belongs to no kit."


@gate("G-ORD-05", "device.release")
def its_kit_is_one_patients(device: Device, **_: Any) -> Verdict:
    """Every device of a kit is ordered for the same patient."""
    kit = kit_of(device)
    if kit is None:
        return not_applicable(ALONE)
    strange = [one.code for one in members_of(kit) if one.order.patient_id != kit.patient_id]
    if strange:
        return blocked(
            f"{', '.join(strange)} in {kit.code} is another patient's.",
            cure="Do not use the record; have the log verified.",
            kit=kit.code,
        )
    return passed(kit=kit.code, patient=kit.patient.token)


@gate("G-LAT-01", "device.queue", "device.release")
def its_kit_is_for_one_side(device: Device, **_: Any) -> Verdict:
    """Every device of a kit that is ordered for a side is ordered for the same one."""
    kit = kit_of(device)
    if kit is None:
        return not_applicable(ALONE)
    sides = sides_of(members_of(kit))
    if len(sides) > 1:
        return blocked(
            f"The devices of {kit.code} are ordered for different sides ({told_sides(sides)}).",
            cure="Take out of the kit with a reason what is for the other side.",
            sides=sides,
        )
    return passed(kit=kit.code, sides=sides)


@gate("G-DES-01", "device.queue")
def nothing_in_its_kit_is_known_to_differ(device: Device, **_: Any) -> Verdict:
    """A member is not built while its kit is known not to fit together. Whether it was checked at all is asked at the release."""
    kit = kit_of(device)
    if kit is None:
        return not_applicable(ALONE)
    if not is_checked(kit, members_of(kit)):
        return not_applicable(f"The devices of {kit.code} are not compared yet.")
    return _as_answered(kit)


@gate("G-DES-01", "device.release")
def its_kit_fits_together(device: Device, **_: Any) -> Verdict:
    """The devices of a kit, as they are now, were compared: made from the same images, on the same anatomy, along the same bores."""
    kit = kit_of(device)
    if kit is None:
        return not_applicable(ALONE)
    members = members_of(kit)
    if missing := undesigned(members):
        return blocked(
            f"{', '.join(missing)} of {kit.code} has no approved design.",
            cure="Have it designed and approved, or take it out of the kit with a reason.",
            missing=missing,
        )
    if not is_checked(kit, members):
        return blocked(
            f"The devices of {kit.code} are not compared as they are now.",
            cure=f"Wait for the check, or ask for it again on the page of {kit.code}.",
            kit=kit.code,
        )
    return _as_answered(kit)


def _as_answered(kit: Kit) -> Verdict:
    against = [answer for answer in kit.checked["answers"] if answer["outcome"] == "block"]
    if against:
        return blocked(
            " ".join(answer["reason"] for answer in against),
            cure=" ".join(dict.fromkeys(answer["cure"] for answer in against)),
            kit=kit.code,
            basis=kit.checked["basis"],
        )
    return passed(kit=kit.code, basis=kit.checked["basis"])
