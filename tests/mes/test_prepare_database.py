"""The preparation of the database: as the owner, repeatable, and safe when two come at once."""

import subprocess
import sys

import pytest
from django.core.exceptions import ImproperlyConfigured
from django.core.management import call_command

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


def test_two_at_once_leave_the_same_schema(empty: Cluster) -> None:
    """One migrates; the other waits, and has nothing left to do."""
    environment = empty.environment("empty")
    with _prepare(environment) as one, _prepare(environment) as other:
        said = [process.communicate(timeout=PATIENCE_S)[0] for process in (one, other)]
    assert [one.returncode, other.returncode] == [0, 0], said
    assert all("The database is ready" in output for output in said)
    assert ["No migrations to apply" in output for output in said].count(True) == 1
    count = "SELECT count(*) FROM pg_tables WHERE schemaname = 'public' AND tableowner = 'lamina_owner'"
    with empty.connect(Role.OWNER.login, "empty") as fresh, empty.connect(Role.OWNER.login) as seed:
        assert fresh.execute(count).fetchone() == seed.execute(count).fetchone()


def test_it_needs_the_owners_address_and_says_so(cluster: Cluster, monkeypatch: pytest.MonkeyPatch) -> None:
    """Before it opens any database."""
    monkeypatch.setenv("DATABASE_URL", servers.url(cluster.address(Role.APP.login)))
    monkeypatch.delenv("DATABASE_OWNER_URL", raising=False)
    with pytest.raises(ImproperlyConfigured, match="DATABASE_OWNER_URL"):
        call_command("prepare_database")
