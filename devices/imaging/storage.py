"""Volumes and masks as files: the same content gives the same bytes, and nothing in them can run.

The format is numpy's .npz, uncompressed (no compressor's version can change the bytes), read with allow_pickle=False.
"""

from __future__ import annotations

import json
import os
import struct
import zipfile
from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields
from datetime import date
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from devices.imaging.base import Acquisition, Volume

VOLUME_FORMAT = "lamina-volume-1"
MASK_FORMAT = "lamina-mask-1"
MAX_VOXELS = 1_500_000_000
LOCAL_HEADER_NAMES, LOCAL_HEADER_BYTES = 26, 30
"""In a zip's local header: where the lengths of its two names stand, and how long it is before them (APPNOTE 4.3.7)."""
GEOMETRY = ("positions", "row_direction", "column_direction", "spacing_ij")


class StoredFileRefused(ValueError):
    """The file is not what its reader expects. Says why."""


def save_volume(volume: Volume, path: Path) -> None:
    """Write a volume, whole or not at all; the same volume gives the same SHA-256."""
    facts = asdict(volume.acquisition)
    facts["acquired_on"] = facts["acquired_on"] and facts["acquired_on"].isoformat()
    voxels = volume.voxels.astype(volume.voxels.dtype.newbyteorder("<"), copy=False)
    arrays = {name: np.asarray(getattr(volume, name), dtype="<f8") for name in GEOMETRY}
    _save(path, VOLUME_FORMAT, facts, {"voxels": np.ascontiguousarray(voxels), **arrays})


def load_volume(path: Path) -> Volume:
    """Read what `save_volume` wrote. Raises StoredFileRefused."""
    facts, arrays = _load(path, VOLUME_FORMAT, ("voxels", *GEOMETRY))
    return _volume(facts, arrays)


def _volume(facts: dict[str, Any], arrays: dict[str, NDArray[Any]]) -> Volume:
    try:
        spacing = arrays["spacing_ij"]
        return Volume(
            voxels=_native(arrays["voxels"]),
            positions=arrays["positions"],
            row_direction=arrays["row_direction"],
            column_direction=arrays["column_direction"],
            spacing_ij=(float(spacing[0]), float(spacing[1])),
            acquisition=_acquisition(facts),
        )
    except (ValueError, TypeError, IndexError, KeyError) as error:
        raise StoredFileRefused(f"the stored volume is inconsistent: {error}") from error


def map_volume(path: Path) -> Volume:
    """The same volume with its voxels left in the file: what is looked at is read, and nothing more. Raises StoredFileRefused."""
    facts, arrays = _load(path, VOLUME_FORMAT, GEOMETRY)
    return _volume(facts, {**arrays, "voxels": _mapped(path, "voxels")})


def load_geometry(path: Path, shape: tuple[int, int, int]) -> Volume:
    """Where the voxels of a stored volume lie, without reading one: they are all 0 and take no memory. Raises StoredFileRefused."""
    facts, arrays = _load(path, VOLUME_FORMAT, GEOMETRY)
    return _volume(facts, {**arrays, "voxels": np.broadcast_to(np.int16(0), shape)})


def _acquisition(facts: dict[str, Any]) -> Acquisition:
    unknown = set(facts) - {f.name for f in fields(Acquisition)}
    if unknown:
        raise ValueError(f"unknown acquisition facts: {', '.join(sorted(unknown))}")
    if facts.get("acquired_on"):
        facts = {**facts, "acquired_on": date.fromisoformat(facts["acquired_on"])}
    return Acquisition(**facts)


def save_mask(mask: NDArray[np.uint8], path: Path) -> None:
    """Write a mask of zeros and ones, shape (k, j, i), one bit a voxel."""
    if mask.ndim != 3 or mask.dtype != np.uint8 or mask.max(initial=0) > 1:
        raise ValueError("a mask is uint8 of shape (k, j, i), zeros and ones")
    _save(path, MASK_FORMAT, {"shape": list(mask.shape)}, {"bits": np.packbits(mask, axis=None)})


def load_mask(path: Path) -> NDArray[np.uint8]:
    """Read what `save_mask` wrote: uint8, shape (k, j, i). Raises StoredFileRefused."""
    facts, arrays = _load(path, MASK_FORMAT, ("bits",))
    stored = _mask(facts, arrays["bits"])
    k, j, i = stored.shape
    return np.unpackbits(stored.bits, count=k * j * i).reshape(stored.shape)


@dataclass(frozen=True, eq=False)
class StoredMask:
    """A mask as bits, in the order of its voxels."""

    shape: tuple[int, int, int]
    bits: NDArray[np.uint8]

    def at(self, voxels: NDArray[np.int64]) -> NDArray[np.uint8]:
        """Zeros and ones at flat indices."""
        shift = (7 - (voxels & 7)).astype(np.uint8)
        return np.asarray((self.bits[voxels >> 3] >> shift) & np.uint8(1), np.uint8)


def map_mask(path: Path) -> StoredMask:
    """The same mask with its bits left in the file. Raises StoredFileRefused."""
    facts, _ = _load(path, MASK_FORMAT, ())
    return _mask(facts, _mapped(path, "bits"))


def _mask(facts: dict[str, Any], bits: NDArray[Any]) -> StoredMask:
    shape = facts.get("shape")
    if not (isinstance(shape, list) and len(shape) == 3 and all(isinstance(n, int) and n > 0 for n in shape)):
        raise StoredFileRefused("the stored mask has no shape")
    count = shape[0] * shape[1] * shape[2]
    if count > MAX_VOXELS or bits.dtype != np.uint8 or bits.shape != ((count + 7) // 8,):
        raise StoredFileRefused("the stored mask has another size than it states")
    return StoredMask((shape[0], shape[1], shape[2]), bits)


def _save(path: Path, kind: str, facts: Mapping[str, Any], arrays: Mapping[str, NDArray[Any]]) -> None:
    text = json.dumps({"format": kind, **facts}, sort_keys=True, separators=(",", ":"), allow_nan=False)
    header = np.frombuffer(text.encode(), dtype=np.uint8)
    partial = path.with_name(f".{path.name}.{os.getpid()}.partial")
    try:
        with partial.open("wb") as stream:
            np.savez(stream, allow_pickle=False, header=header, **dict(arrays))
        partial.replace(path)
    finally:
        partial.unlink(missing_ok=True)


def _load(path: Path, kind: str, names: tuple[str, ...]) -> tuple[dict[str, Any], dict[str, NDArray[Any]]]:
    try:
        _check_sizes(path)
        with np.load(path, allow_pickle=False) as stored:
            if not isinstance(stored, np.lib.npyio.NpzFile):
                raise StoredFileRefused("the file is no container of arrays")
            facts = json.loads(bytes(stored["header"]).decode())
            arrays = {name: stored[name] for name in names}
    except StoredFileRefused:
        raise
    except (OSError, ValueError, KeyError, EOFError, AttributeError, TypeError, zipfile.BadZipFile) as error:
        raise StoredFileRefused(f"the file cannot be read ({type(error).__name__})") from error
    if not isinstance(facts, dict) or facts.pop("format", None) != kind:
        raise StoredFileRefused(f"the file is not of the format {kind}")
    return facts, arrays


def _mapped(path: Path, name: str) -> NDArray[Any]:
    """An array of the file, laid over it. Members are stored uncompressed (`_check_sizes`), so that one lies there as it is."""
    try:
        with zipfile.ZipFile(path) as archive, archive.open(f"{name}.npy") as member:
            version = np.lib.format.read_magic(member)
            if version != (1, 0):
                raise StoredFileRefused("the file was not written by this program")
            shape, fortran, dtype = np.lib.format.read_array_header_1_0(member)
            header = member.tell()
            begins = archive.getinfo(f"{name}.npy").header_offset
        with path.open("rb") as stream:
            stream.seek(begins + LOCAL_HEADER_NAMES)
            named, extra = struct.unpack("<HH", stream.read(4))
        offset = begins + LOCAL_HEADER_BYTES + named + extra + header
        return np.memmap(path, dtype, "r", offset, shape, "F" if fortran else "C")
    except (OSError, ValueError, KeyError, EOFError, struct.error, zipfile.BadZipFile) as error:
        raise StoredFileRefused(f"the file cannot be read ({type(error).__name__})") from error


def _check_sizes(path: Path) -> None:
    """The members are stored uncompressed, so together they cannot be larger than the file."""
    with zipfile.ZipFile(path) as archive:
        members = archive.infolist()
    if any(info.compress_type != zipfile.ZIP_STORED for info in members) or len(members) > 8:
        raise StoredFileRefused("the file was not written by this program")
    if sum(info.file_size for info in members) > path.stat().st_size:
        raise StoredFileRefused("the file states more data than it holds")


def _native(voxels: NDArray[Any]) -> NDArray[Any]:
    return voxels.astype(voxels.dtype.newbyteorder("="), copy=False)
