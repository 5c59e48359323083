"""Files of a request on their way to a service: under names of our own, in a folder that is gone afterwards."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from django.conf import settings
from django.core.files.uploadedfile import UploadedFile

from mes.exceptions import InvalidInput


@contextmanager
def laid_down(files: Sequence[UploadedFile[bytes]]) -> Iterator[Path]:
    """One path for what was sent: the file, or a folder of numbered files. A name that was sent is never used.

    Raises InvalidInput where nothing was sent.
    """
    if not files:
        raise InvalidInput(
            "No file was sent.", cure="Attach the series, a zip or a NIfTI file.", rule="G-IMG-01"
        )
    settings.QUARANTINE_DIR.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix=".upload-", dir=settings.QUARANTINE_DIR) as scratch:
        folder = Path(scratch) / "files"
        folder.mkdir()
        paths = [folder / f"{number:06d}" for number in range(1, len(files) + 1)]
        for file, path in zip(files, paths, strict=True):
            with path.open("wb") as target:
                shutil.copyfileobj(file, target)
        yield paths[0] if len(paths) == 1 else folder
