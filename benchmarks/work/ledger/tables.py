"""Make the copies, the peers' tables and the rows. Runs once, as the owner and the superuser of a benchmark's cluster."""

from __future__ import annotations

import sys
from datetime import date
from typing import Any

import psycopg
from django.apps import apps
from django.conf import settings
from django.core.management import call_command
from django.db import connection as default
from django.db import connections
from django.db.models import Model
from django.db.models.expressions import DatabaseDefault
from psycopg import sql

from benchmarks.work.ledger.changes import CHANGES, MODELS
from mes.embedded import roles
from mes.embedded.connect import open_role
from mes.embedded.layout import Layout
from mes.embedded.roles import Role

FIRST: dict[str, Any] = {
    "order_id": 1, "master_id": 1, "material_id": 1, "stage": "planned", "phase": "imaging", "need_by": date(2027, 1, 1),
}  # fmt: skip
"""A device without its order: this measures the saving of one row, not what it refers to. Every other column has what the
model gives it."""


def main(rows: int) -> None:
    owner = open_role(Role.OWNER)
    call_command("migrate", "auditlog", database=owner, verbosity=0, skip_checks=True)
    with connections[owner].schema_editor() as editor:
        for model in apps.get_app_config("ledger_benchmark").get_models():
            editor.create_model(model)
    with _superuser() as connection:
        connection.execute("GRANT SELECT, INSERT, UPDATE ON ALL TABLES IN SCHEMA public TO lamina_app")
        connection.execute("GRANT USAGE ON ALL SEQUENCES IN SCHEMA public TO lamina_app")
        connection.execute("SET session_replication_role = replica")
        for model in MODELS.values():
            _fill(connection, model, rows)
        connection.execute("ANALYZE")
    # From here on each of Lamina's rows stands in the log, as a real one does from its first day.
    for pk in MODELS["Lamina"]._default_manager.values_list("pk", flat=True):
        CHANGES["Lamina"](pk, 0)


def _fill(connection: psycopg.Connection, model: type[Model], rows: int) -> None:
    """As many rows, alike but for their serial."""
    known = {field.attname for field in model._meta.concrete_fields}
    made = [
        model(**{name: FIRST[name] for name in FIRST.keys() & known}, serial=f"S{n}") for n in range(rows)
    ]
    columns = [
        field
        for field in model._meta.concrete_fields
        if not field.primary_key and not isinstance(getattr(made[0], field.attname), DatabaseDefault)
    ]
    insert = sql.SQL("INSERT INTO {} ({}) VALUES ({})").format(
        sql.Identifier(model._meta.db_table),
        sql.SQL(", ").join([sql.Identifier(str(field.column)) for field in columns]),
        sql.SQL(", ").join(sql.Placeholder() for _ in columns),
    )
    values = (
        [field.get_db_prep_save(getattr(row, field.attname), default) for field in columns] for row in made
    )
    connection.cursor().executemany(insert, list(values))


def _superuser() -> psycopg.Connection:
    layout = Layout(settings.VAR_DIR)
    return roles.connect(
        roles.embedded_address(roles.SUPERUSER, layout, roles.password_file(roles.SUPERUSER, layout))
    )


main(int(sys.argv[1]))
