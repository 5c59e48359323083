"""Nonconformances."""

from __future__ import annotations

from django.db import models
from django.db.models.functions import Now

from mes.choices import Meaning
from mes.models import Person, Signature
from mes.tables import Signed, StageGuard, table
from quality.choices import NONCONFORMANCE_PAIRS, Disposition, NonconformanceStage, Severity, Source

FIELDS = (
    "device_id", "source", "found_at_stage", "requirement", "description", "severity", "evidence", "stage",
    "disposition", "justification", "proposed_by_id", "proposal_id", "approved_by_id", "approval_id",
)  # fmt: skip


FINDING = {name: name for name in ("device_id", "requirement", "description", "severity", "evidence")}
"""What is signed of a nonconformance, whatever is decided about it."""


@table(
    "working",
    root="quality.nonconformance",
    digest={1: FIELDS, 2: (*FIELDS, "units")},
    stage=StageGuard("stage", ("open",), NONCONFORMANCE_PAIRS),
    signed={
        "proposal": Signed((Meaning.AUTHORED,), by="proposed_by_id", says=FINDING),
        "approval": Signed(
            (Meaning.APPROVED,), by="approved_by_id", says={**FINDING, "justification": "justification"}
        ),
    },
)
class Nonconformance(models.Model):
    """A requirement that was not met, and what was decided about it."""

    device = models.ForeignKey("devices.Device", on_delete=models.PROTECT, related_name="nonconformances")
    source = models.CharField(max_length=20, choices=Source)
    units = models.JSONField(
        default=list, help_text="Which units of a lot it is about; none: all of the device"
    )
    found_at_stage = models.CharField(max_length=30)
    requirement = models.CharField(max_length=200, help_text="What was required, by its id where it has one")
    description = models.TextField()
    severity = models.CharField(max_length=10, choices=Severity, default=Severity.MAJOR)
    evidence = models.JSONField(default=dict)
    stage = models.CharField(
        max_length=24, choices=NonconformanceStage, default=NonconformanceStage.OPEN, db_index=True
    )
    disposition = models.CharField(max_length=10, choices=Disposition, blank=True, default="")
    justification = models.TextField(blank=True)
    opened_by = models.ForeignKey(Person, on_delete=models.PROTECT, null=True, related_name="+")
    opened_at = models.DateTimeField(db_default=Now())
    proposed_by = models.ForeignKey(Person, on_delete=models.PROTECT, null=True, related_name="+")
    proposal = models.ForeignKey(Signature, on_delete=models.PROTECT, null=True, related_name="+")
    approved_by = models.ForeignKey(Person, on_delete=models.PROTECT, null=True, related_name="+")
    approval = models.ForeignKey(Signature, on_delete=models.PROTECT, null=True, related_name="+")

    class Meta:
        db_table = "quality_nonconformance"
        ordering = ["pk"]
        constraints = [
            models.CheckConstraint(
                condition=models.Q(stage__in=NonconformanceStage.values), name="nonconformance_stage"
            ),
            models.CheckConstraint(
                condition=models.Q(approved_by__isnull=True)
                | models.Q(proposed_by__isnull=True)
                | ~models.Q(approved_by=models.F("proposed_by")),
                name="nonconformance_two_people",
            ),
        ]

    def __str__(self) -> str:
        return self.code

    @property
    def code(self) -> str:
        return f"N{self.pk:07d}"

    @property
    def open(self) -> bool:
        return self.stage not in (NonconformanceStage.CLOSED, NonconformanceStage.VOID)
