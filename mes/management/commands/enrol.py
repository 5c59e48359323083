"""Register a person with an account and roles, from the machine that Lamina runs on. The first administrator comes so."""

from __future__ import annotations

import getpass
import sys
from argparse import ArgumentParser
from typing import Any

from django.core.management.base import BaseCommand, CommandError

from mes.choices import Role
from mes.eventlog.base import Actor
from mes.eventlog.unit import open_unit
from mes.exceptions import Refused
from mes.services.accounts import expect_own_password
from mes.services.people import grant_role, open_account, register_person
from mes.services.signing_enrolment import confirm_identity, prove_identity

CONSOLE = Actor.system("console")


class Command(BaseCommand):
    help = __doc__

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("username")
        parser.add_argument(
            "--name", required=True, help="the full name, as it is printed beside a signature"
        )
        parser.add_argument("--credentials", default="", help="printed after the name: MD, MSc")
        parser.add_argument("--timezone", default="UTC", help="IANA zone of the person's signatures")
        parser.add_argument(
            "--document",
            default="",
            help="kind of the document that proved who this is: then the person may sign",
        )
        parser.add_argument(
            "--external",
            action="store_true",
            help="of another company: knows only the orders that the person is named on",
        )
        parser.add_argument("--roles", default="SEC", help=f"comma-separated, of {', '.join(Role.values)}")

    def handle(self, *, username: str, name: str, roles: str, **options: Any) -> None:
        unknown = set(roles.split(",")) - set(Role.values)
        if unknown:
            raise CommandError(f"No role {', '.join(sorted(unknown))}. Known: {', '.join(Role.values)}.")
        password = getpass.getpass("Password: ") if sys.stdin.isatty() else sys.stdin.readline().rstrip("\n")
        try:
            with open_unit():
                person = register_person(
                    full_name=name,
                    credentials=options["credentials"],
                    timezone=options["timezone"],
                    external=options["external"],
                    actor=CONSOLE,
                )
                for role in roles.split(","):
                    grant_role(
                        person=person, role=Role(role), actor=CONSOLE, reason="enrolled from the console"
                    )
                account = open_account(username=username, password=password, person=person, actor=CONSOLE)
                expect_own_password(account=account, actor=CONSOLE)
                if options["document"]:
                    enrolment = prove_identity(
                        account_id=account.pk,
                        document=options["document"],
                        method="at the console",
                        actor=CONSOLE,
                    )
                    confirm_identity(enrolment_id=enrolment.pk, actor=CONSOLE)
        except Refused as refusal:
            raise CommandError(str(refusal)) from None
        self.stdout.write(f"{name} may sign in as {username}, and then chooses a password of their own.")
