"""What the package's viewsets share: lookup by public code, pages, and refusals with every reason."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from django.http import Http404
from rest_framework import serializers
from rest_framework.pagination import PageNumberPagination
from rest_framework.request import Request
from rest_framework.viewsets import ReadOnlyModelViewSet

from mes.api.actors import actor_of
from mes.api.errors import handle
from mes.eventlog.base import Actor
from mes.services.signatures import Credentials


class Pages(PageNumberPagination):
    page_size = 50
    page_size_query_param = "page_size"
    max_page_size = 200


class CodeViewSet(ReadOnlyModelViewSet[Any]):
    """A list and details found by public code."""

    lookup_field = "code"
    lookup_value_regex = "[A-Z][0-9]{1,18}"
    pagination_class = Pages

    def get_exception_handler(self) -> Callable[..., Any]:
        return handle

    def get_object(self) -> Any:
        found = self.get_queryset().filter(pk=self.key()).first()
        if found is None:
            raise Http404
        return found

    def key(self) -> int:
        """The row's key behind the code of the address. Raises InvalidInput where it is no code."""
        raise NotImplementedError

    @property
    def actor(self) -> Actor:
        return actor_of(self.request)


class SigningInput(serializers.Serializer[Any]):
    """The two components of a signature, and the digest of the content that was shown, if it was."""

    username = serializers.CharField(max_length=150)
    password = serializers.CharField(max_length=1000, trim_whitespace=False, write_only=True)
    digest = serializers.RegexField(r"^[0-9a-f]{64}$", required=False, default="")
    comment = serializers.CharField(max_length=2000, required=False, default="", allow_blank=True)


class ReasonInput(serializers.Serializer[Any]):
    reason = serializers.CharField(max_length=2000)


class SignedReasonInput(SigningInput):
    reason = serializers.CharField(max_length=2000)


def given(serializer: type[serializers.Serializer[Any]], request: Request) -> dict[str, Any]:
    """The request's body, in shape. Raises DRF's ValidationError (400)."""
    parsed = serializer(data=request.data)
    parsed.is_valid(raise_exception=True)
    return dict(parsed.validated_data)


def credentials_in(values: dict[str, Any]) -> Credentials:
    return Credentials(values["username"], values["password"], values["digest"], values["comment"])
