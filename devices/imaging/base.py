"""The volume, what is said about it, and the refusal. Coordinates are LPS millimetres, values Hounsfield units."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import date
from typing import Literal

import numpy as np
from numpy.typing import ArrayLike, NDArray

Severity = Literal["info", "warning", "error"]
Voxels = NDArray[np.int16] | NDArray[np.float32]

AIR_HU = -1000


@dataclass(frozen=True)
class Finding:
    """One thing seen in the images. An error means that no volume was made; it is never guessed over."""

    code: str
    severity: Severity
    message: str
    cure: str = ""


class ImagingRefused(Exception):
    """The images cannot become a volume. Carries every finding, errors first, each with its cure."""

    def __init__(self, findings: Iterable[Finding]) -> None:
        self.findings = tuple(sorted(findings, key=lambda finding: finding.severity != "error"))
        super().__init__("; ".join(f.message for f in self.findings if f.severity == "error"))

    @property
    def codes(self) -> tuple[str, ...]:
        return tuple(finding.code for finding in self.findings if finding.severity == "error")


@dataclass(frozen=True)
class Acquisition:
    """How the images were made, as the source states it; None where it does not. Holds no patient identity and no UID.

    slice_thickness_mm: the thickest slice's.  image_type: DICOM's, its values joined by a backslash.  value_unit: DICOM's
    RescaleType; of slices that differ, one that is not HU.  side: the paired part of the body that every slice says it shows.
    source_digest: SHA-256 over the sorted SHA-256 of the files used, so names and order do not matter.
    nominal_* are the header's own words, kept beside what was measured from positions (they are often wrong).
    """

    source_format: Literal["DICOM", "NIfTI", "synthetic"]
    modality: str | None = None
    kernel: str | None = None
    slice_thickness_mm: float | None = None
    nominal_slice_spacing_mm: float | None = None
    nominal_tilt_degrees: float | None = None
    kvp: float | None = None
    acquired_on: date | None = None
    manufacturer: str | None = None
    model: str | None = None
    transfer_syntax: str | None = None
    lossy: bool = False
    image_type: str | None = None
    value_unit: str | None = None
    contrast: bool | None = None
    side: Literal["left", "right"] | None = None
    source_digest: str = ""


@dataclass(frozen=True, eq=False, repr=False)
class Volume:
    """A calibrated volume.

    voxels: int16 or float32, shape (k, j, i), HU.  positions: float64, shape (k, 3), LPS mm of the centre of voxel
    (k, 0, 0); they ascend along the normal but need not be evenly spaced or straight above one another, so gantry tilt
    and uneven spacing are carried as they are (DICOM PS3.3 C.7.6.2.1.1).
    row_direction: unit vector of growing i.  column_direction: unit vector of growing j.
    spacing_ij: (mm between columns = one step of i, mm between rows = one step of j); DICOM's PixelSpacing is the reverse.
    """

    voxels: Voxels
    positions: NDArray[np.float64]
    row_direction: NDArray[np.float64]
    column_direction: NDArray[np.float64]
    spacing_ij: tuple[float, float]
    acquisition: Acquisition = field(default_factory=lambda: Acquisition("synthetic"))

    def __post_init__(self) -> None:
        for name in ("positions", "row_direction", "column_direction"):
            object.__setattr__(self, name, np.ascontiguousarray(getattr(self, name), dtype=np.float64))
        object.__setattr__(self, "spacing_ij", (float(self.spacing_ij[0]), float(self.spacing_ij[1])))
        reasons = [reason for holds, reason in self._rules() if not holds]
        if reasons:
            raise ValueError("not a volume: " + "; ".join(reasons))

    def __repr__(self) -> str:
        return f"Volume({' x '.join(map(str, self.voxels.shape))} {self.voxels.dtype}, {self.acquisition.source_format})"

    def _rules(self) -> Iterable[tuple[bool, str]]:
        yield (
            self.voxels.dtype in (np.dtype(np.int16), np.dtype(np.float32)),
            "voxels must be int16 or float32",
        )
        shaped = self.voxels.ndim == 3 and min(self.voxels.shape) >= 1 and self.voxels.shape[0] >= 2
        yield shaped, "voxels must have shape (k >= 2, j, i)"
        placed = shaped and self.positions.shape == (self.voxels.shape[0], 3)
        yield placed, "positions must have shape (k, 3)"
        directed = self.row_direction.shape == (3,) and self.column_direction.shape == (3,)
        yield directed, "directions must have shape (3,)"
        numbers = (self.positions, self.row_direction, self.column_direction, np.asarray(self.spacing_ij))
        finite = all(bool(np.isfinite(n).all()) for n in numbers)
        yield finite, "geometry must be finite"
        yield min(self.spacing_ij) > 0, "spacing must be above 0 mm"
        if placed and directed and finite:
            yield (
                are_unit_and_square(self.row_direction, self.column_direction),
                "directions must be unit and square",
            )
            yield bool((np.diff(self.heights_mm) > 0).all()), "positions must ascend along the normal"

    @property
    def shape(self) -> tuple[int, int, int]:
        k, j, i = self.voxels.shape
        return int(k), int(j), int(i)

    @property
    def normal(self) -> NDArray[np.float64]:
        """Unit vector, row x column: right-handed with growing (i, j, k)."""
        return np.cross(self.row_direction, self.column_direction)

    @property
    def heights_mm(self) -> NDArray[np.float64]:
        """Shape (k,): each slice's distance along the normal."""
        return self.positions @ self.normal

    @property
    def slice_spacings_mm(self) -> NDArray[np.float64]:
        """Shape (k - 1,): measured along the normal, never taken from SliceThickness or SpacingBetweenSlices."""
        return np.diff(self.heights_mm)

    @property
    def slice_spacing_mm(self) -> float:
        """The median step along the normal."""
        return float(np.median(self.slice_spacings_mm))

    @property
    def slice_heights_mm(self) -> NDArray[np.float64]:
        """Shape (k,): the height each slice stands for: half the way to each neighbour, a whole step at the ends."""
        steps = self.slice_spacings_mm
        return (np.concatenate((steps[:1], steps)) + np.concatenate((steps, steps[-1:]))) / 2

    @property
    def tilt_degrees(self) -> float:
        """Signed angle between the normal and the way the slices are stacked, from positions (tag 0018,1120 is nominal)."""
        return tilt_degrees(self.positions, self.row_direction, self.column_direction)

    @property
    def field_of_view_mm(self) -> tuple[float, float, float]:
        """Extent along (i, j, normal), voxels' own size included."""
        k, j, i = self.shape
        height = float(self.heights_mm[-1] - self.heights_mm[0]) + self.slice_spacing_mm
        return i * self.spacing_ij[0], j * self.spacing_ij[1], height if k else 0.0

    def to_patient(self, indices_kji: ArrayLike) -> NDArray[np.float64]:
        """Carry (k, j, i) indices, shape (n, 3), to LPS mm, shape (n, 3): linear between slices, and beyond the ends."""
        kji = np.asarray(indices_kji, dtype=np.float64).reshape(-1, 3)
        points = self._on_stack(np.ascontiguousarray(kji[:, 0]))
        points += kji[:, 1, None] * (self.spacing_ij[1] * self.column_direction)
        points += kji[:, 2, None] * (self.spacing_ij[0] * self.row_direction)
        return points

    def _on_stack(self, k: NDArray[np.float64]) -> NDArray[np.float64]:
        """The first voxels' line through the slices at k, shape (n,): one step beyond both ends is where a closed surface ends, and
        whatever lies further goes on as straight."""
        last = len(self.positions)
        if len(k) and k.min() >= -1 and k.max() <= last:
            ends = 2 * self.positions[[0, -1]] - self.positions[[1, -2]]
            line = np.concatenate((ends[:1], self.positions, ends[1:]))
            return np.stack([np.interp(k, np.arange(-1, last + 1), axis) for axis in line.T], axis=1)
        lower = np.clip(np.floor(k).astype(np.int64), 0, last - 2)
        step = np.diff(self.positions, axis=0)[lower]
        return np.asarray(self.positions[lower] + (k - lower)[:, None] * step)

    def to_indices(self, points_mm: ArrayLike) -> NDArray[np.float64]:
        """The inverse of `to_patient`: LPS mm, shape (n, 3), to fractional (k, j, i)."""
        points = np.asarray(points_mm, dtype=np.float64).reshape(-1, 3)
        heights = self.heights_mm
        along = points @ self.normal
        lower = np.clip(np.searchsorted(heights, along, side="right") - 1, 0, len(heights) - 2)
        k = lower + (along - heights[lower]) / np.diff(heights)[lower]
        offset = (
            points - self.positions[lower] - (k - lower)[:, None] * np.diff(self.positions, axis=0)[lower]
        )
        j = offset @ self.column_direction / self.spacing_ij[1]
        i = offset @ self.row_direction / self.spacing_ij[0]
        return np.stack((k, j, i), axis=1)


def are_unit_and_square(
    row: NDArray[np.float64], column: NDArray[np.float64], tolerance: float = 1e-3
) -> bool:
    """Whether the two directions have length 1 and stand at a right angle."""
    lengths = abs(np.linalg.norm(row) - 1) < tolerance and abs(np.linalg.norm(column) - 1) < tolerance
    return bool(lengths and abs(row @ column) < tolerance)


def tilt_degrees(
    positions: NDArray[np.float64], row: NDArray[np.float64], column: NDArray[np.float64]
) -> float:
    """Signed gantry tilt: the angle of the stack of slices against their normal; the sign follows tag (0018,1120)."""
    along = positions[-1] - positions[0]
    across = np.array([along @ column, along @ row])
    angle = np.degrees(np.arctan2(np.linalg.norm(across), along @ np.cross(row, column)))
    return float(np.copysign(angle, across[np.argmax(np.abs(across))]))


@dataclass(frozen=True, repr=False)
class PatientIdentifiers:
    """Who the images say they show. Kept apart from the volume, and never printed."""

    patient_id: str | None = None
    family_name: str | None = None
    given_name: str | None = None
    birth_date: date | None = None
    sex: str | None = None

    def __repr__(self) -> str:
        return "PatientIdentifiers(redacted)"


@dataclass(frozen=True)
class SeriesSummary:
    """One series found in the upload, described without free text (free text may hold names)."""

    series_uid: str
    modality: str
    number: int | None
    images: int
    rows: int
    columns: int
    slice_thickness_mm: float | None
    kernel: str | None
    usable: bool
    used: bool = False


@dataclass(frozen=True)
class RejectedFile:
    """A file that is no part of the volume. It is named by its ordinal and short digest: names may hold patients' names."""

    ordinal: int
    digest: str
    code: str
    why: str

    @property
    def reason(self) -> str:
        return f"file {self.ordinal} ({self.digest}): {self.why}"


@dataclass(frozen=True)
class ReadImages:
    """What `read_images` found. used: SHA-256 of each file of the volume, in slice order."""

    volume: Volume
    identity: PatientIdentifiers
    findings: tuple[Finding, ...]
    series: tuple[SeriesSummary, ...] = ()
    rejected: tuple[RejectedFile, ...] = ()
    used: tuple[str, ...] = ()


def refuse_on_error(findings: Sequence[Finding]) -> None:
    """Raise `ImagingRefused` with everything found so far if any of it is an error."""
    if any(finding.severity == "error" for finding in findings):
        raise ImagingRefused(findings)
