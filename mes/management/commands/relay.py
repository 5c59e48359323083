"""Deliver events to their handlers until told to stop. Start as many as you like."""

from __future__ import annotations

from typing import Any

from django.core.management.base import BaseCommand

from mes.celery import send_delivery
from mes.eventlog import relay
from mes.stopping import stop_on_signals


class Command(BaseCommand):
    help = __doc__

    def handle(self, *args: Any, **options: Any) -> None:
        self.stdout.write("relay: ready")
        relay.run(send_delivery, stop_on_signals())
