"""Write the evidence: which test shows which rule and how it ended, and what this installation answers to IQ and OQ.

Exit status 1 where a rule is neither shown nor procedural, a test failed, or an answer is not as expected.
"""

from __future__ import annotations

import sys
from argparse import ArgumentParser
from contextlib import ExitStack
from pathlib import Path
from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError
from django.db import OperationalError, connection
from django.utils import timezone

from mes.embedded.environment import BASE_DIR
from mes.supervisor.stack import StackFailed, running_stack
from mes.validation.report import write_evidence
from mes.validation.results import NoResults, read_results, require_current


class Command(BaseCommand):
    help = __doc__

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--results", type=Path, required=True, help="what pytest wrote with --junitxml")
        parser.add_argument(
            "--out", type=Path, default=settings.VAR_DIR / "validation", help="folder of the reports"
        )

    def handle(self, *, results: Path, out: Path, **_: Any) -> None:
        try:
            run = read_results(results)
            require_current(run, root=BASE_DIR, now=timezone.now())
            with ExitStack() as stack:
                if not _database_answers():
                    self.stdout.write(
                        "The installation is not running: its database is started for the questions."
                    )
                    stack.enter_context(running_stack(quiet=True, servers_only=True))
                evidence = write_evidence(run, out)
        except (NoResults, StackFailed) as failure:
            raise CommandError(str(failure)) from None
        for line in evidence.summary:
            self.stdout.write(line)
        sys.exit(0 if evidence.is_right else 1)


def _database_answers() -> bool:
    try:
        connection.ensure_connection()
    except OperationalError:
        return False
    return True
