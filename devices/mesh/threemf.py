"""3MF: surfaces with their unit, names and colours in one file, written and read by the consortium's own library (lib3mf).

A 3MF says millimetres, where STL and PLY say nothing.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import Any
from uuid import NAMESPACE_OID, uuid5

import numpy as np

from devices.mesh.base import Mesh
from devices.mesh.io import MeshRefused
from mes.exceptions import InvalidInput
from mes.lazy import lazily

LIB: Any = lazily("lib3mf") if find_spec("lib3mf") else None
"""None on the few machines that it has no package for: Linux on another processor than x86-64."""

Colour = tuple[int, int, int]
DECIMALS = 9
BONE: Colour = (227, 218, 201)
UNITS = {"MilliMeter": "mm", "CentiMeter": "cm", "Meter": "m", "Inch": "inch"}


@dataclass(frozen=True, eq=False)
class Part:
    """A body of a file: its name, its surface in mm, and one colour, RGB."""

    name: str
    mesh: Mesh
    colour: Colour = BONE


class No3MF(InvalidInput):
    """This machine has no lib3mf."""

    code = "no_3mf"


def write_3mf(parts: Sequence[Part], *, title: str) -> bytes:
    """The parts as one 3MF in millimetres, each an object of its own in its place. Raises No3MF."""
    if LIB is None:
        raise No3MF(
            "This machine writes no 3MF: it has no lib3mf.", cure="Export STL or PLY, or use another machine."
        )
    model = LIB.get_wrapper().CreateModel()
    model.SetUnit(LIB.ModelUnit.MilliMeter)
    described = model.GetMetaDataGroup()
    described.AddMetaData("", "Title", title, "xs:string", True)
    described.AddMetaData("", "Application", "Lamina", "xs:string", True)
    for number, part in enumerate(parts):
        _add(model, part, f"{title} {number}")
    model.SetBuildUUID(_uuid(title))
    writer = model.QueryWriter("3mf")
    writer.SetDecimalPrecision(DECIMALS)
    return bytes(writer.WriteToBuffer())


def read_3mf(data: bytes) -> tuple[Part, ...]:
    """The bodies of a 3MF of ours, in mm. Raises ValueError for another unit."""
    model = LIB.get_wrapper().CreateModel()
    model.QueryReader("3mf").ReadFromBuffer(data)
    if model.GetUnit() != LIB.ModelUnit.MilliMeter:
        raise ValueError("the file is not in millimetres")
    return tuple(Part(body.GetName(), _mesh_of(body), _colour_of(model, body)) for body in _meshes(model))


def read_merged(path: Path, maximum_triangles: int) -> tuple[Mesh, str, Counter[str]]:
    """Everything that a 3MF builds as one surface in the file's own unit, each body in its place; the unit; and how much was left
    out, by kind. Raises MeshRefused, No3MF.

    Bodies may be built of bodies again and again: they are counted before they are laid out.
    """
    if LIB is None:
        raise No3MF("This machine reads no 3MF: it has no lib3mf.", cure="Send STL, PLY or OBJ.")
    model = LIB.get_wrapper().CreateModel()
    try:
        model.QueryReader("3mf").ReadFromFile(str(path))
    except LIB.ELib3MFException:
        # From None: the library's words may quote the file.
        raise MeshRefused("bad_header", "The package is no 3MF that can be read.") from None
    unit = UNITS.get(model.GetUnit().name, "")
    if not unit:
        raise MeshRefused(
            "absurd_size", f"The file is in {model.GetUnit().name}, which no scan of a patient is in."
        )
    _refuse_too_many(model, maximum_triangles)
    left_out = Counter(
        {
            "metadata": model.GetMetaDataGroup().GetMetaDataCount(),
            "names": sum(1 for one in _objects(model) if one.GetName()),
        }
    )
    bodies = [_mesh_of(body) for body in _meshes(model.MergeToModel())]
    if not bodies:
        raise MeshRefused("no_surface", "The file builds no triangle.")
    starts = np.cumsum([0, *(len(body.vertices) for body in bodies[:-1])])
    faces = np.concatenate([body.faces + start for body, start in zip(bodies, starts, strict=True)])
    return Mesh(np.concatenate([body.vertices for body in bodies]), faces), unit, left_out


def _refuse_too_many(model: Any, most: int) -> None:
    counts: dict[int, int] = {}
    total, items = 0, model.GetBuildItems()
    while items.MoveNext():
        total += _triangles(items.GetCurrent().GetObjectResource(), counts)
        if total > most:
            raise MeshRefused("too_many_triangles", f"The file builds more than {most:,} triangles.")


def _triangles(body: Any, counts: dict[int, int]) -> int:
    """Of an object with all that it is built of. counts: of those that were counted already."""
    key = int(body.GetUniqueResourceID())
    if key not in counts:
        counts[key] = (
            int(body.GetTriangleCount())
            if body.IsMeshObject()
            else sum(
                _triangles(body.GetComponent(at).GetObjectResource(), counts)
                for at in range(body.GetComponentCount())
            )
        )
    return counts[key]


def _objects(model: Any) -> Iterator[Any]:
    objects = model.GetObjects()
    while objects.MoveNext():
        yield objects.GetCurrentObject()


def _meshes(model: Any) -> Iterator[Any]:
    bodies = model.GetMeshObjects()
    while bodies.MoveNext():
        yield bodies.GetCurrentMeshObject()


def _mesh_of(body: Any) -> Mesh:
    vertices = np.array([list(one.Coordinates) for one in body.GetVertices()], dtype=np.float64).reshape(
        -1, 3
    )
    faces = np.array([list(one.Indices) for one in body.GetTriangleIndices()], dtype=np.int32).reshape(-1, 3)
    return Mesh(vertices, faces)


def _uuid(name: str) -> str:
    """By name and not by chance: the same parts make the same file."""
    return str(uuid5(NAMESPACE_OID, f"Lamina {name}"))


def _add(model: Any, part: Part, name: str) -> None:
    vertices = np.ascontiguousarray(part.mesh.vertices, dtype=np.float32)
    faces = np.ascontiguousarray(part.mesh.faces, dtype=np.uint32)
    body = model.AddMeshObject()
    body.SetName(part.name)
    body.SetGeometry(
        (LIB.Position * len(vertices)).from_buffer_copy(vertices.tobytes()),
        (LIB.Triangle * len(faces)).from_buffer_copy(faces.tobytes()),
    )
    colours = model.AddColorGroup()
    shade = colours.AddColor(LIB.get_wrapper().RGBAToColor(*part.colour, 255))
    body.SetObjectLevelProperty(colours.GetResourceID(), shade)
    body.SetUUID(_uuid(f"{name} body"))
    model.AddBuildItem(body, LIB.get_wrapper().GetIdentityTransform()).SetUUID(_uuid(f"{name} item"))


def _colour_of(model: Any, body: Any) -> Colour:
    group, shade, given = body.GetObjectLevelProperty()
    if not given:
        return BONE
    colour = model.GetColorGroupByID(group).GetColor(shade)
    return int(colour.Red), int(colour.Green), int(colour.Blue)
