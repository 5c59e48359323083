"""Make a simulated printer fail by name, or mend it again."""

from __future__ import annotations

from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser

from mes.eventlog.base import Actor
from mes.exceptions import Refused
from printing.selectors.fleet import by_code, printers
from printing.services.fleet.connections import fault_names, simulate_fault


class Command(BaseCommand):
    help = __doc__

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("printer", help="its code, like M0000001")
        names = ", ".join(f"{name} ({text})" for name, text in fault_names().items())
        parser.add_argument("fault", nargs="?", default="", help=f"nothing mends it; or: {names}")

    def handle(self, *args: Any, **options: Any) -> None:
        try:
            printer = by_code(printers(), options["printer"], "M")
            simulate_fault(printer_id=printer.pk, fault=options["fault"], actor=Actor.system("operator"))
        except Refused as refusal:
            raise CommandError(str(refusal)) from None
        self.stdout.write(f"{printer.code}: {options['fault'] or 'mended'}")
