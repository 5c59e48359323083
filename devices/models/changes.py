"""Changes that were asked for: why a design was sent back, and where on it."""

from __future__ import annotations

from django.db import models
from django.db.models.functions import Now

from devices.models.designs import Design
from devices.models.devices import Device
from mes.models import Person
from mes.tables import table


@table("record", spoken={"devices.device": "device"})
class ChangeRequest(models.Model):
    """What somebody who may review or approve a design wants otherwise. Written once, by `devices.services.changes` alone.

    places: where on the design, [{"at_mm": [x, y, z], "note": what}], LPS; the first is called 1.
    """

    device = models.ForeignKey(Device, on_delete=models.PROTECT, related_name="change_requests")
    design = models.OneToOneField(Design, on_delete=models.PROTECT, related_name="change_request")
    asked_by = models.ForeignKey(Person, on_delete=models.PROTECT, related_name="+")
    asked_at = models.DateTimeField(db_default=Now())
    comment = models.TextField()
    places = models.JSONField(default=list)

    class Meta:
        db_table = "devices_change_request"
        constraints = [
            models.CheckConstraint(condition=~models.Q(comment=""), name="change_request_says_what"),
        ]

    def __str__(self) -> str:
        return f"changes asked of {self.design_id}"
