"""What a device stands on from its order to its frozen design."""

from __future__ import annotations

import json
from collections.abc import Iterator

from devices.models import Device, Order
from devices.selectors.evidence import bone_of
from devices.services.orders import APPROVERS
from mes.choices import Meaning
from mes.foundations import Foundation
from mes.selectors import signatures_of

CURE = (
    "Give its build up, and have it ordered or designed again; a part that was made is for a nonconformance."
)


def foundations_of_design(device: Device) -> Iterator[Foundation]:
    """What was signed before the device was frozen, but for what `against_approval` asks in its own words: that there is a design,
    the prescription and the prescriber's approval."""
    order, bone, design = device.order, bone_of(device), device.current_design
    yield from _approvals(order)
    yield Foundation(f"approval of {device.master}", device.master.approval_id)
    yield Foundation(f"approval of {device.material.code}", device.material.approval_id)
    if bone is not None and design is not None:
        yield Foundation("segmentation", bone.approval_id)
        if design.plan is not None:
            yield Foundation("clinical plan", design.plan.approval_id)
        yield Foundation("review of the design", design.review_id)


def _approvals(order: Order) -> Iterator[Foundation]:
    newest = {
        json.loads(signature.content).get("approved_as"): signature.pk
        for signature in signatures_of(order, Meaning.APPROVED)
    }
    for role in APPROVERS:
        yield Foundation(f"approval of the order by {role.label.lower()}", newest.get(role.value))
