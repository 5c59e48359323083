"""Drive the printers until told to stop. A second process waits until the first is gone."""

from __future__ import annotations

import asyncio
from typing import Any

from django.core.management.base import BaseCommand

from mes.stopping import stop_on_signals
from printing.services.fleet.process import Fleet


class Command(BaseCommand):
    help = __doc__

    def handle(self, *args: Any, **options: Any) -> None:
        stop = stop_on_signals()
        self.stdout.write("fleet: ready")
        self.stdout.flush()
        asyncio.run(_drive(stop))


async def _drive(stop: Any) -> None:
    await Fleet().run(stop)
