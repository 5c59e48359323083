"""What every row was: kept by a trigger of the database, whoever made the change (21 CFR 11.10(e), ADR 0010)."""

from __future__ import annotations

from django.db import models
from django.db.models.expressions import RawSQL
from django.db.models.functions import Now

from mes.tables import table


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
