"""What an event changed, field by field: the history of the rows of its transaction, old and new side by side (11.10(e))."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cache, cached_property
from typing import Any

from django.db import connection
from django.db.models import ForeignKey, Model

from mes.models import EventRecord, Person
from mes.tables import ROOTS, TABLES, Table

MOST = 30
"""Rows shown under one event."""
NOT_SHOWN = "not shown"

# A row that is the root of another event of the same transaction is told under that one.
CHANGES = """
    SELECT e.pos, c.table_name, c.row_id, c.operation, c.row::text, before.row::text FROM mes_event e
    CROSS JOIN LATERAL (
        SELECT c.* FROM mes_field_change c
        LEFT JOIN unnest(%s::text[], %s::text[]) AS root (table_name, kind) ON root.table_name = c.table_name
        WHERE c.epoch = e.epoch AND c.tx = e.tx AND ((root.kind = e.stream_type AND c.row_id = e.stream_id)
            OR NOT EXISTS (SELECT 1 FROM mes_event o WHERE o.stream_type = root.kind AND o.stream_id = c.row_id
                AND o.epoch = e.epoch AND o.tx = e.tx))
        ORDER BY c.id LIMIT %s) c
    LEFT JOIN LATERAL (
        SELECT row FROM mes_field_change p
        WHERE p.table_name = c.table_name AND p.row_id = c.row_id AND p.id < c.id ORDER BY p.id DESC LIMIT 1) before ON true
    WHERE e.pos = ANY(%s) ORDER BY e.pos, c.id
"""


@dataclass(frozen=True)
class FieldChanged:
    label: str
    old: Any
    new: Any


@dataclass(frozen=True)
class RowChanged:
    """One row of one table. `written`: it is new, and its fields have no old values."""

    title: str
    written: bool
    fields: tuple[FieldChanged, ...]


@dataclass(frozen=True)
class Changes:
    rows: tuple[RowChanged, ...] = ()
    more: bool = False


@dataclass(frozen=True)
class _Read:
    table: Table
    key: str
    operation: str
    new: Mapping[str, Any]
    old: Mapping[str, Any]

    @cached_property
    def changed(self) -> list[str]:
        """Columns whose value is another one; of a new row, those that have a value."""
        empty: tuple[Any, ...] = ("", None, [], {})
        if self.old:
            return [name for name in self.new if self.new[name] != self.old.get(name)]
        return [name for name in self.new if self.new[name] not in empty and name != self.table.key]


def changes_of(records: Iterable[EventRecord]) -> dict[int, Changes]:
    """By position of the event, what it changed. Two queries, however many events and rows."""
    positions = [record.pos for record in records]
    read = [(pos, _Read(TABLES[name], *rest)) for pos, name, *rest in _found(positions) if name in TABLES]
    people = _people([row for _, row in read])
    by_event: dict[int, list[RowChanged]] = {}
    for pos, row in read:
        by_event.setdefault(pos, []).append(_row_changed(row, people))
    return {pos: Changes(tuple(rows[:MOST]), len(rows) > MOST) for pos, rows in by_event.items()}


def _found(positions: Sequence[int]) -> list[tuple[Any, ...]]:
    roots = [(table.name, kind) for kind, table in ROOTS.items()]
    with connection.cursor() as cursor:
        cursor.execute(
            CHANGES,
            [[name for name, _ in roots], [kind for _, kind in roots], MOST + 1, list(positions)],
        )
        return [
            (pos, name, key, operation, json.loads(new), json.loads(old or "{}"))
            for pos, name, key, operation, new, old in cursor.fetchall()
        ]


def _people(rows: Iterable[_Read]) -> dict[int, Person]:
    return Person.objects.in_bulk(
        {
            values[column]
            for row in rows
            for column in row.changed
            if column in _people_columns(row.table.model)
            for values in (row.old, row.new)
            if values.get(column) is not None
        }
    )


@cache
def _people_columns(model: type[Model] | None) -> frozenset[str]:
    """The columns of a table whose values are persons."""
    fields = model._meta.concrete_fields if model else ()
    keys = (field for field in fields if isinstance(field, ForeignKey))
    return frozenset(field.column for field in keys if field.related_model is Person)


def _row_changed(row: _Read, people: Mapping[int, Person]) -> RowChanged:
    name = row.table.model._meta.verbose_name if row.table.model else row.table.name
    return RowChanged(
        title=f"{name} {row.key[:12]}",
        written=not row.old,
        fields=tuple(_field_changed(row, column, people) for column in row.changed),
    )


def _field_changed(row: _Read, column: str, people: Mapping[int, Person]) -> FieldChanged:
    label = column.removesuffix("_id")
    if column in row.table.hidden:
        return FieldChanged(label, NOT_SHOWN if row.old else None, NOT_SHOWN)
    old, new = row.old.get(column), row.new[column]
    if column in _people_columns(row.table.model):
        old, new = _named(old, people), _named(new, people)
    return FieldChanged(label, old, new)


def _named(key: Any, people: Mapping[int, Person]) -> Any:
    return f"{people[key]} (person {key})" if key in people else key
