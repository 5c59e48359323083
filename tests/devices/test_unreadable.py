"""Values that PostgreSQL stores and Python cannot read: nobody writes them, and where somebody did, `verify` names the row."""

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from django.db import connections

from devices.models import Order
from mes.columnguards import check_name
from mes.embedded.roles import SUPERUSER, Role
from mes.eventlog.verify import verify
from mes.tables import TABLES
from tests.devices.makers import make_order
from tests.mes.logins import refusal, tamper
from tests.servers import BASE, Cluster

pytestmark = [pytest.mark.requirement("P11-10a"), pytest.mark.requirement("K-02")]
ORDERS = TABLES["devices_order"]
VIOLATION = "23514"
OPENED = f"ALTER TABLE devices_order DROP CONSTRAINT {check_name(ORDERS)}"


@pytest.fixture
def order(committed_db: None) -> Order:
    return make_order()


@pytest.mark.parametrize("value", ["infinity", "-infinity", "0044-03-15 BC", "10000-01-01"])
def test_nobody_writes_a_moment_that_cannot_be_read(order: Order, cluster: Cluster, value: str) -> None:
    """Not even a superuser who switched the triggers off."""
    for column in ("need_by", "created_at"):
        said = f"UPDATE devices_order SET {column} = '{value}' WHERE id = {order.pk}"
        for login in (Role.APP.login, Role.OWNER.login, SUPERUSER):
            assert refusal(cluster, login, said) == VIOLATION, login
        switched = f"SET session_replication_role = replica; {said}"
        assert refusal(cluster, SUPERUSER, switched) == VIOLATION


def test_a_row_that_cannot_be_read_is_named(order: Order, cluster: Cluster) -> None:
    tamper(cluster, OPENED, f"UPDATE devices_order SET need_by = 'infinity' WHERE id = {order.pk}")
    found = verify(keys={}, witness=None).first_bad
    assert found is not None
    assert found["what"] == "row"
    assert found["where"].startswith(f"devices.order/{order.pk}@")
    assert found["where"].endswith(": the row is unreadable (DataError)")
    assert found["pos"]


def test_one_row_that_cannot_be_read_hides_no_other(order: Order, cluster: Cluster) -> None:
    other = make_order()
    tamper(
        cluster,
        OPENED,
        f"UPDATE devices_order SET need_by = 'infinity' WHERE id = {other.pk}",
        f"UPDATE devices_order SET need_by = '2031-01-01' WHERE id = {order.pk}",
    )
    found = verify(keys={}, witness=None).first_bad
    assert found is not None
    assert found["where"].startswith(f"devices.order/{order.pk}@")


def test_the_command_always_ends_with_its_line(order: Order, cluster: Cluster, tmp_path: Path) -> None:
    tamper(cluster, OPENED, f"UPDATE devices_order SET created_at = 'infinity' WHERE id = {order.pk}")
    told = _verified(cluster)
    assert told["result"] == "ALTERED"
    assert f"{order.pk}" in told["first_bad"]["where"]


def _verified(cluster: Cluster) -> dict[str, Any]:
    ran = subprocess.run(
        [sys.executable, "manage.py", "verify", "--json"],
        cwd=BASE,
        env=cluster.environment(connections.settings["default"]["NAME"]),
        capture_output=True,
        text=True,
        check=False,
    )
    assert ran.returncode == 1, ran.stderr[-1000:]
    found: dict[str, Any] = json.loads(ran.stdout.splitlines()[-1])
    return found
