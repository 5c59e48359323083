"""Run the whole of Lamina in this terminal."""

import socket
import sys
from argparse import ArgumentParser
from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError

from mes.embedded.locks import AlreadyRunning, PlaceLock
from mes.supervisor import programs
from mes.supervisor.port import add_port
from mes.supervisor.supervisor import Supervisor


class Command(BaseCommand):
    help = "Start the database, the broker and every process of Lamina, and keep them running until Ctrl-C."

    def add_arguments(self, parser: ArgumentParser) -> None:
        add_port(parser)
        parser.add_argument(
            "--host", default="127.0.0.1", help="the address to listen on; default: this machine only"
        )
        parser.add_argument("--servers", action="store_true", help="only the database and the broker")
        parser.add_argument("--quiet", action="store_true", help="only what the supervisor itself says")

    def handle(self, *, host: str, port: int, servers: bool, quiet: bool, **_: Any) -> None:
        run_folder = settings.VAR_DIR / "run"
        try:
            PlaceLock(run_folder / "up.lock", "Lamina")
            stages = [[*programs.servers()], [programs.prepare()]]
            if not servers:
                _refuse_taken_port(host, port)
                stages.append([programs.web(host, port), *programs.loops()])
            supervisor = Supervisor(
                stages,
                run_folder=run_folder,
                log_folder=settings.VAR_DIR / "log",
                address="" if servers else f"http://{host}:{port}",
                quiet=quiet,
            )
        except AlreadyRunning as refusal:
            raise CommandError(str(refusal)) from None
        sys.exit(supervisor.run())


def _refuse_taken_port(host: str, port: int) -> None:
    with socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((host, port))
        except OSError as error:
            raise CommandError(
                f"{host}:{port} cannot be used ({error.strerror}). Set PORT, or give --port."
            ) from None
