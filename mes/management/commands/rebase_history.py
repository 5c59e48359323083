"""Let the history of a table go on from its rows as they are, after a migration that removed or renamed a column.

Runs as the owner (DATABASE_OWNER_URL). It is an event of the record, with the reason; `manage.py verify` should have named nothing
else before the migration.
"""

from __future__ import annotations

from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser
from django.db import connections

from mes.embedded.connect import open_role
from mes.embedded.roles import Role
from mes.eventlog.base import Actor
from mes.eventlog.historycheck import take_over
from mes.eventlog.unit import publish, unit_of_work
from mes.events import HistoryRebased
from mes.models import HistoryRebase
from mes.tables import TABLES, Table

OWNER = Actor.system("mes.owner")


class Command(BaseCommand):
    help = __doc__

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("table", help="as the database names it, such as mes_person")
        parser.add_argument("--reason", required=True, help="which migration, and why")

    def handle(self, *args: Any, **options: Any) -> None:
        table = TABLES.get(options["table"])
        if table is None or not table.has_history:
            raise CommandError(f"{options['table']} is no table with a history.")
        if not options["reason"].strip():
            raise CommandError("Say why: it stays in the record.")
        # The services write through the default connection, whoever is behind it.
        connections["default"] = connections[open_role(Role.OWNER)]
        rows = rebase_history(table, options["reason"].strip())
        self.stdout.write(f"{rows} rows of {table.name} were taken over as they are.")


@unit_of_work
def rebase_history(table: Table, reason: str) -> int:
    rows = take_over(table)
    if rows:
        rebase = HistoryRebase.objects.create(table_name=table.name, rows=rows)
        event = HistoryRebased(rebase_id=rebase.pk, table_name=table.name, rows=rows)
        publish(rebase, event, actor=OWNER, reason=reason)
    return rows
