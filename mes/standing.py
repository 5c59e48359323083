"""What a signature is worth: to the record, and to a decision (ES-09, ES-10, ES-18, G-SIG-01).

To the record it is *authentic* where its row is what was sealed, whether it was withdrawn since or not: a withdrawal
is a lawful act, and changes nothing that was written (G-INT-01).

To a decision it *stands* where it is authentic, nobody has withdrawn it, and what it signed is what the record says now.
A decision asks within its unit, and holds the place of the withdrawal until the unit ends: of the two, one comes first
and the other sees it.

Every row that carries a signature says what that is about (`mes.tables.Signed`). A signature copied into a row of
somebody else stands for nothing there, and `manage.py verify` names the row.
"""

from __future__ import annotations

import json
from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import cached_property
from itertools import chain
from typing import Any

from django.db.models import BigIntegerField, Model, QuerySet

from mes.compiled import AnyOf, Compiled, Slot
from mes.eventlog.base import plain
from mes.eventlog.unit import in_unit
from mes.exceptions import Reason, Refused
from mes.locking import nobody_else, while_unchanged
from mes.models import Signature, SignatureWithdrawal
from mes.signing_seal import Standing, integrity_of, verify_signature
from mes.tables import ANY, TABLES, Said, Signed, Table, checked

WHEN_SIGNED = "when this is signed"
"""A moment in a content that nobody chose: that of the signature itself."""
UNIT_LASTS = timedelta(seconds=60)
"""A row and its signature are made in one unit of work; no unit runs longer than this."""
BATCH = 2000
RULE = "ES-18"
OF_SIGNATURE = ("pk", "subject_type", "subject_id", "meaning", "person_id", "signed_at", "content")


def is_authentic(signature: Signature | None) -> bool:
    """Whether a signature's row is what was sealed when it was signed, withdrawn or not."""
    return signature is not None and integrity_of(signature) is Standing.VALID


def is_withdrawn(signature: Signature) -> bool:
    return hasattr(signature, "withdrawal")


def stands(signature: Signature | None, content: Mapping[str, Any] | None = None) -> bool:
    """Whether a signature is authentic, not withdrawn, and over what the record says now: over `content`, or over what
    was declared with `signed_content`. Within a unit, the answer stays true until the unit ends."""
    if signature is None or verify_signature(signature, content=content) is not Standing.VALID:
        return False
    return not _is_taken_back(signature)


def stands_for(signature: Signature | None, content: Mapping[str, Any]) -> bool:
    """Whether a signature stands over exactly this content. A changed content voids it (ES-10)."""
    return stands(signature, content)


def carries(row: Model, field: str) -> bool:
    """Whether the signature in a column of a row stands, and is about this row."""
    signature: Signature | None = getattr(row, field)
    return stands(signature) and not any(faults_about(type(row), field, [row.pk]))


def require_carried(row: Model, field: str, *, text: str, cure: str) -> None:
    """Raises Refused where the signature in a column does not stand: somebody withdrew it, or it is none of this row's."""
    if not carries(row, field):
        raise Refused(text, cure=cure, rule=RULE)


def not_withdrawn(rows: QuerySet[Any], *fields: str) -> QuerySet[Any]:
    """The rows of which no signature in these columns is withdrawn; one that is not there yet is not."""
    return rows.filter(**{f"{name}__withdrawal__isnull": True for name in fields})


def taken_back(signatures: Iterable[int]) -> frozenset[int]:
    """Which of these signatures were withdrawn. Within a unit, the answer stays true until the unit ends."""
    wanted = sorted(set(signatures))
    if in_unit():
        while_unchanged(*map(_withdrawal_of, wanted))
    found = SignatureWithdrawal.objects.filter(withdrawn__in=wanted)
    return frozenset(found.values_list("withdrawn_id", flat=True))


def hold_withdrawal(signature: Signature) -> None:
    """Wait for every decision that rests on a signature, and let none be made on it until this unit has taken it back."""
    nobody_else(_withdrawal_of(signature.pk))


def _is_taken_back(signature: Signature) -> bool:
    if not in_unit():
        return is_withdrawn(signature)
    while_unchanged(_withdrawal_of(signature.pk))
    # Not what the row was read with: it may have been withdrawn while the lock was waited for.
    return _WITHDRAWAL.first(signature=signature.pk) is not None


_WITHDRAWAL = Compiled(
    lambda: SignatureWithdrawal.objects.filter(withdrawn=Slot("signature", BigIntegerField()))
)


def _withdrawal_of(signature: int) -> str:
    return f"withdrawal of signature {signature}"


# --- whether a signature is about the row that carries it


@dataclass(frozen=True)
class _Reader:
    """Reads one declaration: which columns to fetch, and what is wrong with a row of their values."""

    field: str
    root: str
    signed: Signed

    @cached_property
    def paths(self) -> tuple[str, ...]:
        said = [*self.signed.says.values(), *self.signed.later.values()]
        named = [path for one in said for path in ((one,) if isinstance(one, str) else one[1:])]
        own = [self.signed.key, *(name for name in (self.signed.by, self.signed.text) if name)]
        return tuple(dict.fromkeys([*own, *(str(path) for path in named)]))

    @property
    def columns(self) -> tuple[str, ...]:
        return ("pk", *(f"{self.field}__{name}" for name in OF_SIGNATURE), *self.paths)

    def fault(self, values: tuple[Any, ...]) -> str:
        """What is wrong with the signature of a row, from its `columns`; empty where nothing is."""
        _, number, kind, key, meaning, person, signed_at, content = values[: len(OF_SIGNATURE) + 1]
        row = dict(zip(self.paths, values[len(OF_SIGNATURE) + 1 :], strict=True))
        if self.root not in (ANY, kind) or key != str(row[self.signed.key]):
            return f"signature {number} is about {kind}/{key}"
        if meaning not in self.signed.meanings:
            return f"signature {number} means “{meaning}”"
        if self.signed.by and person != row[self.signed.by]:
            return f"signature {number} is somebody else's"
        if self.signed.text and content != row[self.signed.text]:
            return f"signature {number} says something else"
        wrong = list(self._differing(json.loads(content), row, signed_at))
        return f"signature {number} says otherwise: {', '.join(wrong)}" if wrong else ""

    def _differing(
        self, content: Mapping[str, Any], row: Mapping[str, Any], signed_at: datetime
    ) -> Iterator[str]:
        told = {**content, **content["details"]} if content.get("details") else content
        yield from (name for name, value in self.signed.fixed.items() if told.get(name) != value)
        later = ((name, said) for name, said in self.signed.later.items() if name in told)
        for name, said in chain(self.signed.says.items(), later):
            value = _value(said, row)
            if name.endswith("[]"):
                name = name.removesuffix("[]")
                same = plain(value) in told.get(name, ())
            else:
                same = name in told and _is_same(told[name], value, signed_at)
            if not same:
                yield name


def _value(said: Said, row: Mapping[str, Any]) -> Any:
    if isinstance(said, str):
        return row[said]
    return said[0](*(row[str(path)] for path in said[1:]))


def _is_same(told: Any, value: Any, signed_at: datetime) -> bool:
    if told == WHEN_SIGNED and isinstance(value, datetime):
        return abs(value - signed_at) <= UNIT_LASTS
    return bool(told == plain(value))


def faults_about(
    model: type[Model], field: str, keys: Collection[Any] | None = None
) -> Iterator[tuple[Any, str]]:
    """(key, what is wrong) of every row, or of those with these keys, whose signature is about something else."""
    table = TABLES[model._meta.db_table]
    signed = table.signed[field]
    reader = _Reader(field, signed.root or table.root, signed)
    rows = (
        _signed_rows(model, reader).iterator(chunk_size=BATCH)
        if keys is None
        else _signed_among(model, reader)(keys=list(keys))
    )
    for values in rows:
        if fault := reader.fault(values):
            yield values[0], fault


def _signed_rows(model: type[Model], reader: _Reader) -> QuerySet[Any, tuple[Any, ...]]:
    rows = model._default_manager.filter(**{f"{reader.field}__isnull": False}).order_by()
    return rows.values_list(*reader.columns)


_AMONG: dict[tuple[type[Model], str], Compiled[tuple[Any, ...]]] = {}


def _signed_among(model: type[Model], reader: _Reader) -> Compiled[tuple[Any, ...]]:
    """Of rows with some keys. A decision asks it for each signature that it rests on."""
    among = AnyOf("keys", model._meta.pk)
    question = Compiled(lambda: _signed_rows(model, reader).filter(pk=among))
    return _AMONG.setdefault((model, reader.field), question)


@checked("signature")
def signatures_out_of_place() -> Iterator[str]:
    """For `manage.py verify`: every row that carries a signature against what that signature is about (21 CFR 11.70)."""
    for table in TABLES.values():
        for field in table.signed:
            for key, fault in faults_about(_model_of(table), field):
                yield f"{table.name}/{key}, {field}: {fault}"


def _model_of(table: Table) -> type[Model]:
    if table.model is None:
        raise LookupError(f"{table.name} has no model")
    return table.model


def reasons_against(row: Model, fields: Collection[str], what: str, cure: str) -> list[Reason]:
    """A reason for each signature of a row that is there and does not stand."""
    return [
        Reason(f"{what} was withdrawn, or is not as it was signed.", cure, RULE)
        for name in fields
        if getattr(row, f"{name}_id") is not None and not carries(row, name)
    ]
