"""Sign what a restore drill showed, at the machine where it ran: the result is shown, then user id and password are asked."""

from __future__ import annotations

import getpass
import json
import sys
from argparse import ArgumentParser
from typing import Any

from django.core.management.base import BaseCommand, CommandError

from mes.compiled import by_key
from mes.eventlog.base import Actor, plain
from mes.exceptions import Refused
from mes.models import Account, RestoreDrill
from mes.services.safekeeping import confirm_drill, drill_content
from mes.services.signatures import Credentials, content_digest


class Command(BaseCommand):
    help = __doc__

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("drill", type=int, help="its number, as `manage.py drill` said")
        parser.add_argument("--user", required=True, help="the user id of the person who signs")

    def handle(self, *, drill: int, user: str, **_: Any) -> None:
        row = by_key(RestoreDrill, drill)
        if row is None:
            raise CommandError(f"There is no drill {drill}.")
        content = drill_content(row)
        self.stdout.write(json.dumps(plain(content), indent=2, sort_keys=True))
        self.stdout.write(f"You sign this as verified. SHA-256 of the content: {content_digest(content)}")
        account = Account.objects.named(user).filter(person__isnull=False).first()
        typed = Credentials(user, _password(), content_digest(content))
        if account is None or account.person_id is None:
            raise CommandError("User id or password is wrong, or this account is closed.")
        try:
            confirm_drill(drill_id=drill, actor=Actor.person(account.person_id), credentials=typed)
        except Refused as refusal:
            raise CommandError("\n".join(str(reason) for reason in refusal.reasons)) from None
        self.stdout.write(f"Drill {drill} is confirmed.")


def _password() -> str:
    return getpass.getpass("Password: ") if sys.stdin.isatty() else sys.stdin.readline().rstrip("\n")
