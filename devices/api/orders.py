"""Orders over HTTP."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar

from django.db.models import QuerySet
from django.http import Http404
from drf_spectacular.utils import extend_schema
from rest_framework import serializers
from rest_framework.decorators import action
from rest_framework.request import Request
from rest_framework.response import Response

from devices.choices import Side
from devices.models import Assignment, Order
from devices.selectors.orders import assignments_of, orders
from devices.services.assignments import assign_person, end_assignment
from devices.services.closing import close_order
from devices.services.orders import (
    approval_content,
    approve_order,
    create_order,
    prescription_content,
    reject_order,
    request_order_info,
    start_order_review,
    submit_order,
    supply_order_info,
)
from mes.api.base import CodeViewSet, ReasonInput, SignedReasonInput, SigningInput, credentials_in, given
from mes.choices import Role
from mes.eventlog.base import plain
from mes.exceptions import InvalidInput
from mes.models import Patient, Person
from mes.services.signatures import content_digest


class OrderOutput(serializers.ModelSerializer[Order]):
    code = serializers.CharField(read_only=True)
    patient = serializers.CharField(source="patient.token", read_only=True)
    prescriber = serializers.StringRelatedField[Person]()
    master = serializers.StringRelatedField[Any]()
    material = serializers.CharField(source="material.code", read_only=True)

    class Meta:
        model = Order
        fields = (
            "code",
            "patient",
            "prescriber",
            "prescriber_id",
            "master",
            "material",
            "side",
            "need_by",
            "quantity",
            "characteristics",
            "stage",
            "reason",
            "created_at",
        )
        read_only_fields = fields


class CharacteristicInput(serializers.Serializer[Any]):
    attribute = serializers.CharField(max_length=200)
    value = serializers.CharField(max_length=200)
    unit = serializers.CharField(max_length=200, required=False, default="", allow_blank=True)


class OrderInput(serializers.Serializer[Any]):
    patient = serializers.CharField(max_length=12, help_text="The patient's token")
    prescriber_id = serializers.IntegerField(min_value=1)
    master_code = serializers.CharField(max_length=40)
    material_code = serializers.CharField(max_length=40, required=False, default="", allow_blank=True)
    side = serializers.ChoiceField(choices=Side.choices)
    need_by = serializers.DateField()
    quantity = serializers.IntegerField(min_value=1, max_value=20, required=False, default=1)
    characteristics = CharacteristicInput(many=True)


class ApprovalInput(SigningInput):
    role = serializers.ChoiceField(choices=[Role.ORD.value, Role.RA.value], required=False, default=None)


class AssignmentInput(serializers.Serializer[Any]):
    person_id = serializers.IntegerField(min_value=1)
    role = serializers.ChoiceField(choices=Role.choices)
    reason = serializers.CharField(max_length=2000, required=False, default="", allow_blank=True)


class EndInput(ReasonInput):
    assignment = serializers.IntegerField(min_value=1)


class AssignmentOutput(serializers.ModelSerializer[Assignment]):
    person = serializers.StringRelatedField[Person]()

    class Meta:
        model = Assignment
        fields = ("id", "person_id", "person", "role", "assigned_at", "ended")
        read_only_fields = fields


class OrderViewSet(CodeViewSet):
    """Orders: prescribed by signature, approved twice, and then devices."""

    permits: ClassVar[Mapping[str, str]] = {
        "create": "devices.create_order",
        "submit": "devices.submit_order",
        "start_review": "devices.start_order_review",
        "request_info": "devices.request_order_info",
        "supply_info": "devices.supply_order_info",
        "approve": "devices.approve_order",
        "reject": "devices.reject_order",
        "close": "devices.close_order",
        "assign": "devices.assign_person",
        "unassign": "devices.assign_person",
    }
    letter = "O"
    serializer_class = OrderOutput
    filterset_fields = ("stage", "side", "need_by")
    queryset = Order.objects.none()

    def rows(self) -> QuerySet[Order]:
        return orders()

    @extend_schema(request=OrderInput, responses={201: OrderOutput})
    def create(self, request: Request) -> Response:
        values = given(OrderInput, request)
        patient = _found(Patient.objects.filter(token=values.pop("patient")), "patient")
        prescriber = _found(Person.objects.filter(pk=values.pop("prescriber_id")), "prescriber")
        order = create_order(patient=patient, prescriber=prescriber, actor=self.actor, **values)
        return Response(OrderOutput(order).data, status=201)

    @extend_schema(request=SigningInput, responses=OrderOutput)
    @action(detail=True, methods=["post"])
    def submit(self, request: Request, code: str) -> Response:
        typed = credentials_in(given(SigningInput, request))
        return self._answer(submit_order(order_id=self.key(), actor=self.actor, credentials=typed))

    @extend_schema(request=None, responses=OrderOutput)
    @action(detail=True, methods=["post"], url_path="start-review")
    def start_review(self, request: Request, code: str) -> Response:
        return self._answer(start_order_review(order_id=self.key(), actor=self.actor))

    @extend_schema(request=ReasonInput, responses=OrderOutput)
    @action(detail=True, methods=["post"], url_path="request-info")
    def request_info(self, request: Request, code: str) -> Response:
        reason = given(ReasonInput, request)["reason"]
        return self._answer(request_order_info(order_id=self.key(), actor=self.actor, reason=reason))

    @extend_schema(request=ReasonInput, responses=OrderOutput)
    @action(detail=True, methods=["post"], url_path="supply-info")
    def supply_info(self, request: Request, code: str) -> Response:
        reason = given(ReasonInput, request)["reason"]
        return self._answer(supply_order_info(order_id=self.key(), actor=self.actor, reason=reason))

    @extend_schema(request=ApprovalInput, responses=OrderOutput)
    @action(detail=True, methods=["post"])
    def approve(self, request: Request, code: str) -> Response:
        values = given(ApprovalInput, request)
        role = Role(values["role"]) if values["role"] else None
        order = approve_order(
            order_id=self.key(), actor=self.actor, credentials=credentials_in(values), role=role
        )
        return self._answer(order)

    @extend_schema(request=SignedReasonInput, responses=OrderOutput)
    @action(detail=True, methods=["post"])
    def reject(self, request: Request, code: str) -> Response:
        values = given(SignedReasonInput, request)
        order = reject_order(
            order_id=self.key(),
            actor=self.actor,
            credentials=credentials_in(values),
            reason=values["reason"],
        )
        return self._answer(order)

    @extend_schema(request=None, responses=OrderOutput)
    @action(detail=True, methods=["post"])
    def close(self, request: Request, code: str) -> Response:
        """Nothing is left to do about a delivered order: its time of retention runs."""
        return self._answer(close_order(order_id=self.key(), actor=self.actor))

    @extend_schema(responses={200: dict[str, Any]})
    @action(detail=True, methods=["get"], url_path="to-sign/(?P<verb>submit|approve-ORD|approve-RA)")
    def to_sign(self, request: Request, code: str, verb: str) -> Response:
        """The exact content that a signature will cover, and its digest: show the one, send the other."""
        order = self.get_object()
        role = verb.partition("-")[2]
        content = approval_content(order, Role(role)) if role else prescription_content(order)
        return Response({"content": plain(content), "digest": content_digest(content)})

    @extend_schema(responses=AssignmentOutput(many=True))
    @action(detail=True, methods=["get"])
    def assignments(self, request: Request, code: str) -> Response:
        """Who is assigned to the order."""
        return Response(AssignmentOutput(assignments_of(self.get_object()), many=True).data)

    @extend_schema(request=AssignmentInput, responses={201: AssignmentOutput})
    @action(detail=True, methods=["post"])
    def assign(self, request: Request, code: str) -> Response:
        """Let a person know the order and work on it in one of their roles."""
        values = given(AssignmentInput, request)
        row = assign_person(
            order_id=self.key(),
            person_id=values["person_id"],
            role=Role(values["role"]),
            actor=self.actor,
            reason=values["reason"],
        )
        return Response(AssignmentOutput(row).data, status=201)

    @extend_schema(request=EndInput, responses=AssignmentOutput)
    @action(detail=True, methods=["post"])
    def unassign(self, request: Request, code: str) -> Response:
        values = given(EndInput, request)
        found = assignments_of(self.get_object()).filter(pk=values["assignment"]).first()
        if found is None:
            raise Http404
        row = end_assignment(assignment_id=found.pk, actor=self.actor, reason=values["reason"])
        return Response(AssignmentOutput(row).data)

    def _answer(self, order: Order) -> Response:
        return Response(OrderOutput(order).data)


def _found(rows: QuerySet[Any], what: str) -> Any:
    row = rows.first()
    if row is None:
        raise InvalidInput(f"There is no such {what}.", cure=f"Look the {what} up again.")
    return row
