"""Check the whole record and name the first bad position. Exit status 0 where it is VALID, 1 where it is ALTERED, or
UNVERIFIABLE because there is none to be read. Nothing is made or written."""

from __future__ import annotations

import sys
from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand, CommandParser
from django.db import Error

from mes.embedded.unverifiable import unverifiable
from mes.eventlog.sealing import public_keys
from mes.eventlog.verify import verify
from mes.services.artefacts import store

CURE = "Is LAMINA_VAR the right place, and does its database run (`manage.py up`)?"


class Command(BaseCommand):
    help = __doc__
    # The others ask for folders of a place that runs.
    requires_system_checks = ("environment",)

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--json", action="store_true", help="print one JSON object as the last line")

    def handle(self, *args: Any, **options: Any) -> None:
        try:
            verdict = verify(
                keys=public_keys(settings.KEYS_DIR),
                witness=settings.WITNESS_DIR / "seals.jsonl",
                files=store(),
            )
        except Error as failure:
            sys.exit(unverifiable(f"The record in {settings.VAR_DIR} cannot be read: {failure} {CURE}"))
        self.stdout.write(
            f"{verdict.result}: {verdict.events} events, {verdict.sealed} sealed, {verdict.per_second} per second"
        )
        if verdict.disposed:
            self.stdout.write(
                f"disposed: {verdict.disposed} files, as signed certificates of destruction say"
            )
        if verdict.late:
            self.stdout.write(
                f"late: the event at {verdict.late['pos']} has waited for its seal for {verdict.late['seconds']:.0f} s"
            )
        if verdict.refusal:
            self.stdout.write(f"the sealer seals nothing: {verdict.refusal}")
        if verdict.first_bad:
            self.stdout.write(f"first bad: {verdict.first_bad['what']} at {verdict.first_bad['where']}")
        if options["json"]:
            self.stdout.write(verdict.as_json())
        sys.exit(0 if verdict.result == "VALID" else 1)
