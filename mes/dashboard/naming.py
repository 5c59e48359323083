"""Keys of rows as people know them. What is signed or logged names a person or a thing by its key, which never changes;
a reader is shown the printed name, or the public code, in its place."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from mes.models import Person

PEOPLE = frozenset({"prescriber", "author", "person_id", "author_id", "manager_id"})
CODES = {
    "device": "D", "device_id": "D", "devices": "D", "device_ids": "D", "order_id": "O", "lot_id": "L", "build_id": "B",
    "printer_id": "M", "job_id": "J", "nonconformance_id": "N", "package_id": "K", "parent_id": "K", "access_id": "E",
    "emergency_id": "E", "request_id": "R", "gauge_id": "G", "arrival_id": "A",
}  # fmt: skip


def with_names(values: Sequence[Any]) -> list[Any]:
    """The same values for a reader, `1` under `prescriber` as `Printed Name (person 1)`. One query for all of them."""
    people = Person.objects.in_bulk({key for value in values for key in _people_in(value)})
    names = {key: f"{person} (person {key})" for key, person in people.items()}
    return [_named("", value, names) for value in values]


def _people_in(value: Any, name: str = "") -> Iterator[int]:
    if isinstance(value, Mapping):
        for key, inner in value.items():
            yield from _people_in(inner, key)
    elif isinstance(value, list):
        for inner in value:
            yield from _people_in(inner, name)
    elif name in PEOPLE and _is_key(value):
        yield value


def _named(name: str, value: Any, names: Mapping[int, str]) -> Any:
    if isinstance(value, Mapping):
        return {key: _named(key, inner, names) for key, inner in value.items()}
    if isinstance(value, list):
        return [_named(name, inner, names) for inner in value]
    if name in PEOPLE and _is_key(value):
        return names.get(value, f"person {value}")
    return f"{CODES[name]}{value:07d}" if name in CODES and _is_key(value) else value


def _is_key(value: Any) -> bool:
    return isinstance(value, int) and not isinstance(value, bool)
