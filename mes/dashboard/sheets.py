"""Lists as CSV files, safe to open in a spreadsheet."""

from __future__ import annotations

import csv
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import ExitStack
from hashlib import sha256
from tempfile import SpooledTemporaryFile
from typing import Any

from django.db.models import Model
from django.http import FileResponse, StreamingHttpResponse

from mes.eventlog.base import Actor
from mes.services.copies import note_copy

CSV = "text/csv; charset=utf-8"
IN_MEMORY = 1_000_000
FORMULA = ("=", "+", "-", "@", "\t", "\r")


def escaped(value: Any) -> str:
    """A cell that a spreadsheet shows and never runs."""
    text = "" if value is None else str(value)
    return f"'{text}" if text.startswith(FORMULA) else text


class _Line:
    """Gives each written line back, as `csv.writer` asks of a file."""

    def write(self, line: str) -> str:
        return line


def as_csv(name: str, head: Sequence[str], rows: Iterable[Sequence[Any]]) -> StreamingHttpResponse:
    """`name` is the file's name without extension; it never holds anything about a patient."""
    return StreamingHttpResponse(
        _written(head, rows),
        content_type=CSV,
        headers={"Content-Disposition": f'attachment; filename="{name}.csv"'},
    )


def taken_as_csv(
    name: str,
    head: Sequence[str],
    rows: Iterable[Sequence[Any]],
    *,
    actor: Actor,
    subject: Model | None = None,
    asked: Mapping[str, str] | None = None,
) -> FileResponse:
    """A sheet of the record, whole before it leaves: who took it, and its digest, is a fact first (EV-10, P11-10b)."""
    digest = sha256()
    with ExitStack() as unless_sent:
        sheet = unless_sent.enter_context(SpooledTemporaryFile(max_size=IN_MEMORY))
        for line in _written(head, rows):
            sheet.write(line.encode())
            digest.update(line.encode())
        size = sheet.tell()
        note_copy(
            name=f"{name}.csv",
            sha256=digest.hexdigest(),
            size=size,
            actor=actor,
            subject=subject,
            asked=asked,
        )
        sheet.seek(0)
        unless_sent.pop_all()
    return FileResponse(sheet, as_attachment=True, filename=f"{name}.csv", content_type=CSV)


def _written(head: Sequence[str], rows: Iterable[Sequence[Any]]) -> Iterator[str]:
    writer = csv.writer(_Line())
    yield writer.writerow(head)
    for row in rows:
        yield writer.writerow([escaped(cell) for cell in row])
