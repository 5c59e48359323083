"""Who is there, and the keys of who asks."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import timedelta
from typing import Any, ClassVar, NoReturn, cast

from django.db.models import QuerySet
from drf_spectacular.utils import extend_schema
from rest_framework import serializers
from rest_framework.authentication import SessionAuthentication
from rest_framework.decorators import action
from rest_framework.mixins import ListModelMixin
from rest_framework.permissions import IsAuthenticated
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.viewsets import GenericViewSet

from mes.api.authentication import key_in
from mes.api.base import Acting, NoInput, SecretReasonInput, given
from mes.api.secrets import SecretInput, secret_sent
from mes.exceptions import NotPermitted
from mes.models import AccessToken, Account, Person
from mes.scope import known_people
from mes.selectors import roles_of
from mes.services.people import deactivate_person, open_account, register_person
from mes.services.tokens import issue_token, revoke_token


class PersonOutput(serializers.ModelSerializer[Person]):
    roles = serializers.SerializerMethodField()

    class Meta:
        model = Person
        fields = ("id", "full_name", "roles")

    def get_roles(self, person: Person) -> list[str]:
        return sorted(roles_of(person))


class PersonInput(SecretInput):
    full_name = serializers.CharField(max_length=200)
    credentials = serializers.CharField(max_length=100, required=False, default="", allow_blank=True)
    timezone = serializers.CharField(max_length=50, required=False, default="UTC", help_text="IANA zone")
    external = serializers.BooleanField(required=False, default=False)


class AccountInput(SecretInput):
    username = serializers.CharField(max_length=150)


class AccountOutput(serializers.ModelSerializer[Account]):
    class Meta:
        model = Account
        fields = ("id", "username", "person_id", "is_active")
        read_only_fields = fields


class PersonViewSet(Acting, ListModelMixin, GenericViewSet[Person]):
    """The active people and their roles: whom an order may name as its prescriber. Others see themselves only.

    A security administrator registers and deactivates people, and opens accounts: without a password, which the owner
    chooses by the link of a reset that two people approved.
    """

    permits: ClassVar[Mapping[str, str]] = {
        "create": "mes.manage_people",
        "open_account": "mes.manage_people",
        "deactivate": "mes.manage_people",
    }
    serializer_class = PersonOutput
    queryset = Person.objects.none()
    lookup_value_regex = "[0-9]{1,18}"

    @extend_schema(request=PersonInput, responses={201: PersonOutput})
    def create(self, request: Request) -> Response:
        person = register_person(**given(PersonInput, request), actor=self.actor)
        return Response(PersonOutput(person).data, status=201)

    @extend_schema(request=AccountInput, responses={201: AccountOutput})
    @action(detail=True, methods=["post"], url_path="open-account")
    def open_account(self, request: Request, pk: str) -> Response:
        person = self.get_object()
        username = given(AccountInput, request)["username"]
        account = open_account(username=username, password="", person=person, actor=self.actor)
        return Response(AccountOutput(account).data, status=201)

    @extend_schema(request=SecretReasonInput, responses=PersonOutput)
    @action(detail=True, methods=["post"])
    def deactivate(self, request: Request, pk: str) -> Response:
        reason = given(SecretReasonInput, request)["reason"]
        person = deactivate_person(person_id=self.get_object().pk, actor=self.actor, reason=reason)
        return Response(PersonOutput(person).data)

    def get_queryset(self) -> QuerySet[Person]:
        return known_people(Person.objects.filter(active=True).order_by("pk"), self.viewer)


class KeyInput(SecretInput):
    name = serializers.CharField(max_length=80)
    days = serializers.IntegerField(min_value=1, max_value=365)


class KeyOutput(serializers.ModelSerializer[AccessToken]):
    class Meta:
        model = AccessToken
        fields = ("id", "name", "prefix", "expires_at", "revoked")


class NewKeyOutput(serializers.Serializer[Any]):
    key = serializers.CharField(help_text="Shown this once")


class KeyViewSet(Acting, ListModelMixin, GenericViewSet[AccessToken]):
    """The own keys. A key opens no further keys: these routes ask for a session, and for the secret again to make one."""

    authentication_classes = (SessionAuthentication,)
    permission_classes = (IsAuthenticated,)
    serializer_class = KeyOutput
    queryset = AccessToken.objects.none()
    lookup_value_regex = "[0-9]{1,18}"

    @property
    def account(self) -> Account:
        return cast(Account, self.request.user)

    def permission_denied(
        self, request: Request, message: str | None = None, code: str | None = None
    ) -> NoReturn:
        """Who sent a key is told that it opens nothing here, and not that nobody signed in."""
        if key_in(request) is not None:
            raise NotPermitted(
                "A key makes, lists and revokes no keys.",
                cure="Sign in with a browser, and send no key.",
                rule="P11-10d",
            )
        super().permission_denied(request, message, code)

    def get_queryset(self) -> QuerySet[AccessToken]:
        return AccessToken.objects.filter(account=self.account).order_by("-pk")

    @extend_schema(request=KeyInput, responses={201: NewKeyOutput})
    def create(self, request: Request) -> Response:
        values = given(KeyInput, request)
        secret_sent(request)
        key = issue_token(
            account=self.account,
            name=values["name"],
            valid_for=timedelta(days=values["days"]),
            actor=self.actor,
        )
        return Response({"key": key}, status=201)

    @extend_schema(request=NoInput, responses=KeyOutput)
    @action(detail=True, methods=["post"])
    def revoke(self, request: Request, pk: str) -> Response:
        token = self.get_object()
        revoke_token(token_id=token.pk, actor=self.actor)
        token.refresh_from_db()
        return Response(KeyOutput(token).data)
