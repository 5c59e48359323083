"""Slicing a build: computed in a worker outside any transaction, recorded in one."""

from __future__ import annotations

import tempfile
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from importlib.metadata import version
from pathlib import Path
from typing import Any

from django.utils import timezone

from devices.mesh.base import Mesh
from devices.mesh.io import read_mesh
from mes.eventlog.base import Actor, digest_of
from mes.eventlog.unit import publish, unit_of_work
from mes.exceptions import Refused
from mes.permissions import require
from mes.services.artefacts import intact_path, store_artefact
from printing.choices import BuildState
from printing.events import BuildPreparationFailed, BuildPrepared
from printing.lifecycle import BUILD
from printing.models import Build, BuildItem, Preparation
from printing.selectors.builds import items_content, smallest_of
from printing.services.moves import locked, move, write
from printing.services.parameters import part_spacing_mm, slice_settings
from printing.slicing.base import PlateItem, SlicedPlate, SlicingCancelled
from printing.slicing.buildfile import write_build_file
from printing.slicing.layers import slice_plate
from printing.slicing.packing import place_on_plate

SLICER = Actor.system("slicing")
MEDIA_TYPE = "application/vnd.lamina.build+zip"
LOOK_EVERY_S = 0.3


@dataclass(frozen=True)
class Prepared:
    """What slicing gave: the file in the store, the numbers, and where each device lies."""

    build_id: int
    file: str
    transforms: dict[int, list[float]]
    plate_digest: str
    areas_mm2: list[float]
    volume_ml: float
    material_ml: float
    print_seconds: float


def prepare_build(build_id: int) -> Callable[[], object]:
    """Slice a build. Returns what is to be written, as the queued handler's effect; a refusal is written, too.

    Stops at the next layer once the build is cancelled, and then writes nothing.
    """
    build = Build.objects.select_related("parameters").get(pk=build_id)
    if build.state != BuildState.DRAFT:
        return _nothing
    try:
        prepared = _slice(build)
    except SlicingCancelled:
        return _nothing
    except Refused as refusal:
        problems = [{"text": r.text, "cure": r.cure, "rule": r.rule} for r in refusal.reasons]
        return partial(record_preparation_failure, build_id=build_id, problems=problems, actor=SLICER)
    return partial(record_preparation, prepared=prepared, actor=SLICER)


def _nothing() -> None:
    """The build was cancelled meanwhile, or is prepared already."""


def _slice(build: Build) -> Prepared:
    settings = slice_settings(build.parameters.values)
    refs: list[str] = []
    meshes: list[Mesh] = []
    smallest: list[Mapping[str, float]] = []
    for row in build.items.select_related("device__material").order_by("device_id"):
        mesh = read_mesh(intact_path(row.mesh_sha256))
        # Of a lot, each unit lies on the plate (K-08).
        refs += [row.device.code] * row.device.quantity
        meshes += [mesh] * row.device.quantity
        smallest += [smallest_of(row)] * row.device.quantity
    places = place_on_plate(meshes, settings.plate_size_mm, part_spacing_mm(build.parameters.values))
    watch = _Watch(build.pk)
    sliced = slice_plate(
        [PlateItem(*part) for part in zip(refs, meshes, places, smallest, strict=True)],
        layer_height_mm=settings.layer_height_mm,
        pixel_mm=settings.pixel_mm,
        plate_size_mm=settings.plate_size_mm,
        exposure_s=settings.exposure_s,
        bottom_exposure_s=settings.bottom_exposure_s,
        bottom_layers=settings.bottom_layers,
        lift_s=settings.lift_s,
        loss_share=settings.loss_share,
        progress=watch.progress,
        cancelled=watch.cancelled,
    )
    return _stored(build, sliced)


def _stored(build: Build, sliced: SlicedPlate) -> Prepared:
    with tempfile.TemporaryDirectory(prefix="lamina-build-") as folder:
        path = Path(folder) / "build.zip"
        write_build_file(sliced, path)
        artefact = store_artefact(path, media_type=MEDIA_TYPE)
    return Prepared(
        build_id=build.pk,
        file=artefact.sha256,
        transforms=_places_of(build, sliced),
        plate_digest=sliced.digest,
        areas_mm2=[round(layer.area_mm2, 4) for layer in sliced.layers],
        volume_ml=sliced.volume_ml,
        material_ml=sliced.material_ml,
        print_seconds=sliced.print_seconds,
    )


def _places_of(build: Build, sliced: SlicedPlate) -> dict[int, list[float]]:
    """By device, where it lies: 16 numbers, and as many again for each further unit of a lot."""
    keys = {item.device.code: item.device_id for item in build.items.select_related("device")}
    found: dict[int, list[float]] = {}
    for ref, place in sliced.devices:
        found.setdefault(keys[ref], []).extend(float(number) for number in place)
    return found


class _Watch:
    """Tells the screen how far it is, and asks whether somebody cancelled; both no more often than they matter."""

    def __init__(self, build_id: int) -> None:
        self._build_id = build_id
        self._told = self._asked = 0.0

    def progress(self, done: int, total: int) -> None:
        if done < total and time.monotonic() - self._told < LOOK_EVERY_S:
            return
        self._told = time.monotonic()
        Preparation.objects.update_or_create(
            build_id=self._build_id, defaults={"done": done, "total": total, "at": timezone.now()}
        )

    def cancelled(self) -> bool:
        if time.monotonic() - self._asked < LOOK_EVERY_S:
            return False
        self._asked = time.monotonic()
        return not Build.objects.filter(pk=self._build_id, state=BuildState.DRAFT).exists()


@unit_of_work
def record_preparation(*, prepared: Prepared, actor: Actor) -> None:
    """Write what slicing gave. A build that was cancelled meanwhile stays as it is."""
    require(actor, "printing.prepare_build")
    build = locked(Build, prepared.build_id, what="build")
    if build.state != BuildState.DRAFT:
        return
    for item in BuildItem.objects.select_for_update().filter(build=build).order_by("pk"):
        write(item, transform=prepared.transforms[item.device_id])
    move(
        build,
        BUILD,
        "prepare",
        file_id=prepared.file,
        plate_digest=prepared.plate_digest,
        layer_count=len(prepared.areas_mm2),
        areas_mm2=prepared.areas_mm2,
        volume_ml=prepared.volume_ml,
        material_ml=prepared.material_ml,
        print_seconds=prepared.print_seconds,
        prepared_with=f"lamina layers, manifold3d {version('manifold3d')}",
        items_digest=digest_of(items_content(build)),
    )
    fact = BuildPrepared(
        build_id=build.pk,
        file=prepared.file,
        plate_digest=prepared.plate_digest,
        layer_count=len(prepared.areas_mm2),
        material_ml=prepared.material_ml,
        print_seconds=prepared.print_seconds,
    )
    publish(build, fact, actor=actor)


@unit_of_work
def record_preparation_failure(*, build_id: int, problems: list[dict[str, Any]], actor: Actor) -> None:
    """Write why a plate could not be cut."""
    require(actor, "printing.prepare_build")
    build = locked(Build, build_id, what="build")
    if build.state != BuildState.DRAFT:
        return
    move(build, BUILD, "give_up", problems=problems)
    publish(build, BuildPreparationFailed(build_id=build.pk, problems=problems), actor=actor)
