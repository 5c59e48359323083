"""What a signature about a device will cover, for the dialog that shows it before the password is typed."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from devices.models import Design, Device, DeviceMaster, Material, Order, Plan, Segmentation
from devices.selectors.plans import current_plan
from devices.services import orders
from devices.services.definitions import master_content, material_content
from devices.services.designs import approval_content, design_content
from devices.services.plans import plan_content
from devices.services.segmentations import segmentation_content
from mes.choices import Role
from mes.exceptions import InvalidInput
from mes.signing_seal import signed_content


def _segmentation(device: Device) -> dict[str, Any]:
    return segmentation_content(device, _present(device.current_segmentation))


def _plan(device: Device) -> dict[str, Any]:
    return plan_content(device, _present(current_plan(device)))


def _review(device: Device) -> dict[str, Any]:
    return design_content(device, _present(device.current_design))


def _approval(device: Device) -> dict[str, Any]:
    return approval_content(device, _present(device.current_design))


def _present(thing: Any) -> Any:
    if not isinstance(thing, (Design, Plan, Segmentation)):
        raise InvalidInput("There is nothing to sign yet.", cure="Wait until it has been made.")
    return thing


SIGNED_VERBS: dict[str, Callable[[Device], dict[str, Any]]] = {
    "approve-segmentation": _segmentation,
    "approve-plan": _plan,
    "review-design": _review,
    "check-design": _review,
    "approve-design": _approval,
}


def content_to_sign(device: Device, verb: str) -> dict[str, Any]:
    """The content of one of `SIGNED_VERBS`. Raises InvalidInput where there is nothing to sign."""
    if verb not in SIGNED_VERBS:
        raise InvalidInput(
            f"Nothing is signed for '{verb[:40]}'.", cure=f"Signed are: {', '.join(SIGNED_VERBS)}."
        )
    return SIGNED_VERBS[verb](device)


NOTHING: dict[str, Any] = {}
"""What was signed is gone from the record: whatever a signature covered, it is not this."""


@signed_content("devices.order", "order")
def _prescribed(order: Order, signed: Mapping[str, Any]) -> dict[str, Any]:
    return orders.prescription_content(order)


@signed_content("devices.order", "order approval")
def _order_approved(order: Order, signed: Mapping[str, Any]) -> dict[str, Any]:
    return orders.approval_content(order, Role(signed["approved_as"]))


@signed_content("devices.order", "order rejection")
def _order_rejected(order: Order, signed: Mapping[str, Any]) -> dict[str, Any]:
    return orders.rejection_content(order, signed["reason"])


@signed_content("devices.device", "segmentation")
def _segmented(device: Device, signed: Mapping[str, Any]) -> dict[str, Any]:
    found = device.current_segmentation
    return segmentation_content(device, found) if found else NOTHING


@signed_content("devices.device", "plan")
def _planned(device: Device, signed: Mapping[str, Any]) -> dict[str, Any]:
    found = current_plan(device)
    return plan_content(device, found) if found else NOTHING


@signed_content("devices.device", "design")
def _designed(device: Device, signed: Mapping[str, Any]) -> dict[str, Any]:
    return design_content(device, device.current_design) if device.current_design else NOTHING


@signed_content("devices.device", "device move")
def _moved(device: Device, signed: Mapping[str, Any]) -> dict[str, Any] | None:
    """The approval of a design stands for the design; any other move is over once it is made."""
    if signed["move"] != "freeze_design":
        return None
    return approval_content(device, device.current_design) if device.current_design else NOTHING


@signed_content("devices.master", "device master")
def _master(master: DeviceMaster, signed: Mapping[str, Any]) -> dict[str, Any]:
    return master_content(master)


@signed_content("devices.material", "material specification")
def _material(material: Material, signed: Mapping[str, Any]) -> dict[str, Any]:
    return material_content(material)
