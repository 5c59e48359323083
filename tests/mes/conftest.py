"""The superuser, whose changes are undone."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from mes.embedded.roles import SUPERUSER
from tests.mes.logins import acting_as, apply_as_app
from tests.servers import Cluster


@pytest.fixture
def superuser(django_db_setup: None, cluster: Cluster) -> Iterator[None]:
    """`default` is the superuser's. Named before `db`, it makes that transaction, which is rolled back, one of somebody who
    may change everything: no clone is needed for what is undone."""
    with acting_as(cluster, SUPERUSER):
        yield


@pytest.fixture
def undone(superuser: None, db: None) -> None:
    """The application's role in a transaction that is rolled back, with everything that `tamper` does in it."""
    apply_as_app()
