"""The preparation of the database: as the owner, repeatable, and safe when two come at once."""

import subprocess
import sys

import pytest

from mes.embedded.roles import Role
from tests import servers
from tests.patience import PATIENCE_S
from tests.servers import Cluster


def _prepare(environment: dict[str, str]) -> subprocess.Popen[str]:
    command = [sys.executable, "manage.py", "prepare_database"]
    return subprocess.Popen(
        command,
        cwd=servers.BASE,
        env=environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )


@pytest.fixture
def empty(fault_cluster: Cluster) -> Cluster:
    """The cluster has a second database, `empty`, which nobody has migrated."""
    with fault_cluster.connect("postgres", "postgres") as connection:
        connection.execute("CREATE DATABASE empty OWNER lamina_owner TEMPLATE template0")
    return fault_cluster


def test_two_at_once_and_one_more_leave_the_same_schema(empty: Cluster) -> None:
    environment = empty.environment("empty")
    with _prepare(environment) as one, _prepare(environment) as other:
        for process in (one, other):
            output = process.communicate(timeout=PATIENCE_S)[0]
            assert process.returncode == 0, output
            assert "The database is ready" in output
    with _prepare(environment) as again:
        assert "No migrations to apply" in again.communicate(timeout=PATIENCE_S)[0]
    count = "SELECT count(*) FROM pg_tables WHERE schemaname = 'public' AND tableowner = 'lamina_owner'"
    with empty.connect(Role.OWNER.login, "empty") as fresh, empty.connect(Role.OWNER.login) as seed:
        assert fresh.execute(count).fetchone() == seed.execute(count).fetchone()


def test_it_needs_the_owners_address_and_says_so(empty: Cluster) -> None:
    environment = empty.environment("empty")
    del environment["DATABASE_OWNER_URL"]
    with _prepare(environment) as process:
        output = process.communicate(timeout=PATIENCE_S)[0]
    assert process.returncode == 78
    assert "DATABASE_OWNER_URL" in output
    with empty.connect(Role.OWNER.login, "empty") as connection:
        found = connection.execute("SELECT count(*) FROM pg_tables WHERE schemaname = 'public'").fetchone()
    assert found == (0,)
