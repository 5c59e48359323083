"""3MF: surfaces with their unit, names and colours in one file, written and read by the consortium's own library (lib3mf).

A 3MF says millimetres, where STL and PLY say nothing.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from importlib.util import find_spec
from typing import Any
from uuid import NAMESPACE_OID, uuid5

import numpy as np

from devices.mesh.base import Mesh
from mes.exceptions import InvalidInput
from mes.lazy import lazily

LIB: Any = lazily("lib3mf") if find_spec("lib3mf") else None
"""None on the few machines that it has no package for: Linux on another processor than x86-64."""

Colour = tuple[int, int, int]
DECIMALS = 9
BONE: Colour = (227, 218, 201)


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
    found, objects = [], model.GetMeshObjects()
    while objects.MoveNext():
        body = objects.GetCurrentMeshObject()
        vertices = np.array([list(one.Coordinates) for one in body.GetVertices()], dtype=np.float64)
        faces = np.array([list(one.Indices) for one in body.GetTriangleIndices()], dtype=np.int32)
        found.append(Part(body.GetName(), Mesh(vertices, faces), _colour_of(model, body)))
    return tuple(found)


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
