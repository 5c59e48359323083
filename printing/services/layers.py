"""One layer of a build file, as the printer shows it."""

from __future__ import annotations

import zipfile

from mes.services.artefacts import artefact_path
from printing.models import Build
from printing.slicing.buildfile import MAXIMUM_MEMBER, BuildFileRefused, mask_name


def layer_mask(build: Build, layer: int) -> bytes | None:
    """The mask of one layer, PNG; None where there is no such layer. Layers count from 1.

    Raises BuildFileRefused for a file that lies about its sizes.
    """
    if build.file is None or not 1 <= layer <= (build.layer_count or 0):
        return None
    with zipfile.ZipFile(artefact_path(build.file)) as archive:
        entry = archive.getinfo(mask_name(layer - 1))
        if entry.file_size > MAXIMUM_MEMBER:
            raise BuildFileRefused("A layer is larger than any can be.")
        return archive.read(entry)
