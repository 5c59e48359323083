"""Give the vault a new key and move every patient to it, while the site runs. Killed or stopped, it goes on where it was.

Without options the key that wraps the patients' data keys; with --index the key of the blind index. The older keys leave
the key file when no row needs them: a copy of it from before still opens the backups from before.
"""

from __future__ import annotations

from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser

from mes.exceptions import Refused
from mes.services.vaultkeys import Purpose, rotate


class Command(BaseCommand):
    help = __doc__

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--index", action="store_true", help="the key of the blind index instead")
        parser.add_argument("--batch", type=int, default=200, help="rows in one transaction")

    def handle(self, *args: Any, **options: Any) -> None:
        purpose: Purpose = "index" if options["index"] else "wrap"
        try:
            rotation = rotate(purpose=purpose, batch=max(1, options["batch"]))
        except Refused as refusal:
            raise CommandError(str(refusal)) from None
        self.stdout.write(f"{rotation.moved} identities stand under the key {rotation.new_key_id}.")
