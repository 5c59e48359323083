"""What every row was, filled by the triggers of `mes.guards`, and the reviews of the audit trail."""

import django.db.models.deletion
import django.db.models.expressions
import django.db.models.functions.datetime
from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [
        ("mes", "0006_people"),
    ]

    operations = [
        migrations.CreateModel(
            name="HistoryRebase",
            fields=[
                (
                    "id",
                    models.BigAutoField(
                        auto_created=True, primary_key=True, serialize=False, verbose_name="ID"
                    ),
                ),
                ("table_name", models.CharField(max_length=63)),
                ("rows", models.BigIntegerField()),
                ("rebased_at", models.DateTimeField(db_default=django.db.models.functions.datetime.Now())),
            ],
            options={
                "db_table": "mes_history_rebase",
            },
        ),
        migrations.CreateModel(
            name="FieldChange",
            fields=[
                (
                    "id",
                    models.BigAutoField(
                        auto_created=True, primary_key=True, serialize=False, verbose_name="ID"
                    ),
                ),
                (
                    "tx",
                    models.BigIntegerField(
                        db_default=django.db.models.expressions.RawSQL(
                            "pg_current_xact_id()::text::bigint", ()
                        )
                    ),
                ),
                (
                    "epoch",
                    models.IntegerField(
                        db_default=django.db.models.expressions.RawSQL("mes_current_epoch()", ())
                    ),
                ),
                ("table_name", models.CharField(max_length=63)),
                ("row_id", models.CharField(max_length=100)),
                (
                    "operation",
                    models.CharField(
                        choices=[("insert", "written"), ("update", "changed"), ("rebase", "taken over")],
                        max_length=6,
                    ),
                ),
                ("row", models.JSONField()),
                ("changed_at", models.DateTimeField(db_default=django.db.models.functions.datetime.Now())),
            ],
            options={
                "db_table": "mes_field_change",
                "indexes": [
                    models.Index(fields=["table_name", "row_id", "id"], name="field_change_of_row"),
                    models.Index(fields=["epoch", "tx", "id"], name="field_change_of_tx"),
                ],
                "constraints": [
                    models.CheckConstraint(
                        condition=models.Q(("operation__in", ["insert", "update", "rebase"])),
                        name="field_change_operation",
                    )
                ],
            },
        ),
        migrations.CreateModel(
            name="AuditReview",
            fields=[
                (
                    "id",
                    models.BigAutoField(
                        auto_created=True, primary_key=True, serialize=False, verbose_name="ID"
                    ),
                ),
                ("first_leaf", models.BigIntegerField()),
                ("tree_size", models.BigIntegerField()),
                ("root", models.CharField(max_length=64)),
                ("findings", models.TextField(blank=True)),
                ("reviewed_at", models.DateTimeField(db_default=django.db.models.functions.datetime.Now())),
                (
                    "reviewer",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="audit_reviews",
                        to="mes.person",
                    ),
                ),
                (
                    "signature",
                    models.ForeignKey(
                        null=True,
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="+",
                        to="mes.signature",
                    ),
                ),
            ],
            options={
                "db_table": "mes_audit_review",
                "constraints": [
                    models.UniqueConstraint(fields=("reviewer", "first_leaf"), name="audit_review_once"),
                    models.CheckConstraint(
                        condition=models.Q(("tree_size__gt", models.F("first_leaf"))),
                        name="audit_review_of_something",
                    ),
                ],
            },
        ),
    ]
