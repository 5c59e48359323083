"""Every table of the kernel. Grants, triggers and guards are `mes.guards`, set anew after each migration."""

import django.db.models.deletion
import django.db.models.expressions
import django.db.models.functions.datetime
import django.db.models.functions.text
import django.utils.timezone
from django.conf import settings
from django.db import migrations, models

from mes.migrating import FirstTables


class Migration(FirstTables):
    initial = True

    # Databases made before this one had these steps.
    replaces = [
        ("mes", "0001_kernel"),
        ("mes", "0002_ledger"),
        ("mes", "0004_signing"),
        ("mes", "0005_signin"),
        ("mes", "0006_people"),
        ("mes", "0007_history"),
        ("mes", "0008_privacy"),
        ("mes", "0009_retention"),
        ("mes", "0010_terminals"),
        ("mes", "0011_documents_and_drills"),
        ("mes", "0012_lighter_log"),
        ("mes", "0013_accounts_guarded"),
        ("mes", "0014_guarded_moments"),
    ]

    dependencies = []

    operations = [
        migrations.RunSQL(
            """
            CREATE FUNCTION mes_current_epoch() RETURNS integer LANGUAGE plpgsql STABLE AS
            'BEGIN RETURN (SELECT max(number) FROM mes_epoch); END';
            """,
            "DROP FUNCTION mes_current_epoch()",
        ),
        migrations.CreateModel(
            name="Account",
            fields=[
                (
                    "id",
                    models.BigAutoField(
                        auto_created=True, primary_key=True, serialize=False, verbose_name="ID"
                    ),
                ),
                ("password", models.CharField(max_length=128, verbose_name="password")),
                ("last_login", models.DateTimeField(blank=True, null=True, verbose_name="last login")),
                ("username", models.CharField(max_length=150, unique=True)),
                ("is_active", models.BooleanField(default=True)),
                (
                    "is_service",
                    models.BooleanField(default=False, help_text="A program: may read and send, never sign"),
                ),
                ("opened_at", models.DateTimeField(db_default=django.db.models.functions.datetime.Now())),
                (
                    "failures",
                    models.IntegerField(
                        default=0, help_text="Wrong secrets in a row, at sign-in and at signing (ES-15)"
                    ),
                ),
                ("locked_until", models.DateTimeField(null=True)),
                ("password_set_at", models.DateTimeField(null=True)),
                (
                    "password_short",
                    models.BooleanField(
                        default=False,
                        help_text="Too short to be the only factor: needs a passkey beside it (ES-01)",
                    ),
                ),
                (
                    "must_change",
                    models.BooleanField(
                        default=False, help_text="A new password before anything else (ES-16)"
                    ),
                ),
            ],
            options={
                "db_table": "mes_account",
                "constraints": [
                    models.UniqueConstraint(
                        django.db.models.functions.text.Lower("username"), name="account_username_any_case"
                    ),
                    models.CheckConstraint(
                        condition=models.Q(("failures__gte", 0)), name="account_failures_counted"
                    ),
                ],
            },
        ),
        migrations.CreateModel(
            name="Artefact",
            fields=[
                ("sha256", models.CharField(max_length=64, primary_key=True, serialize=False)),
                ("size", models.BigIntegerField()),
                ("media_type", models.CharField(max_length=80)),
                ("created_at", models.DateTimeField(db_default=django.db.models.functions.datetime.Now())),
            ],
            options={
                "db_table": "mes_artefact",
            },
        ),
        migrations.CreateModel(
            name="Backup",
            fields=[
                (
                    "id",
                    models.BigAutoField(
                        auto_created=True, primary_key=True, serialize=False, verbose_name="ID"
                    ),
                ),
                ("name", models.CharField(max_length=40)),
                ("folder", models.CharField(max_length=400)),
                ("events", models.BigIntegerField()),
                ("tree_size", models.BigIntegerField(help_text="Leaves under the last seal that it holds")),
                ("files", models.BigIntegerField()),
                ("size", models.BigIntegerField()),
                ("seconds", models.FloatField()),
                (
                    "faults",
                    models.JSONField(default=list, help_text="Digests of files that were missing or altered"),
                ),
                ("manifest", models.CharField(max_length=64)),
                ("taken_at", models.DateTimeField(db_default=django.db.models.functions.datetime.Now())),
            ],
            options={
                "db_table": "mes_backup",
            },
        ),
        migrations.CreateModel(
            name="BrowserSession",
            fields=[
                (
                    "id",
                    models.BigAutoField(
                        auto_created=True, primary_key=True, serialize=False, verbose_name="ID"
                    ),
                ),
                ("uid", models.UUIDField(unique=True)),
                ("address", models.CharField(max_length=45)),
                ("agent", models.CharField(blank=True, max_length=200)),
                ("method", models.CharField(max_length=30)),
                ("started_at", models.DateTimeField(db_default=django.db.models.functions.datetime.Now())),
                ("ended_at", models.DateTimeField(null=True)),
                ("ended_by", models.CharField(blank=True, max_length=30)),
                (
                    "account",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="browser_sessions",
                        to=settings.AUTH_USER_MODEL,
                    ),
                ),
            ],
            options={
                "db_table": "mes_session",
                "indexes": [
                    models.Index(
                        condition=models.Q(("ended_at__isnull", True)),
                        fields=["account"],
                        name="session_open",
                    )
                ],
            },
        ),
        migrations.CreateModel(
            name="CertificationLetter",
            fields=[
                (
                    "id",
                    models.BigAutoField(
                        auto_created=True, primary_key=True, serialize=False, verbose_name="ID"
                    ),
                ),
                ("sha256", models.CharField(max_length=64)),
                ("sent_on", models.DateField()),
                ("signatory", models.CharField(max_length=200)),
                ("recorded_by", models.CharField(max_length=80)),
            ],
            options={
                "db_table": "mes_certification_letter",
            },
        ),
        migrations.CreateModel(
            name="Epoch",
            fields=[
                ("number", models.IntegerField(primary_key=True, serialize=False)),
                ("opened_at", models.DateTimeField(db_default=django.db.models.functions.datetime.Now())),
            ],
            options={
                "db_table": "mes_epoch",
            },
        ),
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
            name="IntegrityCheck",
            fields=[
                (
                    "id",
                    models.BigAutoField(
                        auto_created=True, primary_key=True, serialize=False, verbose_name="ID"
                    ),
                ),
                ("result", models.CharField(max_length=10)),
                ("events", models.BigIntegerField()),
                ("files", models.BigIntegerField()),
                ("disposed", models.BigIntegerField()),
                ("first_bad", models.JSONField(null=True)),
                ("seconds", models.FloatField()),
                ("done_at", models.DateTimeField(db_default=django.db.models.functions.datetime.Now())),
            ],
            options={
                "db_table": "mes_integrity_check",
            },
        ),
        migrations.CreateModel(
            name="Patient",
            fields=[
                (
                    "id",
                    models.BigAutoField(
                        auto_created=True, primary_key=True, serialize=False, verbose_name="ID"
                    ),
                ),
                ("token", models.CharField(max_length=12, unique=True)),
                ("erased", models.BooleanField(default=False)),
                ("created_at", models.DateTimeField(db_default=django.db.models.functions.datetime.Now())),
            ],
            options={
                "db_table": "mes_patient",
            },
        ),
        migrations.CreateModel(
            name="Person",
            fields=[
                (
                    "id",
                    models.BigAutoField(
                        auto_created=True, primary_key=True, serialize=False, verbose_name="ID"
                    ),
                ),
                ("full_name", models.CharField(max_length=200)),
                (
                    "credentials",
                    models.CharField(
                        blank=True, help_text="Printed after the name: MD, DDS, MSc", max_length=100
                    ),
                ),
                (
                    "timezone",
                    models.CharField(
                        default="UTC", help_text="IANA zone of the person's signatures", max_length=50
                    ),
                ),
                ("active", models.BooleanField(default=True)),
                (
                    "external",
                    models.BooleanField(
                        default=False,
                        help_text="Of another company: knows only the orders that the person is named on",
                    ),
                ),
            ],
            options={
                "verbose_name_plural": "people",
                "db_table": "mes_person",
            },
        ),
        migrations.CreateModel(
            name="RuleSet",
            fields=[
                (
                    "id",
                    models.BigAutoField(
                        auto_created=True, primary_key=True, serialize=False, verbose_name="ID"
                    ),
                ),
                ("digest", models.CharField(max_length=64, unique=True)),
                ("rules", models.CharField(max_length=64)),
                ("configuration", models.CharField(max_length=64)),
                ("content", models.TextField()),
            ],
            options={
                "db_table": "mes_ruleset",
            },
        ),
        migrations.CreateModel(
            name="Schedule",
            fields=[
                ("job", models.CharField(max_length=80, primary_key=True, serialize=False)),
            ],
            options={
                "db_table": "mes_schedule",
            },
        ),
        migrations.CreateModel(
            name="Seal",
            fields=[
                ("tree_size", models.BigIntegerField(primary_key=True, serialize=False)),
                ("root", models.CharField(max_length=64)),
                ("prev_size", models.BigIntegerField()),
                ("prev_root", models.CharField(max_length=64)),
                (
                    "prev_seal",
                    models.CharField(
                        help_text="SHA-256 of the text and signature of the seal before", max_length=64
                    ),
                ),
                (
                    "consistency",
                    models.TextField(
                        help_text="Proof that this tree begins with the one before (RFC 6962 §2.1.2)"
                    ),
                ),
                ("key_id", models.CharField(max_length=16)),
                ("signature", models.CharField(max_length=128)),
                ("sealed_at", models.DateTimeField()),
            ],
            options={
                "db_table": "mes_seal",
            },
        ),
        migrations.CreateModel(
            name="SealTurn",
            fields=[
                ("id", models.IntegerField(primary_key=True, serialize=False)),
            ],
            options={
                "db_table": "mes_seal_turn",
            },
        ),
        migrations.CreateModel(
            name="StationRule",
            fields=[
                (
                    "id",
                    models.BigAutoField(
                        auto_created=True, primary_key=True, serialize=False, verbose_name="ID"
                    ),
                ),
                ("action", models.CharField(max_length=80, unique=True)),
                ("required", models.BooleanField()),
            ],
            options={
                "db_table": "mes_station_rule",
            },
        ),
        migrations.CreateModel(
            name="Stream",
            fields=[
                (
                    "pk",
                    models.CompositePrimaryKey(
                        "type", "id", blank=True, editable=False, primary_key=True, serialize=False
                    ),
                ),
                ("type", models.CharField(max_length=60)),
                ("id", models.CharField(max_length=60)),
                ("version", models.IntegerField()),
            ],
            options={
                "db_table": "mes_stream",
            },
        ),
        migrations.CreateModel(
            name="AccessToken",
            fields=[
                (
                    "id",
                    models.BigAutoField(
                        auto_created=True, primary_key=True, serialize=False, verbose_name="ID"
                    ),
                ),
                ("name", models.CharField(max_length=80)),
                ("prefix", models.CharField(max_length=12, unique=True)),
                ("digest", models.CharField(max_length=64)),
                ("created_at", models.DateTimeField(db_default=django.db.models.functions.datetime.Now())),
                ("expires_at", models.DateTimeField()),
                ("revoked", models.BooleanField(default=False)),
                (
                    "account",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="tokens",
                        to=settings.AUTH_USER_MODEL,
                    ),
                ),
            ],
            options={
                "db_table": "mes_access_token",
            },
        ),
        migrations.CreateModel(
            name="SessionActivity",
            fields=[
                (
                    "session",
                    models.OneToOneField(
                        on_delete=django.db.models.deletion.PROTECT,
                        primary_key=True,
                        related_name="activity",
                        serialize=False,
                        to="mes.browsersession",
                    ),
                ),
                ("key_digest", models.CharField(db_index=True, max_length=64)),
                ("seen_at", models.DateTimeField()),
                ("locked_at", models.DateTimeField(null=True)),
            ],
            options={
                "db_table": "mes_session_activity",
            },
        ),
        migrations.CreateModel(
            name="ControlledDocument",
            fields=[
                (
                    "id",
                    models.BigAutoField(
                        auto_created=True, primary_key=True, serialize=False, verbose_name="ID"
                    ),
                ),
                ("number", models.CharField(max_length=30, unique=True)),
                ("title", models.CharField(max_length=200)),
            ],
            options={
                "db_table": "mes_document",
                "constraints": [
                    models.CheckConstraint(
                        condition=models.Q(("number__regex", "^[A-Z0-9][A-Z0-9.-]*$")),
                        name="document_number_characters",
                    )
                ],
            },
        ),
        migrations.CreateModel(
            name="CredentialReview",
            fields=[
                (
                    "id",
                    models.BigAutoField(
                        auto_created=True, primary_key=True, serialize=False, verbose_name="ID"
                    ),
                ),
                ("reviewer", models.CharField(help_text="Actor that reviewed", max_length=60)),
                ("outcome", models.CharField(help_text="keep or suspend", max_length=10)),
                ("comment", models.TextField(blank=True)),
                ("reviewed_at", models.DateTimeField(db_default=django.db.models.functions.datetime.Now())),
                (
                    "account",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="reviews",
                        to=settings.AUTH_USER_MODEL,
                    ),
                ),
            ],
            options={
                "db_table": "mes_credential_review",
            },
        ),
        migrations.CreateModel(
            name="Curriculum",
            fields=[
                (
                    "id",
                    models.BigAutoField(
                        auto_created=True, primary_key=True, serialize=False, verbose_name="ID"
                    ),
                ),
                ("action", models.CharField(max_length=80)),
                ("dropped", models.BooleanField(default=False)),
                (
                    "document",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="curricula",
                        to="mes.controlleddocument",
                    ),
                ),
            ],
            options={
                "db_table": "mes_curriculum",
                "constraints": [
                    models.UniqueConstraint(
                        condition=models.Q(("dropped", False)),
                        fields=("action", "document"),
                        name="curriculum_once",
                    )
                ],
            },
        ),
        migrations.CreateModel(
            name="EventRecord",
            fields=[
                ("pos", models.BigAutoField(primary_key=True, serialize=False)),
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
                ("uid", models.UUIDField(unique=True)),
                ("stream_type", models.CharField(max_length=60)),
                ("stream_id", models.CharField(max_length=60)),
                ("version", models.IntegerField()),
                ("type", models.CharField(max_length=80)),
                ("schema_version", models.IntegerField()),
                ("payload", models.TextField()),
                ("actor", models.CharField(max_length=80)),
                ("reason", models.TextField()),
                ("correlation", models.UUIDField()),
                ("causation", models.UUIDField(null=True)),
                ("occurred_at", models.DateTimeField()),
                ("recorded_at", models.DateTimeField(db_default=django.db.models.functions.datetime.Now())),
                (
                    "software",
                    models.CharField(help_text="The version of Lamina that wrote it (K-11)", max_length=40),
                ),
                ("record_schema", models.IntegerField()),
                ("record_digest", models.CharField(max_length=64)),
            ],
            options={
                "db_table": "mes_event",
                "indexes": [
                    models.Index(fields=["epoch", "tx", "pos"], name="event_settled_order"),
                    models.Index(fields=["type", "pos"], name="event_type"),
                    models.Index(fields=["actor", "pos"], name="event_actor"),
                ],
                "constraints": [
                    models.UniqueConstraint(
                        fields=("stream_type", "stream_id", "version"), name="event_stream_version"
                    )
                ],
            },
        ),
        migrations.CreateModel(
            name="Delivery",
            fields=[
                (
                    "id",
                    models.BigAutoField(
                        auto_created=True, primary_key=True, serialize=False, verbose_name="ID"
                    ),
                ),
                ("handler", models.CharField(max_length=80)),
                ("stream_type", models.CharField(max_length=60)),
                ("stream_id", models.CharField(max_length=60)),
                ("version", models.IntegerField()),
                (
                    "status",
                    models.CharField(
                        choices=[
                            ("pending", "waiting"),
                            ("sent", "in the queue"),
                            ("running", "running"),
                            ("done", "done"),
                            ("dead", "given up"),
                            ("skipped", "skipped"),
                        ],
                        default="pending",
                        max_length=10,
                    ),
                ),
                ("attempts", models.IntegerField(default=0)),
                ("run", models.IntegerField(default=1)),
                ("next_at", models.DateTimeField(db_default=django.db.models.functions.datetime.Now())),
                ("lease_token", models.UUIDField(null=True)),
                ("lease_until", models.DateTimeField(null=True)),
                ("last_error", models.TextField(default="")),
                (
                    "event",
                    models.ForeignKey(
                        db_constraint=False,
                        db_index=False,
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="deliveries",
                        to="mes.eventrecord",
                    ),
                ),
            ],
            options={
                "verbose_name_plural": "deliveries",
                "db_table": "mes_delivery",
                "indexes": [
                    models.Index(
                        condition=models.Q(("status__in", ("pending", "sent", "running", "dead"))),
                        fields=["handler", "stream_type", "stream_id", "version"],
                        name="delivery_open_in_lane",
                    ),
                    models.Index(
                        condition=models.Q(("status__in", ("sent", "running"))),
                        fields=["lease_until"],
                        name="delivery_leased",
                    ),
                    models.Index(
                        condition=models.Q(("status", "dead")), fields=["handler", "id"], name="delivery_dead"
                    ),
                ],
                "constraints": [
                    models.UniqueConstraint(fields=("event", "handler"), name="delivery_once"),
                    models.CheckConstraint(
                        condition=models.Q(
                            ("status__in", ["pending", "sent", "running", "done", "dead", "skipped"])
                        ),
                        name="delivery_status",
                    ),
                ],
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
            name="FormerPassword",
            fields=[
                (
                    "id",
                    models.BigAutoField(
                        auto_created=True, primary_key=True, serialize=False, verbose_name="ID"
                    ),
                ),
                ("password", models.CharField(max_length=128)),
                ("set_at", models.DateTimeField(db_default=django.db.models.functions.datetime.Now())),
                (
                    "account",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="former_passwords",
                        to=settings.AUTH_USER_MODEL,
                    ),
                ),
            ],
            options={
                "db_table": "mes_former_password",
            },
        ),
        migrations.CreateModel(
            name="FreshProof",
            fields=[
                (
                    "id",
                    models.BigAutoField(
                        auto_created=True, primary_key=True, serialize=False, verbose_name="ID"
                    ),
                ),
                ("session", models.CharField(help_text="Digest of the session's key", max_length=64)),
                ("digest", models.CharField(max_length=64, unique=True)),
                ("authenticated_at", models.DateTimeField()),
                ("used", models.BooleanField(default=False)),
                (
                    "account",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="+",
                        to=settings.AUTH_USER_MODEL,
                    ),
                ),
            ],
            options={
                "db_table": "mes_fresh_proof",
            },
        ),
        migrations.CreateModel(
            name="Inbox",
            fields=[
                (
                    "id",
                    models.BigAutoField(
                        auto_created=True, primary_key=True, serialize=False, verbose_name="ID"
                    ),
                ),
                ("handler", models.CharField(max_length=80)),
                ("run", models.IntegerField()),
                (
                    "event",
                    models.ForeignKey(
                        db_constraint=False,
                        db_index=False,
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="+",
                        to="mes.eventrecord",
                    ),
                ),
            ],
            options={
                "verbose_name_plural": "inbox",
                "db_table": "mes_inbox",
                "constraints": [
                    models.UniqueConstraint(fields=("handler", "event", "run"), name="inbox_once")
                ],
            },
        ),
        migrations.CreateModel(
            name="Lane",
            fields=[
                (
                    "id",
                    models.BigAutoField(
                        auto_created=True, primary_key=True, serialize=False, verbose_name="ID"
                    ),
                ),
                ("handler", models.CharField(max_length=80)),
                ("stream_type", models.CharField(max_length=60)),
                ("stream_id", models.CharField(max_length=60)),
            ],
            options={
                "db_table": "mes_lane",
                "constraints": [
                    models.UniqueConstraint(fields=("handler", "stream_type", "stream_id"), name="lane_once")
                ],
            },
        ),
        migrations.CreateModel(
            name="Leaf",
            fields=[
                ("index", models.BigIntegerField(primary_key=True, serialize=False)),
                ("hash", models.CharField(max_length=64)),
                (
                    "tiles",
                    models.TextField(
                        db_default="",
                        help_text="Hashes of the perfect subtrees of 256, 65,536 … leaves that end here",
                    ),
                ),
                (
                    "event",
                    models.OneToOneField(
                        db_constraint=False,
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="leaf",
                        to="mes.eventrecord",
                    ),
                ),
            ],
            options={
                "verbose_name_plural": "leaves",
                "db_table": "mes_leaf",
            },
        ),
        migrations.CreateModel(
            name="Passkey",
            fields=[
                (
                    "id",
                    models.BigAutoField(
                        auto_created=True, primary_key=True, serialize=False, verbose_name="ID"
                    ),
                ),
                ("name", models.CharField(max_length=60)),
                ("credential_id", models.CharField(max_length=1400, unique=True)),
                ("credential", models.TextField()),
                (
                    "state",
                    models.CharField(
                        choices=[
                            ("issued", "Issued"),
                            ("lost", "Reported lost"),
                            ("revoked", "Revoked"),
                            ("replaced", "Replaced"),
                        ],
                        default="issued",
                        max_length=10,
                    ),
                ),
                ("issued_at", models.DateTimeField(db_default=django.db.models.functions.datetime.Now())),
                ("ended_at", models.DateTimeField(null=True)),
                (
                    "account",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="passkeys",
                        to=settings.AUTH_USER_MODEL,
                    ),
                ),
            ],
            options={
                "db_table": "mes_passkey",
            },
        ),
        migrations.CreateModel(
            name="EmergencyAccess",
            fields=[
                (
                    "id",
                    models.BigAutoField(
                        auto_created=True, primary_key=True, serialize=False, verbose_name="ID"
                    ),
                ),
                ("reason", models.TextField()),
                (
                    "stage",
                    models.CharField(
                        choices=[
                            ("open", "Open"),
                            ("ended", "Ended, not reviewed"),
                            ("reviewed", "Reviewed"),
                        ],
                        default="open",
                        max_length=10,
                    ),
                ),
                ("opened_at", models.DateTimeField()),
                ("expires_at", models.DateTimeField(db_index=True)),
                ("ended_at", models.DateTimeField(null=True)),
                ("justified", models.BooleanField(help_text="What the privacy officer found", null=True)),
                (
                    "patient",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="emergencies",
                        to="mes.patient",
                    ),
                ),
                (
                    "manager",
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
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="emergencies",
                        to="mes.person",
                    ),
                ),
            ],
            options={
                "verbose_name_plural": "emergency accesses",
                "db_table": "mes_emergency_access",
                "constraints": [
                    models.UniqueConstraint(
                        condition=models.Q(("stage", "open")),
                        fields=("person", "patient"),
                        name="one_open_emergency",
                    ),
                    models.CheckConstraint(
                        condition=models.Q(("expires_at__gt", models.F("opened_at"))),
                        name="emergency_expires",
                    ),
                ],
            },
        ),
        migrations.CreateModel(
            name="PatientIdentity",
            fields=[
                (
                    "id",
                    models.BigAutoField(
                        auto_created=True, primary_key=True, serialize=False, verbose_name="ID"
                    ),
                ),
                ("data_key", models.BinaryField(default=b"")),
                ("data_key_id", models.CharField(blank=True, db_index=True, default="", max_length=8)),
                ("sealed_patient_id", models.BinaryField()),
                ("sealed_family_name", models.BinaryField()),
                ("sealed_given_name", models.BinaryField()),
                ("sealed_birth_date", models.BinaryField()),
                (
                    "patient_id_index",
                    models.CharField(help_text="Keyed hash, for exact search", max_length=64, unique=True),
                ),
                ("index_key_id", models.CharField(blank=True, db_index=True, default="", max_length=8)),
                (
                    "patient",
                    models.OneToOneField(
                        on_delete=django.db.models.deletion.PROTECT, related_name="identity", to="mes.patient"
                    ),
                ),
            ],
            options={
                "verbose_name_plural": "patient identities",
                "db_table": "mes_patient_identity",
            },
        ),
        migrations.CreateModel(
            name="IdentityView",
            fields=[
                (
                    "id",
                    models.BigAutoField(
                        auto_created=True, primary_key=True, serialize=False, verbose_name="ID"
                    ),
                ),
                ("reason", models.TextField()),
                ("viewed_at", models.DateTimeField()),
                (
                    "emergency",
                    models.ForeignKey(
                        null=True,
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="views",
                        to="mes.emergencyaccess",
                    ),
                ),
                (
                    "patient",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.PROTECT, related_name="views", to="mes.patient"
                    ),
                ),
                (
                    "person",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.PROTECT, related_name="+", to="mes.person"
                    ),
                ),
            ],
            options={
                "db_table": "mes_identity_view",
                "indexes": [
                    models.Index(fields=["patient", "viewed_at"], name="views_of_patient"),
                    models.Index(fields=["person", "viewed_at"], name="views_by_person"),
                ],
            },
        ),
        migrations.CreateModel(
            name="FederatedIdentity",
            fields=[
                (
                    "id",
                    models.BigAutoField(
                        auto_created=True, primary_key=True, serialize=False, verbose_name="ID"
                    ),
                ),
                ("issuer", models.CharField(max_length=300)),
                ("subject", models.CharField(max_length=255)),
                ("confirmed_at", models.DateTimeField(null=True)),
                ("closed", models.BooleanField(default=False)),
                (
                    "account",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="identities",
                        to=settings.AUTH_USER_MODEL,
                    ),
                ),
                (
                    "confirmed_by",
                    models.ForeignKey(
                        null=True,
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="+",
                        to="mes.person",
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
                "db_table": "mes_federated_identity",
                "constraints": [
                    models.UniqueConstraint(
                        condition=models.Q(("closed", False)),
                        fields=("issuer", "subject"),
                        name="identity_once",
                    )
                ],
            },
        ),
        migrations.CreateModel(
            name="Contact",
            fields=[
                (
                    "id",
                    models.BigAutoField(
                        auto_created=True, primary_key=True, serialize=False, verbose_name="ID"
                    ),
                ),
                ("address", models.EmailField(max_length=254)),
                ("code", models.CharField(help_text="Keyed hash of the code that was sent", max_length=64)),
                ("named_by", models.CharField(help_text="Actor that named it", max_length=60)),
                ("verified_at", models.DateTimeField(null=True)),
                ("closed", models.BooleanField(default=False)),
                (
                    "person",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.PROTECT, related_name="contacts", to="mes.person"
                    ),
                ),
            ],
            options={
                "db_table": "mes_contact",
                "constraints": [
                    models.UniqueConstraint(
                        condition=models.Q(("closed", False), ("verified_at__isnull", False)),
                        fields=("person",),
                        name="contact_once",
                    )
                ],
            },
        ),
        migrations.AddField(
            model_name="account",
            name="person",
            field=models.ForeignKey(
                null=True,
                on_delete=django.db.models.deletion.PROTECT,
                related_name="accounts",
                to="mes.person",
            ),
        ),
        migrations.CreateModel(
            name="ReportingLine",
            fields=[
                (
                    "id",
                    models.BigAutoField(
                        auto_created=True, primary_key=True, serialize=False, verbose_name="ID"
                    ),
                ),
                ("ended", models.BooleanField(default=False)),
                ("since", models.DateTimeField(db_default=django.db.models.functions.datetime.Now())),
                (
                    "manager",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.PROTECT, related_name="+", to="mes.person"
                    ),
                ),
                (
                    "person",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="reporting_lines",
                        to="mes.person",
                    ),
                ),
            ],
            options={
                "db_table": "mes_reporting_line",
                "constraints": [
                    models.UniqueConstraint(
                        condition=models.Q(("ended", False)), fields=("person",), name="one_manager"
                    ),
                    models.CheckConstraint(
                        condition=models.Q(("person", models.F("manager")), _negated=True),
                        name="not_own_manager",
                    ),
                ],
            },
        ),
        migrations.CreateModel(
            name="Reproofing",
            fields=[
                (
                    "id",
                    models.BigAutoField(
                        auto_created=True, primary_key=True, serialize=False, verbose_name="ID"
                    ),
                ),
                (
                    "document",
                    models.CharField(
                        help_text="Which kind: passport, identity card. Never its number", max_length=60
                    ),
                ),
                ("method", models.CharField(max_length=60)),
                ("verifier", models.CharField(help_text="Actor that looked", max_length=60)),
                ("proofed_at", models.DateTimeField()),
                ("confirmer", models.CharField(blank=True, help_text="Actor that confirmed", max_length=60)),
                ("confirmed_at", models.DateTimeField(null=True)),
                (
                    "person",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="reproofings",
                        to="mes.person",
                    ),
                ),
            ],
            options={
                "db_table": "mes_reproofing",
                "constraints": [
                    models.CheckConstraint(
                        condition=models.Q(("verifier", models.F("confirmer")), _negated=True),
                        name="reproofing_two_people",
                    )
                ],
            },
        ),
        migrations.CreateModel(
            name="Reset",
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
                            ("requested", "Waits for a second approver"),
                            ("approved", "Link sent"),
                            ("used", "Used"),
                            ("refused", "Refused"),
                        ],
                        default="requested",
                        max_length=10,
                    ),
                ),
                ("digest", models.CharField(blank=True, max_length=64)),
                ("requested_at", models.DateTimeField(db_default=django.db.models.functions.datetime.Now())),
                ("expires_at", models.DateTimeField(null=True)),
                (
                    "account",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="resets",
                        to=settings.AUTH_USER_MODEL,
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
                    "channel",
                    models.ForeignKey(
                        null=True,
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="+",
                        to="mes.contact",
                    ),
                ),
                (
                    "requested_by",
                    models.ForeignKey(
                        null=True,
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="+",
                        to="mes.person",
                    ),
                ),
            ],
            options={
                "db_table": "mes_reset",
                "constraints": [
                    models.UniqueConstraint(
                        condition=models.Q(("state__in", ("requested", "approved"))),
                        fields=("account",),
                        name="reset_once",
                    )
                ],
            },
        ),
        migrations.CreateModel(
            name="RetentionClock",
            fields=[
                (
                    "id",
                    models.BigAutoField(
                        auto_created=True, primary_key=True, serialize=False, verbose_name="ID"
                    ),
                ),
                ("record_root", models.CharField(max_length=60)),
                ("record_id", models.CharField(max_length=60)),
                ("retain_until", models.DateField()),
            ],
            options={
                "db_table": "mes_retention_clock",
                "indexes": [models.Index(fields=["retain_until"], name="retention_clock_until")],
                "constraints": [
                    models.UniqueConstraint(fields=("record_root", "record_id"), name="retention_clock_once")
                ],
            },
        ),
        migrations.CreateModel(
            name="RetentionPeriod",
            fields=[
                (
                    "id",
                    models.BigAutoField(
                        auto_created=True, primary_key=True, serialize=False, verbose_name="ID"
                    ),
                ),
                ("until", models.DateField()),
                ("rules", models.JSONField(help_text="{rule id: last day}")),
                ("reason", models.TextField()),
                ("set_at", models.DateTimeField(db_default=django.db.models.functions.datetime.Now())),
                (
                    "clock",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="periods",
                        to="mes.retentionclock",
                    ),
                ),
            ],
            options={
                "db_table": "mes_retention_period",
            },
        ),
        migrations.CreateModel(
            name="Signature",
            fields=[
                (
                    "id",
                    models.BigAutoField(
                        auto_created=True, primary_key=True, serialize=False, verbose_name="ID"
                    ),
                ),
                ("uid", models.UUIDField(unique=True)),
                ("seq", models.IntegerField(help_text="1, 2, … among the signatures of its record")),
                ("subject_type", models.CharField(max_length=60)),
                ("subject_id", models.CharField(max_length=60)),
                (
                    "subject_version",
                    models.IntegerField(help_text="Version of the subject's stream when it was signed"),
                ),
                ("content", models.TextField()),
                ("content_digest", models.CharField(max_length=64)),
                ("canon_id", models.CharField(max_length=10)),
                (
                    "attachments_digest",
                    models.CharField(
                        help_text="SHA-256 of the sorted list of every SHA-256 that the content names",
                        max_length=64,
                    ),
                ),
                (
                    "meaning",
                    models.CharField(
                        choices=[
                            ("prescribed", "I prescribe this device"),
                            ("authored", "I am the author of this"),
                            ("performed", "I performed this"),
                            ("reviewed", "I reviewed this"),
                            ("verified", "I verified this"),
                            ("approved", "I approve this"),
                            ("design_approved", "I approve this design for my patient"),
                            ("rejected", "I reject this"),
                            ("released", "I release this"),
                            ("withdrawn", "I withdraw this signature"),
                            ("accepted", "I accept this statement"),
                        ],
                        max_length=20,
                    ),
                ),
                ("statement", models.CharField(help_text="The meaning as it was shown", max_length=300)),
                (
                    "statement_version",
                    models.IntegerField(help_text="Of the statement of legal effect beside it"),
                ),
                ("comment", models.TextField(blank=True)),
                ("username", models.CharField(max_length=150)),
                ("printed_name", models.CharField(max_length=310)),
                ("title", models.CharField(blank=True, max_length=100)),
                ("roles", models.CharField(max_length=100)),
                ("signed_at", models.DateTimeField()),
                ("timezone", models.CharField(max_length=50)),
                (
                    "utc_offset",
                    models.CharField(help_text="±HH:MM at that moment in that zone", max_length=6),
                ),
                ("method", models.CharField(help_text="The secret that was used", max_length=20)),
                (
                    "components",
                    models.SmallIntegerField(
                        help_text="2: user id and secret; 1: the secret, within a series"
                    ),
                ),
                ("position", models.IntegerField(help_text="In its series")),
                ("batch", models.UUIDField(help_text="Common to what was signed together", null=True)),
                ("session_digest", models.CharField(blank=True, max_length=64)),
                ("address", models.CharField(blank=True, max_length=60)),
                ("agent", models.CharField(blank=True, max_length=200)),
                ("app_version", models.CharField(max_length=40)),
                ("config_version", models.CharField(max_length=16)),
                (
                    "prev_hash",
                    models.CharField(
                        help_text="Of the signature before it of the same record", max_length=64
                    ),
                ),
                ("binding", models.CharField(max_length=64)),
                ("key_id", models.CharField(max_length=16)),
                ("seal", models.CharField(max_length=128)),
                (
                    "account",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="+",
                        to=settings.AUTH_USER_MODEL,
                    ),
                ),
                (
                    "person",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="signatures",
                        to="mes.person",
                    ),
                ),
            ],
            options={
                "db_table": "mes_signature",
                "indexes": [models.Index(fields=["subject_type", "subject_id"], name="signature_subject")],
                "constraints": [
                    models.CheckConstraint(
                        condition=models.Q(
                            (
                                "meaning__in",
                                [
                                    "prescribed",
                                    "authored",
                                    "performed",
                                    "reviewed",
                                    "verified",
                                    "approved",
                                    "design_approved",
                                    "rejected",
                                    "released",
                                    "withdrawn",
                                    "accepted",
                                ],
                            )
                        ),
                        name="signature_meaning",
                    ),
                    models.CheckConstraint(
                        condition=models.Q(("components__in", (1, 2))), name="signature_components"
                    ),
                    models.UniqueConstraint(
                        fields=("subject_type", "subject_id", "seq"), name="signature_seq"
                    ),
                ],
            },
        ),
        migrations.CreateModel(
            name="RoleGrant",
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
                ("reason", models.TextField(default="")),
                ("granted_at", models.DateTimeField(db_default=django.db.models.functions.datetime.Now())),
                ("valid_from", models.DateTimeField(default=django.utils.timezone.now)),
                ("valid_until", models.DateTimeField(null=True)),
                ("approved", models.BooleanField(default=False)),
                ("reviewed_at", models.DateTimeField(default=django.utils.timezone.now)),
                ("revoked", models.BooleanField(default=False)),
                (
                    "granted_by",
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
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="role_grants",
                        to="mes.person",
                    ),
                ),
                (
                    "reviewed_by",
                    models.ForeignKey(
                        null=True,
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="+",
                        to="mes.person",
                    ),
                ),
                (
                    "first_approval",
                    models.ForeignKey(
                        null=True,
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="+",
                        to="mes.signature",
                    ),
                ),
                (
                    "second_approval",
                    models.ForeignKey(
                        null=True,
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="+",
                        to="mes.signature",
                    ),
                ),
            ],
            options={
                "db_table": "mes_role_grant",
                "constraints": [
                    models.UniqueConstraint(
                        condition=models.Q(("revoked", False)), fields=("person", "role"), name="role_once"
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
                        name="role_known",
                    ),
                    models.CheckConstraint(
                        condition=models.Q(
                            ("valid_until", None),
                            ("valid_until__gt", models.F("valid_from")),
                            _connector="OR",
                        ),
                        name="role_has_time",
                    ),
                ],
            },
        ),
        migrations.CreateModel(
            name="RestoreDrill",
            fields=[
                (
                    "id",
                    models.BigAutoField(
                        auto_created=True, primary_key=True, serialize=False, verbose_name="ID"
                    ),
                ),
                ("backup", models.CharField(max_length=40)),
                ("restored_to", models.CharField(max_length=400)),
                ("digest_match", models.BooleanField()),
                ("events", models.BigIntegerField()),
                ("tree_size", models.BigIntegerField()),
                ("seconds", models.FloatField()),
                ("problem", models.TextField(blank=True)),
                ("done_at", models.DateTimeField(db_default=django.db.models.functions.datetime.Now())),
                (
                    "confirmation",
                    models.ForeignKey(
                        null=True,
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="+",
                        to="mes.signature",
                    ),
                ),
            ],
            options={
                "db_table": "mes_restore_drill",
            },
        ),
        migrations.CreateModel(
            name="LegalHold",
            fields=[
                (
                    "id",
                    models.BigAutoField(
                        auto_created=True, primary_key=True, serialize=False, verbose_name="ID"
                    ),
                ),
                (
                    "scope",
                    models.CharField(
                        choices=[
                            ("order", "One order and what was made for it"),
                            ("lot", "One material lot and what was made of it"),
                            ("patient", "Everything of one patient"),
                            ("dates", "Everything of a range of dates"),
                        ],
                        max_length=10,
                    ),
                ),
                ("value", models.CharField(blank=True, max_length=60)),
                ("since", models.DateField(help_text="Range of dates: its first day", null=True)),
                ("until", models.DateField(help_text="Range of dates: its last day", null=True)),
                ("reason", models.TextField()),
                (
                    "requester",
                    models.CharField(help_text="Who asked for it: an authority, counsel", max_length=120),
                ),
                ("notified", models.TextField(blank=True, help_text="Who was told, by role or department")),
                ("review_on", models.DateField()),
                (
                    "stage",
                    models.CharField(
                        choices=[
                            ("active", "Holds"),
                            ("release_proposed", "Release proposed"),
                            ("released", "Released"),
                        ],
                        default="active",
                        max_length=20,
                    ),
                ),
                ("placed_at", models.DateTimeField(db_default=django.db.models.functions.datetime.Now())),
                ("release_reason", models.TextField(blank=True)),
                (
                    "placed_by",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.PROTECT, related_name="+", to="mes.person"
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
                    "release",
                    models.ForeignKey(
                        null=True,
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="+",
                        to="mes.signature",
                    ),
                ),
            ],
            options={
                "db_table": "mes_legal_hold",
                "constraints": [
                    models.CheckConstraint(
                        condition=models.Q(("stage__in", ["active", "release_proposed", "released"])),
                        name="legal_hold_stage",
                    ),
                    models.CheckConstraint(
                        condition=models.Q(("scope__in", ["order", "lot", "patient", "dates"])),
                        name="legal_hold_scope",
                    ),
                ],
            },
        ),
        migrations.CreateModel(
            name="HandwrittenSignature",
            fields=[
                (
                    "id",
                    models.BigAutoField(
                        auto_created=True, primary_key=True, serialize=False, verbose_name="ID"
                    ),
                ),
                ("subject_type", models.CharField(max_length=60)),
                ("subject_id", models.CharField(max_length=60)),
                ("printed_name", models.CharField(help_text="Of who signed the paper", max_length=310)),
                (
                    "meaning",
                    models.CharField(
                        choices=[
                            ("prescribed", "I prescribe this device"),
                            ("authored", "I am the author of this"),
                            ("performed", "I performed this"),
                            ("reviewed", "I reviewed this"),
                            ("verified", "I verified this"),
                            ("approved", "I approve this"),
                            ("design_approved", "I approve this design for my patient"),
                            ("rejected", "I reject this"),
                            ("released", "I release this"),
                            ("withdrawn", "I withdraw this signature"),
                            ("accepted", "I accept this statement"),
                        ],
                        max_length=20,
                    ),
                ),
                ("executed_on", models.DateField()),
                ("uploaded_at", models.DateTimeField()),
                (
                    "scan",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.PROTECT, related_name="+", to="mes.artefact"
                    ),
                ),
                (
                    "uploaded_by",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.PROTECT, related_name="+", to="mes.person"
                    ),
                ),
                (
                    "verification",
                    models.OneToOneField(
                        null=True,
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="+",
                        to="mes.signature",
                    ),
                ),
            ],
            options={
                "db_table": "mes_handwritten_signature",
                "indexes": [models.Index(fields=["subject_type", "subject_id"], name="handwritten_subject")],
                "constraints": [
                    models.CheckConstraint(
                        condition=models.Q(
                            (
                                "meaning__in",
                                [
                                    "prescribed",
                                    "authored",
                                    "performed",
                                    "reviewed",
                                    "verified",
                                    "approved",
                                    "design_approved",
                                    "rejected",
                                    "released",
                                    "withdrawn",
                                    "accepted",
                                ],
                            )
                        ),
                        name="handwritten_meaning",
                    )
                ],
            },
        ),
        migrations.CreateModel(
            name="ErasureRequest",
            fields=[
                (
                    "id",
                    models.BigAutoField(
                        auto_created=True, primary_key=True, serialize=False, verbose_name="ID"
                    ),
                ),
                ("reason", models.TextField()),
                (
                    "stage",
                    models.CharField(
                        choices=[
                            ("requested", "Waits for its decision"),
                            ("refused", "Refused"),
                            ("erased", "Erased"),
                        ],
                        default="requested",
                        max_length=10,
                    ),
                ),
                ("registered_at", models.DateTimeField()),
                ("decided_at", models.DateTimeField(null=True)),
                (
                    "patient",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="erasure_requests",
                        to="mes.patient",
                    ),
                ),
                (
                    "registered_by",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.PROTECT, related_name="+", to="mes.person"
                    ),
                ),
                (
                    "officer_approval",
                    models.ForeignKey(
                        null=True,
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="+",
                        to="mes.signature",
                    ),
                ),
                (
                    "quality_approval",
                    models.ForeignKey(
                        null=True,
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="+",
                        to="mes.signature",
                    ),
                ),
            ],
            options={
                "db_table": "mes_erasure_request",
                "constraints": [
                    models.UniqueConstraint(
                        condition=models.Q(("stage", "requested")),
                        fields=("patient",),
                        name="one_open_erasure",
                    )
                ],
            },
        ),
        migrations.AddField(
            model_name="emergencyaccess",
            name="manager_review",
            field=models.ForeignKey(
                null=True, on_delete=django.db.models.deletion.PROTECT, related_name="+", to="mes.signature"
            ),
        ),
        migrations.AddField(
            model_name="emergencyaccess",
            name="officer_review",
            field=models.ForeignKey(
                null=True, on_delete=django.db.models.deletion.PROTECT, related_name="+", to="mes.signature"
            ),
        ),
        migrations.CreateModel(
            name="DocumentRevision",
            fields=[
                (
                    "id",
                    models.BigAutoField(
                        auto_created=True, primary_key=True, serialize=False, verbose_name="ID"
                    ),
                ),
                ("revision", models.CharField(max_length=10)),
                (
                    "stage",
                    models.CharField(
                        choices=[("draft", "Draft"), ("approved", "Approved"), ("withdrawn", "Withdrawn")],
                        default="draft",
                        max_length=10,
                    ),
                ),
                ("effective_from", models.DateTimeField(null=True)),
                ("grace_days", models.IntegerField(default=0)),
                ("created_at", models.DateTimeField(db_default=django.db.models.functions.datetime.Now())),
                (
                    "document",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="revisions",
                        to="mes.controlleddocument",
                    ),
                ),
                (
                    "file",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.PROTECT, related_name="+", to="mes.artefact"
                    ),
                ),
                (
                    "author",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.PROTECT, related_name="+", to="mes.person"
                    ),
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
            ],
            options={
                "db_table": "mes_document_revision",
                "constraints": [
                    models.UniqueConstraint(fields=("document", "revision"), name="document_revision_once"),
                    models.CheckConstraint(
                        condition=models.Q(("stage__in", ["draft", "approved", "withdrawn"])),
                        name="document_stage_known",
                    ),
                    models.CheckConstraint(
                        condition=models.Q(
                            models.Q(("stage", "approved"), _negated=True),
                            models.Q(("approval__isnull", False), ("effective_from__isnull", False)),
                            _connector="OR",
                        ),
                        name="document_approved_is_signed",
                    ),
                    models.CheckConstraint(
                        condition=models.Q(("grace_days__gte", 0), ("grace_days__lte", 365)),
                        name="document_grace",
                    ),
                ],
            },
        ),
        migrations.CreateModel(
            name="Disposal",
            fields=[
                (
                    "id",
                    models.BigAutoField(
                        auto_created=True, primary_key=True, serialize=False, verbose_name="ID"
                    ),
                ),
                ("record_root", models.CharField(max_length=60)),
                ("record_id", models.CharField(max_length=60)),
                ("certificate", models.TextField()),
                (
                    "stage",
                    models.CharField(
                        choices=[
                            ("proposed", "Proposed"),
                            ("approved", "Approved"),
                            ("carried_out", "Carried out"),
                            ("withdrawn", "Withdrawn"),
                        ],
                        default="proposed",
                        max_length=20,
                    ),
                ),
                ("proposed_at", models.DateTimeField(db_default=django.db.models.functions.datetime.Now())),
                ("carried_out_at", models.DateTimeField(null=True)),
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
                    "proposal",
                    models.ForeignKey(
                        null=True,
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="+",
                        to="mes.signature",
                    ),
                ),
            ],
            options={
                "db_table": "mes_disposal",
                "constraints": [
                    models.UniqueConstraint(
                        condition=models.Q(("stage", "withdrawn"), _negated=True),
                        fields=("record_root", "record_id"),
                        name="disposal_once",
                    ),
                    models.CheckConstraint(
                        condition=models.Q(
                            ("stage__in", ["proposed", "approved", "carried_out", "withdrawn"])
                        ),
                        name="disposal_stage",
                    ),
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
        migrations.CreateModel(
            name="SignatureWithdrawal",
            fields=[
                (
                    "id",
                    models.BigAutoField(
                        auto_created=True, primary_key=True, serialize=False, verbose_name="ID"
                    ),
                ),
                ("reason", models.TextField()),
                (
                    "signature",
                    models.OneToOneField(
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="withdraws",
                        to="mes.signature",
                    ),
                ),
                (
                    "withdrawn",
                    models.OneToOneField(
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="withdrawal",
                        to="mes.signature",
                    ),
                ),
            ],
            options={
                "db_table": "mes_signature_withdrawal",
            },
        ),
        migrations.CreateModel(
            name="SigningEnrolment",
            fields=[
                (
                    "id",
                    models.BigAutoField(
                        auto_created=True, primary_key=True, serialize=False, verbose_name="ID"
                    ),
                ),
                ("document", models.CharField(help_text="Kind of the document that was seen", max_length=80)),
                ("method", models.CharField(help_text="In person, by video, …", max_length=80)),
                ("proved_by", models.CharField(max_length=80)),
                ("proved_at", models.DateTimeField()),
                ("confirmed_by", models.CharField(blank=True, max_length=80)),
                ("confirmed_at", models.DateTimeField(null=True)),
                ("closed", models.BooleanField(default=False)),
                (
                    "account",
                    models.OneToOneField(
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="enrolment",
                        to=settings.AUTH_USER_MODEL,
                    ),
                ),
                (
                    "person",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="enrolments",
                        to="mes.person",
                    ),
                ),
            ],
            options={
                "db_table": "mes_signing_enrolment",
                "constraints": [
                    models.UniqueConstraint(
                        condition=models.Q(("closed", False)),
                        fields=("person",),
                        name="signing_enrolment_person_once",
                    )
                ],
            },
        ),
        migrations.CreateModel(
            name="SigningFailure",
            fields=[
                (
                    "id",
                    models.BigAutoField(
                        auto_created=True, primary_key=True, serialize=False, verbose_name="ID"
                    ),
                ),
                ("session_digest", models.CharField(blank=True, max_length=64)),
                ("address", models.CharField(blank=True, max_length=60)),
                ("rule", models.CharField(max_length=20)),
                ("at", models.DateTimeField()),
                (
                    "person",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.PROTECT, related_name="+", to="mes.person"
                    ),
                ),
            ],
            options={
                "db_table": "mes_signing_failure",
                "indexes": [
                    models.Index(fields=["person", "session_digest", "at"], name="signing_failure_recent")
                ],
            },
        ),
        migrations.CreateModel(
            name="SigningRight",
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
                        choices=[("active", "May sign"), ("suspended", "Suspended")], max_length=10
                    ),
                ),
                (
                    "cause",
                    models.CharField(
                        blank=True, help_text="misuse, reset, compromise or review", max_length=20
                    ),
                ),
                ("changed_at", models.DateTimeField()),
                (
                    "person",
                    models.OneToOneField(
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="signing_right",
                        to="mes.person",
                    ),
                ),
            ],
            options={
                "db_table": "mes_signing_right",
            },
        ),
        migrations.CreateModel(
            name="SigningSeries",
            fields=[
                (
                    "id",
                    models.BigAutoField(
                        auto_created=True, primary_key=True, serialize=False, verbose_name="ID"
                    ),
                ),
                (
                    "session_digest",
                    models.CharField(blank=True, help_text="Empty: one signing by key", max_length=64),
                ),
                ("address", models.CharField(blank=True, max_length=60)),
                ("agent", models.CharField(blank=True, max_length=200)),
                (
                    "stamp",
                    models.CharField(
                        help_text="Of the roles and the secret that it was opened with", max_length=64
                    ),
                ),
                ("opened_at", models.DateTimeField()),
                ("last_at", models.DateTimeField()),
                ("signed", models.IntegerField(default=0)),
                ("ended_at", models.DateTimeField(null=True)),
                ("ended_because", models.CharField(blank=True, max_length=40)),
                (
                    "account",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="signing_series",
                        to=settings.AUTH_USER_MODEL,
                    ),
                ),
                (
                    "person",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.PROTECT, related_name="+", to="mes.person"
                    ),
                ),
            ],
            options={
                "verbose_name_plural": "signing series",
                "db_table": "mes_signing_series",
                "constraints": [
                    models.UniqueConstraint(
                        condition=models.Q(("ended_at", None)),
                        fields=("account",),
                        name="signing_series_open_once",
                    )
                ],
            },
        ),
        migrations.AddField(
            model_name="signature",
            name="series",
            field=models.ForeignKey(
                on_delete=django.db.models.deletion.PROTECT, related_name="signatures", to="mes.signingseries"
            ),
        ),
        migrations.CreateModel(
            name="SignInSource",
            fields=[
                (
                    "id",
                    models.BigAutoField(
                        auto_created=True, primary_key=True, serialize=False, verbose_name="ID"
                    ),
                ),
                ("network", models.CharField(max_length=60, unique=True)),
                ("window_from", models.DateTimeField()),
                ("failures", models.IntegerField(default=0)),
            ],
            options={
                "db_table": "mes_sign_in_source",
                "constraints": [
                    models.CheckConstraint(
                        condition=models.Q(("failures__gte", 0)), name="source_failures_counted"
                    )
                ],
            },
        ),
        migrations.CreateModel(
            name="Slot",
            fields=[
                (
                    "id",
                    models.BigAutoField(
                        auto_created=True, primary_key=True, serialize=False, verbose_name="ID"
                    ),
                ),
                ("job", models.CharField(max_length=80)),
                ("due_at", models.DateTimeField()),
            ],
            options={
                "db_table": "mes_slot",
                "constraints": [models.UniqueConstraint(fields=("job", "due_at"), name="slot_once")],
            },
        ),
        migrations.CreateModel(
            name="StatementAcceptance",
            fields=[
                (
                    "id",
                    models.BigAutoField(
                        auto_created=True, primary_key=True, serialize=False, verbose_name="ID"
                    ),
                ),
                ("version", models.IntegerField()),
                ("text_digest", models.CharField(max_length=64)),
                ("accepted_at", models.DateTimeField()),
                (
                    "enrolment",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="acceptances",
                        to="mes.signingenrolment",
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
                "db_table": "mes_statement_acceptance",
            },
        ),
        migrations.CreateModel(
            name="Station",
            fields=[
                (
                    "id",
                    models.BigAutoField(
                        auto_created=True, primary_key=True, serialize=False, verbose_name="ID"
                    ),
                ),
                ("name", models.CharField(max_length=60)),
                ("location", models.CharField(max_length=80)),
                (
                    "actions",
                    models.JSONField(
                        help_text="Which of the actions that are done at a station may be done here"
                    ),
                ),
                (
                    "stage",
                    models.CharField(
                        choices=[("active", "Active"), ("revoked", "Revoked")],
                        default="active",
                        max_length=10,
                    ),
                ),
                ("revoked_because", models.TextField(blank=True)),
                ("registered_at", models.DateTimeField(db_default=django.db.models.functions.datetime.Now())),
                ("token", models.CharField(max_length=64)),
                ("former_token", models.CharField(blank=True, max_length=64)),
                ("rotated_at", models.DateTimeField()),
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
                "db_table": "mes_station",
                "ordering": ["pk"],
                "constraints": [
                    models.UniqueConstraint(
                        condition=models.Q(("stage", "active")), fields=("name",), name="station_name_once"
                    ),
                    models.CheckConstraint(
                        condition=models.Q(("stage__in", ["active", "revoked"])), name="station_stage"
                    ),
                ],
            },
        ),
        migrations.CreateModel(
            name="TrainingRecord",
            fields=[
                (
                    "id",
                    models.BigAutoField(
                        auto_created=True, primary_key=True, serialize=False, verbose_name="ID"
                    ),
                ),
                (
                    "method",
                    models.CharField(
                        choices=[
                            ("read", "Read and understood"),
                            ("shown", "Shown at the machine"),
                            ("class", "Class"),
                            ("tested", "Tested"),
                        ],
                        max_length=10,
                    ),
                ),
                (
                    "result",
                    models.CharField(choices=[("passed", "Passed"), ("failed", "Failed")], max_length=10),
                ),
                ("trained_at", models.DateTimeField()),
                ("expires_at", models.DateTimeField(null=True)),
                ("recorded_at", models.DateTimeField(db_default=django.db.models.functions.datetime.Now())),
                (
                    "evidence",
                    models.ForeignKey(
                        null=True,
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="+",
                        to="mes.artefact",
                    ),
                ),
                (
                    "person",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.PROTECT, related_name="trainings", to="mes.person"
                    ),
                ),
                (
                    "revision",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="trainings",
                        to="mes.documentrevision",
                    ),
                ),
                (
                    "signature",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.PROTECT, related_name="+", to="mes.signature"
                    ),
                ),
                (
                    "trainer",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.PROTECT, related_name="+", to="mes.person"
                    ),
                ),
            ],
            options={
                "db_table": "mes_training",
                "indexes": [models.Index(fields=["person", "revision"], name="training_of_person")],
                "constraints": [
                    models.CheckConstraint(
                        condition=models.Q(("person", models.F("trainer")), _negated=True),
                        name="training_by_another",
                    ),
                    models.CheckConstraint(
                        condition=models.Q(
                            ("method__in", ["read", "shown", "class", "tested"]),
                            ("result__in", ["passed", "failed"]),
                        ),
                        name="training_known",
                    ),
                ],
            },
        ),
        migrations.CreateModel(
            name="VaultRotation",
            fields=[
                (
                    "id",
                    models.BigAutoField(
                        auto_created=True, primary_key=True, serialize=False, verbose_name="ID"
                    ),
                ),
                (
                    "purpose",
                    models.CharField(
                        choices=[("wrap", "wraps data keys"), ("index", "hashes identifiers")], max_length=5
                    ),
                ),
                ("new_key_id", models.CharField(max_length=8)),
                (
                    "moved",
                    models.BigIntegerField(default=0, help_text="Identities moved to the new key so far"),
                ),
                ("done", models.BooleanField(default=False)),
                ("begun_at", models.DateTimeField(db_default=django.db.models.functions.datetime.Now())),
            ],
            options={
                "db_table": "mes_vault_rotation",
                "constraints": [
                    models.UniqueConstraint(
                        condition=models.Q(("done", False)), fields=("purpose",), name="one_rotation_at_once"
                    ),
                    models.UniqueConstraint(fields=("purpose", "new_key_id"), name="rotation_to_a_new_key"),
                ],
            },
        ),
        migrations.AddConstraint(
            model_name="account",
            constraint=models.CheckConstraint(
                condition=models.Q(("is_service", False), ("person", None), _connector="OR"),
                name="account_service_is_nobody",
            ),
        ),
        migrations.AddConstraint(
            model_name="signature",
            constraint=models.UniqueConstraint(fields=("series", "position"), name="signature_position"),
        ),
        # The row that a sealer locks: no other role of Lamina's can, so nobody who only reads keeps it from sealing.
        migrations.RunSQL("INSERT INTO mes_seal_turn (id) VALUES (1)", migrations.RunSQL.noop),
    ]
