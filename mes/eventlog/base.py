"""Events, who acts, and the canonical text that is stored as it is hashed."""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields
from datetime import UTC, date, datetime
from decimal import Decimal
from enum import Enum
from typing import Any, ClassVar, Generic, TypeVar
from uuid import UUID

import rfc8785

from mes.registry import Registry

LARGEST_INTEGER = 2**53 - 1
_SCALARS = {type(None), bool, int, float, str}
_PLAIN_TEXT = json.JSONEncoder(sort_keys=True, separators=(",", ":"), ensure_ascii=False)
_HALF = re.compile("[\ud800-\udfff]")
EVENT_TYPES: Registry[type[Event]] = Registry("event type")


@dataclass(frozen=True)
class Actor:
    """Who did it: a person, or a part of the system acting by rule."""

    kind: str
    id: str

    @classmethod
    def person(cls, person_id: int) -> Actor:
        return cls("person", str(person_id))

    @classmethod
    def system(cls, part: str) -> Actor:
        return cls("system", part)

    @property
    def person_id(self) -> int | None:
        return int(self.id) if self.kind == "person" else None

    def __str__(self) -> str:
        return f"{self.kind}:{self.id}"

    @classmethod
    def parse(cls, text: str) -> Actor:
        kind, _, identifier = text.partition(":")
        return cls(kind, identifier)


@dataclass(frozen=True, kw_only=True)
class Event:
    """A fact in the past tense. Subclass as a frozen keyword-only dataclass with `name="package.thing_happened"`.

    Fields are identifiers and values (text, numbers, lists and mappings of them), never patient identity. The
    docstring is the documentation. `terminal` marks a fact that nobody needs to react to, `names_orders` one that tells
    of an order or a patient though its stream belongs to neither: for those who know every order (P11-10d).
    """

    name: ClassVar[str]
    schema_version: ClassVar[int] = 1
    terminal: ClassVar[bool] = False
    names_orders: ClassVar[bool] = False

    def __init_subclass__(
        cls, *, name: str = "", terminal: bool = False, names_orders: bool = False, **kwargs: Any
    ) -> None:
        super().__init_subclass__(**kwargs)
        if name:
            cls.name = name
            cls.terminal, cls.names_orders = terminal, names_orders
            EVENT_TYPES.add(name, cls)

    @property
    def routing_key(self) -> str:
        """What subscriptions match: the event's name, unless a subclass is more specific."""
        return self.name

    def payload(self) -> dict[str, Any]:
        return asdict(self)

    @classmethod
    def upcast(cls, payload: Mapping[str, Any], schema_version: int) -> Mapping[str, Any]:
        """An older payload in today's shape (EV-06). A class whose `schema_version` rises overrides this."""
        if schema_version != cls.schema_version:
            raise TypeError(f"{cls.name}: no way from schema {schema_version} to {cls.schema_version}")
        return payload

    @classmethod
    def from_payload(cls, payload: Mapping[str, Any], schema_version: int | None = None) -> Event:
        """Rebuild the event. An undeclared or missing field is a schema bug and raises TypeError."""
        payload = cls.upcast(payload, schema_version or cls.schema_version)
        known = {field.name for field in fields(cls)}
        if undeclared := set(payload) - known:
            raise TypeError(f"{cls.name}: undeclared fields {sorted(undeclared)}")
        return cls(**payload)


E = TypeVar("E", bound=Event, covariant=True)


@dataclass(frozen=True, kw_only=True)
class Recorded(Generic[E]):
    """An event as a handler receives it: the fact and where it stands in the log."""

    event: E
    uid: UUID
    pos: int
    stream_type: str
    stream_id: str
    version: int
    actor: Actor
    reason: str
    correlation: UUID
    recorded_at: datetime


def plain(value: Any) -> Any:
    """A value as canonical JSON has it: decimals and dates as text, UTC instants with `Z`, tuples as lists."""
    if type(value) in _SCALARS:
        return value
    if isinstance(value, Enum):
        return plain(value.value)
    if isinstance(value, (int, float, str)):
        return value
    if isinstance(value, datetime):
        if value.tzinfo is None:
            raise ValueError("a moment without a time zone has no canonical form")
        return value.astimezone(UTC).isoformat(timespec="microseconds").replace("+00:00", "Z")
    if isinstance(value, (Decimal, UUID, date)):
        return str(value)
    if isinstance(value, (bytes, memoryview)):
        return hashlib.sha256(bytes(value)).hexdigest()
    if isinstance(value, Mapping):
        return {str(key): plain(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [plain(item) for item in value]
    raise TypeError(f"{type(value).__name__} has no canonical form")


def canonical(value: Any) -> str:
    """Canonical JSON text (RFC 8785). NaN and infinities have none and raise ValueError.

    Where there are only texts and small integers, the standard library's encoder gives the same text ten times faster.
    """
    found = plain(value)
    if _is_simple(found):
        return _PLAIN_TEXT.encode(found)
    return rfc8785.dumps(found).decode()


def _is_simple(value: Any) -> bool:
    """Neither a floating-point number, whose text differs, nor an integer that JSON's readers would round, nor a key that
    sorts differently in UTF-16, nor a half character."""
    if isinstance(value, str):
        return value.isascii() or not _HALF.search(value)
    if value is None or isinstance(value, bool):
        return True
    if isinstance(value, int):
        return -LARGEST_INTEGER <= value <= LARGEST_INTEGER
    if isinstance(value, dict):
        return all(map(str.isascii, value)) and all(map(_is_simple, value.values()))
    return isinstance(value, list) and all(map(_is_simple, value))


def digest_of(value: Any) -> str:
    """SHA-256 (hex) of the canonical text."""
    return hashlib.sha256(canonical(value).encode()).hexdigest()
