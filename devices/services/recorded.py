"""The values of a design that the record gives, and nobody types: the code that is engraved, the stage of a series."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from devices.generators.base import CASE_CODE, STAGE, STAGES, DesignGenerator, Parameter
from devices.models import Device
from devices.selectors.series import place_of
from mes.exceptions import InvalidInput, Reason

GIVEN: tuple[tuple[Parameter, Callable[[Device], Any], str], ...] = (
    (CASE_CODE, lambda device: device.code, "Only the device's own code is engraved."),
    (STAGE, lambda device: place_of(device)[0], "The stage of a device is its place in its order."),
    (STAGES, lambda device: place_of(device)[1], "A series has as many stages as its order has devices."),
)


def recorded_values(generator: DesignGenerator, device: Device, given: Mapping[str, Any]) -> dict[str, Any]:
    """Those of the generator's parameters that the record gives. Raises InvalidInput where another one was typed (G-DES-01)."""
    found = {one.name: value(device) for one, value, _ in GIVEN if one in generator.parameters}
    faults = [
        Reason(text, "Leave it out: the record gives it.", "G-DES-01")
        for one, _, text in GIVEN
        if one.name in found and given.get(one.name, found[one.name]) != found[one.name]
    ]
    if faults:
        raise InvalidInput(faults)
    return found
