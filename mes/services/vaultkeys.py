"""The vault's keys as they are now, and their rotation while the site runs.

The database says which key is in use: the newest rotation's, or the ring's newest before the first one. Whoever seals
holds a shared lock until the commit; a rotation begins under the exclusive one. So no value is sealed under a key that
a rotation has already looked past, and an old key goes only when no row needs it.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Literal

from django.conf import settings
from django.db import connection, connections
from django.db.models import QuerySet

from mes.eventlog.base import Actor
from mes.eventlog.unit import publish, unit_of_work
from mes.events import VaultRotationBegun, VaultRotationFinished, VaultRowsMoved
from mes.exceptions import Conflict
from mes.models import PatientIdentity, VaultRotation
from mes.vault import RESTORE, RING_FILES, Key, KeyFault, KeyRing, Vault, new_key, place

Purpose = Literal["wrap", "index"]
SEALING, ROTATING = 0x1A31B, 0x1A31C
KEY_COLUMN: dict[Purpose, str] = {"wrap": "data_key_id", "index": "index_key_id"}
TABLE = PatientIdentity._meta.db_table
# As one statement: Django's own way of writing many rows takes six times as long.
_MOVE = "UPDATE {0} i SET {1} = moved.value, {2} = %s FROM unnest(%s::bigint[], %s::{3}[]) moved (id, value) WHERE i.id = moved.id"
MOVE: dict[str, str] = {
    "wrap": _MOVE.format(TABLE, "data_key", "data_key_id", "bytea"),
    "index": _MOVE.format(TABLE, "patient_id_index", "index_key_id", "text"),
}
ROTATOR = Actor.system("vault.rotation")
_compared: set[tuple[str, frozenset[str], frozenset[str]]] = set()


def vault() -> Vault:
    """The keys as their files are now. Raises KeyFault where they are unusable or not those of this database."""
    _refuse_missing("default")
    found = Vault.in_folder(settings.KEYS_DIR)
    seen = (connection.settings_dict["NAME"], found.ring.ids, found.index.ids)
    if seen not in _compared:
        refuse_lost_keys(found)
        _compared.add(seen)
    return found


def vault_of(using: str) -> Vault:
    """For the start: the keys of a database, made on the first day. Raises KeyFault as `vault`."""
    _refuse_missing(using)
    found = Vault.in_folder(settings.KEYS_DIR)
    refuse_lost_keys(found, using=using)
    return found


def _refuse_missing(using: str) -> None:
    """A new ring in place of a lost one would only hide the loss."""
    for purpose, name in zip(KEY_COLUMN, RING_FILES, strict=True):
        path = settings.KEYS_DIR / name
        if not path.exists() and (lost := sorted(_ids_needed(purpose, using))):
            raise KeyFault(
                f"{path} is missing; patients' identities are sealed under {', '.join(lost)}. {RESTORE}"
            )


def refuse_lost_keys(found: Vault, *, using: str = "default") -> None:
    """Raises KeyFault where rows stand under keys that are not here: another installation's files, or new ones."""
    rings: dict[Purpose, KeyRing] = {"wrap": found.ring, "index": found.index}
    for purpose, ring in rings.items():
        if lost := sorted(_ids_needed(purpose, using) - ring.ids):
            raise KeyFault(
                f"{ring.path} does not hold the keys that patients' identities are sealed under: {', '.join(lost)}. "
                f"{RESTORE}"
            )


def _ids_needed(purpose: Purpose, using: str = "default") -> frozenset[str]:
    column = KEY_COLUMN[purpose]
    with connections[using].cursor() as cursor:
        cursor.execute(f"SELECT DISTINCT {column} FROM {TABLE} WHERE {column} <> ''")  # noqa: S608 - our own names
        return frozenset(row[0] for row in cursor.fetchall())


def ring_of(purpose: Purpose) -> KeyRing:
    found = vault()
    return found.ring if purpose == "wrap" else found.index


def sealing_key_id(purpose: Purpose) -> str:
    """The key to seal with, kept from changing until the end of the transaction."""
    _lock("pg_advisory_xact_lock_shared", SEALING)
    return _key_in_use(purpose)


def _key_in_use(purpose: Purpose) -> str:
    rotations = VaultRotation.objects.filter(purpose=purpose).order_by("-pk")
    return rotations.values_list("new_key_id", flat=True).first() or ring_of(purpose).newest.id


def _lock(function: str, number: int) -> bool:
    with connection.cursor() as cursor:
        cursor.execute(f"SELECT {function}(%s)", [number])
        return cursor.fetchone()[0] is not False


def data_key_of(row: PatientIdentity) -> Key:
    return vault().unwrap(bytes(row.data_key), bound_to=place(TABLE, "data_key", row.patient_id))


# --- rotation


def rotate(*, purpose: Purpose, batch: int) -> VaultRotation:
    """Begin or resume, move every row, finish, and forget the keys that nothing needs. May be killed at any point.

    Raises Conflict where another process rotates.
    """
    if not _lock("pg_try_advisory_lock", ROTATING):
        raise Conflict("Another process rotates the vault's key.", cure="Wait for it.", rule="K-13")
    try:
        rotation = begin_rotation(purpose=purpose)
        while move_rows(rotation_id=rotation.pk, batch=batch):
            pass
        rotation = finish_rotation(rotation_id=rotation.pk)
        forget_keys(purpose)
        return rotation
    finally:
        _lock("pg_advisory_unlock", ROTATING)


def destroy_keys(key_ids: Mapping[Purpose, str], *, batch: int) -> None:
    """See that none of these keys is left, by rotations, so that what they sealed opens nowhere any more (K-13).

    Asked again after a kill, it does what is left to do. Raises Conflict where another process rotates.
    """
    for purpose, key_id in key_ids.items():
        # Twice where a rotation was under way, to the very key that has to go.
        while key_id in ring_of(purpose).ids:
            rotate(purpose=purpose, batch=batch)
        clear_remains(purpose)


def clear_remains(purpose: Purpose) -> None:
    """Destroy the copies of keys that a killed rotation has left. Raises Conflict where another process rotates."""
    if not _lock("pg_try_advisory_lock", ROTATING):
        raise Conflict("Another process rotates the vault's key.", cure="Wait for it.", rule="K-13")
    try:
        ring_of(purpose).destroy_left()
    finally:
        _lock("pg_advisory_unlock", ROTATING)


@unit_of_work
def begin_rotation(*, purpose: Purpose) -> VaultRotation:
    """The running rotation, or a new one with a new key. The key is on the disk before any row can need it."""
    _lock("pg_advisory_xact_lock", SEALING)
    if running := VaultRotation.objects.filter(purpose=purpose, done=False).first():
        return running
    key_id = _unused_key(purpose)
    rotation = VaultRotation.objects.create(purpose=purpose, new_key_id=key_id)
    event = VaultRotationBegun(rotation_id=rotation.pk, purpose=purpose, new_key_id=key_id)
    publish(rotation, event, actor=ROTATOR)
    return rotation


def _unused_key(purpose: Purpose) -> str:
    """A rotation that died between its key and its row has left one."""
    ring = ring_of(purpose)
    begun = VaultRotation.objects.filter(purpose=purpose, new_key_id=ring.newest.id).exists()
    if len(ring.keys) > 1 and not begun:
        return ring.newest.id
    return ring.with_key(new_key()).newest.id


@unit_of_work
def move_rows(*, rotation_id: int, batch: int) -> int:
    """Move the next rows to the rotation's key: one transaction, which a view or an erasure of the same row waits for."""
    rotation = VaultRotation.objects.get(pk=rotation_id)
    rows = list(_rows_behind(rotation).select_for_update()[:batch])
    if not rows:
        return 0
    _move(rows, rotation)
    rotation = VaultRotation.objects.select_for_update().get(pk=rotation_id)
    rotation.moved += len(rows)
    rotation.save(update_fields=["moved"])
    event = VaultRowsMoved(rotation_id=rotation.pk, rows=len(rows), last_patient_id=rows[-1].patient_id)
    publish(rotation, event, actor=ROTATOR)
    return len(rows)


def _rows_behind(rotation: VaultRotation) -> QuerySet[PatientIdentity]:
    column = "data_key_id" if rotation.purpose == "wrap" else "index_key_id"
    return PatientIdentity.objects.exclude(**{f"{column}__in": ["", rotation.new_key_id]}).order_by("pk")


def _move(rows: list[PatientIdentity], rotation: VaultRotation) -> None:
    found, key_id = vault(), rotation.new_key_id
    moved: list[bytes | str] = []
    for row in rows:
        bound = place(TABLE, "data_key", row.patient_id)
        key = found.unwrap(bytes(row.data_key), bound_to=bound)
        if rotation.purpose == "wrap":
            moved.append(found.wrap(key, key_id, bound_to=bound))
        else:
            at = place(TABLE, "sealed_patient_id", row.patient_id)
            identifier = key.open(bytes(row.sealed_patient_id), bound_to=at).decode()
            moved.append(found.blind_index(identifier, key_id))
    with connection.cursor() as cursor:
        cursor.execute(MOVE[rotation.purpose], [key_id, [row.pk for row in rows], moved])


@unit_of_work
def finish_rotation(*, rotation_id: int) -> VaultRotation:
    rotation = VaultRotation.objects.select_for_update().get(pk=rotation_id)
    if _rows_behind(rotation).exists():
        raise Conflict("Rows still stand under older keys.", cure="Rotate again.", rule="K-13")
    rotation.done = True
    rotation.save(update_fields=["done"])
    publish(rotation, VaultRotationFinished(rotation_id=rotation.pk, moved=rotation.moved), actor=ROTATOR)
    return rotation


def forget_keys(purpose: Purpose) -> frozenset[str]:
    """Take the keys that no row needs out of the ring's file. Returns their ids."""
    ring = ring_of(purpose)
    kept = ring.only(_ids_needed(purpose) | {_key_in_use(purpose)})
    return ring.ids - kept.ids
