"""Registering a patient over HTTP: the identity goes into the vault, the token comes back."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar

from drf_spectacular.utils import extend_schema
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.viewsets import ViewSet

from mes.api.base import Acting, given
from mes.services.patients import Identity, register_patient


class PatientInput(serializers.Serializer[Any]):
    patient_id = serializers.CharField(max_length=100)
    family_name = serializers.CharField(max_length=200)
    given_name = serializers.CharField(max_length=200, required=False, default="", allow_blank=True)
    birth_date = serializers.DateField()


class PatientOutput(serializers.Serializer[Any]):
    token = serializers.CharField()


class PatientViewSet(Acting, ViewSet):
    """Patients are written here and never read: see the vault's own page."""

    permits: ClassVar[Mapping[str, str]] = {
        "create": "mes.register_patient",
    }

    @extend_schema(request=PatientInput, responses={201: PatientOutput})
    def create(self, request: Request) -> Response:
        values = given(PatientInput, request)
        identity = Identity(
            values["patient_id"],
            values["family_name"],
            values["given_name"],
            values["birth_date"].isoformat(),
        )
        patient = register_patient(identity=identity, actor=self.actor)
        return Response({"token": patient.token}, status=201)
