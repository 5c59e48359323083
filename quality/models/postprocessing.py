"""Post-processing steps as they were carried out."""

from __future__ import annotations

from django.db import models

from mes.choices import Meaning
from mes.models import Person, Signature
from mes.tables import Signed, table


@table(
    "record",
    spoken={"devices.device": "device"},
    signed={
        "signature": Signed(
            (Meaning.PERFORMED,),
            root="devices.device",
            key="device_id",
            by="performed_by_id",
            says={
                name: name
                for name in (
                    "step",
                    "position",
                    "attempt",
                    "values",
                    "in_limits",
                    "equipment",
                    "started_at",
                    "ended_at",
                )
            },
        )
    },
)
class PostProcessStep(models.Model):
    """One step carried out once, as measured. A repeated step is a row of its own; the last one counts."""

    device = models.ForeignKey("devices.Device", on_delete=models.PROTECT, related_name="post_process_steps")
    step = models.CharField(max_length=40, help_text="Code of the step in the device master's routing")
    title = models.CharField(max_length=120)
    position = models.PositiveIntegerField(help_text="Place in the routing, from 1")
    attempt = models.PositiveIntegerField(help_text="1, and one more for each repetition")
    values = models.JSONField(help_text="Each parameter: name, value, unit, minimum, maximum, in_limits")
    in_limits = models.BooleanField()
    equipment = models.CharField(max_length=80, blank=True)
    started_at = models.DateTimeField(null=True, help_text="As given; null where nobody gave the times")
    ended_at = models.DateTimeField(null=True)
    performed_by = models.ForeignKey(Person, on_delete=models.PROTECT, related_name="+")
    signature = models.OneToOneField(Signature, on_delete=models.PROTECT, related_name="+")

    class Meta:
        db_table = "quality_post_process_step"
        ordering = ["pk"]
        constraints = [
            models.UniqueConstraint(fields=["device", "step", "attempt"], name="step_attempt_once"),
            models.CheckConstraint(
                condition=models.Q(ended_at__gte=models.F("started_at")), name="step_ends_after_start"
            ),
        ]

    def __str__(self) -> str:
        return f"{self.step} #{self.attempt} of device {self.device_id}"
