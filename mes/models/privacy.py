"""Who looked at whom, access in an emergency, and requests for erasure (regulatory 1.9, 7.5)."""

from __future__ import annotations

from django.db import models
from django.db.models.functions import Now

from mes.choices import EmergencyStage, ErasureStage, Meaning, Role
from mes.models.patients import Patient
from mes.models.people import Person
from mes.models.signatures import Signature
from mes.tables import Signed, StageGuard, table


@table("working", root="mes.reporting_line", digest={1: ("person_id", "manager_id", "ended")})
class ReportingLine(models.Model):
    """Who answers for a person. Ended, never deleted."""

    person = models.ForeignKey(Person, on_delete=models.PROTECT, related_name="reporting_lines")
    manager = models.ForeignKey(Person, on_delete=models.PROTECT, related_name="+")
    ended = models.BooleanField(default=False)
    since = models.DateTimeField(db_default=Now())

    class Meta:
        db_table = "mes_reporting_line"
        constraints = [
            models.UniqueConstraint(fields=["person"], condition=models.Q(ended=False), name="one_manager"),
            models.CheckConstraint(condition=~models.Q(person=models.F("manager")), name="not_own_manager"),
        ]

    def __str__(self) -> str:
        return f"{self.person_id}:{self.manager_id}"


ACCESS = {
    "person_id": "person_id",
    "patient": "patient__token",
    "reason": "reason",
    "opened_at": "opened_at",
    "ended_at": "ended_at",
}
ERASURE = {"patient": "patient__token", "asked_for": "reason"}
"""What is signed of an access in an emergency, and of a request for erasure."""


@table(
    "working",
    root="mes.emergency_access",
    digest={
        1: (
            "person_id",
            "patient_id",
            "stage",
            "reason",
            "expires_at",
            "ended_at",
            "manager_id",
            "officer_review_id",
            "manager_review_id",
            "justified",
        )
    },
    stage=StageGuard("stage", EmergencyStage.starts(), EmergencyStage.pairs()),
    signed={
        "officer_review": Signed((Meaning.REVIEWED,), says={**ACCESS, "justified": "justified"}),
        "manager_review": Signed((Meaning.REVIEWED,), says=ACCESS),
    },
)
class EmergencyAccess(models.Model):
    """Access of a person without the right, for a limited time and with a reason (45 CFR 164.312(a)(2)(ii))."""

    person = models.ForeignKey(Person, on_delete=models.PROTECT, related_name="emergencies")
    patient = models.ForeignKey(Patient, on_delete=models.PROTECT, related_name="emergencies")
    reason = models.TextField()
    stage = models.CharField(max_length=10, choices=EmergencyStage, default=EmergencyStage.OPEN)
    opened_at = models.DateTimeField()
    expires_at = models.DateTimeField(db_index=True)
    ended_at = models.DateTimeField(null=True)
    manager = models.ForeignKey(Person, on_delete=models.PROTECT, null=True, related_name="+")
    officer_review = models.ForeignKey(Signature, on_delete=models.PROTECT, null=True, related_name="+")
    manager_review = models.ForeignKey(Signature, on_delete=models.PROTECT, null=True, related_name="+")
    justified = models.BooleanField(null=True, help_text="What the privacy officer found")

    class Meta:
        db_table = "mes_emergency_access"
        verbose_name_plural = "emergency accesses"
        constraints = [
            models.UniqueConstraint(
                fields=["person", "patient"], condition=models.Q(stage="open"), name="one_open_emergency"
            ),
            models.CheckConstraint(
                condition=models.Q(expires_at__gt=models.F("opened_at")), name="emergency_expires"
            ),
        ]

    def __str__(self) -> str:
        return self.code

    @property
    def code(self) -> str:
        return f"E{self.pk:07d}"


@table("record", spoken={"mes.patient": "patient"})
class IdentityView(models.Model):
    """One look at a patient's identity. The reason stands in its event (EV-10)."""

    patient = models.ForeignKey(Patient, on_delete=models.PROTECT, related_name="views")
    person = models.ForeignKey(Person, on_delete=models.PROTECT, related_name="+")
    emergency = models.ForeignKey(EmergencyAccess, on_delete=models.PROTECT, null=True, related_name="views")
    reason = models.TextField()
    viewed_at = models.DateTimeField()

    class Meta:
        db_table = "mes_identity_view"
        indexes = [
            models.Index(fields=["patient", "viewed_at"], name="views_of_patient"),
            models.Index(fields=["person", "viewed_at"], name="views_by_person"),
        ]

    def __str__(self) -> str:
        return f"view {self.pk}"


@table(
    "working",
    root="mes.erasure_request",
    digest={1: ("patient_id", "stage", "reason", "officer_approval_id", "quality_approval_id", "decided_at")},
    stage=StageGuard("stage", ErasureStage.starts(), ErasureStage.pairs()),
    signed={
        "officer_approval": Signed(
            (Meaning.APPROVED,), says=ERASURE, fixed={"decision": "approve", "decided_as": Role.PRV.value}
        ),
        "quality_approval": Signed(
            (Meaning.APPROVED,), says=ERASURE, fixed={"decision": "approve", "decided_as": Role.QAR.value}
        ),
    },
)
class ErasureRequest(models.Model):
    """Somebody asks that a patient's identity be forgotten (GDPR Art. 17). Two people decide."""

    patient = models.ForeignKey(Patient, on_delete=models.PROTECT, related_name="erasure_requests")
    reason = models.TextField()
    stage = models.CharField(max_length=10, choices=ErasureStage, default=ErasureStage.REQUESTED)
    registered_by = models.ForeignKey(Person, on_delete=models.PROTECT, related_name="+")
    registered_at = models.DateTimeField()
    officer_approval = models.ForeignKey(Signature, on_delete=models.PROTECT, null=True, related_name="+")
    quality_approval = models.ForeignKey(Signature, on_delete=models.PROTECT, null=True, related_name="+")
    decided_at = models.DateTimeField(null=True)

    class Meta:
        db_table = "mes_erasure_request"
        constraints = [
            models.UniqueConstraint(
                fields=["patient"], condition=models.Q(stage="requested"), name="one_open_erasure"
            )
        ]

    def __str__(self) -> str:
        return self.code

    @property
    def code(self) -> str:
        return f"R{self.pk:07d}"
