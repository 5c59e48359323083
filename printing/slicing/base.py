"""What a slicer takes and gives: a plate of placed meshes in, closed contours and masks per layer out."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from devices.mesh.base import Mesh
from mes.exceptions import InvalidInput, Reason, Refused
from mes.registry import Registry

MAXIMUM_LAYERS = 20_000
MAXIMUM_PIXELS = 150_000_000


@dataclass(frozen=True)
class Bound:
    """What a setting may be, both ends included; `unit` is how people read it."""

    least: float
    most: float
    unit: str
    whole: bool = False

    def fault(self, name: str, value: object) -> Reason | None:
        """Why `value` cannot be this setting. Nothing is turned into a number that is none."""
        wanted = (int,) if self.whole else (int, float)
        right = isinstance(value, wanted) and not isinstance(value, bool)
        # One comparison refuses what is not finite, too.
        if right and isinstance(value, (int, float)) and self.least <= value <= self.most:
            return None
        kind = "a whole number" if self.whole else "a number"
        said = f"{value:g}" if isinstance(value, float) else f"{value!r:.40}"
        return Reason(f"{name} is {said}.", f"Give {kind} from {self.least:g} to {self.most:g} {self.unit}.")


BOUNDS = {
    # The finest optics cure 2 µm pixels in 5 µm layers; nothing that hardens in a vat is cured through more than 1 mm.
    "layer_height_mm": Bound(0.005, 1.0, "mm"),
    "pixel_mm": Bound(0.002, 1.0, "mm"),
    "exposure_s": Bound(0.01, 600.0, "s"),
    "bottom_exposure_s": Bound(0.0, 600.0, "s"),
    "bottom_layers": Bound(0, 100, "layers", whole=True),
    "lift_s": Bound(0.0, 120.0, "s"),
    "loss_share": Bound(0.0, 1.0, "of the parts' volume"),
}
SIDE = Bound(1.0, 2_000.0, "mm")

Progress = Callable[[int, int], None]
Cancelled = Callable[[], bool]


class PlateRefused(InvalidInput):
    """The load or the settings cannot be sliced; every reason at once."""

    code = "plate_refused"


class SlicingCancelled(Refused):
    """Somebody asked for the slicing to stop; nothing was kept."""

    code = "slicing_cancelled"


@dataclass(frozen=True, eq=False)
class PlateItem:
    """One device on the plate. transform: 4x4, from the mesh's patient coordinates to the plate (mm, z up, corner at 0).

    smallest: the thinnest wall and the narrowest bore that must come out, by name, in mm.
    """

    device_ref: str
    mesh: Mesh
    transform: NDArray[np.float64]
    smallest: Mapping[str, float] = field(default_factory=dict)


@dataclass(frozen=True)
class SliceSettings:
    """Everything that changes the result besides the meshes; part of the digest."""

    layer_height_mm: float
    pixel_mm: float
    plate_size_mm: tuple[float, float, float]
    exposure_s: float
    bottom_exposure_s: float
    bottom_layers: int
    lift_s: float
    loss_share: float

    @property
    def pixels(self) -> tuple[int, int]:
        """Columns and rows of a mask."""
        return round(self.plate_size_mm[0] / self.pixel_mm), round(self.plate_size_mm[1] / self.pixel_mm)

    def exposure_of(self, index: int) -> float:
        """Seconds of light for the layer `index`."""
        return self.bottom_exposure_s if index < self.bottom_layers else self.exposure_s

    def problems(self) -> tuple[Reason, ...]:
        """Every reason why no plate could be sliced with these settings."""
        named = [(bound, name, getattr(self, name)) for name, bound in BOUNDS.items()]
        named += [(SIDE, f"plate_size_mm[{axis}]", side) for axis, side in enumerate(self.plate_size_mm)]
        found = [fault for bound, name, value in named if (fault := bound.fault(name, value))]
        return tuple(found) or self._together()

    def _together(self) -> tuple[Reason, ...]:
        """What is wrong only with several settings at once."""
        columns, rows = self.pixels
        found = []
        if self.bottom_layers and not self.bottom_exposure_s:
            found.append(
                Reason(
                    f"bottom_exposure_s is 0 for {self.bottom_layers} layers, which would not be cured.",
                    "Give the light of the bottom layers, or bottom_layers 0.",
                )
            )
        if self.plate_size_mm[2] / self.layer_height_mm > MAXIMUM_LAYERS:
            found.append(
                Reason(
                    f"layer_height_mm {self.layer_height_mm} makes too many layers.", "Take thicker layers."
                )
            )
        if not 0 < columns * rows <= MAXIMUM_PIXELS:
            found.append(
                Reason(
                    f"A mask would have {columns} x {rows} pixels.", "Correct the pixel or the plate size."
                )
            )
        return tuple(found)


@dataclass(frozen=True, eq=False)
class Layer:
    """One cured sheet: its mid-height, its closed contours and its mask.

    contours: integer nanometres (n, 2) on the plate, outer ones counter-clockwise, holes clockwise; the last point
    joins the first.  mask_png: 1-bit greyscale, white where light falls, row 0 at y = 0.
    mask_sha256: over the packed pixel rows, so it does not depend on the compressor.
    """

    index: int
    z_mm: float
    area_mm2: float
    contours: tuple[NDArray[np.int32], ...]
    mask_png: bytes
    mask_sha256: str

    @property
    def contour_count(self) -> int:
        return len(self.contours)

    @property
    def contours_sha256(self) -> str:
        return hashlib.sha256(pack_contours(self.contours)).hexdigest()


@dataclass(frozen=True, eq=False)
class SlicedPlate:
    """A load cut into layers. volume_ml is the sum of area times height; material_ml adds what clings and is lost."""

    settings: SliceSettings
    devices: tuple[tuple[str, tuple[float, ...]], ...]
    layers: tuple[Layer, ...]
    volume_ml: float
    material_ml: float
    print_seconds: float
    digest: str

    @property
    def masks(self) -> Iterator[bytes]:
        return (layer.mask_png for layer in self.layers)


class Slicer(Protocol):
    """A way to cut a plate; `layers` is the one of the house."""

    def __call__(
        self,
        items: Sequence[PlateItem],
        *,
        layer_height_mm: float,
        pixel_mm: float,
        plate_size_mm: tuple[float, float, float],
        exposure_s: float,
        bottom_exposure_s: float = ...,
        bottom_layers: int = ...,
        lift_s: float = ...,
        loss_share: float = ...,
        progress: Progress | None = ...,
        cancelled: Cancelled | None = ...,
    ) -> SlicedPlate: ...


SLICERS: Registry[Slicer] = Registry("slicer")


def pack_contours(contours: Sequence[NDArray[np.int32]]) -> bytes:
    """Count of contours, then each with its count of points and its points: little-endian 32-bit integers."""
    parts = [np.array([len(contours)], dtype="<u4").tobytes()]
    for contour in contours:
        parts += [np.array([len(contour)], dtype="<u4").tobytes(), contour.astype("<i4").tobytes()]
    return b"".join(parts)


def plate_digest(
    settings: SliceSettings,
    devices: Sequence[tuple[str, tuple[float, ...]]],
    layers: Sequence[tuple[str, str]],
) -> str:
    """SHA-256 over the canonical settings, the devices with their places, and (contours, mask) digests per layer."""
    head = {"settings": asdict(settings), "devices": [[ref, list(place)] for ref, place in devices]}
    running = hashlib.sha256(
        json.dumps(head, sort_keys=True, separators=(",", ":"), allow_nan=False).encode()
    )
    for contours, mask in layers:
        running.update(bytes.fromhex(contours) + bytes.fromhex(mask))
    return running.hexdigest()
