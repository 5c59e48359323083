"""Write docs/events.md, docs/handlers.md and docs/gates.md: everything that is registered, in its own words; and with
`--schema` what the migrations make of an empty database, with which `verify` compares."""

from __future__ import annotations

import inspect
import os
import subprocess
import sys
from argparse import ArgumentParser
from collections.abc import Iterable
from dataclasses import fields
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from django.apps import apps
from django.conf import settings
from django.core.management.base import BaseCommand

from mes.apps import LaminaPackage
from mes.backup.drilling import serving
from mes.embedded.layout import Layout
from mes.embedded.roles import Role, connect, embedded_address, password_file
from mes.eventlog.base import EVENT_TYPES
from mes.eventlog.schemacheck import SCHEMA, WRITTEN, schema_text
from mes.eventlog.subscriptions import HANDLERS, Handler
from mes.lifecycle import GATES

NOTE = "Written by `manage.py catalogue` from the code; a test compares them. Do not edit.\n"


class Command(BaseCommand):
    help = __doc__

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--schema", action="store_true", help="write the schema; it takes half a minute")

    def handle(self, *, schema: bool, **_: Any) -> None:
        if schema:
            WRITTEN.write_text(_fresh_schema(), encoding="utf-8")
            self.stdout.write(str(WRITTEN.relative_to(settings.BASE_DIR)))
            return
        for name, text in pages().items():
            (settings.BASE_DIR / "docs" / name).write_text(text, encoding="utf-8")
            self.stdout.write(f"docs/{name}")


def pages() -> dict[str, str]:
    """File name to content."""
    return {"events.md": events_page(), "handlers.md": handlers_page(), "gates.md": gates_page()}


def _fresh_schema() -> str:
    """What an empty PostgreSQL of its own holds once it is prepared."""
    with TemporaryDirectory(prefix="lamina-schema-") as folder:
        Path(folder).chmod(0o711)
        layout = Layout(Path(folder) / "var")
        inherited = {
            name: value for name, value in os.environ.items() if not name.startswith(("DATABASE_", "LAMINA_"))
        }
        with serving(layout):
            subprocess.run(  # our own command
                [sys.executable, "manage.py", "prepare_database", "--quiet"],
                cwd=settings.BASE_DIR,
                env=inherited | {"LAMINA_VAR": str(layout.root)},
                check=True,
            )
            owner = Role.OWNER.login
            with connect(embedded_address(owner, layout, password_file(owner, layout))) as database:
                database.execute("SET search_path = pg_catalog, pg_temp")
                return schema_text(database.execute(SCHEMA).fetchall())


def events_page() -> str:
    rows = [
        (
            f"`{name}`",
            first_line(event),
            ", ".join(field.name for field in fields(event)),
            ", ".join(f"`{handler.id}`" for handler in reacting_to(name))
            or ("–" if event.terminal else "nobody"),
        )
        for name, event in EVENT_TYPES.items()
        if is_ours(event)
    ]
    return _page(
        "Events", "Facts, by the package that states them.", ("event", "fact", "fields", "handlers"), rows
    )


def handlers_page() -> str:
    rows = [
        (f"`{handler.id}`", f"`{handler.routing_key}`", handler.queue or "at once", first_line(handler.react))
        for handler in HANDLERS.values()
        if is_ours(handler.react)
    ]
    about = "Reactions to facts, after their commit. Handler ids are permanent: they stand on delivery rows."
    return _page("Handlers", about, ("handler", "reacts to", "queue", "what it does"), rows)


def gates_page() -> str:
    rows = [
        (
            gate.id,
            gate.title,
            ", ".join(f"`{name}`" for name in gate.transitions),
            f"`{gate.check.__module__}`",
        )
        for gate in GATES.values()
        if is_ours(gate.check)
    ]
    about = "Asked before a move; every reason comes back at once. Ids are those of the requirements."
    return _page("Gates", about, ("gate", "asks whether", "before", "in"), rows)


def reacting_to(event: str) -> list[Handler]:
    return [
        handler
        for handler in HANDLERS.values()
        if handler.routing_key.partition(":")[0] == event and is_ours(handler.react)
    ]


def is_ours(thing: object) -> bool:
    """Whether a package of the house declared it, and not a test."""
    package = str(getattr(thing, "__module__", "")).partition(".")[0]
    return any(
        package == config.name for config in apps.get_app_configs() if isinstance(config, LaminaPackage)
    )


def first_line(thing: object) -> str:
    """The first paragraph of a docstring on one line, or else the name in words."""
    name = str(getattr(thing, "__name__", "")).replace("_", " ").capitalize()
    return (inspect.getdoc(thing) or name).partition("\n\n")[0].replace("\n", " ").replace("|", "\\|")


def _page(title: str, about: str, head: tuple[str, ...], rows: Iterable[tuple[str, ...]]) -> str:
    lines = [f"# {title}\n", f"{about} {NOTE}", f"| {' | '.join(head)} |", f"|{' --- |' * len(head)}"]
    lines += [f"| {' | '.join(row)} |" for row in rows]
    return "\n".join(lines) + "\n"
