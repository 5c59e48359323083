"""Facts about copies that left the house."""

from __future__ import annotations

from dataclasses import dataclass

from mes.eventlog.base import Event


@dataclass(frozen=True, kw_only=True)
class CopyTaken(Event, name="mes.copy_taken", terminal=True, names_orders=True):
    """Somebody took a copy of a file or a sheet of the record away (EV-10, 21 CFR 11.10(b)).

    `subject`: what it is about, as streams are named, or "" for a sheet of many things. `file`: its name, made of
    codes alone. `sha256`, `size`: of the bytes that were given. `asked`: what a sheet was narrowed by.
    """

    person_id: int
    subject: str
    file: str
    sha256: str
    size: int
    asked: dict[str, str]
