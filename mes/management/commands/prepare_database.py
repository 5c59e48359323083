"""Bring the schema up to date and set grants and triggers, as the owner of the database."""

import time
from argparse import ArgumentParser
from typing import Any

from django.core.management import call_command
from django.core.management.base import BaseCommand
from django.db import connections, transaction

from mes.embedded.connect import open_role
from mes.embedded.roles import Role
from mes.guards import apply_guards
from mes.services.vaultkeys import vault_of

ONE_AT_A_TIME = 0x1A31A


class Command(BaseCommand):
    """The only command that holds the owner's address (`DATABASE_OWNER_URL`, or the embedded server's)."""

    help = "Migrate as the owner, then apply the grants and the triggers that keep the record append-only."
    requires_system_checks = ()

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--quiet", action="store_true", help="say nothing but errors")

    def handle(self, *, quiet: bool, **_: Any) -> None:
        started = time.monotonic()
        owner = open_role(Role.OWNER)
        with connections[owner].cursor() as cursor:
            # Held until this process ends: of several machines that start at once, one migrates and the others wait, for
            # as long as that takes.
            cursor.execute("SET lock_timeout = 0")
            cursor.execute("SELECT pg_advisory_lock(%s)", [ONE_AT_A_TIME])
            cursor.execute("RESET lock_timeout")
        call_command(
            "migrate", database=owner, interactive=False, verbosity=0 if quiet else 1, skip_checks=True
        )
        with transaction.atomic(using=owner):
            apply_guards(connections[owner])
        # A key file that was lost, or belongs to another installation, is noticed before anybody needs it.
        vault_of(owner)
        if not quiet:
            self.stdout.write(
                f"The database is ready: schema, grants and triggers, {time.monotonic() - started:.1f} s."
            )
