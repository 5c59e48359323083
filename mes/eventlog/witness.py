"""The witness: what was sealed, told line by line to a file that the database's roles cannot reach.

A line is JSON: `tree_size`, `root`, `signature`. Lines are only ever added, by one sealer at a time, in the order of the
tree. The newest seal alone may not have been told yet: a sealer tells it before it makes the next one.
"""

from __future__ import annotations

import fcntl
import json
import os
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path

from mes.models import Seal

TAIL = 4096
"""Bytes at the end of the file that hold its last line for certain."""


@dataclass(frozen=True)
class Told:
    tree_size: int
    root: str
    signature: str

    @classmethod
    def of(cls, seal: Seal) -> Told:
        return cls(seal.tree_size, seal.root, seal.signature)

    @classmethod
    def parse(cls, line: bytes) -> Told:
        """Raises ValueError for anything but a line that `line` gives: no byte of it is free to change."""
        try:
            told = cls(**json.loads(line))
        except TypeError as strange:
            raise ValueError("not a line of a witness") from strange
        if told.line().strip() != line.removesuffix(b"\n"):
            raise ValueError("not a line of a witness")
        return told

    def line(self) -> bytes:
        return json.dumps(asdict(self)).encode() + b"\n"


class WitnessAhead(RuntimeError):
    """The witness was told of a seal that the database does not have: an old backup was put back, or a tail cut off."""


class Witness:
    def __init__(self, path: Path) -> None:
        self.path = path

    def last(self) -> Told | None:
        """The last whole line; None where there is none, or it cannot be read."""
        try:
            with self.path.open("rb") as file:
                file.seek(max(0, file.seek(0, os.SEEK_END) - TAIL))
                whole = [line for line in file.readlines() if line.endswith(b"\n")]
        except FileNotFoundError:
            return None
        try:
            return Told.parse(whole[-1]) if whole else None
        except ValueError:
            return None

    def tell(self, seal: Seal) -> None:
        """Add a seal, unless it stands there. Raises OSError where it cannot be written."""
        self.path.parent.mkdir(parents=True, exist_ok=True)
        handle = os.open(self.path, os.O_RDWR | os.O_CREAT | os.O_APPEND, 0o600)
        try:
            fcntl.flock(handle, fcntl.LOCK_EX)
            last = self.last()
            if last is None or last.tree_size < seal.tree_size:
                # One write for the whole line, after the torn end that a power cut may have left.
                os.write(handle, self._torn(handle) + Told.of(seal).line())
                os.fsync(handle)
        finally:
            os.close(handle)

    def catch_up(self, newest: Seal | None) -> None:
        """Tell the newest seal if that was not done. Raises WitnessAhead where the database has fallen behind."""
        last = self.last()
        size = newest.tree_size if newest else 0
        if last and (
            last.tree_size > size or (newest and last.tree_size == size and last != Told.of(newest))
        ):
            raise WitnessAhead(
                f"The witness knows a seal of tree size {last.tree_size}; the database's last is of {size}, or another. "
                "Nothing is sealed. Run `manage.py verify`; put back the newest backup."
            )
        if newest and (last is None or last.tree_size < size):
            self.tell(newest)

    def size(self) -> int:
        """Bytes that were written so far."""
        return self.path.stat().st_size if self.path.exists() else 0

    def lines(self) -> Iterator[tuple[int, int, bytes]]:
        """(line number, where it ends, line), read as they are needed. A line torn by a power cut is left out."""
        if not self.path.exists():
            return
        torn, end = b"", 0
        with self.path.open("rb") as file:
            for number, line in enumerate(file, start=1):
                if torn and not line.startswith(torn):
                    yield number - 1, end, torn
                end += len(line)
                torn = self._as_torn(line)
                if not torn:
                    yield number, end, line
        if torn:
            yield number, end, torn

    @staticmethod
    def _as_torn(line: bytes) -> bytes:
        """The beginning of a line that was told again as the next one."""
        return b"" if line.rstrip(b"\n").endswith(b"}") else line.rstrip(b"\n")

    @staticmethod
    def _torn(handle: int) -> bytes:
        size = os.fstat(handle).st_size
        return b"\n" if size and os.pread(handle, 1, size - 1) != b"\n" else b""
