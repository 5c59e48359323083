"""The real PostgreSQL and Valkey that the tests run against.

One cluster is migrated once and kept, stopped, as the *seed*, until a migration, a guard or a table changes. Each test run
starts a copy of it in a place of its own under `var/test`, and clones its database for each process and for each test that
commits. Nothing is ever flushed: the record refuses DELETE and TRUNCATE.
"""

import fcntl
import hashlib
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from functools import cache
from pathlib import Path
from urllib.parse import quote

import psycopg
from psycopg import sql

from mes.embedded import roles
from mes.embedded.layout import Layout
from mes.embedded.locks import AlreadyRunning, PlaceLock
from mes.embedded.postgres import Postgres
from mes.embedded.roles import Role
from mes.embedded.valkey import Valkey

BASE = Path(__file__).resolve().parent.parent
ROOT = BASE / "var" / "test"
MEMORY = Path("/dev/shm")  # noqa: S108 - a folder of our own in it, which is checked to be ours
ENOUGH_MEMORY = 4 * 1024**3
PLACES = 32
START_TIMEOUT = 60.0
SEEDED_BY = (
    "*/migrations/*.py",
    "*/guards.py",
    "*/columnguards.py",
    "*/tables.py",
    "*/choices.py",
    "*/models/*.py",
    "requirements.txt",
)
# The data is thrown away after the run, so a power cut need not be survived.
DISPOSABLE = {
    "fsync": "off",
    "full_page_writes": "off",
    "synchronous_commit": "off",
    "autovacuum": "off",
    # A test opens many connections, and a password that nobody guesses at need not be slow.
    "scram_iterations": "1",
}
FAITHFUL: Mapping[str, str] = {}


class Cluster:
    """A PostgreSQL and a Valkey below one place, each of which may be killed and started again."""

    def __init__(self, place: Path, configuration: Mapping[str, str]) -> None:
        self.layout = Layout(place)
        self.layout.create()
        self.postgres = Postgres(self.layout, configuration)
        self.valkey = Valkey(self.layout)
        self._running: dict[str, subprocess.Popen[bytes]] = {}
        self._superuser: psycopg.Connection | None = None

    def start(self) -> None:
        self.start_postgres()
        self.start_valkey()

    def start_postgres(self) -> None:
        self.postgres.prepare()
        self._start("postgres", self.postgres.command())
        self._await("postgres", self.postgres.is_ready)

    def start_valkey(self) -> None:
        self.valkey.prepare()
        self._start("valkey", self.valkey.command())
        self._await("valkey", self.valkey.is_ready)

    def pid(self, name: str) -> int:
        return self._running[name].pid

    def kill(self, name: str) -> None:
        """`kill -9`, as a fault."""
        self.end(name, signal.SIGKILL)

    def end(self, name: str, number: signal.Signals) -> int:
        process = self._running.pop(name)
        if name == "postgres" and self._superuser is not None:
            self._superuser.close()
        process.send_signal(number)
        return process.wait(START_TIMEOUT)

    def stop(self) -> None:
        for name, number in (("valkey", signal.SIGKILL), ("postgres", signal.SIGQUIT)):
            if name in self._running:
                self.end(name, number)
        for name in ("valkey", "postgres"):
            shutil.rmtree(self.layout.socket_folder(name), ignore_errors=True)
            shutil.rmtree(self.layout.root / name, ignore_errors=True)

    def address(self, login: str, database: str = roles.DATABASE) -> dict[str, str]:
        return roles.embedded_address(login, self.layout, roles.password_file(login, self.layout), database)

    def connect(self, login: str = Role.APP.login, database: str = roles.DATABASE) -> psycopg.Connection:
        """A connection of its own, in autocommit, as one of the roles or as the superuser."""
        return roles.connect(self.address(login, database))

    def clone(self, name: str, *, template: str = roles.DATABASE) -> None:
        """A fresh database `name`, as the owner left it after migrating."""
        connection = self._as_superuser()
        self.drop(name)
        create = sql.SQL("CREATE DATABASE {} TEMPLATE {} OWNER {} STRATEGY FILE_COPY")
        identifiers = (name, template, Role.OWNER.login)
        connection.execute(create.format(*map(sql.Identifier, identifiers)))
        roles.close_to_public(connection, name)

    def drop(self, name: str) -> None:
        drop = sql.SQL("DROP DATABASE IF EXISTS {} WITH (FORCE)").format(sql.Identifier(name))
        self._as_superuser().execute(drop)

    def set_superusers_password(self) -> None:
        """The same one, as this cluster keeps passwords: what initdb wrote is slow to check."""
        name, password = roles.SUPERUSER, self.address(roles.SUPERUSER)["password"]
        connection = self._as_superuser()
        kept = connection.pgconn.encrypt_password(password.encode(), name.encode()).decode()
        change = sql.SQL("ALTER ROLE {} PASSWORD {}").format(sql.Identifier(name), sql.Literal(kept))
        connection.execute(change)

    def environment(self, database: str = roles.DATABASE) -> dict[str, str]:
        """For a process of its own (`manage.py relay`, say) on this cluster: role `app`, and the sealer's address."""
        inherited = {
            name: value for name, value in os.environ.items() if not name.startswith(("DATABASE_", "LAMINA_"))
        }
        named = {
            roles.VARIABLES[role]: url(self.address(role.login, database))
            for role in (Role.APP, Role.OWNER, Role.SEALER)
        }
        place = {"LAMINA_VAR": str(self.layout.root), "BROKER_URL": self.valkey.url}
        return inherited | named | place | {"DJANGO_SETTINGS_MODULE": "mes.settings"}

    def _start(self, name: str, command: list[str]) -> None:
        with (self.layout.log / f"{name}.log").open("ab") as log:
            self._running[name] = subprocess.Popen(command, stdout=log, stderr=log, start_new_session=True)

    def _await(self, name: str, ready: Callable[[], bool]) -> None:
        deadline = time.monotonic() + START_TIMEOUT
        while not ready():
            if self._running[name].poll() is not None or time.monotonic() > deadline:
                tail = (self.layout.log / f"{name}.log").read_text(errors="replace")[-3000:]
                raise RuntimeError(f"the tests' {name} did not start:\n{tail}")
            time.sleep(0.02)

    def _as_superuser(self) -> psycopg.Connection:
        """One connection while the server lives: each test that commits would open two."""
        if self._superuser is None or self._superuser.closed:
            self._superuser = self.connect(roles.SUPERUSER, "postgres")
        return self._superuser


def url(where: Mapping[str, str]) -> str:
    """A libpq address as a URL, the socket's folder in its query."""
    login = f"{where['user']}:{quote(where['password'], safe='')}"
    return f"postgresql://{login}@/{where['dbname']}?host={quote(where['host'], safe='')}"


@cache
def scratch() -> Path:
    """Where the servers of a run keep their data: in memory where there is plenty, else below `ROOT`.

    A test that commits gets a clone of its database; in memory that takes a thirtieth of a second, on a disk a third.
    """
    mine = MEMORY / f"lamina-tests-{os.getuid()}-{hashlib.sha256(os.fsencode(BASE)).hexdigest()[:12]}"
    if not os.access(MEMORY, os.W_OK) or shutil.disk_usage(MEMORY).free < ENOUGH_MEMORY:
        return ROOT
    mine.mkdir(mode=0o711, exist_ok=True)
    return mine if mine.lstat().st_uid == os.getuid() and not mine.is_symlink() else ROOT


@cache
def claim_place() -> Path:
    """This process's folder. Each of pytest-xdist's workers has servers of its own: an open transaction anywhere in a
    cluster holds back the sealer's horizon in all of it, and a broker is one place."""
    for number in range(1, PLACES + 1):
        place = scratch() / str(number)
        try:
            PlaceLock(place / "run" / "tests.lock", "A test run")
        except AlreadyRunning:
            continue
        _share_keys(place)
        return place
    raise RuntimeError(f"{PLACES} test runs are going on below {scratch()} already.")


def seeded(place: Path, configuration: Mapping[str, str]) -> Cluster:
    """A cluster at `place` that starts as a copy of the seed."""
    seed = _seed()
    for name in ("postgres", "valkey"):
        shutil.rmtree(place / name, ignore_errors=True)
    _share_keys(place)
    # cp keeps the owner, without which PostgreSQL refuses its folder.
    subprocess.run(["cp", "-a", seed / "postgres", place], check=True)
    return Cluster(place, configuration)


def _share_keys(place: Path) -> None:
    """Every place uses the same passwords: the settings read them before the seed is copied."""
    keys = ROOT / "keys"
    keys.mkdir(mode=0o700, parents=True, exist_ok=True)
    place.mkdir(mode=0o711, exist_ok=True)
    if not (place / "keys").exists():
        (place / "keys").symlink_to(keys)


def _seed() -> Path:
    ready = ROOT / f"seed-{_fingerprint()}"
    with _only_one():
        if not ready.exists():
            for old in ROOT.glob("seed-*"):
                shutil.rmtree(old)
            partial = ROOT / "seed-partial"
            _migrate(partial)
            partial.rename(ready)
    return ready


def _migrate(place: Path) -> None:
    sys.stderr.write("Making the tests' database (once per change of the schema) …\n")
    shutil.rmtree(place, ignore_errors=True)
    _share_keys(place)
    cluster = Cluster(place, DISPOSABLE)
    cluster.start_postgres()
    try:
        roles.bootstrap(cluster.layout)
        cluster.set_superusers_password()
        owner = {"LAMINA_VAR": str(place), "DJANGO_SETTINGS_MODULE": "mes.settings"}
        environment = {
            name: value for name, value in os.environ.items() if not name.startswith("DATABASE_")
        } | owner
        command = [sys.executable, "manage.py", "prepare_database", "--quiet"]
        subprocess.run(command, cwd=BASE, env=environment, check=True)
    finally:
        cluster.end("postgres", signal.SIGINT)


def _fingerprint() -> str:
    found = hashlib.sha256(repr(DISPOSABLE).encode())
    for pattern in SEEDED_BY:
        for path in sorted(BASE.glob(pattern)):
            if "var" not in path.relative_to(BASE).parts[:1]:
                found.update(str(path.relative_to(BASE)).encode() + b"\0" + path.read_bytes() + b"\0")
    return found.hexdigest()[:16]


@contextmanager
def _only_one() -> Iterator[None]:
    ROOT.mkdir(parents=True, exist_ok=True)
    with (ROOT / "seed.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield
