"""One layer of a build file, as the printer shows it."""

from __future__ import annotations

import zipfile
import zlib
from pathlib import Path

from mes.services.artefacts import lately_intact_path, require_intact
from printing.models import Build
from printing.slicing.buildfile import MAXIMUM_MEMBER, BuildFileRefused, mask_name


def layer_mask(build: Build, layer: int) -> bytes | None:
    """The mask of one layer, PNG; None where there is no such layer. Layers count from 1.

    It is what a second person looks at before they sign: the file is checked first. Raises Refused for one that is
    missing or altered (G-INT-01) and BuildFileRefused for one that lies about its sizes.
    """
    if build.file is None or not 1 <= layer <= (build.layer_count or 0):
        return None
    path = lately_intact_path(build.file)
    try:
        return _member(path, mask_name(layer - 1))
    except (zipfile.BadZipFile, zlib.error, EOFError) as fault:
        # The verdict was given before the file went bad: ask anew.
        require_intact(build.file)
        raise BuildFileRefused("A layer cannot be read.") from fault


def _member(path: Path, name: str) -> bytes:
    with zipfile.ZipFile(path) as archive:
        entry = archive.getinfo(name)
        if entry.file_size > MAXIMUM_MEMBER:
            raise BuildFileRefused("A layer is larger than any can be.")
        return archive.read(entry)
