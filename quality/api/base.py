"""What quality's views share: the device that they are about, and a justification."""

from __future__ import annotations

from typing import Any

from rest_framework import serializers
from rest_framework.generics import GenericAPIView
from rest_framework.request import Request

from devices.models import Device
from devices.selectors.devices import devices
from mes.api.base import Acting, SigningInput, row_of
from mes.scope import visible


class JustifiedInput(SigningInput):
    justification = serializers.CharField(max_length=4000)


class DeviceView(Acting, GenericAPIView[Any]):
    """Something about one device, found by its code in the address."""

    queryset = Device.objects.none()

    def initial(self, request: Request, *args: Any, **kwargs: Any) -> None:
        """What somebody may not know is not there, before anything that was sent is read."""
        super().initial(request, *args, **kwargs)
        self.device()

    def device(self) -> Device:
        found: Device = row_of(visible(devices(), self.viewer), self.kwargs["code"], "D")
        return found
