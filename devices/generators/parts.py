"""A model's body and the loose pieces it falls into: what is kept of them, and what is said of the rest."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from manifold3d import Manifold

from devices.generators.base import DesignRefused
from devices.mesh.base import Mesh
from devices.mesh.check import check_mesh
from devices.mesh.io import read_mesh, write_stl
from devices.mesh.solid import mesh_of, solid_of

NOTABLE_ML = 0.001
SIMPLIFY_MM = (0.01, 0.02, 0.05)
APART_MM = 5.0


@dataclass(frozen=True, eq=False)
class Kept:
    """The solid pieces, the largest first; how much was left out as crumbs and how much was filled, ml."""

    pieces: tuple[Manifold, ...]
    left_out_ml: float = 0.0
    filled_ml: float = 0.0

    @property
    def warnings(self) -> tuple[str, ...]:
        said = (
            (
                self.left_out_ml,
                f"Loose pieces of {self.left_out_ml:.2f} ml together were left out as too small.",
            ),
            (self.filled_ml, f"Closed voids of {self.filled_ml:.2f} ml together were filled."),
        )
        return tuple(text for volume, text in said if volume > NOTABLE_ML)


def kept_of(solid: Manifold, minimum_ml: float) -> Kept:
    """The pieces of at least `minimum_ml`. A closed void would keep resin in and is filled. Raises DesignRefused."""
    found = solid.decompose()
    pieces = sorted(
        (one for one in found if one.volume() >= 1000.0 * minimum_ml), key=lambda one: -one.volume()
    )
    crumbs = sum(one.volume() for one in found if 0.0 < one.volume() < 1000.0 * minimum_ml)
    voids = -sum(one.volume() for one in found if one.volume() < 0.0)
    if not pieces:
        raise DesignRefused(
            f"No piece of the anatomy has {minimum_ml:g} ml.",
            cure="Allow smaller pieces, or approve a segmentation that holds the anatomy.",
            rule="G-DES-01",
        )
    return Kept(tuple(pieces), crumbs / 1000.0, voids / 1000.0)


def body_of(bone: Mesh, minimum_ml: float) -> Kept:
    """What is made of the approved surface, before anything is done to it."""
    return kept_of(solid_of(bone), minimum_ml)


def without_crumbs(kept: Kept, solid: Manifold, minimum_ml: float) -> Kept:
    """`kept`, with the pieces that `solid` falls into after it was worked on."""
    now = kept_of(solid, minimum_ml)
    return replace(
        now, left_out_ml=now.left_out_ml + kept.left_out_ml, filled_ml=now.filled_ml + kept.filled_ml
    )


def set_apart(parts: Sequence[Manifold]) -> tuple[list[Manifold], list[float]]:
    """The parts of a cut model beside one another along the patient's x, and by how much each was moved, mm.

    The first stays in its place: what is measured on it, or scanned of it, is where the patient has it.
    """
    placed, shifts = [parts[0]], [0.0]
    edge = parts[0].bounding_box()[3]
    for part in parts[1:]:
        low, high = part.bounding_box()[0], part.bounding_box()[3]
        shift = float(round(edge + APART_MM - low, 3))
        placed.append(part.translate((shift, 0.0, 0.0)))
        shifts.append(shift)
        edge = high + shift
    return placed, shifts


def printable(solid: Manifold) -> Mesh:
    """The mesh as it survives a file of float32 numbers: closed and manifold there too. Raises DesignRefused."""
    for tolerance in SIMPLIFY_MM:
        mesh = mesh_of(solid.simplify(tolerance))
        if survives(mesh):
            return mesh
    raise DesignRefused(
        "The model's surface does not stay closed when it is written to a file.",
        cure="Change the cuts, the drains or the place of the code a little.",
        rule="G-MSH-01",
    )


def survives(mesh: Mesh) -> bool:
    """Whether the mesh is closed and manifold when it is read back from a file."""
    return bool(len(mesh.faces)) and check_mesh(read_mesh(write_stl(mesh))).sound
