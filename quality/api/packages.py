"""Packages of every order: a list, details with contents and label, and one action for each verb."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar

from django.db.models import QuerySet
from drf_spectacular.utils import extend_schema
from rest_framework import serializers
from rest_framework.decorators import action
from rest_framework.request import Request
from rest_framework.response import Response

from devices.models import Device, Order
from devices.selectors.devices import devices
from devices.selectors.orders import orders
from mes.api.base import CodeViewSet, ReasonInput, SigningInput, credentials_in, given, row_of
from mes.models import Person
from mes.scope import visible
from quality.choices import PackageLevel
from quality.models import Package, PackageContent
from quality.reports.packing import direct_contents
from quality.selectors.packages import packages
from quality.services.labels import apply_labels, close_package, destroy_labels, issue_labels
from quality.services.packages import (
    open_package,
    pack_device,
    put_into,
    reopen_package,
    take_out,
    take_package_out,
    void_package,
)


class ContentOutput(serializers.ModelSerializer[PackageContent]):
    device = serializers.StringRelatedField[Device]()

    class Meta:
        model = PackageContent
        fields = ("device", "quantity")
        read_only_fields = fields


class PackageOutput(serializers.ModelSerializer[Package]):
    """`label` is the canonical object whose digest is `label_sha256`."""

    order = serializers.StringRelatedField[Order]()
    inside = serializers.StringRelatedField[Package](source="parent")
    opened_by = serializers.StringRelatedField[Person]()
    applied_by = serializers.StringRelatedField[Person]()
    contents = serializers.SerializerMethodField()

    class Meta:
        model = Package
        fields = (
            "code", "order", "level", "sterile_barrier", "di", "inside", "stage", "station", "opened_by", "opened_at", "contents",
            "label", "label_sha256", "use_by", "use_by_precision", "issued", "applied", "destroyed", "applied_by",
        )  # fmt: skip
        read_only_fields = fields

    def get_contents(self, package: Package) -> list[dict[str, Any]]:
        return list(ContentOutput(direct_contents(package), many=True).data)


class OpeningInput(serializers.Serializer[Any]):
    order = serializers.CharField(max_length=20)
    level = serializers.ChoiceField(PackageLevel.choices)
    station = serializers.CharField(max_length=40)
    line_clear = serializers.BooleanField(help_text="Nothing of another order lies at the station")


class ContentInput(serializers.Serializer[Any]):
    device = serializers.CharField(max_length=20)
    quantity = serializers.IntegerField(min_value=1, max_value=1000, default=1)


class RemovalInput(ContentInput):
    reason = serializers.CharField(max_length=2000)


class ParentInput(serializers.Serializer[Any]):
    into = serializers.CharField(max_length=20)


class CountInput(serializers.Serializer[Any]):
    quantity = serializers.IntegerField(min_value=1, max_value=1000)


class DestructionInput(CountInput):
    reason = serializers.CharField(max_length=2000)


class ApplicationInput(SigningInput):
    quantity = serializers.IntegerField(min_value=1, max_value=1000)
    scanned = serializers.CharField(
        max_length=200, default="", allow_blank=True, help_text="The printed symbol, as a scanner read it"
    )
    examined = serializers.ListField(child=serializers.CharField(max_length=20), max_length=5)


class PackageViewSet(CodeViewSet):
    """Packages, what lies in them and under which label."""

    permits: ClassVar[Mapping[str, str]] = {
        "create": "quality.open_package",
        "pack": "quality.pack",
        "take_out": "quality.pack",
        "put_into": "quality.pack",
        "remove": "quality.pack",
        "issue_labels": "quality.issue_labels",
        "destroy_labels": "quality.issue_labels",
        "apply_labels": "quality.apply_labels",
        "close": "quality.close_package",
        "reopen": "quality.reopen_package",
        "void": "quality.reopen_package",
    }
    letter = "K"
    serializer_class = PackageOutput
    filterset_fields = ("order", "stage", "level")
    queryset = Package.objects.none()

    def rows(self) -> QuerySet[Package]:
        return packages()

    @extend_schema(request=OpeningInput, responses={201: PackageOutput})
    def create(self, request: Request) -> Response:
        """Begin a package of an order at a clear station."""
        values = given(OpeningInput, request)
        order = row_of(visible(orders(), self.viewer), values.pop("order"), "O")
        package = open_package(order_id=order.pk, actor=self.actor, **values)
        return Response(PackageOutput(package).data, status=201)

    @extend_schema(request=ContentInput, responses=PackageOutput)
    @action(detail=True, methods=["post"])
    def pack(self, request: Request, code: str) -> Response:
        """Put units of a device in."""
        values = given(ContentInput, request)
        pack_device(
            package_id=self.key(),
            device_id=self._device(values["device"]),
            quantity=values["quantity"],
            actor=self.actor,
        )
        return self._said()

    @extend_schema(request=RemovalInput, responses=PackageOutput)
    @action(detail=True, methods=["post"], url_path="take-out")
    def take_out(self, request: Request, code: str) -> Response:
        """Take units of a device out, with a reason."""
        values = given(RemovalInput, request)
        take_out(
            package_id=self.key(),
            device_id=self._device(values["device"]),
            quantity=values["quantity"],
            reason=values["reason"],
            actor=self.actor,
        )
        return self._said()

    @extend_schema(request=ParentInput, responses=PackageOutput)
    @action(detail=True, methods=["post"], url_path="put-into")
    def put_into(self, request: Request, code: str) -> Response:
        """Put this closed package into another one that is open."""
        parent = row_of(self.get_queryset(), given(ParentInput, request)["into"], self.letter)
        put_into(package_id=self.key(), parent_id=parent.pk, actor=self.actor)
        return self._said()

    @extend_schema(request=ReasonInput, responses=PackageOutput)
    @action(detail=True, methods=["post"])
    def remove(self, request: Request, code: str) -> Response:
        """Take this package out of the one that it lies in, with a reason."""
        reason = given(ReasonInput, request)["reason"]
        take_package_out(package_id=self.key(), reason=reason, actor=self.actor)
        return self._said()

    @extend_schema(request=CountInput, responses=PackageOutput)
    @action(detail=True, methods=["post"], url_path="issue-labels")
    def issue_labels(self, request: Request, code: str) -> Response:
        """Issue labels for the package as it is."""
        quantity = given(CountInput, request)["quantity"]
        issue_labels(package_id=self.key(), quantity=quantity, actor=self.actor)
        return self._said()

    @extend_schema(request=DestructionInput, responses=PackageOutput)
    @action(detail=True, methods=["post"], url_path="destroy-labels")
    def destroy_labels(self, request: Request, code: str) -> Response:
        """Destroy labels, with a reason."""
        destroy_labels(package_id=self.key(), actor=self.actor, **given(DestructionInput, request))
        return self._said()

    @extend_schema(request=ApplicationInput, responses=PackageOutput)
    @action(detail=True, methods=["post"], url_path="apply-labels")
    def apply_labels(self, request: Request, code: str) -> Response:
        """Sign that labels were examined, read back and applied."""
        values = given(ApplicationInput, request)
        named = {name: values[name] for name in ("quantity", "scanned", "examined")}
        apply_labels(package_id=self.key(), actor=self.actor, credentials=credentials_in(values), **named)
        return self._said()

    @extend_schema(request=SigningInput, responses=PackageOutput)
    @action(detail=True, methods=["post"])
    def close(self, request: Request, code: str) -> Response:
        """Verify and close the package by signature."""
        typed = credentials_in(given(SigningInput, request))
        close_package(package_id=self.key(), actor=self.actor, credentials=typed)
        return self._said()

    @extend_schema(request=ReasonInput, responses=PackageOutput)
    @action(detail=True, methods=["post"])
    def reopen(self, request: Request, code: str) -> Response:
        """Open a closed package again, with a reason; its labels are destroyed."""
        reason = given(ReasonInput, request)["reason"]
        reopen_package(package_id=self.key(), reason=reason, actor=self.actor)
        return self._said()

    @extend_schema(request=ReasonInput, responses=PackageOutput)
    @action(detail=True, methods=["post"])
    def void(self, request: Request, code: str) -> Response:
        """Give an empty package up, with a reason."""
        reason = given(ReasonInput, request)["reason"]
        void_package(package_id=self.key(), reason=reason, actor=self.actor)
        return self._said()

    def _device(self, code: str) -> int:
        found: Device = row_of(visible(devices(), self.viewer), code, "D")
        return found.pk

    def _said(self) -> Response:
        return Response(PackageOutput(self.get_object()).data)
