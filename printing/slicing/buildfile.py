"""The build file a printer takes: one zip with a manifest, a mask per layer and the contours, checked by digest.

The same plate makes the same bytes. Reading believes nothing: names, counts and sizes come from the manifest that the
digest covers, and every mask is unpacked to exactly the size it must have.
"""

from __future__ import annotations

import hashlib
import json
import os
import tempfile
import zipfile
from collections.abc import Iterator
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from mes.exceptions import InvalidInput
from printing.slicing.base import (
    MAXIMUM_LAYERS,
    Layer,
    SlicedPlate,
    SliceSettings,
    pack_contours,
    plate_digest,
)
from printing.slicing.raster import BadMask, decode_png

FORMAT = "lamina-build/1"
MAXIMUM_MANIFEST = 32 * 1024 * 1024
MAXIMUM_MEMBER = 64 * 1024 * 1024
SHA256 = r"^[0-9a-f]{64}$"


class BuildFileRefused(InvalidInput):
    """The file is not a build file of Lamina, or it was changed or damaged since it was written."""

    code = "build_file_refused"

    def __init__(self, text: str) -> None:
        super().__init__(text, cure="Slice the plate again and send the new file.")


class _Strict(BaseModel):
    model_config = ConfigDict(extra="forbid", strict=True, frozen=True, allow_inf_nan=False)


class _Settings(_Strict):
    layer_height_mm: float
    pixel_mm: float
    plate_size_mm: list[float] = Field(min_length=3, max_length=3)
    exposure_s: float
    bottom_exposure_s: float
    bottom_layers: int
    lift_s: float
    loss_share: float

    def settings(self) -> SliceSettings:
        values = self.model_dump()
        width, depth, height = values.pop("plate_size_mm")
        return SliceSettings(plate_size_mm=(width, depth, height), **values)


class _Device(_Strict):
    ref: str = Field(max_length=200)
    transform: list[float] = Field(min_length=16, max_length=16)


class _LayerLine(_Strict):
    z_mm: float
    area_mm2: float
    exposure_s: float
    contours: int = Field(ge=0)
    contours_sha256: str = Field(pattern=SHA256)
    mask_sha256: str = Field(pattern=SHA256)


class _Manifest(_Strict):
    format: str = Field(pattern="^" + FORMAT + "$")
    digest: str = Field(pattern=SHA256)
    settings: _Settings
    devices: list[_Device]
    layers: list[_LayerLine] = Field(min_length=1, max_length=MAXIMUM_LAYERS)
    volume_ml: float = Field(gt=0)
    material_ml: float = Field(gt=0)
    print_seconds: float = Field(gt=0)


def write_build_file(sliced: SlicedPlate, path: Path) -> None:
    """Write it whole or not at all: beside the target first, then in one rename."""
    handle, name = tempfile.mkstemp(dir=path.parent, prefix=".build-", suffix=".part")
    try:
        with os.fdopen(handle, "wb") as stream, zipfile.ZipFile(stream, "w") as archive:
            for member, content in _members(sliced):
                archive.writestr(_entry(member), content)
        Path(name).replace(path)
    except BaseException:
        Path(name).unlink(missing_ok=True)
        raise


def read_build_file(path: Path) -> SlicedPlate:
    """The plate in a build file after every digest was recomputed. Raises BuildFileRefused."""
    try:
        with zipfile.ZipFile(path) as archive:
            return _read(archive)
    except (zipfile.BadZipFile, KeyError, NotImplementedError, EOFError, RuntimeError) as error:
        raise BuildFileRefused(f"The archive is damaged or incomplete ({type(error).__name__}).") from error
    except ValidationError as error:
        raise BuildFileRefused(f"The manifest has {error.error_count()} errors.") from error


def mask_name(index: int) -> str:
    return f"layers/{index:05d}.png"


def contours_name(index: int) -> str:
    return f"contours/{index:05d}.bin"


def _members(sliced: SlicedPlate) -> Iterator[tuple[str, bytes]]:
    manifest = json.dumps(_manifest(sliced), sort_keys=True, indent=1, allow_nan=False).encode()
    yield "manifest.json", manifest
    for layer in sliced.layers:
        yield mask_name(layer.index), layer.mask_png
        yield contours_name(layer.index), pack_contours(layer.contours)


def _entry(name: str) -> zipfile.ZipInfo:
    entry = zipfile.ZipInfo(name, date_time=(1980, 1, 1, 0, 0, 0))
    entry.compress_type = zipfile.ZIP_STORED
    entry.create_system = 3
    entry.external_attr = 0o644 << 16
    return entry


def _manifest(sliced: SlicedPlate) -> dict[str, Any]:
    return {
        "format": FORMAT,
        "digest": sliced.digest,
        "settings": asdict(sliced.settings),
        "devices": [{"ref": ref, "transform": list(place)} for ref, place in sliced.devices],
        "layers": [
            {
                "z_mm": layer.z_mm,
                "area_mm2": layer.area_mm2,
                "exposure_s": sliced.settings.exposure_of(layer.index),
                "contours": layer.contour_count,
                "contours_sha256": layer.contours_sha256,
                "mask_sha256": layer.mask_sha256,
            }
            for layer in sliced.layers
        ],
        "volume_ml": sliced.volume_ml,
        "material_ml": sliced.material_ml,
        "print_seconds": sliced.print_seconds,
    }


def _read(archive: zipfile.ZipFile) -> SlicedPlate:
    manifest = _Manifest.model_validate_json(_member(archive, "manifest.json", MAXIMUM_MANIFEST))
    settings = manifest.settings.settings()
    if settings.problems():
        raise BuildFileRefused("The manifest's settings are impossible.")
    wanted = {"manifest.json"} | {
        n(i) for i in range(len(manifest.layers)) for n in (mask_name, contours_name)
    }
    if set(archive.namelist()) != wanted or len(archive.namelist()) != len(wanted):
        raise BuildFileRefused("The archive holds other files than its manifest says.")
    layers = tuple(_layer(archive, index, line, settings) for index, line in enumerate(manifest.layers))
    devices = tuple((device.ref, tuple(device.transform)) for device in manifest.devices)
    digest = plate_digest(settings, devices, [(layer.contours_sha256, layer.mask_sha256) for layer in layers])
    if digest != manifest.digest:
        raise BuildFileRefused("The digest over settings, devices and layers does not match.")
    return SlicedPlate(
        settings, devices, layers, manifest.volume_ml, manifest.material_ml, manifest.print_seconds, digest
    )


def _member(archive: zipfile.ZipFile, name: str, limit: int = MAXIMUM_MEMBER) -> bytes:
    info = archive.getinfo(name)
    if info.compress_type != zipfile.ZIP_STORED or info.file_size > limit:
        raise BuildFileRefused("A member of the archive is packed or larger than any build needs.")
    return archive.read(info)


def _layer(archive: zipfile.ZipFile, index: int, line: _LayerLine, settings: SliceSettings) -> Layer:
    png = _member(archive, mask_name(index))
    columns, rows = settings.pixels
    try:
        packed = decode_png(png, columns, rows)
    except BadMask as error:
        raise BuildFileRefused(f"Layer {index + 1}: {error}.") from error
    contours = _unpack(_member(archive, contours_name(index)), index)
    layer = Layer(
        index, line.z_mm, line.area_mm2, contours, png, hashlib.sha256(packed.tobytes()).hexdigest()
    )
    if (layer.contours_sha256, layer.mask_sha256) != (line.contours_sha256, line.mask_sha256):
        raise BuildFileRefused(f"Layer {index + 1} was changed: its digest does not match the manifest.")
    return layer


def _unpack(data: bytes, index: int) -> tuple[NDArray[np.int32], ...]:
    words = np.frombuffer(data[: len(data) // 4 * 4], dtype="<i4")
    contours: list[NDArray[np.int32]] = []
    place = 1
    counts = words.view("<u4")
    for _ in range(int(counts[0]) if len(words) else 0):
        points = int(counts[place]) if place < len(words) else 0
        if points < 3 or place + 1 + 2 * points > len(words):
            raise BuildFileRefused(f"Layer {index + 1}: its contours are damaged.")
        contours.append(words[place + 1 : place + 1 + 2 * points].reshape(-1, 2))
        place += 1 + 2 * points
    return tuple(contours)
