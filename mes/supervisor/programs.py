"""The processes of Lamina, in the order they start."""

import http.client
import os
import re
import signal
import sys
from collections.abc import Iterator
from pathlib import Path

from django.conf import settings
from django.core.management import get_commands, load_command_class

from mes.celery import QUEUES
from mes.embedded import roles
from mes.embedded.account import bound
from mes.embedded.layout import Layout
from mes.embedded.locks import PlaceLock
from mes.embedded.postgres import Postgres
from mes.embedded.roles import VARIABLES, Role
from mes.embedded.valkey import Valkey
from mes.supervisor.program import Program

MANAGE = Path(__file__).resolve().parent.parent.parent / "manage.py"
LARGEST_FRAME = 65536
PROXIES = "FORWARDED_ALLOW_IPS"
"""Names, to uvicorn, the proxies whose word about the client's address is believed."""
# Name, what it waits for, seconds that it may take to drain.
LOOPS = (
    ("relay", "events are delivered", 15.0),
    ("worker", "tasks are taken", 30.0),
    ("seal", "the record is sealed", 15.0),
    ("tick", "the schedule is kept", 10.0),
    ("fleet", "the printers are spoken to", 15.0),
    ("dicom", "images are taken from registered senders", 20.0),
)


def servers() -> Iterator[Program]:
    """The embedded servers that no variable replaces. Raises UnusablePlace where a new database has no room."""
    layout = Layout(settings.VAR_DIR)
    if not os.environ.get(VARIABLES[Role.APP]):
        layout.require_room()
        yield postgres(layout)
    if not os.environ.get("BROKER_URL"):
        yield valkey(layout)


def prepare() -> Program:
    """The database's preparation: the one process that holds the owner's address."""
    return Program(
        name="prepare",
        argv=lambda: _manage("prepare_database"),
        waits_for="schema, grants and triggers are in place",
        environment=_environment(Role.OWNER),
        once=True,
        start_timeout=600.0,
    )


def postgres(layout: Layout) -> Program:
    """Takes the place's lock, which the server inherits: the place is free again only when the server is gone."""
    server = Postgres(layout)
    lock = PlaceLock(layout.run / "postgres.lock", "PostgreSQL")
    return Program(
        name="postgres",
        argv=server.command,
        waits_for="PostgreSQL answers",
        ready=server.is_ready,
        before=server.prepare,
        after=lambda: roles.bootstrap(layout),
        environment=_environment(),
        inherited_fds=(lock.fd,),
        start_timeout=120.0,
        stop_signal=signal.SIGINT,
        stop_timeout=60.0,
    )


def valkey(layout: Layout) -> Program:
    server = Valkey(layout)
    lock = PlaceLock(layout.run / "valkey.lock", "Valkey")
    return Program(
        name="valkey",
        argv=server.command,
        waits_for="Valkey answers",
        ready=server.is_ready,
        before=server.prepare,
        environment=_environment(),
        inherited_fds=(lock.fd,),
        start_timeout=60.0,
        stop_timeout=20.0,
    )


def web(host: str, port: int) -> Program:
    """One uvicorn. It serves both kinds of traffic; `mes.asgi` tells them apart."""
    argv = [sys.executable, "-m", "uvicorn", "mes.asgi:application", "--host", host, "--port", str(port)]
    argv += [
        "--ws-max-size",
        str(LARGEST_FRAME),
        "--lifespan",
        "off",
        "--no-server-header",
        "--no-access-log",
    ]
    argv += ["--timeout-graceful-shutdown", "5", "--log-level", "warning"]
    if not os.environ.get(PROXIES):
        # Left alone, uvicorn believes X-Forwarded-For from whoever reaches it from this machine (ES-15, P11-10h).
        argv.append("--no-proxy-headers")
    return Program(
        name="web",
        argv=lambda: bound(argv, on_parent_death=signal.SIGKILL),
        waits_for="pages are served",
        ready=lambda: answers(host, port),
        environment=_environment() | {"LAMINA_WEB": "1"},
        start_timeout=60.0,
    )


def loops() -> Iterator[Program]:
    """The processes behind the pages, as far as their commands exist."""
    known = get_commands()
    for name, waits_for, drain in LOOPS:
        if name == "worker":
            yield worker(waits_for, drain)
        elif name in known and (name != "dicom" or settings.DICOM_PORT):
            yield _loop(name, waits_for, drain)


def _loop(name: str, waits_for: str, drain: float) -> Program:
    role = Role.SEALER if name == "seal" else Role.APP
    return Program(
        name=name,
        argv=lambda: _manage(name),
        waits_for=waits_for,
        ready_line=re.compile(rf"^{name}: ready"),
        environment=_environment(role) | {"LAMINA_ROLE": role.value},
        stop_timeout=drain,
    )


def worker(waits_for: str, drain: float) -> Program:
    """Celery's prefork pool. A task that outlives the drain is killed; its delivery is sent again."""
    argv = [sys.executable, "-m", "celery", "-A", "mes.celery", "worker", "-Q", ",".join(QUEUES)]
    argv += ["--loglevel", "INFO", "--without-gossip", "--without-mingle"]
    return Program(
        name="worker",
        argv=lambda: bound(argv, on_parent_death=signal.SIGKILL),
        waits_for=waits_for,
        ready_line=re.compile(r"@\S+ ready\.$"),
        environment=_environment(),
        start_timeout=60.0,
        stop_timeout=drain,
    )


def answers(host: str, port: int) -> bool:
    """Whether `/healthz` says that the site reaches its database and its broker."""
    connection = http.client.HTTPConnection(host, port, timeout=5)
    try:
        connection.request("GET", "/healthz", headers={"Host": settings.ALLOWED_HOSTS[0]})
        return connection.getresponse().status == http.client.OK
    except OSError:
        return False
    finally:
        connection.close()


def _manage(command: str) -> list[str]:
    """`up` has asked all checks already: asking them again in each process would load every page's code there."""
    asks = load_command_class(get_commands()[command], command).requires_system_checks
    argv = [sys.executable, str(MANAGE), command, *(["--skip-checks"] if asks else [])]
    return bound(argv, on_parent_death=signal.SIGKILL)


def _environment(role: Role = Role.APP) -> dict[str, str]:
    """Our own environment, less the database addresses of roles that the process has no business with."""
    withheld = set(VARIABLES.values()) - {VARIABLES[Role.APP], VARIABLES[role]}
    return {name: value for name, value in os.environ.items() if name not in withheld} | {
        "PYTHONUNBUFFERED": "1"
    }
