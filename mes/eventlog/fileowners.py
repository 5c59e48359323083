"""Which records need a stored file: every column of the record that names one, and what two people had destroyed (7.1)."""

from __future__ import annotations

import hashlib
import json
import re
from collections import defaultdict
from collections.abc import Collection, Iterator
from dataclasses import dataclass
from functools import reduce
from operator import or_
from typing import Any

from django.db.models import ForeignKey, Q, QuerySet, TextField
from django.db.models.functions import Cast

from mes.choices import DisposalStage
from mes.models import Artefact, Disposal
from mes.retention import COPIES, EVERY_RECORD, KEPT
from mes.tables import TABLES

DIGESTS = re.compile(r"\b[0-9a-f]{64}\b")
BATCH = 2000
SOUGHT_AT_ONCE = 100
"""Digests that a column of text is searched for; for more, all of it is read."""
RecordKey = tuple[str, str]
"""Root and key of a record."""


@dataclass(frozen=True)
class Holder:
    """A column that names files. `owner`: the way to the key of the root that the files belong to."""

    rows: QuerySet[Any]
    column: str
    is_key: bool
    root: str
    owner: str


def disposals_carried_out() -> list[Disposal]:
    """Those whose certificate two people signed, and whose signatures stand: a row without them explains nothing."""
    rows = Disposal.objects.filter(stage=DisposalStage.CARRIED_OUT).order_by("pk")
    return [
        one
        for one in rows.select_related("proposal__withdrawal", "approval__withdrawal")
        if _is_signed_twice(one)
    ]


def _is_signed_twice(disposal: Disposal) -> bool:
    first, second = disposal.proposal, disposal.approval
    if first is None or second is None or first.person_id == second.person_id:
        return False
    if hasattr(first, "withdrawal") or hasattr(second, "withdrawal"):
        return False
    digest = hashlib.sha256(disposal.certificate.encode()).hexdigest()
    return {first.content_digest, second.content_digest} == {digest}


def destroyed_by(disposal: Disposal) -> set[str]:
    """Digests that a certificate lists as destroyed."""
    return {str(file["sha256"]) for file in json.loads(disposal.certificate)["destroyed"]}


def disposed_files(names: Collection[str] | None = None) -> dict[str, Disposal]:
    """By digest, of these or of all: the newest certificate of destruction that explains why the file is missing.

    A file that came in again, and that a record names which was not disposed of, is explained by none.
    """
    carried_out = disposals_carried_out()
    found = {name: one for one in carried_out for name in destroyed_by(one) if names is None or name in names}
    needed = needed_by_records(found, {(one.record_root, one.record_id) for one in carried_out})
    return {name: one for name, one in found.items() if name not in needed}


def needed_by_records(names: Collection[str], besides: Collection[RecordKey]) -> dict[str, str]:
    """By digest, as `root/key`: the first record that names the file; not asked of those `besides`."""
    needed: dict[str, str] = {}
    for holder in holders():
        for name, owners in _owners(holder, names).items():
            if others := sorted(
                f"{holder.root}/{one}" for one in owners if (holder.root, one) not in besides
            ):
                needed.setdefault(name, others[0])
    return needed


def named_by(kind: str, key: str) -> set[str]:
    """Digests of the stored files that a record, or a row kept with it, names."""
    own: set[str] = set()
    for holder in holders():
        if holder.root == kind:
            rows = holder.rows.filter(**{holder.owner: key})
            own |= {name for value in rows.values_list(holder.column, flat=True) for name in _digests(value)}
    return set(Artefact.objects.filter(pk__in=own).values_list("pk", flat=True))


def holders() -> Iterator[Holder]:
    """Every column of the record that names a file: keys of `Artefact`, the columns that `kept_with` lists, and copies."""
    copies = {(one.table, one.column) for one in COPIES.values()}
    for name, declared in TABLES.items():
        model = declared.model
        if model is None or name == "mes_artefact":
            continue
        kept = KEPT.get(name)
        root, owner = (declared.root, "pk") if declared.root else (kept.root, kept.by) if kept else ("", "")
        if not root or root == EVERY_RECORD:
            continue
        for column in (field.attname for field in model._meta.concrete_fields if _is_file(field)):
            if (name, column) not in copies:
                yield Holder(model._default_manager.all(), column, True, root, owner)
        for column in kept.files if kept else ():
            yield Holder(model._default_manager.all(), column, False, root, owner)
    for one in COPIES.values():
        yield Holder(one.rows(), one.column, True, one.root, one.by)


def _is_file(field: Any) -> bool:
    return isinstance(field, ForeignKey) and field.related_model is Artefact


def _digests(value: Any) -> set[str]:
    return set(DIGESTS.findall(str(value))) if value else set()


def _owners(holder: Holder, names: Collection[str]) -> dict[str, set[str]]:
    """By digest: the keys of the roots whose rows name it in this column."""
    owners: dict[str, set[str]] = defaultdict(set)
    if not names:
        return owners
    rows = holder.rows
    if holder.is_key:
        rows = rows.filter(**{f"{holder.column}__in": names})
    elif len(names) <= SOUGHT_AT_ONCE:
        rows = rows.annotate(names_as_text=Cast(holder.column, TextField()))
        rows = rows.filter(reduce(or_, (Q(names_as_text__contains=name) for name in sorted(names))))
    wanted = set(names)
    for owner, value in rows.values_list(holder.owner, holder.column).iterator(chunk_size=BATCH):
        for name in _digests(value) & wanted:
            owners[name].add(str(owner))
    return owners
