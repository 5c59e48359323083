"""From a surface scan to the surface that is worked on: doubled triangles dropped, the largest piece kept, rims counted.

Nothing is invented: no hole is filled and no vertex moved, so what is approved is what was scanned. A scan that is no surface is
refused, and is scanned or exported again.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from devices.mesh.base import Mesh
from devices.mesh.check import MeshReport, check_mesh
from devices.mesh.rims import length_mm, pieces_of, rims, submesh
from devices.mesh.surface import Step
from devices.segmentation.base import TOOLS, SegmentationRefused, ToolIdentity, known_only
from mes.registry import Registry

NAME, VERSION = "surface_scan", "1.0"
TOOL = TOOLS.add(NAME, ToolIdentity(NAME, VERSION, "research_only"))
MOST_LOOSE = 0.5


@dataclass(frozen=True, eq=False)
class Scanned:
    """mesh: one piece, manifold, its faces turned the same way; open, or closed and outward.
    pieces_found: before the largest was kept."""

    mesh: Mesh
    report: MeshReport
    steps: tuple[Step, ...]
    pieces_found: int
    parameters: Mapping[str, Any]
    tool: ToolIdentity = TOOL


ScanSegmenter = Callable[[Mesh, Mapping[str, Any]], Scanned]
SCAN_SEGMENTERS: Registry[ScanSegmenter] = Registry("scan segmenter")


@dataclass(frozen=True)
class Cleaning:
    """max_loose_share: of the triangles, how many may hang loose and be left out; more is another scan."""

    max_loose_share: Any = 0.02

    def __post_init__(self) -> None:
        given = self.max_loose_share
        if isinstance(given, bool) or not isinstance(given, (int, float)) or not 0.0 <= given <= MOST_LOOSE:
            raise SegmentationRefused(
                f"max_loose_share must be 0 to {MOST_LOOSE:g}", cure="Correct the parameters."
            )


@SCAN_SEGMENTERS.register(NAME)
def clean(scan: Mesh, parameters: Mapping[str, Any]) -> Scanned:
    """Raises SegmentationRefused for a scan of several pieces, or whose triangles are no surface."""
    typed = Cleaning(**known_only(parameters, Cleaning))
    single = Mesh(scan.vertices, _without_doubles(scan.faces))
    pieces = pieces_of(single.faces)
    sizes = np.bincount(pieces)
    largest = pieces == sizes.argmax()
    loose = 1.0 - float(largest.mean())
    if loose > typed.max_loose_share:
        raise SegmentationRefused(
            f"the scan falls into pieces: {loose:.1%} of its triangles hang loose, {typed.max_loose_share:.1%} are allowed",
            cure="Scan again in one go, or remove what does not belong to it.",
        )
    mesh, turned = _outward(submesh(single, largest)[0])
    steps = (
        _step("drop_doubled_triangles", {"dropped": len(scan.faces) - len(single.faces)}, single),
        _step("keep_largest_piece", {"pieces": int(np.count_nonzero(sizes)), "loose_share": loose}, mesh),
        *((_step("turn_outward", {}, mesh),) if turned else ()),
        _step("find_rims", _rims_of(mesh), mesh),
    )
    found = int(np.count_nonzero(sizes))
    return Scanned(mesh, check_mesh(mesh), steps, found, {"max_loose_share": float(typed.max_loose_share)})


def _without_doubles(faces: NDArray[np.int32]) -> NDArray[np.int32]:
    """The first of the triangles that join the same three vertices."""
    _, first = np.unique(np.sort(faces, axis=1), axis=0, return_index=True)
    return np.asarray(faces[np.sort(first)])


def _outward(mesh: Mesh) -> tuple[Mesh, bool]:
    """The mesh turned outward where it is closed, and whether it had to be."""
    report = check_mesh(mesh)
    if not report.manifold:
        raise SegmentationRefused(
            f"the scan is no surface: {report.nonmanifold_edges} edges belong to more than two triangles",
            cure="Export the scan again, repaired.",
        )
    if _turned_both_ways(mesh):
        raise SegmentationRefused(
            "neighbouring triangles of the scan look to opposite sides",
            cure="Export the scan again, repaired.",
        )
    inside_out = report.watertight and report.volume_ml < 0.0
    return (Mesh(mesh.vertices, mesh.faces[:, ::-1]) if inside_out else mesh), inside_out


def _turned_both_ways(mesh: Mesh) -> bool:
    """Whether two triangles pass an edge in the same direction."""
    starts, ends = mesh.faces.astype(np.int64).ravel(), np.roll(mesh.faces, -1, axis=1).ravel()
    return len(np.unique(starts * len(mesh.vertices) + ends)) < len(starts)


def _rims_of(mesh: Mesh) -> dict[str, float]:
    """Of an open scan the longest rim is its border; the others are holes in it."""
    lengths = sorted((length_mm(mesh, walk) for walk in rims(mesh.faces)), reverse=True)
    return {
        "border_mm": lengths[0] if lengths else 0.0,
        "holes": max(0, len(lengths) - 1),
        "widest_hole_rim_mm": lengths[1] if len(lengths) > 1 else 0.0,
    }


def _step(name: str, measured: Mapping[str, float], mesh: Mesh) -> Step:
    values = {key: float(value) for key, value in measured.items()}
    return Step(name, f"{NAME} {VERSION}", values, len(mesh.faces), None)
