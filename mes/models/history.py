"""What every row was: kept by a trigger of the database, whoever made the change (21 CFR 11.10(e), ADR 0010)."""

from __future__ import annotations

from django.db import models
from django.db.models.expressions import RawSQL
from django.db.models.functions import Now

from mes.choices import Meaning
from mes.models.people import Person
from mes.models.signatures import Signature
from mes.tables import Signed, table


class Operation(models.TextChoices):
    INSERT = "insert", "written"
    UPDATE = "update", "changed"
    REBASE = "rebase", "taken over"


@table("record", no_history="it is the history")
class FieldChange(models.Model):
    """A row as one change left it. Its old values are those of the change before of the same row.

    Only the trigger of each table inserts here. Columns that are secret or large stand in `row` as the SHA-256 of their
    value as text. `(epoch, tx)` leads to the events of the same transaction; a leaf of the Merkle tree covers it.
    """

    tx = models.BigIntegerField(db_default=RawSQL("pg_current_xact_id()::text::bigint", ()))
    epoch = models.IntegerField(db_default=RawSQL("mes_current_epoch()", ()))
    table_name = models.CharField(max_length=63)
    row_id = models.CharField(max_length=100)
    operation = models.CharField(max_length=6, choices=Operation)
    row = models.JSONField()
    changed_at = models.DateTimeField(db_default=Now())

    class Meta:
        db_table = "mes_field_change"
        indexes = [
            models.Index(fields=["table_name", "row_id", "id"], name="field_change_of_row"),
            models.Index(fields=["epoch", "tx", "id"], name="field_change_of_tx"),
        ]
        constraints = [
            models.CheckConstraint(
                condition=models.Q(operation__in=Operation.values), name="field_change_operation"
            )
        ]

    def __str__(self) -> str:
        return f"{self.operation} of {self.table_name}/{self.row_id}"


@table(
    "working",
    root="mes.audit_review",
    digest={1: ("reviewer_id", "first_leaf", "tree_size", "root", "findings", "signature_id")},
    signed={
        "signature": Signed(
            (Meaning.REVIEWED,),
            by="reviewer_id",
            fixed={"record": "audit trail review"},
            says={
                "first_leaf": "first_leaf",
                "tree_size": "tree_size",
                "root": "root",
                "findings": "findings",
            },
        )
    },
)
class AuditReview(models.Model):
    """A reviewer has read the audit trail since the own last review, and signs it (11.10(e)).

    The leaves `first_leaf` … `tree_size` - 1, under the seal of `tree_size`, whose `root` is what was signed.
    """

    reviewer = models.ForeignKey(Person, on_delete=models.PROTECT, related_name="audit_reviews")
    first_leaf = models.BigIntegerField()
    tree_size = models.BigIntegerField()
    root = models.CharField(max_length=64)
    findings = models.TextField(blank=True)
    signature = models.ForeignKey(Signature, on_delete=models.PROTECT, null=True, related_name="+")
    reviewed_at = models.DateTimeField(db_default=Now())

    class Meta:
        db_table = "mes_audit_review"
        constraints = [
            models.CheckConstraint(
                condition=models.Q(tree_size__gt=models.F("first_leaf")), name="audit_review_of_something"
            ),
        ]

    def __str__(self) -> str:
        return f"review of {self.first_leaf} to {self.tree_size} by {self.reviewer_id}"


@table("working", root="mes.history_rebase", digest={1: ("table_name", "rows")})
class HistoryRebase(models.Model):
    """The owner took the rows of a table over as they were, after a migration removed or renamed a column."""

    table_name = models.CharField(max_length=63)
    rows = models.BigIntegerField()
    rebased_at = models.DateTimeField(db_default=Now())

    class Meta:
        db_table = "mes_history_rebase"

    def __str__(self) -> str:
        return f"{self.rows} rows of {self.table_name}"
