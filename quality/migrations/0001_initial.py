"""Every table of inspection, packages, exports and release."""

import django.db.models.deletion
import django.db.models.expressions
import django.db.models.functions.datetime
from django.db import migrations, models

from mes.migrating import FirstTables


class Migration(FirstTables):
    initial = True

    # Databases made before this one had these steps.
    replaces = [
        ("quality", "0001_quality"),
        ("quality", "0002_times_as_given"),
        ("quality", "0003_export"),
        ("quality", "0004_gauges"),
        ("quality", "0005_packages"),
    ]

    dependencies = [
        ("devices", "0001_initial"),
        ("mes", "0001_initial"),
    ]

    operations = [
        migrations.CreateModel(
            name="Export",
            fields=[
                (
                    "id",
                    models.BigAutoField(
                        auto_created=True, primary_key=True, serialize=False, verbose_name="ID"
                    ),
                ),
                (
                    "kind",
                    models.CharField(
                        choices=[
                            ("device", "One device"),
                            ("order", "The devices of an order"),
                            ("lot", "Every device with material of a lot"),
                            ("range", "Every device that something happened to between two days"),
                        ],
                        max_length=10,
                    ),
                ),
                (
                    "subject",
                    models.CharField(
                        help_text="A public code, or two dates with a slash (ISO 8601)", max_length=40
                    ),
                ),
                ("mode", models.CharField(max_length=20)),
                ("devices", models.JSONField(help_text="Keys, in the order in which they are written")),
                (
                    "stage",
                    models.CharField(
                        choices=[
                            ("requested", "Requested"),
                            ("running", "Running"),
                            ("finished", "Finished"),
                            ("cancelled", "Cancelled"),
                            ("failed", "Failed"),
                        ],
                        default="requested",
                        max_length=10,
                    ),
                ),
                ("done", models.PositiveIntegerField(default=0)),
                ("refusal", models.JSONField(default=list)),
                ("requested_by", models.CharField(max_length=80)),
                ("requested_at", models.DateTimeField(db_default=django.db.models.functions.datetime.Now())),
            ],
            options={
                "db_table": "quality_export",
                "constraints": [
                    models.CheckConstraint(
                        condition=models.Q(
                            ("stage__in", ["requested", "running", "finished", "cancelled", "failed"])
                        ),
                        name="export_stage",
                    ),
                    models.CheckConstraint(
                        condition=models.Q(("kind__in", ["device", "order", "lot", "range"])),
                        name="export_kind",
                    ),
                ],
            },
        ),
        migrations.CreateModel(
            name="Gauge",
            fields=[
                (
                    "id",
                    models.BigAutoField(
                        auto_created=True, primary_key=True, serialize=False, verbose_name="ID"
                    ),
                ),
                (
                    "kind",
                    models.CharField(
                        choices=[
                            ("surface_scanner", "3D scanner"),
                            ("ct_scanner", "CT scanner for parts"),
                            ("coordinate", "Coordinate measuring machine"),
                            ("caliper", "Caliper"),
                            ("micrometer", "Micrometer"),
                            ("other", "Other"),
                        ],
                        max_length=20,
                    ),
                ),
                ("maker", models.CharField(max_length=80)),
                ("model", models.CharField(max_length=80)),
                ("serial", models.CharField(max_length=60)),
                ("accuracy_mm", models.DecimalField(decimal_places=4, max_digits=8)),
                ("location", models.CharField(max_length=80)),
                (
                    "stage",
                    models.CharField(
                        choices=[
                            ("registered", "Registered"),
                            ("in_service", "In service"),
                            ("out_of_service", "Out of service"),
                        ],
                        default="registered",
                        max_length=20,
                    ),
                ),
                ("registered_at", models.DateTimeField(db_default=django.db.models.functions.datetime.Now())),
                (
                    "registered_by",
                    models.ForeignKey(
                        null=True,
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="+",
                        to="mes.person",
                    ),
                ),
            ],
            options={
                "db_table": "quality_gauge",
                "ordering": ["pk"],
                "constraints": [
                    models.CheckConstraint(
                        condition=models.Q(("stage__in", ["registered", "in_service", "out_of_service"])),
                        name="gauge_stage",
                    ),
                    models.CheckConstraint(
                        condition=models.Q(
                            (
                                "kind__in",
                                [
                                    "surface_scanner",
                                    "ct_scanner",
                                    "coordinate",
                                    "caliper",
                                    "micrometer",
                                    "other",
                                ],
                            )
                        ),
                        name="gauge_kind",
                    ),
                    models.CheckConstraint(condition=models.Q(("accuracy_mm__gt", 0)), name="gauge_accuracy"),
                    models.UniqueConstraint(fields=("maker", "serial"), name="gauge_serial_once"),
                ],
            },
        ),
        migrations.CreateModel(
            name="Calibration",
            fields=[
                (
                    "id",
                    models.BigAutoField(
                        auto_created=True, primary_key=True, serialize=False, verbose_name="ID"
                    ),
                ),
                ("number", models.PositiveIntegerField(help_text="1 for the gauge's first")),
                ("calibrated_on", models.DateField()),
                ("due_on", models.DateField(help_text="The last day on which it counts")),
                (
                    "as_found",
                    models.CharField(
                        choices=[("in_tolerance", "In tolerance"), ("out_of_tolerance", "Out of tolerance")],
                        max_length=20,
                    ),
                ),
                ("laboratory", models.CharField(help_text="Who calibrated", max_length=120)),
                ("recorded_at", models.DateTimeField(db_default=django.db.models.functions.datetime.Now())),
                (
                    "certificate",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.PROTECT, related_name="+", to="mes.artefact"
                    ),
                ),
                (
                    "recorded_by",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.PROTECT, related_name="+", to="mes.person"
                    ),
                ),
                (
                    "signature",
                    models.OneToOneField(
                        on_delete=django.db.models.deletion.PROTECT, related_name="+", to="mes.signature"
                    ),
                ),
                (
                    "gauge",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="calibrations",
                        to="quality.gauge",
                    ),
                ),
            ],
            options={
                "db_table": "quality_calibration",
                "ordering": ["pk"],
                "constraints": [
                    models.UniqueConstraint(fields=("gauge", "number"), name="calibration_number_once"),
                    models.CheckConstraint(
                        condition=models.Q(("as_found__in", ["in_tolerance", "out_of_tolerance"])),
                        name="calibration_as_found",
                    ),
                    models.CheckConstraint(
                        condition=models.Q(("due_on__gt", models.F("calibrated_on"))),
                        name="calibration_due_later",
                    ),
                ],
            },
        ),
        migrations.CreateModel(
            name="Inspection",
            fields=[
                (
                    "id",
                    models.BigAutoField(
                        auto_created=True, primary_key=True, serialize=False, verbose_name="ID"
                    ),
                ),
                (
                    "number",
                    models.PositiveIntegerField(
                        help_text="1 for the device's first scan; repetitions are all kept"
                    ),
                ),
                (
                    "unit",
                    models.PositiveSmallIntegerField(
                        default=1, help_text="Which unit of a lot was scanned, from 1"
                    ),
                ),
                (
                    "measured_on",
                    models.DateField(
                        help_text="The day, at the site, on which the part was measured", null=True
                    ),
                ),
                ("received_at", models.DateTimeField(db_default=django.db.models.functions.datetime.Now())),
                (
                    "calibration",
                    models.ForeignKey(
                        help_text="In force on the day of measuring",
                        null=True,
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="inspections",
                        to="quality.calibration",
                    ),
                ),
                (
                    "device",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="inspections",
                        to="devices.device",
                    ),
                ),
                (
                    "gauge",
                    models.ForeignKey(
                        help_text="What measured; null only where it came before gauges were registered, and then it is not accepted",
                        null=True,
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="inspections",
                        to="quality.gauge",
                    ),
                ),
                (
                    "received_by",
                    models.ForeignKey(
                        null=True,
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="+",
                        to="mes.person",
                    ),
                ),
                (
                    "scan",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.PROTECT, related_name="+", to="mes.artefact"
                    ),
                ),
            ],
            options={
                "db_table": "quality_inspection",
                "ordering": ["pk"],
                "constraints": [
                    models.UniqueConstraint(fields=("device", "number"), name="inspection_number_once"),
                    models.CheckConstraint(condition=models.Q(("unit__gte", 1)), name="inspection_unit"),
                ],
            },
        ),
        migrations.CreateModel(
            name="Measurement",
            fields=[
                (
                    "id",
                    models.BigAutoField(
                        auto_created=True, primary_key=True, serialize=False, verbose_name="ID"
                    ),
                ),
                (
                    "outcome",
                    models.CharField(
                        choices=[("measured", "Measured"), ("refused", "Refused")], max_length=10
                    ),
                ),
                ("reasons", models.JSONField(default=list, help_text="Of a refusal: rule, text, cure")),
                (
                    "figures",
                    models.JSONField(
                        default=dict,
                        help_text="mean_mm, rms_mm, p95_mm, maximum_mm, share_in_tolerance, coverage, …",
                    ),
                ),
                ("limits", models.JSONField(default=dict)),
                (
                    "characteristics",
                    models.JSONField(default=list, help_text="Each: code, title, value, limit, unit, passed"),
                ),
                ("passed", models.BooleanField(default=False)),
                (
                    "pose",
                    models.JSONField(default=list, help_text="4x4, from the scan's frame to the nominal one"),
                ),
                ("tool", models.JSONField(default=dict, help_text="name, version, parameters, validation")),
                ("measured_at", models.DateTimeField(db_default=django.db.models.functions.datetime.Now())),
                (
                    "deviation_map",
                    models.ForeignKey(
                        null=True,
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="+",
                        to="mes.artefact",
                    ),
                ),
                (
                    "inspection",
                    models.OneToOneField(
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="measurement",
                        to="quality.inspection",
                    ),
                ),
                (
                    "nominal",
                    models.ForeignKey(
                        null=True,
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="+",
                        to="mes.artefact",
                    ),
                ),
                (
                    "picture",
                    models.ForeignKey(
                        null=True,
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="+",
                        to="mes.artefact",
                    ),
                ),
            ],
            options={
                "db_table": "quality_measurement",
                "constraints": [
                    models.CheckConstraint(
                        condition=models.Q(("outcome__in", ["measured", "refused"])),
                        name="measurement_outcome",
                    ),
                    models.CheckConstraint(
                        condition=models.Q(("outcome", "measured"), ("passed", False), _connector="OR"),
                        name="refused_never_passes",
                    ),
                ],
            },
        ),
        migrations.CreateModel(
            name="Nonconformance",
            fields=[
                (
                    "id",
                    models.BigAutoField(
                        auto_created=True, primary_key=True, serialize=False, verbose_name="ID"
                    ),
                ),
                (
                    "source",
                    models.CharField(
                        choices=[
                            ("post_processing", "Post-processing step out of its limits"),
                            ("inspection", "Inspection"),
                            ("printing", "Printing"),
                            ("gauge", "Gauge found out of tolerance"),
                            ("person", "Reported by a person"),
                        ],
                        max_length=20,
                    ),
                ),
                (
                    "units",
                    models.JSONField(
                        default=list, help_text="Which units of a lot it is about; none: all of the device"
                    ),
                ),
                ("found_at_stage", models.CharField(max_length=30)),
                (
                    "requirement",
                    models.CharField(
                        help_text="What was required, by its id where it has one", max_length=200
                    ),
                ),
                ("description", models.TextField()),
                (
                    "severity",
                    models.CharField(
                        choices=[("minor", "Minor"), ("major", "Major"), ("critical", "Critical")],
                        default="major",
                        max_length=10,
                    ),
                ),
                ("evidence", models.JSONField(default=dict)),
                (
                    "stage",
                    models.CharField(
                        choices=[
                            ("open", "Open"),
                            ("contained", "Contained"),
                            ("under_evaluation", "Under evaluation"),
                            ("investigation", "Under investigation"),
                            ("disposition_proposed", "Disposition proposed"),
                            ("disposition_approved", "Disposition approved"),
                            ("executing", "Executing"),
                            ("verifying", "Verifying"),
                            ("closed", "Closed"),
                            ("void", "Void"),
                        ],
                        db_index=True,
                        default="open",
                        max_length=24,
                    ),
                ),
                (
                    "disposition",
                    models.CharField(
                        blank=True,
                        choices=[("", "Not decided"), ("scrap", "Scrap")],
                        default="",
                        max_length=10,
                    ),
                ),
                ("justification", models.TextField(blank=True)),
                ("opened_at", models.DateTimeField(db_default=django.db.models.functions.datetime.Now())),
                (
                    "approval",
                    models.ForeignKey(
                        null=True,
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="+",
                        to="mes.signature",
                    ),
                ),
                (
                    "approved_by",
                    models.ForeignKey(
                        null=True,
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="+",
                        to="mes.person",
                    ),
                ),
                (
                    "device",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="nonconformances",
                        to="devices.device",
                    ),
                ),
                (
                    "opened_by",
                    models.ForeignKey(
                        null=True,
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="+",
                        to="mes.person",
                    ),
                ),
                (
                    "proposal",
                    models.ForeignKey(
                        null=True,
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="+",
                        to="mes.signature",
                    ),
                ),
                (
                    "proposed_by",
                    models.ForeignKey(
                        null=True,
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="+",
                        to="mes.person",
                    ),
                ),
            ],
            options={
                "db_table": "quality_nonconformance",
                "ordering": ["pk"],
                "constraints": [
                    models.CheckConstraint(
                        condition=models.Q(
                            (
                                "stage__in",
                                [
                                    "open",
                                    "contained",
                                    "under_evaluation",
                                    "investigation",
                                    "disposition_proposed",
                                    "disposition_approved",
                                    "executing",
                                    "verifying",
                                    "closed",
                                    "void",
                                ],
                            )
                        ),
                        name="nonconformance_stage",
                    ),
                    models.CheckConstraint(
                        condition=models.Q(
                            ("approved_by__isnull", True),
                            ("proposed_by__isnull", True),
                            models.Q(("approved_by", models.F("proposed_by")), _negated=True),
                            _connector="OR",
                        ),
                        name="nonconformance_two_people",
                    ),
                ],
            },
        ),
        migrations.CreateModel(
            name="Package",
            fields=[
                (
                    "id",
                    models.BigAutoField(
                        auto_created=True, primary_key=True, serialize=False, verbose_name="ID"
                    ),
                ),
                (
                    "level",
                    models.CharField(
                        choices=[("each", "Each"), ("pouch", "Pouch"), ("carton", "Carton")], max_length=8
                    ),
                ),
                ("sterile_barrier", models.BooleanField(default=False)),
                ("di", models.CharField(default="", max_length=30)),
                (
                    "stage",
                    models.CharField(
                        choices=[
                            ("packing", "Being packed"),
                            ("closed", "Closed"),
                            ("void", "Given up, empty"),
                        ],
                        db_index=True,
                        default="packing",
                        max_length=8,
                    ),
                ),
                ("station", models.CharField(max_length=40)),
                ("opened_at", models.DateTimeField(db_default=django.db.models.functions.datetime.Now())),
                ("contents_digest", models.CharField(max_length=64)),
                ("label", models.JSONField(default=dict)),
                ("label_sha256", models.CharField(default="", max_length=64)),
                ("use_by", models.DateField(null=True)),
                (
                    "use_by_precision",
                    models.CharField(
                        blank=True, choices=[("day", "day"), ("month", "month")], default="", max_length=5
                    ),
                ),
                ("issued", models.PositiveIntegerField(default=0)),
                ("applied", models.PositiveIntegerField(default=0)),
                ("destroyed", models.PositiveIntegerField(default=0)),
                (
                    "application",
                    models.ForeignKey(
                        null=True,
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="+",
                        to="mes.signature",
                    ),
                ),
                (
                    "applied_by",
                    models.ForeignKey(
                        null=True,
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="+",
                        to="mes.person",
                    ),
                ),
                (
                    "closing",
                    models.ForeignKey(
                        null=True,
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="+",
                        to="mes.signature",
                    ),
                ),
                (
                    "opened_by",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.PROTECT, related_name="+", to="mes.person"
                    ),
                ),
                (
                    "order",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="packages",
                        to="devices.order",
                    ),
                ),
                (
                    "parent",
                    models.ForeignKey(
                        null=True,
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="inner",
                        to="quality.package",
                    ),
                ),
            ],
            options={
                "db_table": "quality_package",
                "ordering": ["pk"],
                "indexes": [models.Index(fields=["order", "stage"], name="package_order_stage")],
                "constraints": [
                    models.CheckConstraint(
                        condition=models.Q(("stage__in", ["packing", "closed", "void"])), name="package_stage"
                    ),
                    models.CheckConstraint(
                        condition=models.Q(("level__in", ["each", "pouch", "carton"])), name="package_level"
                    ),
                    models.CheckConstraint(
                        condition=models.Q(("sterile_barrier", False), ("di", ""), _connector="OR"),
                        name="package_barrier_has_no_di",
                    ),
                    models.CheckConstraint(
                        condition=models.Q(
                            models.Q(("use_by__isnull", True), ("use_by_precision", "")),
                            models.Q(("use_by__isnull", False), ("use_by_precision__in", ["day", "month"])),
                            _connector="OR",
                        ),
                        name="package_use_by_has_precision",
                    ),
                    models.CheckConstraint(
                        condition=models.Q(
                            (
                                "issued__gte",
                                django.db.models.expressions.CombinedExpression(
                                    models.F("applied"), "+", models.F("destroyed")
                                ),
                            )
                        ),
                        name="package_labels_issued",
                    ),
                    models.CheckConstraint(
                        condition=models.Q(
                            ("stage", "packing"),
                            (
                                "issued",
                                django.db.models.expressions.CombinedExpression(
                                    models.F("applied"), "+", models.F("destroyed")
                                ),
                            ),
                            _connector="OR",
                        ),
                        name="package_labels_reconciled",
                    ),
                    models.CheckConstraint(
                        condition=models.Q(
                            models.Q(("stage", "closed"), _negated=True),
                            ("closing__isnull", False),
                            _connector="OR",
                        ),
                        name="package_closed_by_signature",
                    ),
                    models.CheckConstraint(
                        condition=models.Q(("parent", models.F("pk")), _negated=True),
                        name="package_not_in_itself",
                    ),
                ],
            },
        ),
        migrations.CreateModel(
            name="PackageContent",
            fields=[
                (
                    "id",
                    models.BigAutoField(
                        auto_created=True, primary_key=True, serialize=False, verbose_name="ID"
                    ),
                ),
                ("quantity", models.PositiveSmallIntegerField()),
                (
                    "device",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="packed",
                        to="devices.device",
                    ),
                ),
                (
                    "package",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="contents",
                        to="quality.package",
                    ),
                ),
            ],
            options={
                "db_table": "quality_package_content",
                "ordering": ["device_id"],
                "constraints": [
                    models.UniqueConstraint(fields=("package", "device"), name="package_content_once")
                ],
            },
        ),
        migrations.CreateModel(
            name="PostProcessStep",
            fields=[
                (
                    "id",
                    models.BigAutoField(
                        auto_created=True, primary_key=True, serialize=False, verbose_name="ID"
                    ),
                ),
                (
                    "step",
                    models.CharField(
                        help_text="Code of the step in the device master's routing", max_length=40
                    ),
                ),
                ("title", models.CharField(max_length=120)),
                ("position", models.PositiveIntegerField(help_text="Place in the routing, from 1")),
                ("attempt", models.PositiveIntegerField(help_text="1, and one more for each repetition")),
                (
                    "values",
                    models.JSONField(
                        help_text="Each parameter: name, value, unit, minimum, maximum, in_limits"
                    ),
                ),
                ("in_limits", models.BooleanField()),
                ("equipment", models.CharField(blank=True, max_length=80)),
                (
                    "started_at",
                    models.DateTimeField(help_text="As given; null where nobody gave the times", null=True),
                ),
                ("ended_at", models.DateTimeField(null=True)),
                (
                    "device",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="post_process_steps",
                        to="devices.device",
                    ),
                ),
                (
                    "performed_by",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.PROTECT, related_name="+", to="mes.person"
                    ),
                ),
                (
                    "signature",
                    models.OneToOneField(
                        on_delete=django.db.models.deletion.PROTECT, related_name="+", to="mes.signature"
                    ),
                ),
            ],
            options={
                "db_table": "quality_post_process_step",
                "ordering": ["pk"],
                "constraints": [
                    models.UniqueConstraint(fields=("device", "step", "attempt"), name="step_attempt_once"),
                    models.CheckConstraint(
                        condition=models.Q(("ended_at__gte", models.F("started_at"))),
                        name="step_ends_after_start",
                    ),
                ],
            },
        ),
        migrations.CreateModel(
            name="RecordReview",
            fields=[
                (
                    "id",
                    models.BigAutoField(
                        auto_created=True, primary_key=True, serialize=False, verbose_name="ID"
                    ),
                ),
                ("events", models.PositiveIntegerField()),
                ("last_pos", models.BigIntegerField()),
                ("trail_digest", models.CharField(max_length=64)),
                ("findings", models.TextField(blank=True)),
                ("reviewed_at", models.DateTimeField(db_default=django.db.models.functions.datetime.Now())),
                (
                    "device",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="record_reviews",
                        to="devices.device",
                    ),
                ),
                (
                    "reviewed_by",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.PROTECT, related_name="+", to="mes.person"
                    ),
                ),
                (
                    "signature",
                    models.OneToOneField(
                        on_delete=django.db.models.deletion.PROTECT, related_name="+", to="mes.signature"
                    ),
                ),
            ],
            options={
                "db_table": "quality_record_review",
                "ordering": ["pk"],
            },
        ),
        migrations.CreateModel(
            name="ReleaseDecision",
            fields=[
                (
                    "id",
                    models.BigAutoField(
                        auto_created=True, primary_key=True, serialize=False, verbose_name="ID"
                    ),
                ),
                ("checklist", models.JSONField()),
                (
                    "quantity",
                    models.PositiveSmallIntegerField(default=1, help_text="How many units were released"),
                ),
                ("released_at", models.DateTimeField(db_default=django.db.models.functions.datetime.Now())),
                (
                    "device",
                    models.OneToOneField(
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="release_decision",
                        to="devices.device",
                    ),
                ),
                (
                    "record",
                    models.ForeignKey(
                        help_text="The record as signed",
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="+",
                        to="mes.artefact",
                    ),
                ),
                (
                    "released_by",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.PROTECT, related_name="+", to="mes.person"
                    ),
                ),
                (
                    "signature",
                    models.OneToOneField(
                        on_delete=django.db.models.deletion.PROTECT, related_name="+", to="mes.signature"
                    ),
                ),
            ],
            options={
                "db_table": "quality_release_decision",
            },
        ),
        migrations.CreateModel(
            name="Report",
            fields=[
                (
                    "id",
                    models.BigAutoField(
                        auto_created=True, primary_key=True, serialize=False, verbose_name="ID"
                    ),
                ),
                ("name", models.CharField(help_text="As registered in quality.reports", max_length=40)),
                ("last_pos", models.BigIntegerField(help_text="Position of the last event that it tells")),
                ("rendered_at", models.DateTimeField(db_default=django.db.models.functions.datetime.Now())),
                (
                    "device",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="reports",
                        to="devices.device",
                    ),
                ),
                (
                    "json",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.PROTECT, related_name="+", to="mes.artefact"
                    ),
                ),
                (
                    "pdf",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.PROTECT, related_name="+", to="mes.artefact"
                    ),
                ),
            ],
            options={
                "db_table": "quality_report",
                "ordering": ["pk"],
            },
        ),
        migrations.CreateModel(
            name="Verdict",
            fields=[
                (
                    "id",
                    models.BigAutoField(
                        auto_created=True, primary_key=True, serialize=False, verbose_name="ID"
                    ),
                ),
                (
                    "decision",
                    models.CharField(
                        choices=[
                            ("passed", "Passed"),
                            ("failed", "Failed"),
                            ("set_aside", "Set aside with a reason"),
                        ],
                        max_length=10,
                    ),
                ),
                ("justification", models.TextField(blank=True)),
                ("decided_at", models.DateTimeField(db_default=django.db.models.functions.datetime.Now())),
                (
                    "decided_by",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.PROTECT, related_name="+", to="mes.person"
                    ),
                ),
                (
                    "inspection",
                    models.OneToOneField(
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="verdict",
                        to="quality.inspection",
                    ),
                ),
                (
                    "signature",
                    models.OneToOneField(
                        on_delete=django.db.models.deletion.PROTECT, related_name="+", to="mes.signature"
                    ),
                ),
            ],
            options={
                "db_table": "quality_verdict",
                "constraints": [
                    models.CheckConstraint(
                        condition=models.Q(("decision__in", ["passed", "failed", "set_aside"])),
                        name="verdict_decision",
                    )
                ],
            },
        ),
        migrations.CreateModel(
            name="ExportedRecord",
            fields=[
                (
                    "id",
                    models.BigAutoField(
                        auto_created=True, primary_key=True, serialize=False, verbose_name="ID"
                    ),
                ),
                ("record_sha256", models.CharField(max_length=64)),
                ("name", models.CharField(max_length=120)),
                ("events", models.PositiveIntegerField()),
                ("written_at", models.DateTimeField(db_default=django.db.models.functions.datetime.Now())),
                (
                    "bundle",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.PROTECT, related_name="+", to="mes.artefact"
                    ),
                ),
                (
                    "device",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.PROTECT, related_name="+", to="devices.device"
                    ),
                ),
                (
                    "export",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="records",
                        to="quality.export",
                    ),
                ),
            ],
            options={
                "db_table": "quality_exported_record",
                "ordering": ["pk"],
                "constraints": [models.UniqueConstraint(fields=("export", "device"), name="exported_once")],
            },
        ),
    ]
