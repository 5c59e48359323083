"""What quality's views share: the device that they are about, and a justification."""

from __future__ import annotations

from typing import Any

from rest_framework import serializers
from rest_framework.generics import GenericAPIView

from devices.models import Device
from devices.selectors.devices import devices
from mes.api.base import Acting, SigningInput, row_of


class JustifiedInput(SigningInput):
    justification = serializers.CharField(max_length=4000)


class DeviceView(Acting, GenericAPIView[Any]):
    """Something about one device, found by its code in the address."""

    queryset = Device.objects.none()

    def device(self) -> Device:
        found: Device = row_of(devices(), self.kwargs["code"], "D")
        return found
