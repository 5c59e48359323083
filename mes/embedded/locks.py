"""One server, one supervisor per place: a lock that the kernel gives back however its holder dies."""

import fcntl
import os
from pathlib import Path


class AlreadyRunning(RuntimeError):
    """Somebody else holds the place; the message names the process and what to do."""


class PlaceLock:
    """An flock on a file that holds its owner's process id.

    A child that inherits `fd` keeps the place taken after its parent's death, so a server that outlives
    its supervisor for a moment is never joined by a second one.
    """

    def __init__(self, path: Path, what: str) -> None:
        self.path = path
        path.parent.mkdir(mode=0o711, parents=True, exist_ok=True)
        self.fd = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            fcntl.flock(self.fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            holder = os.pread(self.fd, 32, 0).decode("ascii", "replace").strip() or "unknown"
            os.close(self.fd)
            raise AlreadyRunning(
                f"{what} already runs in {path.parent.parent} (process {holder}). "
                f"Stop it with Ctrl-C in its terminal or `kill {holder}`, or set LAMINA_VAR to another folder."
            ) from None
        os.ftruncate(self.fd, 0)
        os.pwrite(self.fd, str(os.getpid()).encode("ascii"), 0)

    def release(self) -> None:
        """Give the place back; a child that inherited the lock still holds it."""
        os.close(self.fd)
