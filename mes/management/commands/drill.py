"""Restore the newest backup into an empty place, verify it there, compare it with the witness, and write down the result."""

from __future__ import annotations

import sys
from argparse import ArgumentParser
from dataclasses import asdict
from pathlib import Path
from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError

from mes.backup.drilling import drill
from mes.backup.tools import BackupFailed
from mes.services.safekeeping import record_drill


class Command(BaseCommand):
    help = __doc__

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument(
            "--backups", type=Path, required=True, help="the folder of backups, or one of them"
        )
        parser.add_argument(
            "--in", dest="place", type=Path, help="where to restore for a while; the temporary folder"
        )
        parser.add_argument(
            "--keys",
            type=Path,
            help="the folder that `backup --keys` wrote: do those keys open the restored rows?",
        )

    def handle(self, *, backups: Path, place: Path | None, keys: Path | None = None, **_: Any) -> None:
        try:
            outcome = drill(
                backups=backups.resolve(),
                witness=settings.WITNESS_DIR / "seals.jsonl",
                place=place,
                keys=keys.resolve() if keys else None,
            )
        except BackupFailed as failure:
            raise CommandError(str(failure)) from None
        done = record_drill(of=asdict(outcome))
        if outcome.problem:
            self.stderr.write(f"{outcome.backup} CANNOT be relied on: {outcome.problem}")
            sys.exit(1)
        self.stdout.write(
            f"{outcome.backup}: restored, VALID, {outcome.events} events, its seal of {outcome.tree_size} leaves stands in the "
            f"witness, {outcome.seconds:.1f} s"
        )
        self.stdout.write(
            f"Somebody looks at it and signs: /safekeeping/, or manage.py confirm_drill {done.pk}"
        )
