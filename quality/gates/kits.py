"""What is released and shipped with others: a member of a kit never alone, and none while something stands against another."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

from devices.choices import Stage
from devices.models import Device, Kit
from devices.selectors.kits import GONE, kit_of, others_in
from mes.lifecycle import Verdict, blocked, gate, not_applicable, passed
from quality.gates.making import no_nonconformance_is_open, nothing_it_stands_on_is_held

ALONE = "The device belongs to no kit."
DONE = {"release": "released", "ship": "shipped"}


@gate("G-REL-01", "device.release")
def it_is_released_with_its_kit(device: Device, *, kit: Kit | None = None, **_: Any) -> Verdict:
    """A device of a kit is released by one act with all the others, each of them reviewed."""
    return _with_the_others(device, kit, Stage.REVIEWED, "release")


@gate("G-SHP-01", "device.ship")
def it_is_shipped_with_its_kit(device: Device, *, kit: Kit | None = None, **_: Any) -> Verdict:
    """A device of a kit is shipped by one act with all the others, each of them released."""
    return _with_the_others(device, kit, Stage.RELEASED, "ship")


@gate("G-NC-01", "device.release", "device.ship")
def nothing_in_its_kit_is_held(device: Device, **_: Any) -> Verdict:
    """No other device of the kit is held or recalled, or has an open nonconformance, nor does what it is made of."""
    kit = kit_of(device)
    if kit is None:
        return not_applicable(ALONE)
    others = others_in(kit, device)
    against = [(one, verdict) for one in others for verdict in _held(one) if verdict.outcome == "block"]
    if against:
        return blocked(
            " ".join(f"{one.code} of {kit.code}: {verdict.reason}" for one, verdict in against),
            cure=" ".join(dict.fromkeys(verdict.cure for _, verdict in against)),
            kit=kit.code,
            against=sorted({one.code for one, _ in against}),
        )
    return passed(kit=kit.code, members=[one.code for one in others])


def _with_the_others(device: Device, kit: Kit | None, ready: Stage, deed: str) -> Verdict:
    """kit: the one whose act asks, all of whose devices are `ready` for it; None where one device is asked about alone."""
    own = kit_of(device)
    if own is None:
        return not_applicable(ALONE)
    others, done = others_in(own, device), DONE[deed]
    missing = [one for one in others if one.stage != ready]
    if missing:
        return blocked(
            f"{own.code} is {done} as a whole, and waits for {_told(missing)}.",
            cure=_cure(own, missing),
            missing={one.code: one.stage for one in missing},
        )
    if kit is None or kit.pk != own.pk:
        return blocked(
            f"{device.code} belongs to {own.code} and is {done} with {_codes(others)}.",
            cure=f"{deed.capitalize()} all of {own.code} on its page.",
            kit=own.code,
        )
    return passed(kit=own.code, members=[one.code for one in others])


def _held(device: Device) -> Iterable[Verdict]:
    return nothing_it_stands_on_is_held(device), no_nonconformance_is_open(device)


def _told(missing: Sequence[Device]) -> str:
    return ", ".join(f"{one.code} ({Stage(one.stage).label.lower()})" for one in missing)


def _codes(devices: Sequence[Device]) -> str:
    return ", ".join(one.code for one in devices)


def _cure(kit: Kit, missing: Sequence[Device]) -> str:
    """Who comes to nothing holds the others until somebody decides."""
    gone = [one for one in missing if one.stage in GONE]
    if gone:
        return f"Take {_codes(gone)} out of {kit.code} with a reason, or put what replaces it in."
    return f"Bring {_codes(missing)} as far; or take it out of {kit.code} with a reason."
