"""What the viewsets of printing share: lookup by public code, refusals with every reason, typed input."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, ClassVar

from django.http import Http404
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.viewsets import ReadOnlyModelViewSet

from mes.api.actors import actor_of
from mes.api.errors import handle
from mes.api.pages import Pages
from mes.eventlog.base import Actor
from mes.exceptions import Refused
from mes.services.signatures import Credentials
from printing.selectors import by_code


class CodeViewSet(ReadOnlyModelViewSet[Any]):
    """A list, and details found by public code. `letter` is the code's first."""

    letter: ClassVar[str]
    lookup_field = "code"
    lookup_value_regex = "[A-Z][0-9]{1,12}"
    pagination_class = Pages

    def get_exception_handler(self) -> Callable[..., Any]:
        return handle

    def get_object(self) -> Any:
        return self.find(self.get_queryset(), self.kwargs["code"], self.letter)

    def find(self, queryset: Any, code: str, letter: str) -> Any:
        """The row of a code. An unknown one is a 404, whatever else the request says."""
        try:
            return by_code(queryset, code, letter)
        except Refused:
            raise Http404 from None

    @property
    def actor(self) -> Actor:
        return actor_of(self.request)


class NoInput(serializers.Serializer[Any]):
    """Nothing but who asks."""


class ReasonInput(serializers.Serializer[Any]):
    reason = serializers.CharField(max_length=2000)


class SigningInput(serializers.Serializer[Any]):
    """The two components of a signature, and the digest of the content that was shown, if it was."""

    username = serializers.CharField(max_length=150)
    password = serializers.CharField(max_length=1000, trim_whitespace=False, write_only=True)
    digest = serializers.RegexField(r"^[0-9a-f]{64}$", required=False, default="")
    comment = serializers.CharField(max_length=2000, required=False, default="", allow_blank=True)


class SignedReasonInput(SigningInput):
    reason = serializers.CharField(max_length=2000)


def given(serializer: type[serializers.Serializer[Any]], request: Request) -> dict[str, Any]:
    """The request's body, in shape. Raises DRF's ValidationError (400)."""
    parsed = serializer(data=request.data)
    parsed.is_valid(raise_exception=True)
    return dict(parsed.validated_data)


def credentials_in(values: dict[str, Any]) -> Credentials:
    return Credentials(values["username"], values["password"], values["digest"], values["comment"])
