"""The front door for surface scans: one STL, PLY, OBJ or 3MF becomes a surface in millimetres with its way there on record, or a
refusal with every reason.

No surface file says where the patient's left is, and most say no unit. Whoever sends one says both, and nothing is guessed (G-IMG-01).
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass
from datetime import date
from itertools import permutations, product
from pathlib import Path
from types import MappingProxyType
from typing import Any

import numpy as np
from numpy.typing import NDArray

from devices.imaging.base import Finding, ImagingRefused, refuse_on_error
from devices.imaging.labels import read_labels
from devices.imaging.sources import CHUNK_BYTES, SourceFile, inflated_parts, opened
from devices.mesh.base import Mesh
from devices.mesh.check import MeshReport, check_mesh
from devices.mesh.io import MeshRefused, checked, places_in, write_stl
from devices.mesh.rims import pieces_of
from devices.mesh.scan import MM_PER_UNIT, Scan, is_3mf, read_scan, scan_format
from devices.mesh.threemf import No3MF

OWN_AXES = "own"
MODALITY = "M3D"
"""DICOM's word for a model of the anatomy as a surface (PS3.3 C.7.3.1.1.1)."""
DIRECTIONS = MappingProxyType({
    "L": (1, 0, 0), "R": (-1, 0, 0), "P": (0, 1, 0), "A": (0, -1, 0), "S": (0, 0, 1), "I": (0, 0, -1),
})  # fmt: skip
"""Towards the patient's left, right, back, front, head and feet, in LPS."""
DECLARATIONS = (b"<!doctype", b"<!entity")
LONGEST_DECLARATION = max(len(word) for word in DECLARATIONS)
OTHER_AXES = (
    "Say which way x, y and z point by three letters, such as LPS or RAS; or 'own' where nobody knows."
)


@dataclass(frozen=True)
class Declared:
    """What the sender says of a surface scan. unit: of `MM_PER_UNIT`, "" where the file states its own.  axes: where x, y and z
    point, a letter of `DIRECTIONS` each, or "own" where they say nothing of the patient.  scanned_on: the day, where it is known."""

    unit: str = ""
    axes: str = ""
    scanned_on: date | None = None


@dataclass(frozen=True, eq=False)
class ReadScan:
    """mesh: mm, in the patient's LPS axes or in the scanner's own, as its file will have it.  facts: the columns of the study.
    left_out: how much of the file was not kept, by kind.  labels: which vertex of the mesh is which tooth, where that came with it."""

    mesh: Mesh
    findings: tuple[Finding, ...]
    facts: dict[str, Any]
    left_out: Mapping[str, int]
    labels: NDArray[np.int16] | None = None


def right_handed_axes() -> tuple[str, ...]:
    """Every way to lie in a patient without mirroring one."""
    pairs = permutations(("LR", "PA", "SI"))
    words = ("".join(letters) for pair in pairs for letters in product(*pair))
    return tuple(sorted(word for word in words if np.linalg.det(_rotation(word)) > 0.0))


def declared_faults(declared: Declared) -> Iterator[tuple[str, str]]:
    """What is wrong with the words of a sender, each with its cure, before any file is opened."""
    if declared.unit and declared.unit not in MM_PER_UNIT:
        yield "The unit is none that a scan is in.", f"Say one of: {', '.join(MM_PER_UNIT)}."
    letters = sorted(declared.axes)
    if declared.axes == OWN_AXES or declared.axes in right_handed_axes():
        return
    if len(letters) == 3 and all(sum(one in pair for one in letters) == 1 for pair in ("LR", "PA", "SI")):
        yield (
            f"Axes {declared.axes} are left-handed: they would make the patient's mirror image.",
            "Look up the convention of the program that exported the scan, and export it again if it mirrors.",
        )
    else:
        yield "It is not said how the axes of the scan lie in the patient.", OTHER_AXES


def read_surface(source: Path, declared: Declared) -> ReadScan:
    """Read an upload that its sender calls a surface scan. Raises ImagingRefused with every finding. G-IMG-01."""
    faults = [Finding("scan_undeclared", "error", text, cure) for text, cure in declared_faults(declared)]
    with opened(source) as files:
        file = _only(files)
        scan = _scanned(file)
        labels = read_labels([one for one in files if one is not file], scan)
        refuse_on_error([*faults, *_unit_findings(scan, declared)])
        unit = scan.unit or declared.unit
        transform = _transform(unit, declared.axes)
        mesh, labels = _carried(scan.mesh, transform, labels)
        report, pieces = check_mesh(mesh), len(np.unique(pieces_of(mesh.faces)))
        acquisition = {
            "source_format": scan.format,
            "unit": unit,
            "unit_stated_by": "file" if scan.unit else "sender",
            "axes": declared.axes,
            "transform": transform.tolist(),
            "triangles": report.triangles,
            "vertices": report.vertices,
            "extent_mm": [round(float(side), 3) for side in np.ptp(mesh.vertices, axis=0)],
            "edge_p95_mm": round(float(np.quantile(_edge_lengths(mesh), 0.95)), 4),
            "watertight": report.watertight,
            "boundary_edges": report.boundary_edges,
            "nonmanifold_edges": report.nonmanifold_edges,
            "pieces": pieces,
            "source_digest": file.digest,
        }
        facts = {
            "source_format": scan.format,
            "modality": MODALITY,
            "acquired_on": declared.scanned_on,
            "acquisition": acquisition,
        }
        return ReadScan(mesh, tuple(_said_of(report, pieces)), facts, scan.left_out, labels)


def keep_surface(scan: ReadScan, target: Path) -> dict[str, Any]:
    """Write the surface, and nothing else of the file, as binary STL. Returns the report of what was kept and left out (G-IMG-03)."""
    data = write_stl(scan.mesh)
    target.write_bytes(data)
    return {
        "files": 1,
        "sha256": hashlib.sha256(data).hexdigest(),
        "kept": {"triangles": scan.facts["acquisition"]["triangles"]},
        "removed": {name: count for name, count in sorted(scan.left_out.items()) if count},
        "mapped": {},
    }


def _only(files: list[SourceFile]) -> SourceFile:
    if len(files) == 1:
        return files[0]
    surfaces = [file for file in files if scan_format(file.path)]
    if len(surfaces) == 1:
        return surfaces[0]
    message = f"The upload holds {len(surfaces)} surface scans among {len(files)} files."
    raise ImagingRefused([Finding("several_scans", "error", message, "Send one scan.")])


def _scanned(file: SourceFile) -> Scan:
    try:
        if is_3mf(file.path):
            _refuse_declarations(file.path)
        return read_scan(file.path)
    except MeshRefused as refusal:
        problem, reason = refusal.problem, refusal.reasons[0]
    except No3MF as refusal:
        problem, reason = "wrong_type", refusal.reasons[0]
    raise ImagingRefused([Finding(problem, "error", reason.text, reason.cure)])


def _refuse_declarations(package: Path) -> None:
    """The parts of a 3MF are inflated within the limits of every upload first. No scanner declares XML entities in one: they serve to
    swell what is read, or to read other files."""
    with inflated_parts(package) as parts:
        hostile = any(_declares_entities(part) for part in parts)
    if hostile:
        cure = "Export the scan again with a common program."
        raise ImagingRefused([Finding("hostile_xml", "error", "The package declares XML entities.", cure)])


def _declares_entities(part: Path) -> bool:
    rest = b""
    with part.open("rb") as stream:
        while chunk := stream.read(CHUNK_BYTES):
            # A text of 16 bits has the same letters with zeros between them.
            seen = rest + chunk.replace(b"\0", b"").lower()
            if any(word in seen for word in DECLARATIONS):
                return True
            rest = seen[-LONGEST_DECLARATION:]
    return False


def _unit_findings(scan: Scan, declared: Declared) -> Iterator[Finding]:
    if not scan.unit and not declared.unit:
        cure = f"Send it again and say in which unit it was exported: {', '.join(MM_PER_UNIT)}."
        yield Finding("unit_unknown", "error", f"{scan.format} states no unit, and nobody said one.", cure)
    elif scan.unit and declared.unit not in ("", scan.unit):
        message = f"The file says that it is in {scan.unit}, and its sender that it is in {declared.unit}."
        yield Finding(
            "unit_differs",
            "error",
            message,
            "Find out which is true; export the scan again if the file is wrong.",
        )


def _rotation(axes: str) -> NDArray[np.float64]:
    """From the axes of a file to LPS."""
    if axes == OWN_AXES:
        return np.eye(3)
    return np.array([DIRECTIONS[letter] for letter in axes], dtype=np.float64).T


def _transform(unit: str, axes: str) -> NDArray[np.float64]:
    """4 × 4, from the numbers of the file to mm."""
    transform = np.eye(4)
    transform[:3, :3] = _rotation(axes) * MM_PER_UNIT[unit]
    return transform


def _carried(
    mesh: Mesh, transform: NDArray[np.float64], labels: NDArray[np.int16] | None
) -> tuple[Mesh, NDArray[np.int16] | None]:
    """As a file of 32 bits will have it: what is measured is what is stored."""
    places = (mesh.vertices @ transform[:3, :3].T + transform[:3, 3]).astype(np.float32).astype(np.float64)
    try:
        carried = checked(Mesh(places, mesh.faces))
    except MeshRefused as refusal:
        reason = refusal.reasons[0]
        raise ImagingRefused(
            [Finding(refusal.problem, "error", reason.text, "Check the unit that was said.")]
        ) from None

    return carried, None if labels is None else moved_labels(Mesh(places, mesh.faces), labels, carried)


def moved_labels(mesh: Mesh, labels: NDArray[np.int16], other: Mesh) -> NDArray[np.int16]:
    """The labels (n,) of a mesh on another one that is made of the same vertices, or of some of them."""
    moved = np.zeros(len(other.vertices), dtype=np.int16)
    at = places_in(other, mesh.vertices)
    moved[at[at >= 0]] = labels[at >= 0]
    return moved


def _edge_lengths(mesh: Mesh) -> NDArray[np.float64]:
    corners = mesh.vertices[mesh.faces]
    return np.asarray(np.linalg.norm(corners - np.roll(corners, 1, axis=1), axis=2).ravel())


def _said_of(report: MeshReport, pieces: int) -> Iterator[Finding]:
    if report.boundary_edges:
        yield Finding(
            "open_surface", "info", f"The scan is open, with {report.boundary_edges:,} edges along its rims."
        )
    if pieces > 1:
        yield Finding(
            "several_pieces", "info", f"The scan is in {pieces:,} pieces; the largest is worked on."
        )
    if report.nonmanifold_edges:
        message = f"{report.nonmanifold_edges:,} edges of the scan belong to more than two triangles."
        yield Finding(
            "nonmanifold", "warning", message, "Look at these places; export the scan again, repaired."
        )


def declared_as_json(declared: Declared) -> dict[str, Any]:
    """As it stands on record, and as it goes to the process that reads."""
    day = declared.scanned_on
    return {**asdict(declared), "scanned_on": day.isoformat() if day else None}


def declared_from_json(given: Mapping[str, Any]) -> Declared:
    """The inverse of `declared_as_json`."""
    day = given.get("scanned_on")
    return Declared(str(given["unit"]), str(given["axes"]), date.fromisoformat(day) if day else None)
