"""Which account the embedded servers run as, and the prefix that puts a command under it.

Run by root, the servers get an account of their own, `lamina`, and no capability at all, with one exception: where a
folder on their way is closed to others (a checkout below root's home, say), they keep `CAP_DAC_READ_SEARCH`, which lets
them pass through but never write. They cannot regain anything (`no_new_privs`, empty bounding set).
"""

import os
import pwd
import shutil
import signal
import stat
import subprocess
import threading
import time
from collections.abc import Iterable, Sequence
from pathlib import Path

from django.core.exceptions import ImproperlyConfigured

ACCOUNT = "lamina"
CREATE_ATTEMPTS = 10
CREATE_PAUSE = 0.3
_one_at_a_time = threading.Lock()


class AccountMissing(ImproperlyConfigured):
    """The servers' account does not exist and could not be made."""


def server_uid() -> int:
    """The user id that the embedded servers run as and that owns their folders."""
    return os.geteuid() if os.geteuid() != 0 else _server_account().pw_uid


def bound(argv: Sequence[str], *, on_parent_death: signal.Signals) -> list[str]:
    """`argv`, so started that the kernel sends it `on_parent_death` when its parent dies."""
    return [_setpriv(), f"--pdeathsig={on_parent_death.name.removeprefix('SIG')}", "--", *argv]


def unprivileged(
    argv: Sequence[str], *, on_parent_death: signal.Signals, reaches: Iterable[Path]
) -> list[str]:
    """`argv` under the servers' account. `reaches` are the paths it must be able to get to."""
    if os.geteuid() != 0:
        return bound(argv, on_parent_death=on_parent_death)
    account = _server_account()
    closed = any(not _open_to(account.pw_uid, path) for path in reaches)
    kept = "-all,+dac_read_search" if closed else "-all"
    return [
        _setpriv(),
        f"--reuid={account.pw_uid}",
        f"--regid={account.pw_gid}",
        "--clear-groups",
        "--no-new-privs",
        f"--inh-caps={kept}",
        f"--ambient-caps={kept}",
        f"--bounding-set={kept}",
        # Without it access(2), by which PostgreSQL looks for its own programs, leaves the capability out of account.
        *(["--securebits=+no_setuid_fixup"] if closed else []),
        f"--pdeathsig={on_parent_death.name.removeprefix('SIG')}",
        "--",
        *argv,
    ]


def _server_account() -> pwd.struct_passwd:
    """The servers start side by side, and so may several supervisors: one of them makes the account, all find it."""
    with _one_at_a_time:
        try:
            return pwd.getpwnam(ACCOUNT)
        except KeyError:
            return _create_account()


def _create_account() -> pwd.struct_passwd:
    useradd = shutil.which("useradd") or "/usr/sbin/useradd"
    command = [useradd, "--system", "--user-group", "--no-create-home", "--home-dir", "/nonexistent"]
    command += ["--shell", "/usr/sbin/nologin", ACCOUNT]
    said = ""
    for _ in range(CREATE_ATTEMPTS):
        # It fails where another process holds the password file, or has just made the account.
        try:
            said = subprocess.run(command, check=False, capture_output=True, text=True).stderr  # noqa: S603 - a fixed command
        except OSError as error:
            said = str(error)
        try:
            return pwd.getpwnam(ACCOUNT)
        except KeyError:
            time.sleep(CREATE_PAUSE)
    raise AccountMissing(
        f"PostgreSQL does not run as root, and the account {ACCOUNT!r} could not be made ({said.strip()}). "
        f"Run: {' '.join(command)}, or start Lamina as an ordinary user."
    )


def _open_to(uid: int, path: Path) -> bool:
    """Whether `uid` (in no group of its own) can pass through every folder above `path` and read it."""
    if not path.exists():
        return all(_permits(uid, folder, 0o1) for folder in path.parents if folder.exists())
    return _permits(uid, path, 0o5) and all(_permits(uid, folder, 0o1) for folder in path.parents)


def _permits(uid: int, path: Path, wanted: int) -> bool:
    found = path.stat()
    shift = 6 if found.st_uid == uid else 0
    return (stat.S_IMODE(found.st_mode) >> shift) & wanted == wanted


def _setpriv() -> str:
    found = shutil.which("setpriv")
    if found is None:
        raise AccountMissing(
            "setpriv (package util-linux) is missing; Lamina needs it to start its processes."
        )
    return found
