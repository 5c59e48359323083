"""What people do with kits: put them together, change them, have them compared."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from devices.choices import KitStage, Stage
from devices.models import Device, Kit, Order
from devices.selectors.kits import free_devices, members_of, undesigned
from devices.services.kits import (
    FEWEST,
    add_to_kit,
    dissolve_kit,
    make_kit,
    request_kit_check,
    take_out_of_kit,
)
from mes.choices import Meaning
from mes.dashboard.actions.base import Action, Doing, Done, Field, Values, why
from mes.eventlog.base import Actor
from quality.services.kits import kit_release_content, kit_shipment_content, release_kit, ship_kit


def _choices(devices: Iterable[Device]) -> list[tuple[str, str]]:
    return [(str(one.pk), f"{one.code} {one.master.title} ({one.order.code})") for one in devices]


def _open(kit: Kit) -> bool:
    return kit.stage == KitStage.OPEN


# --- on the page of an order


def _can_begin(order: Order) -> bool:
    """A device of this order and one of another are free to belong together."""
    orders = set(free_devices(order.patient_id).values_list("order_id", flat=True))
    return order.pk in orders and len(orders) > 1


def _beginning(order: Order) -> tuple[Field, ...]:
    free = list(free_devices(order.patient_id))
    own = _choices(one for one in free if one.order_id == order.pk)
    others = _choices(one for one in free if one.order_id != order.pk)
    return (
        Field("own", "Of this order", "several", choices=own, initial=[key for key, _ in own]),
        Field(
            "others", "Together with", "several", choices=others,
            hint="Devices of this patient's other orders that are not released",
        ),
    )  # fmt: skip


def _make(doing: Doing) -> Done:
    chosen = [int(key) for key in (*doing.values["own"], *doing.values["others"])]
    kit = make_kit(device_ids=chosen, actor=doing.actor)
    return Done(f"{kit.code} is put together.", "kit", kit.code)


# --- on the page of a kit


def _adding(kit: Kit) -> tuple[Field, ...]:
    return (Field("device", "Device", "select", choices=_choices(free_devices(kit.patient_id))), why())


def _add(doing: Doing) -> str:
    device = int(doing.values["device"])
    add_to_kit(kit_id=doing.subject.pk, device_id=device, reason=doing.reason, actor=doing.actor)
    return "Added."


def _taking_out(kit: Kit) -> tuple[Field, ...]:
    return (Field("device", "Device", "select", choices=_choices(members_of(kit))), why())


def _take_out(doing: Doing) -> str:
    device = int(doing.values["device"])
    take_out_of_kit(kit_id=doing.subject.pk, device_id=device, reason=doing.reason, actor=doing.actor)
    return "Taken out: it goes its own way."


def _because(kit: Kit) -> tuple[Field, ...]:
    return (why(),)


def _dissolve(doing: Doing) -> str:
    kit = dissolve_kit(kit_id=doing.subject.pk, reason=doing.reason, actor=doing.actor)
    return f"{kit.code} is dissolved: its devices go their own ways."


def _check(doing: Doing) -> str:
    request_kit_check(kit_id=doing.subject.pk, actor=doing.actor)
    return "The devices are being compared."


def _every_at(stage: Stage, kit: Kit) -> bool:
    return all(one.stage == stage and not one.held for one in members_of(kit))


def _release_signs(kit: Kit, values: Values, actor: Actor) -> dict[str, Any]:
    return kit_release_content(kit, actor)


def _release(doing: Doing) -> str:
    released = release_kit(kit_id=doing.subject.pk, actor=doing.actor, credentials=doing.credentials)
    return f"Released: {len(released)} devices. Their production records are being written."


def _ship_signs(kit: Kit, values: Values, actor: Actor) -> dict[str, Any]:
    return kit_shipment_content(kit)


def _ship(doing: Doing) -> str:
    moves = ship_kit(kit_id=doing.subject.pk, actor=doing.actor, credentials=doing.credentials)
    return f"Shipped: {', '.join(one.device.code for one in moves)}."


KIT_ACTIONS = (
    Action(
        "release-kit", "kit", "Release the kit", "Release every device of this kit", "quality.release_kit", "shield-check",
        lambda kit: _open(kit) and _every_at(Stage.REVIEWED, kit), _release, meaning=Meaning.RELEASED, content=_release_signs,
        main=True, help="All of them or none. Each gets its own decision and its own signature; the password is typed once.",
    ),
    Action(
        "ship-kit", "kit", "Ship the kit", "Ship every device of this kit", "quality.ship_kit", "truck-delivery",
        lambda kit: kit.stage == KitStage.RELEASED and _every_at(Stage.RELEASED, kit), _ship, meaning=Meaning.PERFORMED,
        content=_ship_signs, main=True,
    ),
    Action(
        "make-kit", "order", "Make a kit", "Put devices of this patient together", "devices.make_kit", "layers-subtract", _can_begin,
        _make, fields=_beginning, help="They are checked, released and shipped together, or not at all.",
    ),
    Action(
        "add-to-kit", "kit", "Add a device", "Add a device to this kit", "devices.change_kit", "plus",
        lambda kit: _open(kit) and free_devices(kit.patient_id).exists(), _add, fields=_adding,
    ),
    Action(
        "take-out-of-kit", "kit", "Take out", "Take a device out of this kit", "devices.change_kit", "x",
        lambda kit: _open(kit) and len(members_of(kit)) > FEWEST, _take_out, fields=_taking_out,
    ),
    Action(
        "check-kit", "kit", "Compare again", "Compare the devices of this kit again", "devices.change_kit", "repeat",
        lambda kit: _open(kit) and not undesigned(members_of(kit)), _check,
    ),
    Action(
        "dissolve-kit", "kit", "Dissolve", "Dissolve this kit", "devices.change_kit", "circle-x", _open, _dissolve, fields=_because,
        danger=True,
    ),
    Action(
        "dissolve-released-kit", "kit", "Dissolve", "Dissolve this released kit", "devices.dissolve_released_kit", "circle-x",
        lambda kit: kit.stage == KitStage.RELEASED, _dissolve, fields=_because, danger=True,
    ),
)  # fmt: skip
