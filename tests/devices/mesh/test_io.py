"""Surfaces come in from strangers: every lie a file can tell ends in a named refusal."""

from __future__ import annotations

import struct
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from devices.mesh.base import Mesh
from devices.mesh.colours import SATURATION, colour_scale, deviation_colours
from devices.mesh.io import (
    MeshRefused,
    plausible_units,
    read_mesh,
    weld,
    write_deviation_ply,
    write_ply,
    write_stl,
)

TETRAHEDRON = Mesh(
    np.array([[0.0, 0.0, 0.0], [10.0, 0.0, 0.0], [0.0, 10.0, 0.0], [0.0, 0.0, 10.0]]),
    np.array([[0, 2, 1], [0, 1, 3], [1, 2, 3], [0, 3, 2]], dtype=np.int32),
)
PLY_HEADER = (
    b"ply\nformat ascii 1.0\ncomment made by hand\nelement vertex 4\nproperty float x\nproperty float y\n"
    b"property float z\nelement face 4\nproperty list uchar int vertex_indices\nend_header\n"
)
PLY_BODY = b"0 0 0\n10 0 0\n0 10 0\n0 0 10\n3 0 2 1\n3 0 1 3\n3 1 2 3\n3 0 3 2\n"


def ascii_stl(mesh: Mesh) -> bytes:
    lines = ["solid part"]
    for corners in mesh.vertices[mesh.faces]:
        lines += ["facet normal 0 0 0", "outer loop"]
        lines += [f"vertex {x:.6e} {y:.6e} {z:.6e}" for x, y, z in corners]
        lines += ["endloop", "endfacet"]
    return "\n".join([*lines, "endsolid part", ""]).encode()


def with_number(value: float) -> bytes:
    data = bytearray(write_stl(TETRAHEDRON))
    data[84 + 12 : 84 + 16] = struct.pack("<f", value)
    return bytes(data)


def binary_ply(order: str, *, double: bool = False) -> bytes:
    word, kind = {"<": "little", ">": "big"}[order], "double" if double else "float"
    header = (
        f"ply\nformat binary_{word}_endian 1.0\nelement vertex 4\nproperty {kind} x\nproperty {kind} y\n"
        f"property {kind} z\nproperty uchar red\nelement face 4\nproperty list uchar uint vertex_index\nend_header\n"
    )
    letter = "d" if double else "f"
    vertices = b"".join(struct.pack(f"{order}3{letter}B", *v, 7) for v in TETRAHEDRON.vertices)
    faces = b"".join(struct.pack(f"{order}B3I", 3, *(int(i) for i in f)) for f in TETRAHEDRON.faces)
    return header.encode() + vertices + faces


@pytest.mark.parametrize(
    ("_case", "data"),
    [
        ("binary STL", write_stl(TETRAHEDRON)),
        ("binary STL whose header says solid", b"solid facet" + write_stl(TETRAHEDRON)[11:]),
        ("ASCII STL", ascii_stl(TETRAHEDRON)),
        ("ASCII STL with Windows line ends", ascii_stl(TETRAHEDRON).replace(b"\n", b"\r\n")),
        ("ASCII PLY", PLY_HEADER + PLY_BODY),
        ("binary PLY", write_ply(TETRAHEDRON)),
        ("binary PLY, big-endian", binary_ply(">")),
        ("binary PLY of doubles", binary_ply("<", double=True)),
    ],
)
def test_a_surface_is_read_by_its_content_and_welded(_case: str, data: bytes) -> None:
    mesh = read_mesh(data)
    assert len(mesh.vertices) == 4
    assert np.array_equal(mesh.vertices[mesh.faces], TETRAHEDRON.vertices[TETRAHEDRON.faces])


def test_a_polygon_becomes_a_fan_in_text_and_in_binary() -> None:
    text = PLY_HEADER.replace(b"face 4", b"face 1") + b"0 0 0\n10 0 0\n10 10 0\n0 10 0\n4 0 1 2 3\n"
    assert len(read_mesh(text).faces) == 2
    binary = binary_ply("<").replace(b"face 4", b"face 1")
    quad = binary[: binary.index(b"end_header\n") + 11 + 4 * 13] + struct.pack("<B4I", 4, 0, 1, 2, 3)
    assert len(read_mesh(quad).faces) == 2


@pytest.mark.parametrize(
    ("problem", "data"),
    [
        ("empty", b""),
        ("empty", b"\0" * 84),
        ("empty", b" \n\t\r\n"),
        ("truncated", write_stl(TETRAHEDRON)[:-1]),
        ("truncated", b"\1" + b"\0" * 60),
        ("truncated", b"\1" + b"\0" * 79 + struct.pack("<I", 0xFFFFFFFF) + b"\0" * 50),
        ("wrong_size", write_stl(TETRAHEDRON) + b"\0"),
        ("no_surface", b"\1" + b"\0" * 83),
        ("not_finite", with_number(float("nan"))),
        ("not_finite", with_number(float("inf"))),
        ("absurd_size", with_number(3e30)),
        ("wrong_type", b"%PDF-1.7 and then nothing of use"),
        ("wrong_type", b"PK\3\4 this is an archive of some kind"),
        ("wrong_type", b"solid ground, and nothing else"),
        ("truncated", ascii_stl(TETRAHEDRON)[: len(ascii_stl(TETRAHEDRON)) // 2]),
        ("not_finite", ascii_stl(TETRAHEDRON).replace(b"0.000000e+00", b"nan")),
        ("not_finite", ascii_stl(TETRAHEDRON).replace(b"0.000000e+00", b"zero")),
        ("bad_header", b"ply\nformat ascii 1.0\n" + b"comment x\n" * 5000),
        ("bad_header", b"ply\nformat ascii 1.0\n" + b"comment x\n" * 200 + b"end_header\n"),
        ("bad_header", PLY_HEADER.replace(b"ascii 1.0", b"ascii 2.0") + PLY_BODY),
        ("bad_header", PLY_HEADER.replace(b"vertex 4", b"vertex -4") + PLY_BODY),
        ("bad_header", PLY_HEADER.replace(b"vertex 4", "vertex ٤".encode()) + PLY_BODY),
        ("bad_header", PLY_HEADER.replace(b"float x", b"string x") + PLY_BODY),
        ("bad_header", PLY_HEADER.replace(b"float x", b"float w") + PLY_BODY),
        ("bad_header", PLY_HEADER.replace(b"list uchar int", b"list float int") + PLY_BODY),
        ("bad_header", PLY_HEADER.replace(b"uchar int vertex", b"uchar float vertex") + PLY_BODY),
        ("too_many_triangles", PLY_HEADER.replace(b"face 4", b"face 4294967295") + PLY_BODY),
        ("too_large", PLY_HEADER.replace(b"vertex 4", b"vertex 4294967295") + PLY_BODY),
        ("no_surface", PLY_HEADER.replace(b"face 4", b"face 0") + PLY_BODY),
        ("truncated", PLY_HEADER + PLY_BODY[:-20]),
        ("truncated", write_ply(TETRAHEDRON)[:-3]),
        ("truncated", write_ply(TETRAHEDRON)[:-80]),
        ("bad_index", PLY_HEADER + PLY_BODY.replace(b"3 0 3 2", b"3 0 3 9")),
        ("bad_index", PLY_HEADER + PLY_BODY.replace(b"3 0 3 2", b"3 0 3 -1")),
        ("bad_index", PLY_HEADER + PLY_BODY.replace(b"3 0 3 2", b"3 0 3 " + b"9" * 40)),
        ("bad_index", PLY_HEADER + PLY_BODY.replace(b"3 0 3 2", b"99999999 0 3 2")),
        ("not_finite", PLY_HEADER + PLY_BODY.replace(b"10 0 0", b"10 0 nan")),
        ("not_finite", PLY_HEADER + PLY_BODY.replace(b"10 0 0", b"10 0 ten")),
        ("wrong_size", PLY_HEADER + PLY_BODY.replace(b"10 0 0", b"10 0")),
    ],
)
def test_a_hostile_file_is_refused_with_its_reason_and_a_cure(problem: str, data: bytes) -> None:
    with pytest.raises(MeshRefused) as refusal:
        read_mesh(data, name_hint="part.stl" if problem in ("truncated", "wrong_size") else None)
    assert refusal.value.problem == problem
    assert refusal.value.reasons[0].cure


def test_four_billion_triangles_in_134_bytes_allocate_nothing() -> None:
    data = b"x" * 80 + struct.pack("<I", 0xFFFFFFFF) + b"\0" * 50
    assert len(data) == 134
    with pytest.raises(MeshRefused, match="4,294,967,295"):
        read_mesh(data, name_hint="bone.stl")


def test_a_file_name_is_never_opened_nor_repeated(tmp_path: Path) -> None:
    secret = tmp_path / "secret.stl"
    secret.write_bytes(write_stl(TETRAHEDRON))
    with pytest.raises(MeshRefused) as refusal:
        read_mesh(b"\0\1nothing", name_hint=f"../../{secret}\0doe^jane.stl")
    assert "secret" not in str(refusal.value)
    assert "jane" not in str(refusal.value)
    assert len(read_mesh(secret).faces) == 4


@settings(max_examples=150, deadline=None)
@given(
    st.sampled_from(
        [write_stl(TETRAHEDRON), ascii_stl(TETRAHEDRON), PLY_HEADER + PLY_BODY, write_ply(TETRAHEDRON)]
    ),
    st.lists(st.tuples(st.integers(0, 700), st.integers(0, 255)), max_size=6),
    st.integers(0, 700),
)
def test_whatever_is_damaged_the_answer_is_a_mesh_or_a_refusal(
    data: bytes, changes: list[tuple[int, int]], cut: int
) -> None:
    damaged = bytearray(data)
    for place, value in changes:
        damaged[place % len(damaged)] = value
    try:
        mesh = read_mesh(bytes(damaged[: len(damaged) - cut % 40]))
    except MeshRefused:
        return
    assert np.isfinite(mesh.vertices).all()
    assert mesh.faces.size == 0 or mesh.faces.max() < len(mesh.vertices)


def test_writing_is_deterministic_and_says_which_unit() -> None:
    data = write_stl(TETRAHEDRON)
    assert data == write_stl(read_mesh(data))
    assert len(data) == 84 + 50 * 4
    assert b"millimetres" in data[:80]


def test_welding_drops_collapsed_faces_and_keeps_the_order() -> None:
    soup = Mesh(
        np.array([[0.0, 0, 0], [1, 0, 0], [0, 1, 0], [-0.0, 0, 0], [1, 0, 0], [1, 0, 0]]),
        np.array([[0, 1, 2], [3, 4, 5]], dtype=np.int32),
    )
    welded = weld(soup)
    assert len(welded.vertices) == 3
    assert welded.faces.tolist() == [[0, 1, 2]]


@pytest.mark.parametrize(
    ("extent", "unit", "plausible"),
    [(100.0, "mm", True), (0.43, "m", False), (4.2, "inch", False), (1e4, "unknown", False)],
)
def test_a_wrong_unit_is_noticed(extent: float, unit: str, plausible: bool) -> None:
    scaled = Mesh(TETRAHEDRON.vertices * (extent / 10.0), TETRAHEDRON.faces)
    guess = plausible_units(scaled)
    assert (guess.unit, guess.plausible) == (unit, plausible)


def test_the_deviation_map_is_blue_below_red_above_and_saturates() -> None:
    below, inside, above, far, unknown = deviation_colours(np.array([-0.4, 0.0, 0.4, 9.0, np.nan]), 0.2)
    assert below[2] > below[0] + 100
    assert above[0] > above[2] + 100
    assert np.ptp(inside) < 10
    assert np.array_equal(above, far)
    assert np.ptp(unknown) == 0


def test_the_legend_spans_twice_the_tolerance_and_speaks_in_words() -> None:
    stops = colour_scale(0.25)
    assert stops[0].distance_mm == -0.25 * SATURATION
    assert [stop.label for stop in stops[::4]] == [
        "material missing",
        "within tolerance",
        "too much material",
    ]
    assert stops[0].css == "#2166ac"


def test_the_deviation_ply_is_read_back_with_its_surface() -> None:
    data = write_deviation_ply(TETRAHEDRON, np.array([-1.0, 0.0, 0.1, 1.0]), 0.2)
    assert b"property uchar red" in data
    assert len(read_mesh(data).faces) == 4
    with pytest.raises(ValueError, match="as many distances"):
        write_deviation_ply(TETRAHEDRON, np.zeros(3), 0.2)


# --- numbers as text


@pytest.mark.parametrize("form", ["%.9e", "%.32e", "%.17g", "%f"])
def test_a_number_is_read_whole_or_not_at_all(form: str) -> None:
    """Cut after 32 characters, 1.23…e+02 would be a hundredth of what was written."""
    value = 123.456
    written = (form % value).encode()
    mesh = read_mesh(ascii_stl(TETRAHEDRON).replace(b"1.000000e+01", written))
    assert mesh.vertices.max() == pytest.approx(value, rel=1e-6)
    ply = read_mesh(PLY_HEADER + PLY_BODY.replace(b"10", written))
    assert ply.vertices.max() == pytest.approx(value, rel=1e-6)


@pytest.mark.parametrize("word", [b"1_0", b"0x1A", b"1" + b"0" * 70, b"nan", b"inf", b"1e", b"1..0", b"1,5"])
def test_a_word_that_is_no_plain_number_is_refused(word: bytes) -> None:
    for data in (
        ascii_stl(TETRAHEDRON).replace(b"1.000000e+01", word),
        PLY_HEADER + PLY_BODY.replace(b"10", word),
    ):
        with pytest.raises(MeshRefused) as refused:
            read_mesh(data)
        assert refused.value.problem == "not_finite"


def test_an_index_with_an_underscore_is_no_index() -> None:
    with pytest.raises(MeshRefused):
        read_mesh(PLY_HEADER + PLY_BODY.replace(b"3 0 2 1", b"3 0 0_2 1"))


def test_a_surface_whose_every_triangle_is_collapsed_is_none() -> None:
    flat = Mesh(np.zeros((4, 3)), TETRAHEDRON.faces)
    for data in (write_stl(flat), ascii_stl(flat), write_ply(flat)):
        with pytest.raises(MeshRefused, match="two corners in one place") as refused:
            read_mesh(data)
        assert refused.value.problem == "no_surface"


def test_a_byte_order_mark_before_an_ascii_stl_is_no_part_of_it() -> None:
    mesh = read_mesh(b"\xef\xbb\xbf" + ascii_stl(TETRAHEDRON))
    assert len(mesh.faces) == 4
