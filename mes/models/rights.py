"""Whether a right to sign stands: suspended by misuse, resets and reviews, given back by others (ES-14 to ES-16)."""

from __future__ import annotations

from django.db import models
from django.db.models.functions import Now

from mes.choices import RightState
from mes.models.people import Account, Person
from mes.tables import StageGuard, table

RIGHT_PAIRS = (
    (RightState.ACTIVE.value, RightState.SUSPENDED.value),
    (RightState.SUSPENDED.value, RightState.ACTIVE.value),
)


@table(
    "working",
    root="mes.signing_right",
    digest={1: ("person_id", "state", "cause"), 2: ("person_id", "state", "cause", "changed_at")},
    stage=StageGuard("state", (RightState.SUSPENDED.value,), RIGHT_PAIRS),
)
class SigningRight(models.Model):
    """What became of the right to sign that an enrolment gave a person. Without a row it was never suspended."""

    person = models.OneToOneField(Person, on_delete=models.PROTECT, related_name="signing_right")
    state = models.CharField(max_length=10, choices=RightState)
    cause = models.CharField(max_length=20, blank=True, help_text="misuse, reset, compromise or review")
    changed_at = models.DateTimeField()

    class Meta:
        db_table = "mes_signing_right"

    def __str__(self) -> str:
        return f"signing right of {self.person_id}: {self.state}"


@table(
    "working",
    root="mes.reproofing",
    digest={1: ("person_id", "document", "method", "verifier", "confirmer", "confirmed_at")},
)
class Reproofing(models.Model):
    """A new look at who a signer is, by two people, after the secret was reset or lost (ES-14, ES-17)."""

    person = models.ForeignKey(Person, on_delete=models.PROTECT, related_name="reproofings")
    document = models.CharField(
        max_length=60, help_text="Which kind: passport, identity card. Never its number"
    )
    method = models.CharField(max_length=60)
    verifier = models.CharField(max_length=60, help_text="Actor that looked")
    proofed_at = models.DateTimeField()
    confirmer = models.CharField(max_length=60, blank=True, help_text="Actor that confirmed")
    confirmed_at = models.DateTimeField(null=True)

    class Meta:
        db_table = "mes_reproofing"
        constraints = [
            models.CheckConstraint(
                condition=~models.Q(verifier=models.F("confirmer")), name="reproofing_two_people"
            )
        ]

    def __str__(self) -> str:
        return f"reproofing of {self.person_id}"


@table("record", spoken={"mes.account": "account"})
class CredentialReview(models.Model):
    """That a manager confirmed an account, its roles and its right to sign (21 CFR 11.300(b))."""

    account = models.ForeignKey(Account, on_delete=models.PROTECT, related_name="reviews")
    reviewer = models.CharField(max_length=60, help_text="Actor that reviewed")
    outcome = models.CharField(max_length=10, help_text="keep or suspend")
    comment = models.TextField(blank=True)
    reviewed_at = models.DateTimeField(db_default=Now())

    class Meta:
        db_table = "mes_credential_review"

    def __str__(self) -> str:
        return f"review of {self.account_id}: {self.outcome}"
