"""Carry out a disposal that two people signed: remove the files and erase the identities of its certificate. Run by the owner of the machine."""

from __future__ import annotations

import re
from argparse import ArgumentParser
from typing import Any

from django.core.management.base import BaseCommand, CommandError

from mes.exceptions import Refused
from mes.models import Disposal
from mes.services.disposals import carry_out_disposal, files_left, signed_certificate

CODE = re.compile(r"[Zz]0*([0-9]{1,12})")


class Command(BaseCommand):
    help = __doc__

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("disposal", help="its code, such as Z0000001")

    def handle(self, *, disposal: str, **_: Any) -> None:
        found = CODE.fullmatch(disposal)
        if found is None:
            raise CommandError(f"{disposal!r} is no code such as Z0000001.")
        try:
            removed = carry_out_disposal(disposal_id=int(found[1]))
        except Refused as refusal:
            raise CommandError("\n".join(str(reason) for reason in refusal.reasons)) from None
        self.stdout.write(
            f"{disposal.upper()}: {removed} files removed; their digests stay in its certificate."
        )
        row = Disposal.objects.get(pk=int(found[1]))
        if left := files_left(row):
            self.stdout.write(
                f"{left} files stay: they came in again, and a record that is kept names them, or will within the hour."
            )
        certificate = signed_certificate(row)
        for token in certificate["identities_erased"]:
            self.stdout.write(f"Patient {token}: the identity is erased; its keys are destroyed next.")
