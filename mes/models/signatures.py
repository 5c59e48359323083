"""Electronic signatures: bound to the digest of what was shown and signed (K-05, 21 CFR 11.50 and 11.70)."""

from __future__ import annotations

from django.db import models

from mes.choices import Meaning
from mes.models.people import Account, Person
from mes.tables import table


@table("record", digested=("content",))
class Signature(models.Model):
    """One signing act. `content` is the canonical text that was shown, hashed and signed."""

    subject_type = models.CharField(max_length=60)
    subject_id = models.CharField(max_length=60)
    subject_version = models.IntegerField(help_text="Version of the subject's stream when it was signed")
    content = models.TextField()
    content_digest = models.CharField(max_length=64)
    meaning = models.CharField(max_length=20, choices=Meaning)
    statement = models.CharField(max_length=300, help_text="The meaning as it was shown")
    comment = models.TextField(blank=True)
    account = models.ForeignKey(Account, on_delete=models.PROTECT, related_name="+")
    person = models.ForeignKey(Person, on_delete=models.PROTECT, related_name="signatures")
    printed_name = models.CharField(max_length=310)
    roles = models.CharField(max_length=100)
    signed_at = models.DateTimeField()
    timezone = models.CharField(max_length=50)
    method = models.CharField(max_length=20, help_text="The two components that were used")

    class Meta:
        db_table = "mes_signature"
        indexes = [models.Index(fields=["subject_type", "subject_id"], name="signature_subject")]
        constraints = [
            models.CheckConstraint(condition=models.Q(meaning__in=Meaning.values), name="signature_meaning")
        ]

    def __str__(self) -> str:
        return f"{self.meaning} {self.subject_type}/{self.subject_id} by {self.person_id}"
