"""State the rules in force (K-11), then take the clock's slots until told to stop. Start as many as you like."""

from __future__ import annotations

from typing import Any

from django.core.management.base import BaseCommand

from mes.eventlog import schedules
from mes.services.rulesets import state_rules
from mes.stopping import stop_on_signals


class Command(BaseCommand):
    help = __doc__

    def handle(self, *args: Any, **options: Any) -> None:
        state_rules()
        self.stdout.write("tick: ready")
        schedules.run(stop_on_signals())
