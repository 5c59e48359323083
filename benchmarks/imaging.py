"""From a folder of CT slices to a watertight, manifold surface simplified to 0.05 mm, beside dicom2stl at full resolution and, stage
by stage, beside the quickest library for it; and how far tilted scans lie from the straight one.

All on the same real series, in one run, each run a process of its own, in turn; medians of five (`make bench NAME=imaging ARGS="--rounds 1"` for fewer).
dicom2stl keeps every piece of bone, simplifies nothing, and checks neither that the result is closed nor the gantry's tilt. The error is
that of points on the largest bone's own isosurface to the result.
"""

from __future__ import annotations

import json
import sys
import tempfile
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.peers import environment
from benchmarks.table import Row, measure
from benchmarks.work.imaging import data
from benchmarks.work.imaging.ours import LOWER_HU, bone_surface
from benchmarks.work.imaging.stages import STAGES, prepare
from benchmarks.work.imaging.tilt import scanned, tilt_error
from devices.mesh.base import Mesh
from devices.mesh.distance import Surface, sample_surface
from devices.mesh.io import read_mesh

PEER = (
    "dicom2stl==0.5.0", "simpleitk==2.5.7", "vtk==9.7.2", "pydicom==3.0.2", "numpy==2.4.6", "manifold3d==3.5.4",
    "connected-components-3d==4.1.1", "fill-voids==2.1.2",
)  # fmt: skip
PEER_STAGES = Path(__file__).parent / "work" / "imaging" / "peer_stages.py"
QUICKEST = {
    "load": ("load_pydicom", "load_vtk"),
    "segment": ("segment_itk", "segment_cc3d"),
    "isosurface": ("isosurface_vtk",),
    "smoothing": ("smoothing_vtk",),
    "decimation": ("decimation_manifold",),
}
ROUNDS = 5
SAMPLES = 30_000


def main(rounds: int = ROUNDS) -> None:
    if lacking := data.missing():
        print(
            f"imaging: skipped, for {', '.join(lacking)} is not in {data.DATA} (LAMINA_TEST_DATA names another folder)"
        )
        return
    peer = environment("imaging", *PEER)
    with tempfile.TemporaryDirectory() as scratch:
        cases = {name: _whole(name, Path(scratch), peer, rounds) for name in ("chest", "phantom")}
        stages = _stages(Path(scratch), peer, rounds)
    tilted = _tilted()
    chest = cases["chest"]
    print(
        json.dumps(
            {
                "benchmark": "imaging",
                **{key: chest[key] for key in ("ours_s", "dicom2stl_s", "ratio_dicom2stl", "ours_mb", "dicom2stl_mb")},
                "tilt_error_mm": max(one["mean_mm"] for one in tilted.values()),
                "cases": cases,
                "stages": stages,
                "tilt": tilted,
            }
        )
    )  # fmt: skip


def _whole(name: str, scratch: Path, peer: Path, rounds: int) -> dict[str, Any]:
    series, ours, theirs = data.series(name), scratch / "ours.stl", scratch / "theirs.stl"
    full = ["--disable", "shrink", "--smooth", "0", "--reduce", "0", "-i", str(LOWER_HU)]
    rows = [
        Row("Lamina", [sys.executable, "-m", "benchmarks.work.imaging.ours", str(series), str(ours)]),
        Row("dicom2stl, full resolution", [str(peer / "dicom2stl"), *full, "-o", str(theirs), str(series)]),
    ]
    measure(rows, rounds=rounds)
    truth, _ = sample_surface(bone_surface(series), SAMPLES, np.random.default_rng(0))
    meshes = [read_mesh(place) for place in (ours, theirs)]
    _head(f"{name}: folder of slices to surface")
    for row, mesh in zip(rows, meshes, strict=True):
        _line(row, row.median_s / rows[0].median_s, f"{_error(truth, mesh)}, {len(mesh.faces)} triangles")
    mine, other = rows
    return {
        "ours_s": round(mine.median_s, 3),
        "dicom2stl_s": round(other.median_s, 3),
        "ratio_dicom2stl": round(other.median_s / mine.median_s, 3),
        "ours_mb": round(mine.median_mb),
        "dicom2stl_mb": round(other.median_mb),
    }


def _stages(scratch: Path, peer: Path, rounds: int) -> dict[str, Any]:
    """Each stage on the chest, from the same input: what it takes by itself, libraries and input being loaded."""
    series = data.series("chest")
    (scratch / "series").write_text(str(series))
    prepare(series, scratch)
    found = {}
    for stage in STAGES:
        ours = [sys.executable, "-m", "benchmarks.work.imaging.stages", stage, str(scratch)]
        rows = [Row("Lamina", ours, states_seconds=True)]
        for name in QUICKEST[stage]:
            command = [str(peer / "python"), str(PEER_STAGES), name, str(scratch)]
            rows.append(Row(name, command, states_seconds=True))
        measure(rows, rounds=rounds)
        _head(f"chest: {stage}")
        for row in rows:
            _line(row, row.median_s / rows[0].median_s, row.says)
        quickest = min(rows[1:], key=lambda row: row.median_s)
        found[stage] = {
            "ours_s": round(rows[0].median_s, 3),
            "quickest_s": round(quickest.median_s, 3),
            "quickest": quickest.name,
            "times_quickest": round(rows[0].median_s / quickest.median_s, 2),
        }
    return found


def _tilted() -> dict[str, Any]:
    _, truth = scanned(data.series("phantom"))
    print(
        f"\n{'tilted scan against the straight one':40}{'mean mm':>9}{'p95 mm':>9}{'longer':>9}{'angle':>9}"
    )
    found = {}
    for name in ("tilt -18.5", "tilt +16.5"):
        one = tilt_error(data.series(name), truth)
        print(f"{name:40}{one.mean_mm:9.3f}{one.p95_mm:9.3f}{one.longer_mm:9.2f}{one.angle_degrees:9.2f}")
        found[name] = {key: round(value, 4) for key, value in asdict(one).items()}
    return found


def _error(truth: np.ndarray, mesh: Mesh) -> str:
    distances = Surface(mesh).unsigned(truth)
    return f"error mean {distances.mean():.4f}, p95 {np.percentile(distances, 95):.4f}, max {distances.max():.3f} mm"


def _head(title: str) -> None:
    print(f"\n{title:40}{'median s':>9}{'min':>8}{'max':>8}{'ratio':>7}{'peak MB':>9}")


def _line(row: Row, ratio: float, said: str) -> None:
    low, high = min(row.seconds), max(row.seconds)
    print(
        f"{row.name:40}{row.median_s:9.2f}{low:8.2f}{high:8.2f}{ratio:7.2f}{row.median_mb:9.0f}  {said}",
        flush=True,
    )
