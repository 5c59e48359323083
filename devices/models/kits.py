"""Kits: devices of one patient that are made for each other, such as a bone model, a drill guide and a plate."""

from __future__ import annotations

from django.db import models
from django.db.models.functions import Now

from devices.choices import KIT_PAIRS, KitStage
from devices.models.devices import Device
from mes.models import Patient, Person
from mes.tables import StageGuard, table

FIELDS = ("patient_id", "stage", "members_digest", "asked", "checked", "created_by_id")


@table(
    "working",
    root="devices.kit",
    digest={1: FIELDS},
    stage=StageGuard("stage", ("open",), KIT_PAIRS),
)
class Kit(models.Model):
    """Devices of one patient that are checked, released and shipped together, or not at all.

    members_digest: SHA-256 over the rows of its members.  asked: the digest of what its newest check was asked about, see
    `devices.selectors.kits.basis_of`.  checked: that check's result, {basis, answers}; empty before there is one. A check of
    another basis than that of now says nothing.
    """

    patient = models.ForeignKey(Patient, on_delete=models.PROTECT, related_name="+")
    stage = models.CharField(max_length=10, choices=KitStage, default=KitStage.OPEN, db_index=True)
    members_digest = models.CharField(max_length=64)
    asked = models.CharField(max_length=64, default="", blank=True)
    checked = models.JSONField(default=dict)
    created_by = models.ForeignKey(Person, on_delete=models.PROTECT, related_name="+")
    created_at = models.DateTimeField(db_default=Now())

    class Meta:
        db_table = "devices_kit"
        constraints = [
            models.CheckConstraint(condition=models.Q(stage__in=KitStage.values), name="kit_stage"),
        ]

    def __str__(self) -> str:
        return self.code

    @property
    def code(self) -> str:
        return f"C{self.pk:07d}"


@table("working", spoken={"devices.kit": "kit"})
class KitMember(models.Model):
    """A device of a kit. standing: until it was taken out, or the kit dissolved."""

    kit = models.ForeignKey(Kit, on_delete=models.PROTECT, related_name="members")
    device = models.ForeignKey(Device, on_delete=models.PROTECT, related_name="memberships")
    standing = models.BooleanField(default=True)

    class Meta:
        db_table = "devices_kit_member"
        ordering = ["device_id"]
        constraints = [
            models.UniqueConstraint(fields=["kit", "device"], name="kit_member_once"),
            models.UniqueConstraint(
                fields=["device"], condition=models.Q(standing=True), name="kit_member_of_one"
            ),
        ]

    def __str__(self) -> str:
        return f"device {self.device_id} of kit {self.kit_id}"
