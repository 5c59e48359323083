"""How long records are kept, what holds them longer, and what was destroyed after its time (K-15, 21 CFR 11.10(c))."""

from __future__ import annotations

from django.db import models
from django.db.models.functions import Now

from mes.choices import DISPOSAL_PAIRS, HOLD_PAIRS, DisposalStage, HoldScope, HoldStage, Meaning
from mes.models.people import Person
from mes.models.signatures import Signature
from mes.tables import Signed, StageGuard, table


@table("working", root="mes.retention_clock", digest={1: ("record_root", "record_id", "retain_until")})
class RetentionClock(models.Model):
    """Until when one record is kept: the latest date that was ever set. Dates are set by its periods alone."""

    record_root = models.CharField(max_length=60)
    record_id = models.CharField(max_length=60)
    retain_until = models.DateField()

    class Meta:
        db_table = "mes_retention_clock"
        constraints = [
            models.UniqueConstraint(fields=["record_root", "record_id"], name="retention_clock_once")
        ]
        indexes = [models.Index(fields=["retain_until"], name="retention_clock_until")]

    def __str__(self) -> str:
        return f"{self.record_root}/{self.record_id} until {self.retain_until}"


@table("record", spoken={"mes.retention_clock": "clock"})
class RetentionPeriod(models.Model):
    """One setting of a clock. Written once, so that no later and shorter one takes a promise back."""

    clock = models.ForeignKey(RetentionClock, on_delete=models.PROTECT, related_name="periods")
    until = models.DateField()
    rules = models.JSONField(help_text="{rule id: last day}")
    reason = models.TextField()
    set_at = models.DateTimeField(db_default=Now())

    class Meta:
        db_table = "mes_retention_period"

    def __str__(self) -> str:
        return f"{self.clock_id}: {self.until}"


RELEASE = {
    "scope": "scope",
    "value": "value",
    "since": "since",
    "until": "until",
    "held_because": "reason",
    "requester": "requester",
    "reason": "release_reason",
}
"""What both people sign who end a hold."""


@table(
    "working",
    root="mes.legal_hold",
    digest={
        1: (
            "scope", "value", "since", "until", "reason", "requester", "review_on", "notified", "stage", "placed_by_id",
            "release_reason", "proposal_id", "release_id",
        )
    },
    stage=StageGuard("stage", (HoldStage.ACTIVE,), HOLD_PAIRS),
    signed={
        "proposal": Signed((Meaning.AUTHORED,), says=RELEASE, fixed={"decision": "release"}),
        "release": Signed((Meaning.APPROVED,), says=RELEASE, fixed={"decision": "release"}),
    },
)  # fmt: skip
class LegalHold(models.Model):
    """Nothing that it reaches is destroyed or erased while it holds. `value`: an order's or lot's key, or a token."""

    scope = models.CharField(max_length=10, choices=HoldScope)
    value = models.CharField(max_length=60, blank=True)
    since = models.DateField(null=True, help_text="Range of dates: its first day")
    until = models.DateField(null=True, help_text="Range of dates: its last day")
    reason = models.TextField()
    requester = models.CharField(max_length=120, help_text="Who asked for it: an authority, counsel")
    notified = models.TextField(blank=True, help_text="Who was told, by role or department")
    review_on = models.DateField()
    stage = models.CharField(max_length=20, choices=HoldStage, default=HoldStage.ACTIVE)
    placed_by = models.ForeignKey(Person, on_delete=models.PROTECT, related_name="+")
    placed_at = models.DateTimeField(db_default=Now())
    release_reason = models.TextField(blank=True)
    proposal = models.ForeignKey(Signature, on_delete=models.PROTECT, null=True, related_name="+")
    release = models.ForeignKey(Signature, on_delete=models.PROTECT, null=True, related_name="+")

    class Meta:
        db_table = "mes_legal_hold"
        constraints = [
            models.CheckConstraint(condition=models.Q(stage__in=HoldStage.values), name="legal_hold_stage"),
            models.CheckConstraint(condition=models.Q(scope__in=HoldScope.values), name="legal_hold_scope"),
        ]

    def __str__(self) -> str:
        return self.code

    @property
    def code(self) -> str:
        return f"H{self.pk:07d}"


@table(
    "working",
    root="mes.disposal",
    digest={
        1: (
            "record_root",
            "record_id",
            "certificate",
            "stage",
            "proposal_id",
            "approval_id",
            "carried_out_at",
        )
    },
    stage=StageGuard("stage", (DisposalStage.PROPOSED,), DISPOSAL_PAIRS),
    signed={
        "proposal": Signed((Meaning.AUTHORED,), text="certificate"),
        "approval": Signed((Meaning.APPROVED,), text="certificate"),
    },
)
class Disposal(models.Model):
    """A certificate of destruction: the canonical text that two people signed, with every id and digest that stays."""

    record_root = models.CharField(max_length=60)
    record_id = models.CharField(max_length=60)
    certificate = models.TextField()
    stage = models.CharField(max_length=20, choices=DisposalStage, default=DisposalStage.PROPOSED)
    proposal = models.ForeignKey(Signature, on_delete=models.PROTECT, null=True, related_name="+")
    approval = models.ForeignKey(Signature, on_delete=models.PROTECT, null=True, related_name="+")
    proposed_at = models.DateTimeField(db_default=Now())
    carried_out_at = models.DateTimeField(null=True)

    class Meta:
        db_table = "mes_disposal"
        constraints = [
            models.UniqueConstraint(
                fields=["record_root", "record_id"],
                condition=~models.Q(stage="withdrawn"),
                name="disposal_once",
            ),
            models.CheckConstraint(condition=models.Q(stage__in=DisposalStage.values), name="disposal_stage"),
        ]

    def __str__(self) -> str:
        return self.code

    @property
    def code(self) -> str:
        return f"Z{self.pk:07d}"
