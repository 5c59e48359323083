"""Patients: a token everywhere, and the identity apart, sealed in the vault (K-13)."""

from __future__ import annotations

from django.db import models
from django.db.models.functions import Now

from mes.tables import table


@table("working", root="mes.patient", digest={1: ("token", "erased")})
class Patient(models.Model):
    """A patient as the record knows one: a random token without meaning, which survives the erasure of the identity."""

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
        "data_key",
        "sealed_patient_id",
        "sealed_family_name",
        "sealed_given_name",
        "sealed_birth_date",
        "patient_id_index",
    ),
    spoken={"mes.patient": "patient", "mes.vault_rotation": ""},
)
class PatientIdentity(models.Model):
    """Who the token is: each value sealed under the patient's own data key and bound to its column and row.

    `data_key` is that key, wrapped by the vault's key `data_key_id` (see `mes.vault`); an erased patient has none.
    """

    patient = models.OneToOneField(Patient, on_delete=models.PROTECT, related_name="identity")
    data_key = models.BinaryField(default=b"")
    data_key_id = models.CharField(max_length=8, blank=True, default="", db_index=True)
    sealed_patient_id = models.BinaryField()
    sealed_family_name = models.BinaryField()
    sealed_given_name = models.BinaryField()
    sealed_birth_date = models.BinaryField()
    patient_id_index = models.CharField(max_length=64, unique=True, help_text="Keyed hash, for exact search")
    index_key_id = models.CharField(max_length=8, blank=True, default="", db_index=True)

    class Meta:
        db_table = "mes_patient_identity"
        verbose_name_plural = "patient identities"

    def __str__(self) -> str:
        return f"identity of {self.patient_id}"


@table("working", root="mes.vault_rotation", digest={1: ("purpose", "new_key_id", "moved", "done")})
class VaultRotation(models.Model):
    """A change of the vault's key, from its first row to its last. The newest of a purpose names the key in use."""

    purpose = models.CharField(
        max_length=5, choices=[("wrap", "wraps data keys"), ("index", "hashes identifiers")]
    )
    new_key_id = models.CharField(max_length=8)
    moved = models.BigIntegerField(default=0, help_text="Identities moved to the new key so far")
    done = models.BooleanField(default=False)
    begun_at = models.DateTimeField(db_default=Now())

    class Meta:
        db_table = "mes_vault_rotation"
        constraints = [
            models.UniqueConstraint(
                fields=["purpose"], condition=models.Q(done=False), name="one_rotation_at_once"
            ),
            models.UniqueConstraint(fields=["purpose", "new_key_id"], name="rotation_to_a_new_key"),
        ]

    def __str__(self) -> str:
        return f"{self.purpose}:{self.new_key_id}"
