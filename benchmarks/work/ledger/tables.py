"""Make the copies, the peers' tables and the rows. Runs once, as the owner and the superuser of a benchmark's cluster."""

from __future__ import annotations

import sys

import psycopg
from django.apps import apps
from django.conf import settings
from django.core.management import call_command
from django.db import connections
from django.db.models import Model
from django.db.models.functions import Now
from psycopg import sql

from benchmarks.work.ledger.changes import MODELS, WRITER, BenchmarkHeld
from devices.models import Device
from mes.embedded import roles
from mes.embedded.connect import open_role
from mes.embedded.layout import Layout
from mes.embedded.roles import Role
from mes.eventlog.unit import publish, unit_of_work
from tests.devices.makers import Staff, make_planned


def main(rows: int) -> None:
    owner = open_role(Role.OWNER)
    call_command("migrate", "auditlog", database=owner, verbosity=0, skip_checks=True)
    with connections[owner].schema_editor() as editor:
        for model in apps.get_app_config("ledger_benchmark").get_models():
            editor.create_model(model)
    _devices(rows)
    with _superuser() as connection:
        for label in ("ledger_benchmark", "auditlog"):
            for model in apps.get_app_config(label).get_models():
                table = sql.Identifier(model._meta.db_table)
                connection.execute(sql.SQL("GRANT SELECT, INSERT, UPDATE ON {} TO lamina_app").format(table))
        connection.execute("GRANT SELECT ON django_content_type TO lamina_app")
        for model in MODELS.values():
            if model is not Device:
                _copy(connection, model)
        connection.execute("ANALYZE")


def _devices(rows: int) -> None:
    """Devices of one order, each in the log from its first day."""
    first = make_planned(Staff())
    for number in range(rows):
        _like(first, f"BENCH{number}")


@unit_of_work
def _like(device: Device, serial: str) -> None:
    device.pk, device.serial = None, serial
    # As for any new row: the database refuses the first one's moments.
    device.created_at = device.changed_at = Now()
    device.save(force_insert=True)
    publish(device, BenchmarkHeld(device_id=device.pk, stage=device.stage), actor=WRITER)


def _copy(connection: psycopg.Connection, model: type[Model]) -> None:
    """The same rows."""
    columns = sql.SQL(", ").join(sql.Identifier(str(field.column)) for field in model._meta.concrete_fields)
    connection.execute(
        sql.SQL("INSERT INTO {} ({}) SELECT {} FROM {}").format(
            sql.Identifier(model._meta.db_table), columns, columns, sql.Identifier(Device._meta.db_table)
        )
    )


def _superuser() -> psycopg.Connection:
    layout = Layout(settings.VAR_DIR)
    return roles.connect(
        roles.embedded_address(roles.SUPERUSER, layout, roles.password_file(roles.SUPERUSER, layout))
    )


main(int(sys.argv[1]))
