"""Seal the event log until told to stop. Runs as the role `sealer` (DATABASE_SEALER_URL)."""

from __future__ import annotations

from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand, CommandParser

from mes.eventlog import sealing
from mes.stopping import stop_on_signals


class Command(BaseCommand):
    help = __doc__

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--once", action="store_true", help="seal what is settled now, then exit")
        parser.add_argument(
            "--new-key",
            action="store_true",
            help="make another seal key, where the old one is lost or has been moved away; then exit",
        )

    def handle(self, *args: Any, **options: Any) -> None:
        key = sealing.record_key(settings.KEYS_DIR, renew=options["new_key"])
        if options["new_key"]:
            self.stdout.write(f"seal: key {key.id} seals from now on. Copy {settings.KEYS_DIR} anew.")
            return
        sealer = sealing.Sealer(key, settings.WITNESS_DIR / "seals.jsonl")
        if options["once"]:
            self.stdout.write(f"seal: {sealer.seal_once()} new leaves")
            return
        self.stdout.write("seal: ready")
        sealing.run(sealer, stop_on_signals())
