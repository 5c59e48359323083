"""Which stored files belong to a record, and which of them other records need too."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass
from functools import reduce
from operator import or_
from typing import Any

from django.db.models import ForeignKey, Model, Q, TextField
from django.db.models.functions import Cast

from mes.choices import DisposalStage
from mes.models import Artefact, Disposal
from mes.retention import EVERY_RECORD, KEPT
from mes.selectors import stream_of
from mes.tables import TABLES

DIGESTS = re.compile(r"\b[0-9a-f]{64}\b")


@dataclass(frozen=True)
class Holder:
    """A column that names files. `owner`: the way to the key of the root that its row is kept with."""

    model: type[Model]
    column: str
    is_key: bool
    root: str
    owner: str


@dataclass(frozen=True)
class RecordFiles:
    """Digests in order. `staying`: the first other record, not destroyed itself, that needs the file."""

    going: tuple[str, ...]
    staying: dict[str, str]


def files_of_record(row: Model) -> RecordFiles:
    """Every file that the record, or a row kept with it, names; a handful of queries however many there are."""
    kind, key = stream_of(row)
    own: set[str] = set()
    for holder in holders():
        if holder.root == kind:
            own |= _named_by(holder, key)
    own = set(Artefact.objects.filter(pk__in=own).values_list("pk", flat=True))
    destroyed = set(
        Disposal.objects.filter(stage=DisposalStage.CARRIED_OUT).values_list("record_root", "record_id")
    )
    staying: dict[str, str] = {}
    for holder in holders():
        for name, owners in _owners(holder, own).items():
            others = sorted(
                f"{holder.root}/{one}"
                for one in owners
                if (holder.root, one) != (kind, key) and (holder.root, one) not in destroyed
            )
            if others:
                staying.setdefault(name, others[0])
    return RecordFiles(tuple(sorted(own - set(staying))), staying)


def holders() -> Iterator[Holder]:
    """Every column of the record that names a file: keys of `Artefact`, and the columns that `kept_with` lists."""
    for name, declared in TABLES.items():
        model = declared.model
        if model is None or name == "mes_artefact":
            continue
        kept = KEPT.get(name)
        root, owner = (declared.root, "pk") if declared.root else (kept.root, kept.by) if kept else ("", "")
        if not root or root == EVERY_RECORD:
            continue
        for field in model._meta.concrete_fields:
            if isinstance(field, ForeignKey) and field.related_model is Artefact:
                yield Holder(model, field.attname, True, root, owner)
        for column in kept.files if kept else ():
            yield Holder(model, column, False, root, owner)


def _named_by(holder: Holder, key: str) -> set[str]:
    found = holder.model._default_manager.filter(**{holder.owner: key}).values_list(holder.column, flat=True)
    return {name for value in found for name in _digests(value)}


def _digests(value: Any) -> set[str]:
    return set(DIGESTS.findall(str(value))) if value else set()


def _owners(holder: Holder, names: set[str]) -> dict[str, set[str]]:
    """By digest: the keys of the roots whose rows name it in this column."""
    owners: dict[str, set[str]] = defaultdict(set)
    if not names:
        return owners
    rows = holder.model._default_manager.all()
    if holder.is_key:
        rows = rows.filter(**{f"{holder.column}__in": names})
    else:
        rows = rows.annotate(names_as_text=Cast(holder.column, TextField()))
        rows = rows.filter(reduce(or_, (Q(names_as_text__contains=name) for name in sorted(names))))
    for owner, value in rows.values_list(holder.owner, holder.column):
        for name in _digests(value) & names:
            owners[name].add(str(owner))
    return owners
