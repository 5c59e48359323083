"""What a report is: one canonical JSON record, and a page that shows exactly that record.

A report gathers *sections*; each says whether it is recorded, so that a missing one is seen and not guessed. Adding a
report is one file here and one template.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from devices.models import Device
from mes.eventlog.base import canonical
from mes.registry import Registry

RECORDED = "recorded"
NOT_YET = "not recorded yet"
NOT_APPLICABLE = "not applicable"


@dataclass(frozen=True)
class Fact:
    """One value with its name; units stand in the key and in the unit."""

    key: str
    label: str
    value: Any
    unit: str = ""


@dataclass(frozen=True)
class Grid:
    """A table: columns are labels, rows hold as many values."""

    title: str
    columns: tuple[str, ...]
    rows: tuple[tuple[Any, ...], ...]


@dataclass(frozen=True)
class Picture:
    """An image artefact that belongs to a section."""

    title: str
    sha256: str


@dataclass(frozen=True)
class Section:
    """A lettered part of the record (regulatory record, sections A to R)."""

    letter: str
    title: str
    state: str = RECORDED
    note: str = ""
    facts: tuple[Fact, ...] = ()
    grids: tuple[Grid, ...] = ()
    pictures: tuple[Picture, ...] = ()

    def as_record(self) -> dict[str, Any]:
        return {
            "title": self.title,
            "state": self.state,
            "note": self.note,
            "facts": [
                {"key": fact.key, "label": fact.label, "value": fact.value, "unit": fact.unit}
                for fact in self.facts
            ],
            "tables": [
                {"title": grid.title, "columns": list(grid.columns), "rows": [list(row) for row in grid.rows]}
                for grid in self.grids
            ],
            "pictures": [{"title": picture.title, "sha256": picture.sha256} for picture in self.pictures],
        }


@dataclass(frozen=True)
class Report:
    """A kind of report. `gather` reads the database up to an event's position and never writes.

    template: what shows the record; it gets `record`, `digest` and `pictures` (digest or name to data URI).
    """

    name: str
    title: str
    template: str
    gather: Callable[[Device, int], Mapping[str, Any]] = field(repr=False)


REPORTS: Registry[Report] = Registry("report")


def report(
    name: str, *, title: str, template: str
) -> Callable[[Callable[[Device, int], Mapping[str, Any]]], Callable[[Device, int], Mapping[str, Any]]]:
    """Register a report by its gathering function."""

    def declare(
        gather: Callable[[Device, int], Mapping[str, Any]],
    ) -> Callable[[Device, int], Mapping[str, Any]]:
        REPORTS.add(name, Report(name, title, template, gather))
        return gather

    return declare


def record_bytes(record: Mapping[str, Any]) -> bytes:
    """The record as it is stored, hashed and signed: RFC 8785, so the same record gives the same bytes."""
    return canonical(record).encode()


def pictures_in(record: Mapping[str, Any]) -> Sequence[str]:
    """Digests of every picture that the record's sections show, in order, each once."""
    found = [picture["sha256"] for section in record["sections"].values() for picture in section["pictures"]]
    return list(dict.fromkeys(found))
