"""What a process says, as a file. A full disk costs lines, never the process: who is not read any more stands still."""

import os
from pathlib import Path
from typing import Self

ROLLS_AT = 10 * 1024 * 1024


class Log:
    """Appends. What the disk did not take is counted, and said where it takes something again."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._file: int | None = None
        self._lost = 0

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        if self._file is not None:
            os.close(self._file)

    def write(self, chunk: bytes) -> None:
        gap = f"\n[{self._lost} bytes were not kept: the disk took none]\n".encode() if self._lost else b""
        try:
            file = self._opened()
            if gap:
                os.write(file, gap)
                self._lost = 0
            self._lost += len(chunk) - os.write(file, chunk)
        except OSError:
            self._lost += len(chunk)

    def _opened(self) -> int:
        if self._file is None:
            if self._path.exists() and self._path.stat().st_size > ROLLS_AT:
                self._path.replace(self._path.with_suffix(".log.1"))
            self._file = os.open(self._path, os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC, 0o666)
        return self._file
