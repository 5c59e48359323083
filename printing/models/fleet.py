"""What the fleet process needs to share: its lease, and when each printer was last heard. No part of the record."""

from __future__ import annotations

from django.db import models

from mes.tables import table


@table("working", no_history="who drives the printers now; what they did is published")
class FleetLease(models.Model):
    """One process drives a group of printers. `epoch` grows with each holder and fences one that lost it."""

    group = models.CharField(max_length=40, primary_key=True)
    epoch = models.BigIntegerField(default=0)
    holder = models.UUIDField(null=True)
    until = models.DateTimeField()

    class Meta:
        db_table = "printing_fleet_lease"

    def __str__(self) -> str:
        return f"{self.group}@{self.epoch}"


@table("working", no_history="the last answer of a printer, every second; what follows from it is published")
class PrinterContact(models.Model):
    """The last time the printer itself answered, and what the answer was (`snapshot`, see `drivers.base.Snapshot`)."""

    printer = models.OneToOneField(
        "printing.Printer", on_delete=models.PROTECT, primary_key=True, related_name="contact"
    )
    heard_at = models.DateTimeField(null=True)
    epoch = models.BigIntegerField(default=0)
    counter = models.BigIntegerField(default=0)
    snapshot = models.JSONField(default=dict)

    class Meta:
        db_table = "printing_contact"

    def __str__(self) -> str:
        return f"{self.printer_id} heard {self.heard_at}"
