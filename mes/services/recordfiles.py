"""Which stored files belong to a record, and which of them other records need too."""

from __future__ import annotations

from dataclasses import dataclass

from django.db.models import Model

from mes.eventlog.fileowners import disposals_carried_out, named_by, needed_by_records
from mes.selectors import stream_of


@dataclass(frozen=True)
class RecordFiles:
    """Digests in order. `staying`: the first other record, not destroyed itself, that needs the file."""

    going: tuple[str, ...]
    staying: dict[str, str]


def files_of_record(row: Model) -> RecordFiles:
    """Every file that the record, or a row kept with it, names; a handful of queries however many there are."""
    kind, key = stream_of(row)
    own = named_by(kind, key)
    destroyed = {(one.record_root, one.record_id) for one in disposals_carried_out()}
    staying = needed_by_records(own, {(kind, key), *destroyed})
    return RecordFiles(tuple(sorted(own - set(staying))), staying)
