"""Write the record of a device, an order's, a lot's or some days' devices as bundles that prove themselves.

manage.py export_record D0000001 --out FOLDER
manage.py export_record --order O0000001 --out FOLDER
manage.py export_record --lot L0000001 --out FOLDER --wait
manage.py export_record --from 2026-01-01 --to 2026-01-31 --out FOLDER
"""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser

from mes.exceptions import Refused
from quality.choices import ExportKind
from quality.services.export import SEALED_WITHIN_S, SYSTEM, export_to_folder

HERE = "manage.py export_record"


class Command(BaseCommand):
    help = __doc__

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("device", nargs="?", default="", help="code of a device, such as D0000001")
        parser.add_argument("--order", default="", help="every device of an order")
        parser.add_argument("--lot", default="", help="every device with material of a lot")
        parser.add_argument(
            "--from", dest="since", default="", help="with --to: every device between two days, UTC"
        )
        parser.add_argument("--to", dest="until", default="")
        parser.add_argument("--out", type=Path, required=True, help="folder for DHR_<serial>.zip")
        parser.add_argument("--reason", default="", help="who asked for the copy, and what for")
        parser.add_argument(
            "--wait", action="store_true", help="wait up to a minute until every event is sealed"
        )

    def handle(self, *args: Any, **options: Any) -> None:
        kind, subject = _asked(options)
        try:
            written = export_to_folder(
                kind=kind,
                subject=subject,
                folder=options["out"],
                actor=SYSTEM,
                reason=options["reason"] or HERE,
                wait_s=SEALED_WITHIN_S if options["wait"] else 0.0,
            )
        except Refused as refusal:
            for reason in refusal.reasons:
                self.stderr.write(str(reason))
            sys.exit(1)
        for path in written:
            self.stdout.write(str(path))


def _asked(options: dict[str, Any]) -> tuple[ExportKind, str]:
    """Exactly one of the ways to say which devices."""
    days = f"{options['since']}/{options['until']}" if options["since"] or options["until"] else ""
    ways = {
        ExportKind.DEVICE: options["device"],
        ExportKind.ORDER: options["order"],
        ExportKind.LOT: options["lot"],
        ExportKind.RANGE: days,
    }
    given = [(kind, subject) for kind, subject in ways.items() if subject]
    if len(given) != 1:
        raise CommandError("Name one device, or one of --order, --lot, or --from with --to.")
    return given[0]
