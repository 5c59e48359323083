"""What quality's views share: typed input, refusals with every reason, things found by public code."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from django.http import Http404
from rest_framework import serializers
from rest_framework.generics import GenericAPIView
from rest_framework.request import Request

from devices.models import Device
from devices.selectors import device_id_of, devices
from mes.api.actors import actor_of
from mes.api.errors import handle
from mes.eventlog.base import Actor
from mes.exceptions import Refused
from mes.services.signatures import Credentials


class SigningInput(serializers.Serializer[Any]):
    """The two components of a signature, and the digest of the content that was shown, if it was."""

    username = serializers.CharField(max_length=150)
    password = serializers.CharField(max_length=1000, trim_whitespace=False, write_only=True)
    digest = serializers.RegexField(r"^[0-9a-f]{64}$", required=False, default="")
    comment = serializers.CharField(max_length=2000, required=False, default="", allow_blank=True)


class JustifiedInput(SigningInput):
    justification = serializers.CharField(max_length=4000)


def given(serializer: type[serializers.Serializer[Any]], request: Request) -> dict[str, Any]:
    """The request's body, in shape. Raises DRF's ValidationError (400)."""
    parsed = serializer(data=request.data)
    parsed.is_valid(raise_exception=True)
    return dict(parsed.validated_data)


def credentials_in(values: dict[str, Any]) -> Credentials:
    return Credentials(values["username"], values["password"], values["digest"], values["comment"])


def number_in(code: str, letter: str) -> int:
    """The key behind a public code such as N0000001. Raises Http404 where it is none."""
    digits = code[1:]
    if code[:1].upper() != letter or not digits.isascii() or not digits.isdigit() or len(digits) > 18:
        raise Http404
    return int(digits)


class RefusingView(GenericAPIView[Any]):
    """A view whose refusals carry every reason, and whose actor is the signed-in person."""

    def get_exception_handler(self) -> Callable[..., Any]:
        return handle

    @property
    def actor(self) -> Actor:
        return actor_of(self.request)


class DeviceView(RefusingView):
    """Something about one device, found by its code in the address."""

    queryset = Device.objects.none()

    def device(self) -> Device:
        try:
            key = device_id_of(self.kwargs["code"])
        except Refused:
            raise Http404 from None
        found = devices().filter(pk=key).first()
        if found is None:
            raise Http404
        return found
