"""Whether the keys at hand are those of this record, for `manage.py verify`. Nothing is made: an auditor has none (K-05, K-13)."""

from __future__ import annotations

from collections.abc import Iterator

from cryptography.exceptions import InvalidTag
from django.conf import settings
from django.db.models import QuerySet

from mes.models import PatientIdentity, Signature
from mes.serverkeys import faults_in, public_halves
from mes.services.vaultkeys import TABLE, refuse_lost_keys
from mes.tables import checked
from mes.vault import RING_FILES, KeyFault, Vault, place

BATCH = 2000


@checked("keys")
def server_keys_at_fault() -> Iterator[str]:
    """Private halves that lead to no public half, public halves that are not what their names say, and those of signatures
    that are not here at all."""
    yield from faults_in(settings.KEYS_DIR)
    here = public_halves(settings.KEYS_DIR, "signing").keys()
    for key in Signature.objects.values_list("key_id", flat=True).distinct().order_by("key_id"):
        if key and key not in here:
            yield f"signing-{key}.pub is missing, and signatures were sealed with its key"


@checked("vault")
def identities_at_fault() -> Iterator[str]:
    """Every identity opens under the vault's keys, and stands in the index under its own identifier.

    A place without either key of the vault is a restored copy or an auditor's: nothing is asked there.
    """
    here = [name for name in RING_FILES if (settings.KEYS_DIR / name).exists()]
    if not here:
        return
    if len(here) < len(RING_FILES):
        yield f"{here[0]} is here without the other: {' and '.join(RING_FILES)} belong together"
        return
    try:
        refuse_lost_keys(Vault.in_folder(settings.KEYS_DIR))
    except KeyFault as fault:
        yield str(fault)
        return
    last = 0
    while rows := list(_standing().filter(pk__gt=last).order_by("pk")[:BATCH]):
        found, last = Vault.in_folder(settings.KEYS_DIR), rows[-1].pk
        for row in rows:
            if not _opens(row, found) and _stays_shut(row):
                yield f"the identity of patient {row.patient_id} does not open, or stands elsewhere in the index"


def _standing() -> QuerySet[PatientIdentity]:
    return PatientIdentity.objects.exclude(data_key_id="")


def _stays_shut(row: PatientIdentity) -> bool:
    """Asked again: between the rows and the rings a rotation, or an erasure, may have gone by."""
    again = _standing().filter(pk=row.pk).first()
    return again is not None and not _opens(again, Vault.in_folder(settings.KEYS_DIR))


def _opens(row: PatientIdentity, found: Vault) -> bool:
    try:
        key = found.unwrap(bytes(row.data_key), bound_to=place(TABLE, "data_key", row.patient_id))
        opened = {
            name: key.open(getattr(row, name), bound_to=place(TABLE, name, row.patient_id))
            for name in ("sealed_patient_id", "sealed_family_name", "sealed_given_name", "sealed_birth_date")
        }
        index = found.blind_index(opened["sealed_patient_id"].decode(), row.index_key_id)
    except (InvalidTag, KeyFault, ValueError):
        return False
    return index == row.patient_id_index
