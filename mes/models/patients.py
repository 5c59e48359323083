"""Patients: a token everywhere, and the identity apart, sealed in the vault (K-13)."""

from __future__ import annotations

from django.db import models
from django.db.models.functions import Now

from mes.tables import table


@table("working", root="mes.patient", digest={1: ("token", "erased")})
class Patient(models.Model):
    """A patient as the record knows one: a random token without meaning."""

    token = models.CharField(max_length=12, unique=True)
    erased = models.BooleanField(default=False)
    created_at = models.DateTimeField(db_default=Now())

    class Meta:
        db_table = "mes_patient"

    def __str__(self) -> str:
        return self.token


@table(
    "working",
    secret=(
        "sealed_patient_id",
        "sealed_family_name",
        "sealed_given_name",
        "sealed_birth_date",
        "patient_id_index",
    ),
)
class PatientIdentity(models.Model):
    """Who the token is: each value sealed with AES-256-GCM and bound to its column and row (see `mes.vault`)."""

    patient = models.OneToOneField(Patient, on_delete=models.PROTECT, related_name="identity")
    sealed_patient_id = models.BinaryField()
    sealed_family_name = models.BinaryField()
    sealed_given_name = models.BinaryField()
    sealed_birth_date = models.BinaryField()
    patient_id_index = models.CharField(max_length=64, unique=True, help_text="Keyed hash, for exact search")

    class Meta:
        db_table = "mes_patient_identity"
        verbose_name_plural = "patient identities"

    def __str__(self) -> str:
        return f"identity of {self.patient_id}"
