"""Who an account is at an identity provider, over HTTP: proposed by one person, confirmed by a second (ES-14)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar

from django.db.models import QuerySet
from django.shortcuts import get_object_or_404
from drf_spectacular.utils import extend_schema
from rest_framework import serializers
from rest_framework.decorators import action
from rest_framework.mixins import ListModelMixin
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.viewsets import GenericViewSet

from mes.api.base import Acting, SecretReasonInput, given
from mes.models import Account, FederatedIdentity
from mes.permissions import may
from mes.services.binding import confirm_binding, propose_binding, unbind_identity

DECIDES = ("mes.guard_accounts", "mes.confirm_identity")


class BindingInput(SecretReasonInput):
    account_id = serializers.IntegerField(min_value=1)
    issuer = serializers.CharField(max_length=255)
    subject = serializers.CharField(max_length=255)


class BindingOutput(serializers.ModelSerializer[FederatedIdentity]):
    class Meta:
        model = FederatedIdentity
        fields = (
            "id", "account_id", "issuer", "subject", "proposed_by_id", "confirmed_by_id", "confirmed_at", "closed",
        )  # fmt: skip
        read_only_fields = fields


class BindingViewSet(Acting, ListModelMixin, GenericViewSet[FederatedIdentity]):
    """The bindings that stand or wait for a second person, for those who decide about them; nobody else sees any."""

    permits: ClassVar[Mapping[str, str]] = {
        "create": "mes.guard_accounts",
        "confirm": "mes.confirm_identity",
        "unbind": "mes.guard_accounts",
    }
    serializer_class = BindingOutput
    queryset = FederatedIdentity.objects.none()
    lookup_value_regex = "[0-9]{1,18}"

    def get_queryset(self) -> QuerySet[FederatedIdentity]:
        found = FederatedIdentity.objects.filter(closed=False).order_by("pk")
        decides = self.viewer.person_id and any(may(self.actor, one) for one in DECIDES)
        return found if decides else found.none()

    @extend_schema(request=BindingInput, responses={201: BindingOutput})
    def create(self, request: Request) -> Response:
        values: dict[str, Any] = given(BindingInput, request)
        account = get_object_or_404(Account, pk=values.pop("account_id"), person__isnull=False)
        made = propose_binding(account=account, actor=self.actor, **values)
        return Response(BindingOutput(made).data, status=201)

    @extend_schema(request=SecretReasonInput, responses=BindingOutput)
    @action(detail=True, methods=["post"])
    def confirm(self, request: Request, pk: str) -> Response:
        found, reason = self.get_object(), given(SecretReasonInput, request)["reason"]
        bound = confirm_binding(identity_id=found.pk, actor=self.actor, reason=reason)
        return Response(BindingOutput(bound).data)

    @extend_schema(request=SecretReasonInput, responses=BindingOutput)
    @action(detail=True, methods=["post"])
    def unbind(self, request: Request, pk: str) -> Response:
        found = self.get_object()
        unbind_identity(identity=found, actor=self.actor, reason=given(SecretReasonInput, request)["reason"])
        found.refresh_from_db()
        return Response(BindingOutput(found).data)
