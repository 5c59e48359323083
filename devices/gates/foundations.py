"""Every signature that a device stands on, from its order to its frozen design, stands at every step that makes it."""

from __future__ import annotations

from typing import Any

from devices.lifecycle import MAKING_STEPS
from devices.models import Device
from devices.services.foundations import CURE, foundations_of_design
from mes.foundations import standing_on
from mes.lifecycle import Verdict, gate


@gate("G-SIG-01", *MAKING_STEPS, "device.release")
def order_and_design_stand(device: Device, **_: Any) -> Verdict:
    """The approvals of the order, its master and material, the bone and the design all stand."""
    return standing_on(foundations_of_design(device), cure=CURE)
