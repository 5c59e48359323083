"""The embedded PostgreSQL and Valkey: who gets in, what survives, what refuses."""

import os
import pwd
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import psycopg
import pytest
import redis

from mes.embedded import roles
from mes.embedded.account import ACCOUNT, unprivileged
from mes.embedded.keyfiles import InsecureKeyFile, read_or_create
from mes.embedded.layout import SOCKET_NAME, SOCKET_PATH_LIMIT, Layout, UnsafePlace, make_private
from mes.embedded.locks import AlreadyRunning, PlaceLock
from mes.embedded.postgres import Postgres
from mes.embedded.roles import Role
from mes.embedded.valkey import celery_url
from tests import servers
from tests.patience import PATIENCE_S
from tests.servers import Cluster

AS_ROOT = os.geteuid() == 0


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cluster]:
    """A cluster from nothing: no seed, no schema. A test that kills a server starts it again."""
    cluster = Cluster(tmp_path_factory.mktemp("place") / "var", servers.FAITHFUL)
    cluster.start()
    roles.bootstrap(cluster.layout)
    yield cluster
    cluster.stop()


def test_a_role_logs_in_with_its_password_and_not_without(cluster: Cluster) -> None:
    with cluster.connect() as connection:
        assert connection.execute("SELECT current_user").fetchone() == ("lamina_app",)
    for password in ("", "guess"):
        with pytest.raises(psycopg.OperationalError, match=r"password"):
            roles.connect(cluster.address(Role.APP.login) | {"password": password})


@pytest.mark.parametrize(
    ("_case", "statement"),
    [
        ("a table", "CREATE TABLE mine (a int)"),
        ("a temporary table", "CREATE TEMPORARY TABLE mine (a int)"),
        ("a schema", "CREATE SCHEMA mine"),
        ("a role", "CREATE ROLE mine"),
        ("another role", "SET ROLE lamina_owner"),
        ("the server's files", "SELECT pg_read_file('PG_VERSION')"),
        ("a program", "COPY (SELECT 1) TO PROGRAM 'true'"),
        ("triggers off", "SET session_replication_role = replica"),
        ("a setting of the server", "ALTER SYSTEM SET fsync = off"),
    ],
)
@pytest.mark.parametrize("role", [Role.APP, Role.SEALER, Role.AUDITOR])
def test_no_role_of_the_processes_can_make_or_become_anything(
    cluster: Cluster, role: Role, _case: str, statement: str
) -> None:
    with cluster.connect(role.login) as connection, pytest.raises(psycopg.errors.InsufficientPrivilege):
        connection.execute(statement)


def test_the_owner_is_no_superuser(cluster: Cluster) -> None:
    with cluster.connect(Role.OWNER.login) as connection:
        found = connection.execute(
            "SELECT rolsuper, rolcreaterole, rolcreatedb, rolbypassrls FROM pg_roles WHERE rolname = current_user"
        ).fetchone()
    assert found == (False, False, False, False)


def test_the_server_checks_its_pages_writes_through_and_has_no_port(place: Cluster) -> None:
    wanted = {
        "data_checksums": "on",
        "fsync": "on",
        "listen_addresses": "",
        "password_encryption": "scram-sha-256",
    }
    with place.connect(roles.SUPERUSER) as connection:
        found = {name: connection.execute(f"SHOW {name}").fetchone() for name in wanted}
        trusting = connection.execute(
            "SELECT count(*) FROM pg_hba_file_rules WHERE auth_method <> 'scram-sha-256'"
        )
        assert trusting.fetchone() == (0,)
    assert found == {name: (value,) for name, value in wanted.items()}


def test_what_was_committed_survives_a_kill_and_a_number_given_to_somebody_else(place: Cluster) -> None:
    with place.connect(Role.OWNER.login) as connection:
        connection.execute("CREATE TABLE kept (a int)")
        connection.execute("INSERT INTO kept VALUES (42)")
    place.kill("postgres")
    record = place.layout.postgres / "postmaster.pid"
    assert record.exists()
    lines = record.read_text().splitlines()
    record.write_text("\n".join([str(os.getpid()), *lines[1:]]) + "\n")
    place.start_postgres()
    with place.connect(Role.OWNER.login) as connection:
        assert connection.execute("SELECT a FROM kept").fetchone() == (42,)


def test_a_second_server_on_the_same_data_is_refused_by_name(place: Cluster) -> None:
    with pytest.raises(AlreadyRunning, match=rf"process {place.pid('postgres')}.*kill -INT"):
        Postgres(place.layout).prepare()
    with place.connect() as connection:
        assert connection.execute("SELECT 1").fetchone() == (1,)


def test_the_broker_wants_its_password_and_keeps_what_it_was_told(place: Cluster) -> None:
    with (
        redis.Redis(unix_socket_path=str(place.valkey.socket)) as stranger,
        pytest.raises(redis.exceptions.AuthenticationError),
    ):
        stranger.ping()
    with redis.Redis.from_url(place.valkey.url) as client:
        client.rpush("queue", "a", "b")
        assert client.config_get("maxmemory-policy") == {"maxmemory-policy": "noeviction"}
    # The journal is written through every second.
    time.sleep(1.2)
    place.kill("valkey")
    place.start_valkey()
    with redis.Redis.from_url(place.valkey.url) as client:
        assert client.lrange("queue", 0, -1) == [b"a", b"b"]


@pytest.mark.skipif(not AS_ROOT, reason="privileges are dropped only where there are some")
def test_run_by_root_the_servers_are_nobody_special(place: Cluster) -> None:
    uid = pwd.getpwnam(ACCOUNT).pw_uid
    for name in ("postgres", "valkey"):
        lines = (Path("/proc") / str(place.pid(name)) / "status").read_text().splitlines()
        status = dict(line.split(":\t", 1) for line in lines if ":\t" in line)
        assert set(status["Uid"].split()) == {str(uid)}
        # CAP_DAC_READ_SEARCH alone (bit 2), and that only because pytest's folder is closed to others.
        assert int(status["CapEff"], 16) | int(status["CapBnd"], 16) in {0, 1 << 2}
        assert status["NoNewPrivs"] == "1"


@pytest.mark.skipif(not AS_ROOT, reason="privileges are dropped only where there are some")
def test_an_open_road_needs_no_capability(tmp_path: Path) -> None:
    argv = unprivileged(["true"], on_parent_death=signal.SIGTERM, reaches=[Path("/usr/bin")])
    assert "--ambient-caps=-all" in argv
    closed = tmp_path / "closed"
    closed.mkdir(mode=0o700)
    argv = unprivileged(["true"], on_parent_death=signal.SIGTERM, reaches=[closed / "anything"])
    assert "--ambient-caps=-all,+dac_read_search" in argv


@pytest.mark.skipif(not AS_ROOT, reason="privileges are dropped only where there are some")
def test_a_server_below_a_closed_folder_may_pass_and_read_but_not_write(tmp_path: Path) -> None:
    """PostgreSQL asks access(2) for its own programs, which counts capabilities only under a secure bit."""
    closed = tmp_path / "closed"
    closed.mkdir(mode=0o700)
    (closed / "file").write_text("")
    (closed / "file").chmod(0o600)
    code = (
        "import os, sys; print(*(os.access(sys.argv[1], mode) for mode in (os.R_OK, os.W_OK)), os.getuid())"
    )
    argv = unprivileged(
        [sys.executable, "-I", "-c", code, str(closed / "file")],
        on_parent_death=signal.SIGTERM,
        reaches=[closed / "file"],
    )
    ran = subprocess.run(argv, capture_output=True, text=True, check=True)
    assert ran.stdout.split() == ["True", "False", str(pwd.getpwnam(ACCOUNT).pw_uid)]


def test_the_servers_leave_with_the_process_that_started_them(tmp_path: Path) -> None:
    code = (
        "import os, sys; from pathlib import Path; from tests.servers import Cluster\n"
        "cluster = Cluster(Path(sys.argv[1]), {}); cluster.start()\n"
        "print(cluster.pid('postgres'), cluster.pid('valkey'), flush=True); os.kill(os.getpid(), 9)"
    )
    ran = subprocess.run(
        [sys.executable, "-c", code, tmp_path / "var"],
        cwd=servers.BASE,
        capture_output=True,
        text=True,
        check=False,
    )
    assert ran.returncode == -signal.SIGKILL, ran.stderr
    for pid in map(int, ran.stdout.split()):
        deadline = time.monotonic() + PATIENCE_S
        # A process that has ended but whom nobody has asked about yet has no working folder any more.
        while Path(f"/proc/{pid}/cwd").exists() and time.monotonic() < deadline:
            time.sleep(0.05)
        assert not Path(f"/proc/{pid}/cwd").exists()


def test_a_key_is_made_once_and_only_its_owner_may_read_it(tmp_path: Path) -> None:
    path = tmp_path / "keys" / "secret"
    made = read_or_create(path)
    assert read_or_create(path) == made
    assert len(made) >= 43
    assert path.stat().st_mode & 0o777 == 0o600
    assert [found.name for found in path.parent.iterdir()] == ["secret"]


@pytest.mark.parametrize(("_case", "mode", "text"), [("readable", 0o640, "x"), ("empty", 0o600, "\n")])
def test_a_key_that_is_no_secret_stops_the_start(tmp_path: Path, _case: str, mode: int, text: str) -> None:
    path = tmp_path / "secret"
    path.write_text(text)
    path.chmod(mode)
    with pytest.raises(InsecureKeyFile, match=str(path)):
        read_or_create(path)
    assert path.read_text() == text


def test_a_long_way_gets_a_short_private_socket_folder(tmp_path: Path) -> None:
    deep = Layout(tmp_path / ("long" * 30))
    folder = deep.socket_folder("postgres")
    assert len(str(folder / SOCKET_NAME)) <= SOCKET_PATH_LIMIT
    assert folder != Layout(tmp_path / ("tall" * 30)).socket_folder("postgres")
    assert Layout(Path("/srv/lamina/var")).socket_folder("postgres") == Path("/srv/lamina/var/run/postgres")


def test_a_socket_folder_that_is_a_link_is_refused(tmp_path: Path) -> None:
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / "sockets").symlink_to(tmp_path / "elsewhere")
    with pytest.raises(UnsafePlace, match="sockets"):
        make_private(tmp_path / "sockets", owner=os.geteuid())


def test_a_place_is_held_once_and_given_back(tmp_path: Path) -> None:
    lock = PlaceLock(tmp_path / "run" / "up.lock", "Lamina")
    with pytest.raises(AlreadyRunning, match=rf"Lamina already runs in {tmp_path} \(process {os.getpid()}\)"):
        PlaceLock(tmp_path / "run" / "up.lock", "Lamina")
    lock.release()
    PlaceLock(tmp_path / "run" / "up.lock", "Lamina").release()


@pytest.mark.parametrize(
    ("address", "wanted"),
    [
        ("redis://broker:6379/0", "redis://broker:6379/0"),
        ("unix://:word@/srv/v.sock", "redis+socket://:word@/srv/v.sock?virtual_host=0"),
        ("unix://:word@/srv/v.sock?db=3", "redis+socket://:word@/srv/v.sock?virtual_host=3"),
    ],
)
def test_celery_gets_the_brokers_address_in_its_own_words(address: str, wanted: str) -> None:
    assert celery_url(address) == wanted
