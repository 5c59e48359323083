"""What is tracked is a unit or a lot, and the units of a lot add up (K-08); a device master says how it is packed."""

import django.db.models.expressions
from django.db import migrations, models

PASSED = "'inspected_pass', 'labelled', 'ready_for_review', 'reviewed'"
OUT = "'released', 'shipped', 'delivered'"


class Migration(migrations.Migration):
    dependencies = [
        ("devices", "0005_material_results"),
        ("mes", "0009_retention"),
    ]

    operations = [
        migrations.AddField(
            model_name="device",
            name="accepted",
            field=models.PositiveSmallIntegerField(default=0),
        ),
        migrations.AddField(
            model_name="device",
            name="quantity",
            field=models.PositiveSmallIntegerField(default=1),
        ),
        migrations.AddField(
            model_name="device",
            name="released",
            field=models.PositiveSmallIntegerField(default=0),
        ),
        migrations.AddField(
            model_name="device",
            name="scrapped",
            field=models.PositiveSmallIntegerField(default=0),
        ),
        migrations.AddField(
            model_name="device",
            name="tracked_as",
            field=models.CharField(
                choices=[
                    ("unit", "Each device by its serial number"),
                    ("lot", "Identical devices of an order as one lot"),
                ],
                default="unit",
                max_length=4,
            ),
        ),
        migrations.AddField(
            model_name="devicemaster",
            name="packaging",
            field=models.JSONField(default=dict),
        ),
        migrations.AddField(
            model_name="devicemaster",
            name="tracked_as",
            field=models.CharField(
                choices=[
                    ("unit", "Each device by its serial number"),
                    ("lot", "Identical devices of an order as one lot"),
                ],
                default="unit",
                max_length=4,
            ),
        ),
        # As stages mean it. A change of type writes every row anew without the triggers of the history, which would keep a
        # change that no event speaks of.
        *(
            migrations.RunSQL(
                f"ALTER TABLE devices_device ALTER COLUMN {column} TYPE smallint "
                f"USING (CASE WHEN stage IN ({stages}) THEN 1 ELSE 0 END)",
                migrations.RunSQL.noop,
            )
            for column, stages in (
                ("accepted", f"{PASSED}, {OUT}"),
                ("scrapped", "'scrapped'"),
                ("released", OUT),
            )
        ),
        migrations.AddConstraint(
            model_name="device",
            constraint=models.CheckConstraint(
                condition=models.Q(
                    models.Q(("quantity__gte", 1), ("tracked_as", "lot")),
                    models.Q(("quantity", 1), ("tracked_as", "unit")),
                    _connector="OR",
                ),
                name="device_tracked_as",
            ),
        ),
        migrations.AddConstraint(
            model_name="device",
            constraint=models.CheckConstraint(
                condition=models.Q(
                    (
                        "quantity__gte",
                        django.db.models.expressions.CombinedExpression(
                            models.F("accepted"), "+", models.F("scrapped")
                        ),
                    ),
                    ("released__lte", models.F("accepted")),
                ),
                name="device_units_add_up",
            ),
        ),
        migrations.AddConstraint(
            model_name="device",
            constraint=models.CheckConstraint(
                condition=models.Q(
                    models.Q(
                        (
                            "stage__in",
                            (
                                "inspected_pass",
                                "labelled",
                                "ready_for_review",
                                "reviewed",
                                "released",
                                "shipped",
                                "delivered",
                            ),
                        ),
                        _negated=True,
                    ),
                    models.Q(
                        ("accepted__gte", 1),
                        (
                            "quantity",
                            django.db.models.expressions.CombinedExpression(
                                models.F("accepted"), "+", models.F("scrapped")
                            ),
                        ),
                    ),
                    _connector="OR",
                ),
                name="device_units_all_decided",
            ),
        ),
        migrations.AddConstraint(
            model_name="device",
            constraint=models.CheckConstraint(
                condition=models.Q(
                    models.Q(
                        ("stage__in", ("released", "shipped", "delivered")),
                        ("released", models.F("accepted")),
                    ),
                    models.Q(
                        models.Q(("stage__in", ("released", "shipped", "delivered")), _negated=True),
                        ("released", 0),
                    ),
                    _connector="OR",
                ),
                name="device_units_released",
            ),
        ),
        migrations.AddConstraint(
            model_name="device",
            constraint=models.CheckConstraint(
                condition=models.Q(
                    models.Q(("stage", "scrapped"), _negated=True),
                    ("scrapped", models.F("quantity")),
                    _connector="OR",
                ),
                name="device_units_scrapped",
            ),
        ),
        migrations.AddConstraint(
            model_name="devicemaster",
            constraint=models.CheckConstraint(
                condition=models.Q(("tracked_as__in", ["unit", "lot"])), name="master_tracked_as"
            ),
        ),
    ]
