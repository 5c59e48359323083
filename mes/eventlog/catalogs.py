"""How the server's catalogs are read, so that nothing that stands in the database has a say in the answer."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from django.db import transaction

from mes.eventlog.statements import rows


@contextmanager
def servers_own_names() -> Iterator[None]:
    """Until the end, names mean what stands in `pg_catalog`, and nothing else: neither a role's setting of where to look nor
    somebody's function of the same name matters. What has a schema of its own is written with it.
    """
    with transaction.atomic():
        rows("SET LOCAL search_path = pg_catalog, pg_temp")
        yield
        # Takes the setting back; what runs in the same transaction afterwards looks where it did.
        transaction.set_rollback(True)
