"""Whether what was sliced is the whole of every part (G-BLD-01): from the record and the meshes, without the slicer. Nothing here writes."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from devices.mesh.io import read_mesh
from devices.mesh.solid import solid_of
from mes.exceptions import Reason
from mes.services.artefacts import intact_path
from printing.models import Build
from printing.selectors.builds import smallest_of
from printing.services.parameters import slice_settings
from printing.slicing.base import SliceSettings
from printing.slicing.whole import LARGEST, RULE, too_coarse

AGAIN = "Give the build up and make a new one."


def faults_of(build: Build, wanted_ml: float) -> list[Reason]:
    """Everything that keeps a prepared build from being its parts of `wanted_ml` together; empty where it is them."""
    if build.problems:
        return [Reason(problem["text"], problem["cure"], RULE) for problem in build.problems]
    settings = slice_settings(build.parameters.values)
    if problems := settings.problems():
        return list(problems)
    return [*_coarse(build, settings), *_figures(build, settings, wanted_ml)]


def parts_ml(build: Build) -> float:
    """The volume of every part on the plate, by its mesh."""
    total = 0.0
    for item in build.items.select_related("device"):
        total += solid_of(read_mesh(intact_path(item.mesh_sha256))).volume() * item.device.quantity
    return total / 1000.0


def _coarse(build: Build, settings: SliceSettings) -> Iterator[Reason]:
    for item in build.items.select_related("device__material").order_by("device_id"):
        yield from too_coarse(item.device.code, smallest_of(item), settings)


def _figures(build: Build, settings: SliceSettings, wanted: float) -> Iterator[Reason]:
    areas = np.array(build.areas_mm2, dtype=np.float64)
    held = float(areas.sum()) * settings.layer_height_mm / 1000.0
    if not abs(held - wanted) <= LARGEST * wanted:
        yield Reason(
            f"The layers hold {held:.3f} mL; the parts are {wanted:.3f} mL.",
            "Take thinner layers, and make a new build.",
            RULE,
        )
    if not np.trim_zeros(areas).all() or len(areas) != build.layer_count:
        yield Reason(
            f"Not each of the {build.layer_count} layers holds something.",
            AGAIN,
            RULE,
        )
    needs = {"volume_ml": held, "material_ml": held * (1.0 + settings.loss_share)}
    for name, figure in needs.items():
        written = getattr(build, name)
        if written is None or not written > 0 or not abs(written - figure) <= LARGEST * figure:
            yield Reason(f"The build's {name} is {written}, its layers say {figure:.3f}.", AGAIN, RULE)
