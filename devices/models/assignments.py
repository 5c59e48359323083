"""Who is named on an order besides its prescriber, and may therefore know it."""

from __future__ import annotations

from django.db import models
from django.db.models.functions import Now

from devices.models.orders import Order
from mes.choices import Role
from mes.models import Person
from mes.tables import table


@table("working", root="devices.assignment", digest={1: ("order_id", "person_id", "role", "ended")})
class Assignment(models.Model):
    """A person works on an order in one of their roles: assigned, ended, never deleted."""

    order = models.ForeignKey(Order, on_delete=models.PROTECT, related_name="assignments")
    person = models.ForeignKey(Person, on_delete=models.PROTECT, related_name="+")
    role = models.CharField(max_length=3, choices=Role)
    assigned_by = models.ForeignKey(Person, on_delete=models.PROTECT, null=True, related_name="+")
    assigned_at = models.DateTimeField(db_default=Now())
    ended = models.BooleanField(default=False)

    class Meta:
        db_table = "devices_assignment"
        constraints = [
            models.UniqueConstraint(
                fields=["order", "person", "role"],
                condition=models.Q(ended=False),
                name="assignment_once",
            ),
            models.CheckConstraint(condition=models.Q(role__in=Role.values), name="assignment_role"),
        ]
        indexes = [models.Index(fields=["person", "ended"], name="assignment_of_person")]

    def __str__(self) -> str:
        return f"{self.person_id} on {self.order_id} as {self.role}"
