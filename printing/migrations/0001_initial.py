"""Every table of materials, printers and builds."""

import uuid

import django.db.models.deletion
import django.db.models.expressions
import django.db.models.functions.datetime
from django.db import migrations, models

from mes.migrating import FirstTables


class Migration(FirstTables):
    initial = True

    # Databases made before this one had these steps.
    replaces = [
        ("printing", "0001_printing"),
        ("printing", "0002_holds"),
    ]

    dependencies = [
        ("devices", "0001_initial"),
        ("mes", "0001_initial"),
    ]

    operations = [
        migrations.CreateModel(
            name="Build",
            fields=[
                (
                    "id",
                    models.BigAutoField(
                        auto_created=True, primary_key=True, serialize=False, verbose_name="ID"
                    ),
                ),
                ("printer_kind", models.CharField(max_length=60)),
                ("parameters_digest", models.CharField(max_length=64)),
                (
                    "state",
                    models.CharField(
                        choices=[
                            ("draft", "being prepared"),
                            ("unprepared", "could not be prepared"),
                            ("prepared", "prepared"),
                            ("verified", "verified"),
                            ("scheduled", "scheduled"),
                            ("started", "started"),
                            ("interrupted", "waits for a decision"),
                            ("completed", "completed"),
                            ("failed", "failed"),
                            ("cancelled", "cancelled"),
                        ],
                        default="draft",
                        max_length=12,
                    ),
                ),
                ("items_digest", models.CharField(max_length=64)),
                ("plate_digest", models.CharField(blank=True, max_length=64)),
                ("layer_count", models.IntegerField(null=True)),
                ("areas_mm2", models.JSONField(default=list)),
                ("volume_ml", models.FloatField(null=True)),
                ("material_ml", models.FloatField(null=True)),
                ("print_seconds", models.FloatField(null=True)),
                ("problems", models.JSONField(default=list)),
                (
                    "prepared_with",
                    models.CharField(blank=True, help_text="Slicer and version", max_length=80),
                ),
                ("created_at", models.DateTimeField(db_default=django.db.models.functions.datetime.Now())),
                ("decision", models.TextField(blank=True, help_text="How an interruption was decided")),
                (
                    "created_by",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.PROTECT, related_name="+", to="mes.person"
                    ),
                ),
                (
                    "file",
                    models.ForeignKey(
                        null=True,
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="+",
                        to="mes.artefact",
                    ),
                ),
                (
                    "material",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="builds",
                        to="devices.material",
                    ),
                ),
                (
                    "verified_by",
                    models.ForeignKey(
                        null=True,
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="+",
                        to="mes.person",
                    ),
                ),
                (
                    "verify_signature",
                    models.ForeignKey(
                        null=True,
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="+",
                        to="mes.signature",
                    ),
                ),
            ],
            options={
                "db_table": "printing_build",
                "constraints": [
                    models.CheckConstraint(
                        condition=models.Q(
                            (
                                "state__in",
                                [
                                    "draft",
                                    "unprepared",
                                    "prepared",
                                    "verified",
                                    "scheduled",
                                    "started",
                                    "interrupted",
                                    "completed",
                                    "failed",
                                    "cancelled",
                                ],
                            )
                        ),
                        name="build_state",
                    )
                ],
            },
        ),
        migrations.CreateModel(
            name="FleetLease",
            fields=[
                ("group", models.CharField(max_length=40, primary_key=True, serialize=False)),
                ("epoch", models.BigIntegerField(default=0)),
                ("holder", models.UUIDField(null=True)),
                ("until", models.DateTimeField()),
            ],
            options={
                "db_table": "printing_fleet_lease",
            },
        ),
        migrations.CreateModel(
            name="Printer",
            fields=[
                (
                    "id",
                    models.BigAutoField(
                        auto_created=True, primary_key=True, serialize=False, verbose_name="ID"
                    ),
                ),
                ("name", models.CharField(max_length=60, unique=True)),
                ("kind", models.CharField(help_text="Model; parameter sets are made for it", max_length=60)),
                ("serial", models.CharField(max_length=60)),
                ("driver", models.CharField(max_length=30)),
                (
                    "connection",
                    models.JSONField(default=dict, help_text="What the driver needs to reach it; no secrets"),
                ),
                ("firmware", models.CharField(blank=True, max_length=60)),
                (
                    "qualification",
                    models.CharField(
                        choices=[
                            ("commissioning", "being commissioned"),
                            ("iq_approved", "installation qualified"),
                            ("oq_approved", "operation qualified"),
                            ("qualified", "qualified"),
                            ("requal_required", "needs requalification"),
                            ("suspended", "suspended"),
                            ("retired", "retired"),
                        ],
                        default="commissioning",
                        max_length=16,
                    ),
                ),
                ("qualified_until", models.DateField(null=True)),
                ("calibrated_until", models.DateField(null=True)),
                ("held", models.BooleanField(default=False)),
                ("hold_reason", models.TextField(blank=True)),
                ("holds", models.JSONField(default=list)),
                (
                    "clearance_needed",
                    models.CharField(
                        blank=True,
                        help_text="Why the plate must be cleared, empty where it is",
                        max_length=200,
                    ),
                ),
                (
                    "link",
                    models.CharField(
                        choices=[("up", "connected"), ("down", "not reachable"), ("unknown", "unknown")],
                        default="unknown",
                        max_length=8,
                    ),
                ),
                (
                    "machine",
                    models.CharField(
                        choices=[
                            ("unknown", "unknown"),
                            ("ok", "in order"),
                            ("busy", "busy with itself"),
                            ("fault", "faulty"),
                            ("maintenance", "in maintenance"),
                        ],
                        default="unknown",
                        max_length=12,
                    ),
                ),
                (
                    "run",
                    models.CharField(
                        choices=[
                            ("unknown", "unknown"),
                            ("none", "no print"),
                            ("preparing", "preparing"),
                            ("printing", "printing"),
                            ("pausing", "pausing"),
                            ("paused", "paused"),
                            ("cancelling", "cancelling"),
                            ("finished", "finished"),
                            ("cancelled", "cancelled"),
                            ("failed", "failed"),
                        ],
                        default="unknown",
                        max_length=12,
                    ),
                ),
                (
                    "operation",
                    models.CharField(
                        choices=[
                            ("offline", "offline"),
                            ("unknown", "unknown"),
                            ("idle", "idle"),
                            ("ready", "ready"),
                            ("preparing", "preparing"),
                            ("printing", "printing"),
                            ("pausing", "pausing"),
                            ("paused", "paused"),
                            ("attention", "needs attention"),
                            ("cancelling", "cancelling"),
                            ("finished", "finished"),
                            ("cancelled", "cancelled"),
                            ("error", "error"),
                            ("busy", "busy"),
                            ("maintenance", "maintenance"),
                        ],
                        default="unknown",
                        max_length=12,
                    ),
                ),
                (
                    "operation_since",
                    models.DateTimeField(db_default=django.db.models.functions.datetime.Now()),
                ),
                (
                    "foreign_run",
                    models.CharField(
                        blank=True, help_text="A print that Lamina did not start", max_length=120
                    ),
                ),
            ],
            options={
                "db_table": "printing_printer",
                "constraints": [
                    models.UniqueConstraint(fields=("kind", "serial"), name="printer_serial"),
                    models.CheckConstraint(
                        condition=models.Q(
                            (
                                "operation__in",
                                [
                                    "offline",
                                    "unknown",
                                    "idle",
                                    "ready",
                                    "preparing",
                                    "printing",
                                    "pausing",
                                    "paused",
                                    "attention",
                                    "cancelling",
                                    "finished",
                                    "cancelled",
                                    "error",
                                    "busy",
                                    "maintenance",
                                ],
                            )
                        ),
                        name="printer_operation",
                    ),
                ],
            },
        ),
        migrations.CreateModel(
            name="Preparation",
            fields=[
                (
                    "build",
                    models.OneToOneField(
                        on_delete=django.db.models.deletion.PROTECT,
                        primary_key=True,
                        related_name="preparation",
                        serialize=False,
                        to="printing.build",
                    ),
                ),
                ("done", models.IntegerField(default=0)),
                ("total", models.IntegerField(default=0)),
                ("at", models.DateTimeField(db_default=django.db.models.functions.datetime.Now())),
            ],
            options={
                "db_table": "printing_preparation",
            },
        ),
        migrations.CreateModel(
            name="MaterialLot",
            fields=[
                (
                    "id",
                    models.BigAutoField(
                        auto_created=True, primary_key=True, serialize=False, verbose_name="ID"
                    ),
                ),
                ("supplier", models.CharField(max_length=120)),
                ("supplier_lot", models.CharField(max_length=60)),
                ("unit", models.CharField(choices=[("ml", "mL"), ("g", "g")], max_length=2)),
                ("received", models.DecimalField(decimal_places=3, max_digits=12)),
                ("consumed", models.DecimalField(decimal_places=3, default=0, max_digits=12)),
                ("sampled", models.DecimalField(decimal_places=3, default=0, max_digits=12)),
                ("wasted", models.DecimalField(decimal_places=3, default=0, max_digits=12)),
                ("remaining", models.DecimalField(decimal_places=3, max_digits=12)),
                (
                    "expires_on",
                    models.DateField(help_text="For precision 'month': any day of it; the last one counts"),
                ),
                (
                    "expires_precision",
                    models.CharField(choices=[("day", "day"), ("month", "month")], max_length=5),
                ),
                (
                    "state",
                    models.CharField(
                        choices=[
                            ("quarantine", "in quarantine"),
                            ("released", "released"),
                            ("in_use", "in use"),
                            ("on_hold", "on hold"),
                            ("rejected", "rejected"),
                            ("expired", "expired"),
                            ("depleted", "used up"),
                        ],
                        default="quarantine",
                        max_length=10,
                    ),
                ),
                (
                    "held_from",
                    models.CharField(
                        blank=True,
                        choices=[
                            ("quarantine", "in quarantine"),
                            ("released", "released"),
                            ("in_use", "in use"),
                            ("on_hold", "on hold"),
                            ("rejected", "rejected"),
                            ("expired", "expired"),
                            ("depleted", "used up"),
                        ],
                        max_length=10,
                    ),
                ),
                ("hold_reason", models.TextField(blank=True)),
                ("certificate", models.JSONField(default=list)),
                ("received_at", models.DateTimeField(db_default=django.db.models.functions.datetime.Now())),
                (
                    "certificate_file",
                    models.ForeignKey(
                        null=True,
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="+",
                        to="mes.artefact",
                    ),
                ),
                (
                    "material",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="lots",
                        to="devices.material",
                    ),
                ),
                (
                    "received_by",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.PROTECT, related_name="+", to="mes.person"
                    ),
                ),
                (
                    "release_signature",
                    models.ForeignKey(
                        null=True,
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="+",
                        to="mes.signature",
                    ),
                ),
                (
                    "released_by",
                    models.ForeignKey(
                        null=True,
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="+",
                        to="mes.person",
                    ),
                ),
            ],
            options={
                "db_table": "printing_lot",
                "constraints": [
                    models.UniqueConstraint(fields=("material", "supplier", "supplier_lot"), name="lot_once"),
                    models.CheckConstraint(
                        condition=models.Q(
                            (
                                "received",
                                django.db.models.expressions.CombinedExpression(
                                    django.db.models.expressions.CombinedExpression(
                                        django.db.models.expressions.CombinedExpression(
                                            models.F("consumed"), "+", models.F("sampled")
                                        ),
                                        "+",
                                        models.F("wasted"),
                                    ),
                                    "+",
                                    models.F("remaining"),
                                ),
                            )
                        ),
                        name="lot_balance",
                    ),
                    models.CheckConstraint(
                        condition=models.Q(
                            ("consumed__gte", 0),
                            ("received__gt", 0),
                            ("remaining__gte", 0),
                            ("sampled__gte", 0),
                            ("wasted__gte", 0),
                        ),
                        name="lot_quantities",
                    ),
                    models.CheckConstraint(
                        condition=models.Q(
                            (
                                "state__in",
                                [
                                    "quarantine",
                                    "released",
                                    "in_use",
                                    "on_hold",
                                    "rejected",
                                    "expired",
                                    "depleted",
                                ],
                            )
                        ),
                        name="lot_state",
                    ),
                ],
            },
        ),
        migrations.CreateModel(
            name="Container",
            fields=[
                (
                    "id",
                    models.BigAutoField(
                        auto_created=True, primary_key=True, serialize=False, verbose_name="ID"
                    ),
                ),
                ("label", models.CharField(max_length=18, unique=True)),
                ("filled", models.DecimalField(decimal_places=3, max_digits=12)),
                ("remaining", models.DecimalField(decimal_places=3, max_digits=12)),
                (
                    "state",
                    models.CharField(
                        choices=[("sealed", "sealed"), ("open", "open"), ("empty", "empty")],
                        default="sealed",
                        max_length=6,
                    ),
                ),
                ("opened_at", models.DateTimeField(null=True)),
                (
                    "lot",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="containers",
                        to="printing.materiallot",
                    ),
                ),
            ],
            options={
                "db_table": "printing_container",
                "constraints": [
                    models.CheckConstraint(
                        condition=models.Q(
                            ("filled__gt", 0), ("remaining__gte", 0), ("remaining__lte", models.F("filled"))
                        ),
                        name="container_quantities",
                    ),
                    models.CheckConstraint(
                        condition=models.Q(("state__in", ["sealed", "open", "empty"])), name="container_state"
                    ),
                ],
            },
        ),
        migrations.CreateModel(
            name="ParameterSet",
            fields=[
                (
                    "id",
                    models.BigAutoField(
                        auto_created=True, primary_key=True, serialize=False, verbose_name="ID"
                    ),
                ),
                ("name", models.CharField(max_length=60)),
                ("revision", models.IntegerField(default=1)),
                ("printer_kind", models.CharField(max_length=60)),
                ("values", models.JSONField()),
                ("digest", models.CharField(max_length=64)),
                (
                    "state",
                    models.CharField(
                        choices=[("draft", "draft"), ("approved", "approved"), ("retired", "retired")],
                        default="draft",
                        max_length=8,
                    ),
                ),
                ("created_at", models.DateTimeField(db_default=django.db.models.functions.datetime.Now())),
                (
                    "authored_by",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.PROTECT, related_name="+", to="mes.person"
                    ),
                ),
                (
                    "material",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="parameter_sets",
                        to="devices.material",
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
                "db_table": "printing_parameter_set",
                "constraints": [models.UniqueConstraint(fields=("name", "revision"), name="parameters_once")],
            },
        ),
        migrations.AddField(
            model_name="build",
            name="parameters",
            field=models.ForeignKey(
                on_delete=django.db.models.deletion.PROTECT, related_name="builds", to="printing.parameterset"
            ),
        ),
        migrations.CreateModel(
            name="PrinterContact",
            fields=[
                (
                    "printer",
                    models.OneToOneField(
                        on_delete=django.db.models.deletion.PROTECT,
                        primary_key=True,
                        related_name="contact",
                        serialize=False,
                        to="printing.printer",
                    ),
                ),
                ("heard_at", models.DateTimeField(null=True)),
                ("epoch", models.BigIntegerField(default=0)),
                ("counter", models.BigIntegerField(default=0)),
                ("snapshot", models.JSONField(default=dict)),
            ],
            options={
                "db_table": "printing_contact",
            },
        ),
        migrations.AddField(
            model_name="printer",
            name="container",
            field=models.OneToOneField(
                null=True,
                on_delete=django.db.models.deletion.PROTECT,
                related_name="printer",
                to="printing.container",
            ),
        ),
        migrations.AddField(
            model_name="printer",
            name="last_material",
            field=models.ForeignKey(
                null=True,
                on_delete=django.db.models.deletion.PROTECT,
                related_name="+",
                to="devices.material",
            ),
        ),
        migrations.AddField(
            model_name="printer",
            name="registered_by",
            field=models.ForeignKey(
                null=True, on_delete=django.db.models.deletion.PROTECT, related_name="+", to="mes.person"
            ),
        ),
        migrations.CreateModel(
            name="PrintJob",
            fields=[
                (
                    "id",
                    models.BigAutoField(
                        auto_created=True, primary_key=True, serialize=False, verbose_name="ID"
                    ),
                ),
                (
                    "state",
                    models.CharField(
                        choices=[
                            ("claimed", "claimed"),
                            ("starting", "starting"),
                            ("printing", "printing"),
                            ("paused", "paused"),
                            ("uncertain", "uncertain"),
                            ("finished", "finished"),
                            ("failed", "failed"),
                            ("cancelled", "cancelled"),
                        ],
                        default="claimed",
                        max_length=10,
                    ),
                ),
                ("claim", models.UUIDField(default=uuid.uuid4, unique=True)),
                ("claimed_at", models.DateTimeField(db_default=django.db.models.functions.datetime.Now())),
                ("started_at", models.DateTimeField(null=True)),
                ("ended_at", models.DateTimeField(null=True)),
                ("reason", models.TextField(blank=True)),
                ("layers_done", models.IntegerField(default=0)),
                (
                    "file_digest_seen",
                    models.CharField(blank=True, help_text="Digest the machine reported", max_length=64),
                ),
                (
                    "observed_late",
                    models.BooleanField(default=False, help_text="The end was seen only afterwards"),
                ),
                ("interruptions", models.JSONField(default=list)),
                ("gaps", models.JSONField(default=list)),
                ("plate_cleared_at", models.DateTimeField(null=True)),
                (
                    "withdrawn_at",
                    models.DateTimeField(
                        help_text="The claim was withdrawn and the machine untouched", null=True
                    ),
                ),
                (
                    "build",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.PROTECT, related_name="jobs", to="printing.build"
                    ),
                ),
                (
                    "container",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="jobs",
                        to="printing.container",
                    ),
                ),
                (
                    "plate_cleared_by",
                    models.ForeignKey(
                        null=True,
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="+",
                        to="mes.person",
                    ),
                ),
                (
                    "printer",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="jobs",
                        to="printing.printer",
                    ),
                ),
            ],
            options={
                "db_table": "printing_job",
                "constraints": [
                    models.UniqueConstraint(
                        condition=models.Q(
                            ("plate_cleared_at__isnull", True), ("withdrawn_at__isnull", True)
                        ),
                        fields=("printer",),
                        name="job_holds_printer",
                    ),
                    models.UniqueConstraint(
                        condition=models.Q(
                            ("state__in", ("claimed", "starting", "printing", "paused", "uncertain"))
                        ),
                        fields=("build",),
                        name="job_holds_build",
                    ),
                    models.CheckConstraint(
                        condition=models.Q(
                            (
                                "state__in",
                                [
                                    "claimed",
                                    "starting",
                                    "printing",
                                    "paused",
                                    "uncertain",
                                    "finished",
                                    "failed",
                                    "cancelled",
                                ],
                            )
                        ),
                        name="job_state",
                    ),
                ],
            },
        ),
        migrations.CreateModel(
            name="PrinterCommand",
            fields=[
                (
                    "id",
                    models.BigAutoField(
                        auto_created=True, primary_key=True, serialize=False, verbose_name="ID"
                    ),
                ),
                ("uid", models.UUIDField(default=uuid.uuid4, unique=True)),
                (
                    "kind",
                    models.CharField(
                        choices=[
                            ("start", "start"),
                            ("pause", "pause"),
                            ("resume", "resume"),
                            ("cancel", "cancel"),
                            ("clear", "confirm that the plate is clear"),
                        ],
                        max_length=6,
                    ),
                ),
                (
                    "state",
                    models.CharField(
                        choices=[
                            ("requested", "requested"),
                            ("sent", "sent"),
                            ("acknowledged", "acknowledged"),
                            ("confirmed", "confirmed"),
                            ("refused", "refused"),
                            ("uncertain", "uncertain"),
                            ("withdrawn", "withdrawn"),
                        ],
                        default="requested",
                        max_length=12,
                    ),
                ),
                ("requested_by", models.CharField(max_length=80)),
                ("requested_at", models.DateTimeField(db_default=django.db.models.functions.datetime.Now())),
                ("sent_at", models.DateTimeField(null=True)),
                ("answer", models.TextField(blank=True)),
                ("evidence", models.JSONField(default=dict)),
                (
                    "printer",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="commands",
                        to="printing.printer",
                    ),
                ),
                (
                    "job",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="commands",
                        to="printing.printjob",
                    ),
                ),
            ],
            options={
                "db_table": "printing_command",
                "constraints": [
                    models.UniqueConstraint(
                        condition=models.Q(("state__in", ("requested", "sent", "acknowledged", "uncertain"))),
                        fields=("printer",),
                        name="one_open_command",
                    ),
                    models.CheckConstraint(
                        condition=models.Q(
                            (
                                "state__in",
                                [
                                    "requested",
                                    "sent",
                                    "acknowledged",
                                    "confirmed",
                                    "refused",
                                    "uncertain",
                                    "withdrawn",
                                ],
                            )
                        ),
                        name="command_state",
                    ),
                ],
            },
        ),
        migrations.CreateModel(
            name="Consumption",
            fields=[
                (
                    "id",
                    models.BigAutoField(
                        auto_created=True, primary_key=True, serialize=False, verbose_name="ID"
                    ),
                ),
                ("quantity", models.DecimalField(decimal_places=3, max_digits=12)),
                (
                    "basis",
                    models.CharField(
                        choices=[
                            ("reported", "reported by the machine"),
                            ("estimated", "estimated from the layers"),
                            ("weighed", "measured by a person"),
                        ],
                        max_length=10,
                    ),
                ),
                (
                    "withdrawal",
                    models.CharField(
                        blank=True,
                        choices=[("sampled", "taken as a sample"), ("wasted", "thrown away")],
                        max_length=8,
                    ),
                ),
                ("at", models.DateTimeField(db_default=django.db.models.functions.datetime.Now())),
                (
                    "container",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="consumptions",
                        to="printing.container",
                    ),
                ),
                (
                    "lot",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="consumptions",
                        to="printing.materiallot",
                    ),
                ),
                (
                    "job",
                    models.ForeignKey(
                        null=True,
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="consumptions",
                        to="printing.printjob",
                    ),
                ),
            ],
            options={
                "db_table": "printing_consumption",
                "constraints": [
                    models.CheckConstraint(
                        condition=models.Q(("quantity__gt", 0)), name="consumption_quantity"
                    ),
                    models.CheckConstraint(
                        condition=models.Q(
                            models.Q(("job__isnull", False), ("withdrawal", "")),
                            models.Q(("job__isnull", True), models.Q(("withdrawal", ""), _negated=True)),
                            _connector="OR",
                        ),
                        name="consumption_purpose",
                    ),
                    models.UniqueConstraint(
                        condition=models.Q(("job__isnull", False)),
                        fields=("job", "container"),
                        name="consumption_once",
                    ),
                ],
            },
        ),
        migrations.CreateModel(
            name="QualifiedTriple",
            fields=[
                (
                    "id",
                    models.BigAutoField(
                        auto_created=True, primary_key=True, serialize=False, verbose_name="ID"
                    ),
                ),
                ("parameters_digest", models.CharField(max_length=64)),
                ("firmware", models.CharField(blank=True, max_length=60)),
                ("valid_until", models.DateField()),
                ("qualified_at", models.DateTimeField(db_default=django.db.models.functions.datetime.Now())),
                (
                    "material",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.PROTECT, related_name="+", to="devices.material"
                    ),
                ),
                (
                    "parameters",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="triples",
                        to="printing.parameterset",
                    ),
                ),
                (
                    "printer",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="triples",
                        to="printing.printer",
                    ),
                ),
                (
                    "signature",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.PROTECT, related_name="+", to="mes.signature"
                    ),
                ),
            ],
            options={
                "db_table": "printing_qualified_triple",
                "indexes": [models.Index(fields=["printer", "material", "parameters"], name="triple_lookup")],
            },
        ),
        migrations.CreateModel(
            name="BuildItem",
            fields=[
                (
                    "id",
                    models.BigAutoField(
                        auto_created=True, primary_key=True, serialize=False, verbose_name="ID"
                    ),
                ),
                (
                    "design_id",
                    models.BigIntegerField(help_text="The design whose approval the device was frozen with"),
                ),
                ("mesh_sha256", models.CharField(max_length=64)),
                ("transform", models.JSONField(null=True)),
                (
                    "active",
                    models.BooleanField(
                        default=True, help_text="False once the build failed or was given up"
                    ),
                ),
                (
                    "build",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.PROTECT, related_name="items", to="printing.build"
                    ),
                ),
                (
                    "device",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="build_items",
                        to="devices.device",
                    ),
                ),
            ],
            options={
                "db_table": "printing_build_item",
                "constraints": [
                    models.UniqueConstraint(fields=("build", "device"), name="item_once"),
                    models.UniqueConstraint(
                        condition=models.Q(("active", True)), fields=("device",), name="device_in_one_build"
                    ),
                ],
            },
        ),
    ]
