"""Make the copies, the peers' tables and the rows. Runs once, as the owner and the superuser of a benchmark's cluster."""

from __future__ import annotations

import sys

import psycopg
from django.apps import apps
from django.conf import settings
from django.core.management import call_command
from django.db import connections
from psycopg import sql

from benchmarks.work.ledger.changes import MODELS
from mes.embedded import roles
from mes.embedded.connect import open_role
from mes.embedded.layout import Layout
from mes.embedded.roles import Role

INSERT = sql.SQL("""
    INSERT INTO {} (order_id, master_id, material_id, serial, stage, phase, held, hold_reason, resume_to, need_by,
        evidence_digest)
    SELECT 1, 1, 1, 'S' || n, 'planned', 'imaging', false, '', '', '2027-01-01', '' FROM generate_series(1, %s) n
""")


def main(rows: int) -> None:
    owner = open_role(Role.OWNER)
    call_command("migrate", "auditlog", database=owner, verbosity=0, skip_checks=True)
    with connections[owner].schema_editor() as editor:
        for model in apps.get_app_config("ledger_benchmark").get_models():
            editor.create_model(model)
    with _superuser() as connection:
        connection.execute("GRANT SELECT, INSERT, UPDATE ON ALL TABLES IN SCHEMA public TO lamina_app")
        connection.execute("GRANT USAGE ON ALL SEQUENCES IN SCHEMA public TO lamina_app")
        # A device without its order: this measures the saving of one row, not what it refers to.
        connection.execute("SET session_replication_role = replica")
        for model in MODELS.values():
            connection.execute(INSERT.format(sql.Identifier(model._meta.db_table)), [rows])
        connection.execute("ANALYZE")


def _superuser() -> psycopg.Connection:
    layout = Layout(settings.VAR_DIR)
    return roles.connect(
        roles.embedded_address(roles.SUPERUSER, layout, roles.password_file(roles.SUPERUSER, layout))
    )


main(int(sys.argv[1]))
