"""A scan becomes the surface that is worked on: one piece, nothing invented, or a refusal."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest

from devices.mesh.base import Mesh
from devices.segmentation.base import SegmentationRefused
from devices.segmentation.scan import clean
from tests.devices.makers import make_block
from tests.devices.scanning import arch

pytestmark = pytest.mark.requirement("G-SEG-01")


def joined(*meshes: Mesh) -> Mesh:
    starts = np.cumsum([0, *(len(mesh.vertices) for mesh in meshes[:-1])])
    faces = [mesh.faces + start for mesh, start in zip(meshes, starts, strict=True)]
    return Mesh(np.concatenate([mesh.vertices for mesh in meshes]), np.concatenate(faces).astype(np.int32))


def test_a_small_loose_piece_and_doubled_triangles_go_and_nothing_else_changes() -> None:
    crumb = make_block((1.0, 1.0, 1.0), centre=(0.0, 40.0, 40.0))
    doubled = joined(arch(), crumb)
    doubled = Mesh(doubled.vertices, np.concatenate([doubled.faces, doubled.faces[:3]]))
    found = clean(doubled, {})
    assert {tuple(place) for place in found.mesh.vertices.tolist()} == {
        tuple(p) for p in arch().vertices.tolist()
    }
    assert (found.pieces_found, len(found.mesh.faces)) == (2, len(arch().faces))
    assert found.steps[0].parameters["dropped"] == 3
    assert found.steps[-1].parameters["holes"] == 0
    assert found.steps[-1].parameters["border_mm"] > 50.0


def test_holes_are_counted_and_left_open() -> None:
    whole = arch()
    inside = np.argsort(
        np.linalg.norm(whole.vertices[whole.faces].mean(axis=1) - whole.vertices.mean(axis=0), axis=1)
    )
    holed = Mesh(whole.vertices, np.delete(whole.faces, inside[:1], axis=0))
    found = clean(holed, {})
    assert found.steps[-1].parameters["holes"] == 1
    assert 0.0 < found.steps[-1].parameters["widest_hole_rim_mm"] < 6.0
    assert len(found.mesh.faces) == len(whole.faces) - 1


def test_a_closed_scan_that_is_inside_out_is_turned() -> None:
    block = make_block((20.0, 15.0, 10.0))
    found = clean(Mesh(block.vertices, block.faces[:, ::-1]), {})
    assert found.report.sound
    assert found.report.volume_ml == pytest.approx(3.0)
    assert "turn_outward" in [step.name for step in found.steps]


def _two_halves() -> Mesh:
    return joined(make_block((9.0, 9.0, 9.0)), make_block((9.0, 9.0, 9.0), centre=(30.0, 0.0, 0.0)))


def _crowded() -> Mesh:
    block = make_block((9.0, 9.0, 9.0))
    fin = [[block.faces[0][0], block.faces[0][1], len(block.vertices)]]
    return Mesh(
        np.concatenate([block.vertices, [[30.0, 0.0, 0.0]]]),
        np.concatenate([block.faces, fin]).astype(np.int32),
    )


def _turned() -> Mesh:
    faces = arch().faces.copy()
    faces[0] = faces[0][::-1]
    return Mesh(arch().vertices, faces)


@pytest.mark.parametrize(
    ("make", "said"), [(_two_halves, "pieces"), (_crowded, "more than two"), (_turned, "opposite sides")]
)
def test_what_is_no_surface_in_one_piece_is_refused(make: Callable[[], Mesh], said: str) -> None:
    with pytest.raises(SegmentationRefused, match=said) as refusal:
        clean(make(), {})
    assert refusal.value.cure


@pytest.mark.parametrize("given", [{"max_loose_share": 0.9}, {"max_loose_share": True}, {"fill_holes": 1}])
def test_parameters_outside_their_limits_are_refused(given: dict[str, object]) -> None:
    with pytest.raises(SegmentationRefused):
        clean(arch(), given)
