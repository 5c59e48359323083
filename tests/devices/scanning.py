"""Surface scans as people send them in: an analytic arch in every format, and what a sender says of one."""

from __future__ import annotations

import json
from functools import cache
from pathlib import Path

from devices.generators.dental.teeth import LabelledScan
from devices.imaging.scans import Declared
from devices.mesh.base import Mesh
from devices.mesh.io import write_ply, write_stl
from devices.mesh.threemf import Part, write_3mf
from devices.models import Device
from devices.services.studies import link_content, upload_digest
from mes.services.signatures import Credentials, content_digest
from tests.devices.generators.arches import analytic_arch, as_stored
from tests.devices.makers import Who

MM = Declared("mm", "own")
NAMED = b"Mustermann^Erika"


@cache
def arch() -> Mesh:
    """Four front teeth in their gum as a file has them, open below; about 45 × 22 × 12 mm."""
    return as_stored(analytic_arch((42, 41, 31, 32), gap_mm=0.5, spacing_mm=0.8))[1].mesh


def ascii_stl(mesh: Mesh) -> bytes:
    lines = [b"solid " + NAMED]
    for corners in mesh.vertices[mesh.faces].tolist():
        places = "".join(f"vertex {x!r} {y!r} {z!r}\n" for x, y, z in corners)
        lines.append(f"facet normal 0 0 0\nouter loop\n{places}endloop\nendfacet".encode())
    return b"\n".join([*lines, b"endsolid"])


def obj(mesh: Mesh) -> bytes:
    vertices = "".join(f"v {x!r} {y!r} {z!r}\n" for x, y, z in mesh.vertices.tolist())
    faces = "".join(f"f {a}//1 {b}//1 {c}//1\n" for a, b, c in (mesh.faces + 1).tolist())
    return b"# " + NAMED + b"\nmtllib ../../etc/passwd\no " + NAMED + b"\n" + (vertices + faces).encode()


@cache
def files() -> dict[str, bytes]:
    """The arch in every format, each with a patient's name where the format has room for one."""
    mesh = arch()
    stl = write_stl(mesh)
    ply = write_ply(mesh).replace(b"comment Lamina", b"comment " + NAMED)
    return {
        "STL": NAMED.ljust(80) + stl[80:],
        "ASCII STL": ascii_stl(mesh),
        "PLY": ply,
        "OBJ": obj(mesh),
        "3MF": write_3mf([Part(NAMED.decode(), mesh)], title=NAMED.decode()),
    }


def labelled(folder: Path, scan: LabelledScan) -> Path:
    """A scan with the label of each vertex beside it, as segmenters of teeth export it; under the name of its patient."""
    upload = folder / "Mustermann Erika"
    upload.mkdir()
    (upload / "lower.obj").write_bytes(obj(scan.mesh))
    said = {"id_patient": NAMED.decode(), "jaw": "lower", "labels": scan.labels.tolist()}
    (upload / "lower.json").write_text(json.dumps(said))
    return upload


def laid(folder: Path, data: bytes | None = None) -> Path:
    """A scan as a file, under the name of its patient."""
    path = folder / "Mustermann Erika.stl"
    path.write_bytes(write_stl(arch()) if data is None else data)
    return path


def vouching(device: Device, who: Who, upload: Path, declared: Declared) -> Credentials:
    """A signature over what was shown of a scan."""
    shown = link_content(device, upload_digest(upload), declared)
    return who.typed(digest=content_digest(shown))
