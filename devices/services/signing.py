"""What a signature about a device will cover, for the dialog that shows it before the password is typed."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from devices.models import Design, Device, Segmentation
from devices.services.designs import approval_content, design_content
from devices.services.segmentations import segmentation_content
from mes.exceptions import InvalidInput


def _segmentation(device: Device) -> dict[str, Any]:
    return segmentation_content(device, _present(device.current_segmentation))


def _review(device: Device) -> dict[str, Any]:
    return design_content(device, _present(device.current_design))


def _approval(device: Device) -> dict[str, Any]:
    return approval_content(device, _present(device.current_design))


def _present(thing: Any) -> Any:
    if not isinstance(thing, (Design, Segmentation)):
        raise InvalidInput("There is nothing to sign yet.", cure="Wait until it has been made.")
    return thing


SIGNED_VERBS: dict[str, Callable[[Device], dict[str, Any]]] = {
    "approve-segmentation": _segmentation,
    "review-design": _review,
    "approve-design": _approval,
}


def content_to_sign(device: Device, verb: str) -> dict[str, Any]:
    """The content of one of `SIGNED_VERBS`. Raises InvalidInput where there is nothing to sign."""
    if verb not in SIGNED_VERBS:
        raise InvalidInput(
            f"Nothing is signed for '{verb[:40]}'.", cure=f"Signed are: {', '.join(SIGNED_VERBS)}."
        )
    return SIGNED_VERBS[verb](device)
