"""Every table of orders, images, designs and devices."""

import django.db.models.deletion
import django.db.models.expressions
import django.db.models.functions.datetime
from django.db import migrations, models

from mes.migrating import FirstTables


class Migration(FirstTables):
    initial = True

    # Databases made before this one had these steps.
    replaces = [
        ("devices", "0001_devices"),
        ("devices", "0002_people"),
        ("devices", "0003_holds"),
        ("devices", "0004_records_manager"),
        ("devices", "0005_material_results"),
        ("devices", "0006_tracking"),
    ]

    dependencies = [
        ("mes", "0001_initial"),
    ]

    operations = [
        migrations.CreateModel(
            name="Design",
            fields=[
                (
                    "id",
                    models.BigAutoField(
                        auto_created=True, primary_key=True, serialize=False, verbose_name="ID"
                    ),
                ),
                ("revision", models.IntegerField()),
                (
                    "status",
                    models.CharField(
                        choices=[
                            ("requested", "Being made"),
                            ("failed", "Not made"),
                            ("generated", "Awaiting review"),
                            ("reviewed", "Awaiting the prescriber"),
                            ("rejected", "Rejected"),
                            ("approved", "Approved"),
                            ("voided", "Voided"),
                        ],
                        default="requested",
                        max_length=10,
                    ),
                ),
                ("generator", models.CharField(max_length=60)),
                ("generator_version", models.CharField(max_length=20)),
                ("validation_status", models.CharField(max_length=20)),
                ("values", models.JSONField()),
                ("requested_at", models.DateTimeField(db_default=django.db.models.functions.datetime.Now())),
                ("measures", models.JSONField(default=dict)),
                ("features", models.JSONField(default=list)),
                ("warnings", models.JSONField(default=list)),
                (
                    "reasons",
                    models.JSONField(default=list, help_text="Why it was not made, was rejected or voided"),
                ),
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
                    "author",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.PROTECT, related_name="+", to="mes.person"
                    ),
                ),
                (
                    "mesh",
                    models.ForeignKey(
                        null=True,
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="+",
                        to="mes.artefact",
                    ),
                ),
                (
                    "review",
                    models.ForeignKey(
                        null=True,
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="+",
                        to="mes.signature",
                    ),
                ),
                (
                    "reviewer",
                    models.ForeignKey(
                        null=True,
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="+",
                        to="mes.person",
                    ),
                ),
            ],
            options={
                "db_table": "devices_design",
                "constraints": [
                    models.CheckConstraint(
                        condition=models.Q(
                            (
                                "status__in",
                                [
                                    "requested",
                                    "failed",
                                    "generated",
                                    "reviewed",
                                    "rejected",
                                    "approved",
                                    "voided",
                                ],
                            )
                        ),
                        name="design_status",
                    ),
                    models.CheckConstraint(
                        condition=models.Q(
                            models.Q(("status__in", ["generated", "reviewed", "approved"]), _negated=True),
                            ("mesh__isnull", False),
                            _connector="OR",
                        ),
                        name="design_made_has_mesh",
                    ),
                    models.CheckConstraint(
                        condition=models.Q(
                            models.Q(("status", "approved"), _negated=True),
                            models.Q(("approval__isnull", False), ("review__isnull", False)),
                            _connector="OR",
                        ),
                        name="design_approved_is_signed",
                    ),
                ],
            },
        ),
        migrations.CreateModel(
            name="Device",
            fields=[
                (
                    "id",
                    models.BigAutoField(
                        auto_created=True, primary_key=True, serialize=False, verbose_name="ID"
                    ),
                ),
                ("serial", models.CharField(max_length=18, unique=True)),
                (
                    "tracked_as",
                    models.CharField(
                        choices=[
                            ("unit", "Each device by its serial number"),
                            ("lot", "Identical devices of an order as one lot"),
                        ],
                        default="unit",
                        max_length=4,
                    ),
                ),
                ("quantity", models.PositiveSmallIntegerField(default=1)),
                ("accepted", models.PositiveSmallIntegerField(default=0)),
                ("scrapped", models.PositiveSmallIntegerField(default=0)),
                ("released", models.PositiveSmallIntegerField(default=0)),
                (
                    "stage",
                    models.CharField(
                        choices=[
                            ("planned", "Planned"),
                            ("design_frozen", "Design frozen"),
                            ("queued", "Queued"),
                            ("in_build", "In build"),
                            ("built", "Built"),
                            ("post_processing", "Post-processing"),
                            ("awaiting_inspection", "Awaiting inspection"),
                            ("inspected_pass", "Inspection passed"),
                            ("labelled", "Labelled"),
                            ("ready_for_review", "Ready for review"),
                            ("reviewed", "Reviewed"),
                            ("released", "Released"),
                            ("shipped", "Shipped"),
                            ("delivered", "Delivered"),
                            ("nonconforming", "Nonconforming"),
                            ("rework", "Rework"),
                            ("scrapped", "Scrapped"),
                            ("cancelled", "Cancelled"),
                        ],
                        default="planned",
                        max_length=30,
                    ),
                ),
                (
                    "phase",
                    models.CharField(
                        choices=[
                            ("order", "Order"),
                            ("imaging", "Imaging"),
                            ("design", "Design"),
                            ("approval", "Approval"),
                            ("slicing", "Slicing"),
                            ("queue", "Queue"),
                            ("printing", "Printing"),
                            ("post_processing", "Post-processing"),
                            ("inspection", "Inspection"),
                            ("review", "Review"),
                            ("release", "Release"),
                            ("delivery", "Delivery"),
                        ],
                        default="imaging",
                        max_length=20,
                    ),
                ),
                ("held", models.BooleanField(default=False)),
                ("hold_reason", models.TextField(default="")),
                ("holds", models.JSONField(default=list)),
                ("resume_to", models.CharField(default="", max_length=30)),
                ("need_by", models.DateField()),
                ("evidence_digest", models.CharField(default="", max_length=64)),
                ("created_at", models.DateTimeField(db_default=django.db.models.functions.datetime.Now())),
                (
                    "changed_at",
                    models.DateTimeField(
                        db_default=django.db.models.functions.datetime.Now(),
                        help_text="When the stage or phase last changed",
                    ),
                ),
                (
                    "current_design",
                    models.ForeignKey(
                        null=True,
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="+",
                        to="devices.design",
                    ),
                ),
            ],
            options={
                "db_table": "devices_device",
                "indexes": [
                    models.Index(fields=["phase", "need_by"], name="device_phase_need"),
                    models.Index(fields=["stage", "need_by"], name="device_stage_need"),
                ],
                "constraints": [
                    models.CheckConstraint(
                        condition=models.Q(
                            (
                                "stage__in",
                                [
                                    "planned",
                                    "design_frozen",
                                    "queued",
                                    "in_build",
                                    "built",
                                    "post_processing",
                                    "awaiting_inspection",
                                    "inspected_pass",
                                    "labelled",
                                    "ready_for_review",
                                    "reviewed",
                                    "released",
                                    "shipped",
                                    "delivered",
                                    "nonconforming",
                                    "rework",
                                    "scrapped",
                                    "cancelled",
                                ],
                            )
                        ),
                        name="device_stage",
                    ),
                    models.CheckConstraint(
                        condition=models.Q(
                            (
                                "phase__in",
                                [
                                    "order",
                                    "imaging",
                                    "design",
                                    "approval",
                                    "slicing",
                                    "queue",
                                    "printing",
                                    "post_processing",
                                    "inspection",
                                    "review",
                                    "release",
                                    "delivery",
                                ],
                            )
                        ),
                        name="device_phase",
                    ),
                    models.CheckConstraint(
                        condition=models.Q(("serial__regex", "^[0-9A-Z]{1,18}$")),
                        name="device_serial_characters",
                    ),
                    models.CheckConstraint(
                        condition=models.Q(
                            ("held", False), models.Q(("hold_reason", ""), _negated=True), _connector="OR"
                        ),
                        name="device_hold_has_reason",
                    ),
                    models.CheckConstraint(
                        condition=models.Q(
                            models.Q(("quantity__gte", 1), ("tracked_as", "lot")),
                            models.Q(("quantity", 1), ("tracked_as", "unit")),
                            _connector="OR",
                        ),
                        name="device_tracked_as",
                    ),
                    models.CheckConstraint(
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
                    models.CheckConstraint(
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
                    models.CheckConstraint(
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
                    models.CheckConstraint(
                        condition=models.Q(
                            models.Q(("stage", "scrapped"), _negated=True),
                            ("scrapped", models.F("quantity")),
                            _connector="OR",
                        ),
                        name="device_units_scrapped",
                    ),
                ],
            },
        ),
        migrations.AddField(
            model_name="design",
            name="device",
            field=models.ForeignKey(
                on_delete=django.db.models.deletion.PROTECT, related_name="designs", to="devices.device"
            ),
        ),
        migrations.CreateModel(
            name="DeviceMaster",
            fields=[
                (
                    "id",
                    models.BigAutoField(
                        auto_created=True, primary_key=True, serialize=False, verbose_name="ID"
                    ),
                ),
                ("code", models.CharField(max_length=40)),
                ("revision", models.IntegerField()),
                ("title", models.CharField(max_length=120)),
                (
                    "field",
                    models.CharField(
                        choices=[
                            ("dental", "Dental"),
                            ("spine", "Spine"),
                            ("cardiac", "Cardiac"),
                            ("orthopaedic", "Orthopaedic"),
                            ("cranial", "Cranial"),
                            ("ophthalmic", "Ophthalmic"),
                            ("dermatology", "Dermatology"),
                        ],
                        max_length=20,
                    ),
                ),
                (
                    "intended_use",
                    models.CharField(
                        choices=[("training", "Training, not for clinical use"), ("clinical", "Clinical")],
                        max_length=10,
                    ),
                ),
                (
                    "pathway",
                    models.CharField(
                        help_text="Regulatory pathway and its reason (G-ORD-03)", max_length=300
                    ),
                ),
                ("contact_category", models.CharField(max_length=40)),
                ("imaging", models.JSONField()),
                ("segmentation", models.JSONField()),
                ("design", models.JSONField()),
                ("materials", models.JSONField()),
                ("process", models.CharField(max_length=40)),
                ("routing", models.JSONField()),
                ("inspection", models.JSONField()),
                ("label", models.JSONField()),
                (
                    "tracked_as",
                    models.CharField(
                        choices=[
                            ("unit", "Each device by its serial number"),
                            ("lot", "Identical devices of an order as one lot"),
                        ],
                        default="unit",
                        max_length=4,
                    ),
                ),
                ("packaging", models.JSONField(default=dict)),
                (
                    "status",
                    models.CharField(
                        choices=[
                            ("draft", "Draft"),
                            ("effective", "Effective"),
                            ("superseded", "Superseded"),
                        ],
                        default="draft",
                        max_length=12,
                    ),
                ),
                ("effective_at", models.DateTimeField(null=True)),
                ("created_at", models.DateTimeField(db_default=django.db.models.functions.datetime.Now())),
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
                    "author",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.PROTECT, related_name="+", to="mes.person"
                    ),
                ),
            ],
            options={
                "db_table": "devices_master",
                "constraints": [
                    models.UniqueConstraint(fields=("code", "revision"), name="master_revision"),
                    models.UniqueConstraint(
                        condition=models.Q(("status", "effective")),
                        fields=("code",),
                        name="master_one_effective",
                    ),
                    models.CheckConstraint(
                        condition=models.Q(("status__in", ["draft", "effective", "superseded"])),
                        name="master_status",
                    ),
                    models.CheckConstraint(
                        condition=models.Q(("intended_use__in", ["training", "clinical"])),
                        name="master_intended_use",
                    ),
                    models.CheckConstraint(
                        condition=models.Q(
                            (
                                "field__in",
                                [
                                    "dental",
                                    "spine",
                                    "cardiac",
                                    "orthopaedic",
                                    "cranial",
                                    "ophthalmic",
                                    "dermatology",
                                ],
                            )
                        ),
                        name="master_field",
                    ),
                    models.CheckConstraint(
                        condition=models.Q(("tracked_as__in", ["unit", "lot"])), name="master_tracked_as"
                    ),
                ],
            },
        ),
        migrations.AddField(
            model_name="device",
            name="master",
            field=models.ForeignKey(
                on_delete=django.db.models.deletion.PROTECT, related_name="devices", to="devices.devicemaster"
            ),
        ),
        migrations.CreateModel(
            name="Material",
            fields=[
                (
                    "id",
                    models.BigAutoField(
                        auto_created=True, primary_key=True, serialize=False, verbose_name="ID"
                    ),
                ),
                ("code", models.CharField(max_length=40, unique=True)),
                ("name", models.CharField(max_length=120)),
                ("process", models.CharField(max_length=40)),
                ("minimum_wall_mm", models.FloatField()),
                ("density_g_per_ml", models.FloatField()),
                ("contact_category", models.CharField(max_length=40)),
                ("required_results", models.JSONField(default=list)),
                (
                    "status",
                    models.CharField(
                        choices=[
                            ("draft", "Draft"),
                            ("effective", "Effective"),
                            ("superseded", "Superseded"),
                        ],
                        default="draft",
                        max_length=12,
                    ),
                ),
                ("created_at", models.DateTimeField(db_default=django.db.models.functions.datetime.Now())),
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
                    "author",
                    models.ForeignKey(
                        null=True,
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="+",
                        to="mes.person",
                    ),
                ),
            ],
            options={
                "db_table": "devices_material",
                "constraints": [
                    models.CheckConstraint(
                        condition=models.Q(("status__in", ["draft", "effective", "superseded"])),
                        name="material_status",
                    ),
                    models.CheckConstraint(
                        condition=models.Q(("density_g_per_ml__gt", 0), ("minimum_wall_mm__gt", 0)),
                        name="material_positive",
                    ),
                ],
            },
        ),
        migrations.AddField(
            model_name="device",
            name="material",
            field=models.ForeignKey(
                on_delete=django.db.models.deletion.PROTECT, related_name="+", to="devices.material"
            ),
        ),
        migrations.CreateModel(
            name="Order",
            fields=[
                (
                    "id",
                    models.BigAutoField(
                        auto_created=True, primary_key=True, serialize=False, verbose_name="ID"
                    ),
                ),
                (
                    "side",
                    models.CharField(
                        choices=[
                            ("left", "Left"),
                            ("right", "Right"),
                            ("bilateral", "Both sides"),
                            ("none", "Not sided"),
                        ],
                        max_length=10,
                    ),
                ),
                ("need_by", models.DateField()),
                ("quantity", models.IntegerField(default=1)),
                ("characteristics", models.JSONField(default=list)),
                (
                    "stage",
                    models.CharField(
                        choices=[
                            ("draft", "Draft"),
                            ("submitted", "Submitted"),
                            ("under_review", "Under review"),
                            ("info_required", "Information required"),
                            ("accepted", "Accepted"),
                            ("rejected", "Rejected"),
                            ("in_design", "In design"),
                            ("awaiting_clinical_approval", "Awaiting clinical approval"),
                            ("in_production", "In production"),
                            ("ready_to_ship", "Ready to ship"),
                            ("shipped", "Shipped"),
                            ("delivered", "Delivered"),
                            ("closed", "Closed"),
                            ("cancelled", "Cancelled"),
                        ],
                        default="draft",
                        max_length=30,
                    ),
                ),
                ("reason", models.TextField(default="", help_text="Why it was rejected, or what is missing")),
                ("created_at", models.DateTimeField(db_default=django.db.models.functions.datetime.Now())),
                (
                    "created_by",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.PROTECT, related_name="+", to="mes.person"
                    ),
                ),
                (
                    "master",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="orders",
                        to="devices.devicemaster",
                    ),
                ),
                (
                    "material",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.PROTECT, related_name="+", to="devices.material"
                    ),
                ),
                (
                    "patient",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.PROTECT, related_name="+", to="mes.patient"
                    ),
                ),
                (
                    "prescriber",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.PROTECT, related_name="+", to="mes.person"
                    ),
                ),
                (
                    "prescription",
                    models.ForeignKey(
                        null=True,
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="+",
                        to="mes.signature",
                    ),
                ),
            ],
            options={
                "db_table": "devices_order",
                "indexes": [models.Index(fields=["stage", "need_by"], name="order_stage_need")],
                "constraints": [
                    models.CheckConstraint(
                        condition=models.Q(
                            (
                                "stage__in",
                                [
                                    "draft",
                                    "submitted",
                                    "under_review",
                                    "info_required",
                                    "accepted",
                                    "rejected",
                                    "in_design",
                                    "awaiting_clinical_approval",
                                    "in_production",
                                    "ready_to_ship",
                                    "shipped",
                                    "delivered",
                                    "closed",
                                    "cancelled",
                                ],
                            )
                        ),
                        name="order_stage",
                    ),
                    models.CheckConstraint(
                        condition=models.Q(("side__in", ["left", "right", "bilateral", "none"])),
                        name="order_side",
                    ),
                    models.CheckConstraint(
                        condition=models.Q(("quantity__gte", 1), ("quantity__lte", 20)), name="order_quantity"
                    ),
                ],
            },
        ),
        migrations.AddField(
            model_name="device",
            name="order",
            field=models.ForeignKey(
                on_delete=django.db.models.deletion.PROTECT, related_name="devices", to="devices.order"
            ),
        ),
        migrations.CreateModel(
            name="Assignment",
            fields=[
                (
                    "id",
                    models.BigAutoField(
                        auto_created=True, primary_key=True, serialize=False, verbose_name="ID"
                    ),
                ),
                (
                    "role",
                    models.CharField(
                        choices=[
                            ("PRE", "Prescriber"),
                            ("CLR", "Clinical reviewer"),
                            ("ORD", "Order coordinator"),
                            ("IMG", "Imaging technologist"),
                            ("SEG", "Segmentation engineer"),
                            ("DSN", "Design engineer"),
                            ("BLD", "Build programmer"),
                            ("MAT", "Material controller"),
                            ("OPR", "Machine operator"),
                            ("PST", "Post-processing technician"),
                            ("INS", "Inspector"),
                            ("LBL", "Label controller"),
                            ("QCM", "Quality control"),
                            ("QAR", "Quality reviewer"),
                            ("QAX", "Quality releaser"),
                            ("RA", "Regulatory affairs"),
                            ("CAL", "Calibration"),
                            ("SEC", "Security administrator"),
                            ("SYS", "System administrator"),
                            ("AUD", "Auditor"),
                            ("PRV", "Privacy officer"),
                            ("REC", "Records manager"),
                        ],
                        max_length=3,
                    ),
                ),
                ("assigned_at", models.DateTimeField(db_default=django.db.models.functions.datetime.Now())),
                ("ended", models.BooleanField(default=False)),
                (
                    "assigned_by",
                    models.ForeignKey(
                        null=True,
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="+",
                        to="mes.person",
                    ),
                ),
                (
                    "person",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.PROTECT, related_name="+", to="mes.person"
                    ),
                ),
                (
                    "order",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="assignments",
                        to="devices.order",
                    ),
                ),
            ],
            options={
                "db_table": "devices_assignment",
                "indexes": [models.Index(fields=["person", "ended"], name="assignment_of_person")],
                "constraints": [
                    models.UniqueConstraint(
                        condition=models.Q(("ended", False)),
                        fields=("order", "person", "role"),
                        name="assignment_once",
                    ),
                    models.CheckConstraint(
                        condition=models.Q(
                            (
                                "role__in",
                                [
                                    "PRE",
                                    "CLR",
                                    "ORD",
                                    "IMG",
                                    "SEG",
                                    "DSN",
                                    "BLD",
                                    "MAT",
                                    "OPR",
                                    "PST",
                                    "INS",
                                    "LBL",
                                    "QCM",
                                    "QAR",
                                    "QAX",
                                    "RA",
                                    "CAL",
                                    "SEC",
                                    "SYS",
                                    "AUD",
                                    "PRV",
                                    "REC",
                                ],
                            )
                        ),
                        name="assignment_role",
                    ),
                ],
            },
        ),
        migrations.CreateModel(
            name="Segmentation",
            fields=[
                (
                    "id",
                    models.BigAutoField(
                        auto_created=True, primary_key=True, serialize=False, verbose_name="ID"
                    ),
                ),
                (
                    "status",
                    models.CharField(
                        choices=[
                            ("recorded", "Awaiting approval"),
                            ("approved", "Approved"),
                            ("rejected", "Rejected"),
                            ("superseded", "Superseded"),
                        ],
                        default="recorded",
                        max_length=12,
                    ),
                ),
                ("tool", models.CharField(max_length=60)),
                ("tool_version", models.CharField(max_length=20)),
                ("validation_status", models.CharField(max_length=20)),
                ("parameters", models.JSONField()),
                ("recorded_at", models.DateTimeField(db_default=django.db.models.functions.datetime.Now())),
                ("overlays", models.JSONField(default=dict)),
                ("volume_ml", models.FloatField()),
                ("surface_volume_ml", models.FloatField()),
                ("components", models.IntegerField()),
                ("triangles", models.IntegerField()),
                ("watertight", models.BooleanField()),
                ("distance_mean_mm", models.FloatField(help_text="Mesh against the mask's surface")),
                ("distance_p95_mm", models.FloatField()),
                ("distance_max_mm", models.FloatField()),
                ("bounds_mm", models.JSONField()),
                ("steps", models.JSONField(default=list)),
                ("reason", models.TextField(default="")),
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
                    "author",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.PROTECT, related_name="+", to="mes.person"
                    ),
                ),
                (
                    "device",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="segmentations",
                        to="devices.device",
                    ),
                ),
                (
                    "mask",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.PROTECT, related_name="+", to="mes.artefact"
                    ),
                ),
                (
                    "reviewer",
                    models.ForeignKey(
                        null=True,
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="+",
                        to="mes.person",
                    ),
                ),
                (
                    "surface",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.PROTECT, related_name="+", to="mes.artefact"
                    ),
                ),
            ],
            options={
                "db_table": "devices_segmentation",
                "constraints": [
                    models.CheckConstraint(
                        condition=models.Q(
                            ("status__in", ["recorded", "approved", "rejected", "superseded"])
                        ),
                        name="segmentation_status",
                    ),
                    models.CheckConstraint(
                        condition=models.Q(
                            models.Q(("status", "approved"), _negated=True),
                            ("approval__isnull", False),
                            _connector="OR",
                        ),
                        name="segmentation_approved_is_signed",
                    ),
                ],
            },
        ),
        migrations.AddField(
            model_name="device",
            name="current_segmentation",
            field=models.ForeignKey(
                null=True,
                on_delete=django.db.models.deletion.PROTECT,
                related_name="+",
                to="devices.segmentation",
            ),
        ),
        migrations.AddField(
            model_name="design",
            name="segmentation",
            field=models.ForeignKey(
                on_delete=django.db.models.deletion.PROTECT, related_name="designs", to="devices.segmentation"
            ),
        ),
        migrations.CreateModel(
            name="Study",
            fields=[
                (
                    "id",
                    models.BigAutoField(
                        auto_created=True, primary_key=True, serialize=False, verbose_name="ID"
                    ),
                ),
                (
                    "status",
                    models.CharField(
                        choices=[
                            ("received", "Received, not read yet"),
                            ("accepted", "Accepted"),
                            ("refused", "Refused"),
                        ],
                        default="received",
                        max_length=10,
                    ),
                ),
                (
                    "quarantine",
                    models.UUIDField(help_text="Name of the upload in the quarantine folder", unique=True),
                ),
                (
                    "link_confirmed",
                    models.BooleanField(
                        default=False,
                        help_text="The receiver confirmed by signature that images without identifiers are this patient's",
                    ),
                ),
                ("received_at", models.DateTimeField(db_default=django.db.models.functions.datetime.Now())),
                ("findings", models.JSONField(default=list)),
                ("matched", models.JSONField(default=list)),
                ("source_format", models.CharField(default="", max_length=12)),
                ("modality", models.CharField(default="", max_length=8)),
                ("acquired_on", models.DateField(null=True)),
                ("slices", models.IntegerField(null=True)),
                ("rows", models.IntegerField(null=True)),
                ("columns", models.IntegerField(null=True)),
                ("spacing_mm", models.JSONField(null=True)),
                ("widest_slice_step_mm", models.FloatField(null=True)),
                ("tilt_degrees", models.FloatField(null=True)),
                ("acquisition", models.JSONField(default=dict)),
                (
                    "source_digest",
                    models.CharField(help_text="SHA-256 over the files of the upload", max_length=64),
                ),
                ("deidentification", models.JSONField(default=dict)),
                (
                    "device",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="studies",
                        to="devices.device",
                    ),
                ),
                (
                    "received_by",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.PROTECT, related_name="+", to="mes.person"
                    ),
                ),
                (
                    "series",
                    models.ForeignKey(
                        null=True,
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="+",
                        to="mes.artefact",
                    ),
                ),
                (
                    "volume",
                    models.ForeignKey(
                        null=True,
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="+",
                        to="mes.artefact",
                    ),
                ),
            ],
            options={
                "verbose_name_plural": "studies",
                "db_table": "devices_study",
                "constraints": [
                    models.CheckConstraint(
                        condition=models.Q(("status__in", ["received", "accepted", "refused"])),
                        name="study_status",
                    ),
                    models.CheckConstraint(
                        condition=models.Q(
                            models.Q(("status", "accepted"), _negated=True),
                            ("volume__isnull", False),
                            _connector="OR",
                        ),
                        name="study_accepted_has_volume",
                    ),
                ],
            },
        ),
        migrations.AddField(
            model_name="segmentation",
            name="study",
            field=models.ForeignKey(
                on_delete=django.db.models.deletion.PROTECT, related_name="segmentations", to="devices.study"
            ),
        ),
        migrations.AddField(
            model_name="device",
            name="current_study",
            field=models.ForeignKey(
                null=True, on_delete=django.db.models.deletion.PROTECT, related_name="+", to="devices.study"
            ),
        ),
        migrations.AddConstraint(
            model_name="design",
            constraint=models.UniqueConstraint(fields=("device", "revision"), name="design_revision"),
        ),
    ]
