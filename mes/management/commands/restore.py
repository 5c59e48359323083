"""Restore a backup into an empty place, after checking every byte of it. The place is then ready for `manage.py up`."""

from __future__ import annotations

from argparse import ArgumentParser
from pathlib import Path
from typing import Any

from django.core.management.base import BaseCommand, CommandError

from mes.backup.restoring import missing_keys, restore
from mes.backup.tools import BackupFailed


class Command(BaseCommand):
    help = __doc__
    requires_system_checks = ()

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("source", type=Path, help="one backup, or a folder of them: then the newest")
        parser.add_argument(
            "--into", type=Path, required=True, help="an empty or new folder: the future LAMINA_VAR"
        )
        parser.add_argument("--keys", type=Path, help="the folder that `backup --keys` wrote")

    def handle(self, *, source: Path, into: Path, keys: Path | None, **_: Any) -> None:
        try:
            contents = restore(
                source=source.resolve(), into=into.resolve(), keys=keys.resolve() if keys else None
            )
        except BackupFailed as failure:
            raise CommandError(str(failure)) from None
        self.stdout.write(f"{into}: {contents.name}, {len(contents.artefacts)} files, checked and restored.")
        if missing := missing_keys(into.resolve()):
            self.stdout.write(
                f"Missing in {into / 'keys'}: {', '.join(missing)}. Put them there BEFORE `manage.py up`: without the "
                "vault's it does not start, and in place of the others it makes new ones."
            )
        self.stdout.write(
            f"Next: put the newest witness into {into / 'witness'}, then LAMINA_VAR={into} manage.py up, then verify."
        )
