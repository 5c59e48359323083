"""Start everything, tell the whole story on a real head CT, and leave the site running, or stop with `--exit`."""

from __future__ import annotations

import json
import threading
import time
from argparse import ArgumentParser
from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError

from mes.demo import people
from mes.demo.story import Told, tell
from mes.demo.teller import StoryBroken, Teller
from mes.embedded.layout import refused_write
from mes.eventlog.sealing import public_keys
from mes.eventlog.verify import verify
from mes.exceptions import Refused
from mes.services.artefacts import artefact_path, store
from mes.stopping import stop_on_signals
from mes.supervisor.port import add_port
from mes.supervisor.stack import POLL, Stack, StackFailed, running_stack


class Command(BaseCommand):
    help = __doc__

    def add_arguments(self, parser: ArgumentParser) -> None:
        add_port(parser)
        parser.add_argument("--exit", action="store_true", help="stop once the device is released")

    def handle(self, *, port: int, **options: Any) -> None:
        teller = Teller(self.stdout)
        try:
            teller.say("Lamina starts: database, broker, and its own processes.")
            started = time.monotonic()
            with running_stack(port=port, quiet=True, tell=teller.say) as stack:
                teller.ended = lambda: stack.ended
                teller.seconds["setup"] = time.monotonic() - started
                told = tell(teller)
                result = summary(teller, told)
                if not options["exit"]:
                    self._leave_running(stack, told, stop_on_signals())
            require_good_end(stack, result)
        except (StoryBroken, StackFailed, Refused) as failure:
            raise CommandError(str(failure)) from None
        except OSError as fault:
            if (refusal := refused_write(fault)) is None:
                raise
            raise CommandError(str(refusal)) from fault
        except KeyboardInterrupt:
            # Everything that ran was stopped in order on the way here.
            raise CommandError("Stopped before the story was told.", returncode=130) from None
        self.stdout.write(json.dumps(result))

    def _leave_running(self, stack: Stack, told: Told, stop: threading.Event) -> None:
        address = stack.address
        self.stdout.write(f"\nThe site is at {address}/")
        self.stdout.write(f"   released   {address}/devices/{told.device.code}/")
        self.stdout.write(f"   refused    {address}/devices/{told.refused.code}/")
        self.stdout.write(f"\nDemo accounts, all with the password  {people.password()}")
        for job in people.STAFF:
            roles = ", ".join(role.label for role in job.roles)
            self.stdout.write(f"   {job.username:<12} {job.full_name:<20} {roles}")
        self.stdout.write("\nCtrl-C stops it.")
        await_stop(stack, stop)


def await_stop(stack: Stack, stop: threading.Event) -> None:
    """Wait until this command is asked to stop, or the stack was stopped by somebody else."""
    while not stop.wait(POLL) and not stack.ended:
        pass


def require_good_end(stack: Stack, result: dict[str, Any]) -> None:
    """The last line says that all went well, so nothing is said where it did not. Raises StackFailed."""
    if stack.process.returncode:
        raise StackFailed(
            f"Lamina did not end well (status {stack.process.returncode}); {settings.VAR_DIR}/log/up.log says why."
        )
    if (result["stage"], result["ledger"]) != ("released", "VALID"):
        raise StackFailed(
            f"{result['device']} is {result['stage']}, the record is {result['ledger']}. `manage.py verify` says more."
        )


def summary(teller: Teller, told: Told) -> dict[str, Any]:
    """What the last line of the output says."""
    witness = settings.WITNESS_DIR / "seals.jsonl"
    verdict = teller.steadily(
        lambda: verify(keys=public_keys(settings.KEYS_DIR), witness=witness, files=store())
    )
    seconds = {name: round(value, 2) for name, value in teller.seconds.items()}
    return {
        "device": told.device.code,
        "stage": told.device.stage,
        "events": told.events,
        "seconds": {**seconds, "total": round(teller.elapsed_s, 2)},
        "ledger": verdict.result,
        "record_pdf": str(artefact_path(told.record.pdf_id)),
        "record_json": str(artefact_path(told.record.json_id)),
    }
