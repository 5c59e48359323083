"""Secrets live in files of mode 0600, one secret each, and nowhere else."""

import os
import secrets
import stat
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path

from django.core.exceptions import ImproperlyConfigured


class InsecureKeyFile(ImproperlyConfigured):
    """A key file that others may read, or that is empty: Lamina does not start with it."""


def new_password() -> str:
    """256 bits, safe inside a URL."""
    return secrets.token_urlsafe(32)


def only_reads() -> bool:
    """Whether this process is a command that makes nothing: a check leaves no key and no folder where there was none."""
    return Path(sys.argv[0]).name == "manage.py" and sys.argv[1:2] == ["verify"]


def read_or_create(path: Path, make: Callable[[], str] = new_password) -> str:
    """The secret in `path`, made on first use. Two processes that come at once agree on one.

    Where nothing may be made, one that is missing opens nothing, and is kept nowhere.
    """
    if not path.exists():
        if only_reads():
            return make()
        _create(path, make())
    _refuse_unless_private(path)
    secret = path.read_text(encoding="utf-8").strip()
    if not secret:
        raise InsecureKeyFile(f"{path} is empty. Restore it from the backup of your keys.")
    return secret


def _create(path: Path, secret: str) -> None:
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    handle, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
    try:
        with os.fdopen(handle, "w", encoding="utf-8") as file:
            file.write(secret + "\n")
            file.flush()
            os.fsync(file.fileno())
        # A link, unlike a rename, never replaces what another process has just written.
        os.link(name, path)
    except FileExistsError:
        return
    finally:
        os.unlink(name)


def _refuse_unless_private(path: Path) -> None:
    mode = stat.S_IMODE(path.stat().st_mode)
    if mode & 0o077:
        raise InsecureKeyFile(f"{path} has mode {mode:04o}; others could read it. Run: chmod 600 {path}")
