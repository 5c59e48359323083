"""Take a backup of the whole record while the site runs: database, files, witness, public keys."""

from __future__ import annotations

import os
from argparse import ArgumentParser
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError

from mes.backup.contents import finished_backups, read_contents
from mes.backup.taking import Taken, forget_older, take_backup
from mes.backup.tools import BackupFailed
from mes.embedded import roles
from mes.embedded.layout import Layout
from mes.embedded.roles import VARIABLES, Role
from mes.eventlog.fileowners import disposed_files
from mes.services.safekeeping import record_backup

VARIABLE = "DATABASE_BACKUP_URL"


class Command(BaseCommand):
    help = __doc__

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument(
            "--out", type=Path, required=True, help="the folder of backups, outside of LAMINA_VAR"
        )
        parser.add_argument(
            "--keys", type=Path, help="copy the keys too, into this folder, which lies elsewhere"
        )
        parser.add_argument(
            "--keep",
            type=int,
            help="afterwards remove all but the newest so many, and with --keys their keys",
        )
        parser.add_argument("--list", action="store_true", help="only say which backups there are")

    def handle(self, *, out: Path, keys: Path | None, keep: int | None, list: bool, **_: Any) -> None:
        if keep is not None and keep < 1:
            raise CommandError("Keep at least one backup: --keep takes 1 or more.")
        try:
            if list:
                return self._list(out)
            layout = Layout(settings.VAR_DIR)
            taken = take_backup(
                layout=layout,
                out=out.resolve(),
                keys=keys.resolve() if keys else None,
                where=replicating(layout),
                disposed=set(disposed_files()),
            )
            self._record(taken)
            gone = forget_older(out.resolve(), keep, keys.resolve() if keys else None) if keep else []
        except BackupFailed as failure:
            raise CommandError(str(failure)) from None
        for name in gone:
            self.stdout.write(f"removed {name}")
        if taken.contents.faults:
            raise CommandError(
                f"The backup is finished, but the store had lost or altered {len(taken.contents.faults)} files: "
                f"{', '.join(taken.contents.faults)}. Run `manage.py verify`; restore them from an older backup."
            )
        return None

    def _record(self, taken: Taken) -> None:
        contents = taken.contents
        record_backup(
            of={
                "name": contents.name,
                "folder": str(taken.folder),
                "events": contents.events,
                "tree_size": contents.tree_size,
                "files": len(contents.artefacts),
                "size": contents.size,
                "seconds": taken.seconds,
                "manifest": contents.digest,
            },
            faults=contents.faults,
        )
        self.stdout.write(
            f"{taken.folder}: {contents.events} events, {len(contents.artefacts)} files ({taken.copied} of them new), "
            f"{taken.seconds:.1f} s"
        )

    def _list(self, out: Path) -> None:
        for folder in finished_backups(out):
            contents = read_contents(folder)
            self.stdout.write(
                f"{folder.name}  {contents.events} events  {len(contents.artefacts)} files  Lamina {contents.software}"
            )


def replicating(layout: Layout) -> Mapping[str, str]:
    """The record's database under a role that may replicate. Raises BackupFailed where nobody named one."""
    if named := os.environ.get(VARIABLE):
        return roles.from_url(named)
    if os.environ.get(VARIABLES[Role.APP]):
        raise BackupFailed(
            f"DATABASE_URL names a server of your own. Set {VARIABLE} to a role of it with REPLICATION and SELECT, "
            "or use that server's own backups."
        )
    return roles.embedded_address(roles.SUPERUSER, layout, roles.password_file(roles.SUPERUSER, layout))
