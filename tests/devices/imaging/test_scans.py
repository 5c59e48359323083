"""Surface scans at the door: every format, units and axes, and what is hostile, cut or beside the point."""

from __future__ import annotations

import json
import zipfile
from collections.abc import Callable
from datetime import date
from io import BytesIO
from pathlib import Path

import numpy as np
import pytest

from devices.imaging.base import ImagingRefused
from devices.imaging.confined import keep_scan, read_scan, reader
from devices.imaging.scans import (
    DIRECTIONS,
    Declared,
    declared_faults,
    keep_surface,
    read_surface,
    right_handed_axes,
)
from devices.mesh.base import Mesh
from devices.mesh.io import STL_RECORD, read_mesh, write_stl
from devices.mesh.threemf import Part, write_3mf
from tests.devices.scanning import MM, NAMED, arch, files, laid, obj

pytestmark = pytest.mark.requirement("G-IMG-01")


def refused(path: Path, declared: Declared = MM) -> tuple[str, ...]:
    with pytest.raises(ImagingRefused) as refusal:
        read_surface(path, declared)
    said = " ".join(one.message + one.cure for one in refusal.value.findings)
    assert "Mustermann" not in said
    assert "etc/" not in said
    assert all(one.cure for one in refusal.value.findings if one.severity == "error")
    return refusal.value.codes


@pytest.mark.requirement("G-IMG-03")
@pytest.mark.parametrize("kind", ["STL", "ASCII STL", "PLY", "OBJ", "3MF"])
def test_every_format_gives_the_same_surface_and_no_name(kind: str, tmp_path: Path) -> None:
    path = laid(tmp_path, files()[kind])
    scan = read_surface(path, MM)
    report = keep_surface(scan, tmp_path / "kept")
    kept = read_mesh(tmp_path / "kept")
    assert NAMED not in (tmp_path / "kept").read_bytes()
    wanted = arch().vertices.astype(np.float32)
    assert len(kept.faces) == len(arch().faces)
    assert np.abs(np.sort(kept.vertices, axis=0) - np.sort(wanted, axis=0)).max() < 1e-4
    assert scan.facts["source_format"] == kind.split()[-1]
    assert sum(report["removed"].values()) >= 1


def test_a_scan_is_carried_to_millimetres_and_the_way_is_on_record(tmp_path: Path) -> None:
    inches = Mesh(arch().vertices / 25.4, arch().faces)
    scan = read_surface(laid(tmp_path, write_stl(inches)), Declared("inch", "RAS", date(2026, 11, 2)))
    turned = arch().vertices * (-1.0, -1.0, 1.0)
    assert np.abs(np.sort(scan.mesh.vertices, axis=0) - np.sort(turned, axis=0)).max() < 1e-4
    facts = scan.facts
    assert facts["acquired_on"] == date(2026, 11, 2)
    there = np.array(facts["acquisition"]["transform"])
    places = np.c_[read_mesh(write_stl(inches)).vertices, np.ones(len(scan.mesh.vertices))] @ there.T
    assert np.allclose(places[:, :3], scan.mesh.vertices, atol=1e-4)
    assert (facts["acquisition"]["unit"], facts["acquisition"]["unit_stated_by"]) == ("inch", "sender")


@pytest.mark.requirement("G-LAT-01")
def test_no_way_to_lie_mirrors_the_patient() -> None:
    words = right_handed_axes()
    assert len(words) == 24
    assert all(np.linalg.det([DIRECTIONS[letter] for letter in word]) == 1 for word in words)
    for word in ("LAS", "RPS", "LSP"):
        assert ["left-handed" in text for text, _ in declared_faults(Declared("mm", word))] == [True]
    for word in ("", "XYZ", "LRS", "lps"):
        assert len(list(declared_faults(Declared("mm", word)))) == 1


def test_a_unit_is_stated_or_said_and_the_two_do_not_differ(tmp_path: Path) -> None:
    assert refused(laid(tmp_path), Declared("", "LPS")) == ("unit_unknown",)
    assert (
        read_surface(laid(tmp_path, files()["3MF"]), Declared("", "LPS")).facts["acquisition"]["unit"] == "mm"
    )
    assert refused(laid(tmp_path, files()["3MF"]), Declared("cm", "LPS")) == ("unit_differs",)
    assert refused(laid(tmp_path), Declared("furlong", "LPS")) == ("scan_undeclared",)


def _with(data: bytes, **corners: float) -> bytes:
    rows = np.frombuffer(data, dtype=STL_RECORD, offset=84).copy()
    rows["corners"][0, 0, 0] = corners["x"]
    return data[:84] + rows.tobytes()


def _entities() -> bytes:
    swelling = b'<!DOCTYPE model [<!ENTITY a "aaaaaaaaaa"><!ENTITY b "&a;&a;&a;&a;&a;&a;&a;&a;&a;&a;">]>'
    return _repacked(lambda text: text.replace(b"?>", b"?>" + swelling, 1))


def _repacked(change: Callable[[bytes], bytes]) -> bytes:
    packed = BytesIO()
    with zipfile.ZipFile(BytesIO(files()["3MF"])) as whole, zipfile.ZipFile(packed, "w") as other:
        for name in whole.namelist():
            data = whole.read(name)
            other.writestr(name, change(data) if name.endswith(".model") else data)
    return packed.getvalue()


def _bomb() -> bytes:
    packed = BytesIO(files()["3MF"])
    with zipfile.ZipFile(packed, "a", zipfile.ZIP_DEFLATED) as package:
        package.writestr("3D/more.model", bytes(32 * 1024**2))
    return packed.getvalue()


def _leaving() -> bytes:
    packed = BytesIO(files()["3MF"])
    with zipfile.ZipFile(packed, "a") as package:
        package.writestr("../../Mustermann.model", b"x")
    return packed.getvalue()


HOSTILE: dict[str, tuple[Callable[[], bytes], str]] = {
    "nothing": (lambda: b" \n", "empty"),
    "a picture": (lambda: b"\x89PNG\r\n" + bytes(500), "wrong_size"),
    "text": (lambda: b"v Mustermann\n" * 10, "truncated"),
    "letters": (lambda: b"Dear Dr. Mustermann,\n", "wrong_type"),
    "half an STL": (lambda: write_stl(arch())[:-20], "truncated"),
    "half a PLY": (lambda: files()["PLY"][:-20], "truncated"),
    "half a 3MF": (lambda: files()["3MF"][:-200], "bad_zip"),
    "an ASCII STL without its end": (lambda: files()["ASCII STL"][:-200], "truncated"),
    "an STL that announces too much": (lambda: bytes(80) + b"\xff\xff\xff\x7f" + bytes(50), "truncated"),
    "NaN": (lambda: _with(write_stl(arch()), x=np.nan), "not_finite"),
    "infinity": (lambda: _with(write_stl(arch()), x=np.inf), "not_finite"),
    "a vertex in the next town": (lambda: _with(write_stl(arch()), x=1e7), "absurd_size"),
    "an OBJ of NaN": (lambda: b"v 0 0 0\nv 1 0 nan\nv 0 1 0\nf 1 2 3\n", "not_finite"),
    "an OBJ that names what is not there": (lambda: b"v 0 0 0\nv 1 0 0\nv 0 1 0\nf 1 2 9\n", "bad_index"),
    "an OBJ of vertex 0": (lambda: b"v 0 0 0\nv 1 0 0\nv 0 1 0\nf 0 1 2\n", "bad_index"),
    "an OBJ of words": (lambda: b"v 0 0 0\nv 1 0 0\nv 0 1 0\nf 1 2 passwd\n", "bad_index"),
    "an OBJ without faces": (lambda: b"v 0 0 0\nv 1 0 0\nv 0 1 0\n", "no_surface"),
    "a point in three places": (lambda: b"v 0 0 0\nv 0 0 0\nv 0 0 0\nf 1 2 3\n", "no_surface"),
    "XML entities": (_entities, "hostile_xml"),
    "a zip bomb": (_bomb, "zip_bomb"),
    "a path out of the package": (_leaving, "hostile_zip"),
    "a 3MF of no model": (lambda: _repacked(lambda text: b"<a/>"), "bad_header"),
    "a 3MF in feet": (lambda: _repacked(lambda text: text.replace(b'"millimeter"', b'"foot"')), "absurd_size"),
}  # fmt: skip


@pytest.mark.parametrize("what", HOSTILE)
def test_what_is_no_scan_is_refused_with_its_reason(what: str, tmp_path: Path) -> None:
    make, code = HOSTILE[what]
    assert refused(laid(tmp_path, make())) == (code,)


def test_what_swells_to_too_many_triangles_is_not_laid_out(tmp_path: Path) -> None:
    """Ten bodies of ten bodies of ten bodies: a few lines of text, and a thousand million triangles."""
    text = _repacked(_nested)
    assert len(text) < 1_000_000
    assert refused(laid(tmp_path, text)) == ("too_many_triangles",)


def _nested(text: bytes) -> bytes:
    levels = "".join(
        f'<object id="{100 + at}" type="model"><components>'
        + f'<component objectid="{99 + at if at else _first(text)}"/>' * 10
        + "</components></object>"
        for at in range(6)
    )
    ended = text.replace(b"</resources>", levels.encode() + b"</resources>")
    start, end = ended.index(b"<build"), ended.index(b"</build>")
    return ended[:start] + b'<build><item objectid="105"/>' + ended[end:]


def _first(text: bytes) -> int:
    at = text.index(b"<object ")
    return int(text[text.index(b'id="', at) + 4 :].split(b'"', 1)[0])


def test_bodies_of_a_3mf_are_one_scan_each_in_its_place(tmp_path: Path) -> None:
    beside = Mesh(arch().vertices + np.array([0.0, 60.0, 0.0]), arch().faces)
    data = write_3mf([Part("a", arch()), Part("b", beside)], title="two")
    scan = read_surface(laid(tmp_path, data), MM)
    assert len(scan.mesh.faces) == 2 * len(arch().faces)
    assert np.ptp(scan.mesh.vertices[:, 1]) == pytest.approx(60.0 + np.ptp(arch().vertices[:, 1]), abs=1e-3)
    assert scan.facts["acquisition"]["pieces"] == 2


def test_one_scan_among_other_files_is_taken_and_two_are_refused(tmp_path: Path) -> None:
    folder = tmp_path / "up"
    folder.mkdir()
    (folder / "a.obj").write_bytes(obj(arch()))
    (folder / "a.mtl").write_bytes(b"newmtl x\n")
    assert read_surface(folder, MM).facts["source_format"] == "OBJ"
    (folder / "b.stl").write_bytes(write_stl(arch()))
    assert refused(folder) == ("several_scans",)


def test_a_scan_is_read_in_the_process_of_every_upload(tmp_path: Path) -> None:
    path = laid(tmp_path)
    with reader(tmp_path) as child:
        found = read_scan(child, path, MM)
        kept, surface = keep_scan(child, tmp_path)
    assert (
        found.facts["acquisition"]["triangles"]
        == len(read_mesh(surface).faces)
        == kept.report["kept"]["triangles"]
    )


# --- labels


def with_labels(folder: Path, labels: object, data: bytes | None = None) -> Path:
    upload = folder / "up"
    upload.mkdir(exist_ok=True)
    (upload / "scan").write_bytes(obj(arch()) if data is None else data)
    (upload / "labels").write_text(labels if isinstance(labels, str) else json.dumps({"labels": labels}))
    return upload


def test_labels_follow_their_vertices_through_units_and_axes(tmp_path: Path) -> None:
    whole = arch()
    left = whole.vertices[:, 0] > whole.vertices[:, 0].mean()
    upload = with_labels(tmp_path, np.where(left, 31, 41).tolist())
    scan = read_surface(upload, Declared("mm", "RAS"))
    assert scan.labels is not None
    right_of_old = -scan.mesh.vertices[:, 0] > whole.vertices[:, 0].mean()
    assert np.array_equal(scan.labels, np.where(right_of_old, 31, 41))
    assert read_surface(laid(tmp_path), MM).labels is None


def test_a_place_that_is_labelled_twice_over_is_gum(tmp_path: Path) -> None:
    soup = Mesh(
        arch().vertices[arch().faces].reshape(-1, 3),
        np.arange(arch().faces.size, dtype=np.int32).reshape(-1, 3),
    )
    given = np.full(len(soup.vertices), 41)
    given[0] = 42
    found = read_surface(with_labels(tmp_path, given.tolist(), obj(soup)), MM).labels
    assert found is not None
    assert (found == 0).sum() == 1
    assert set(found.tolist()) == {0, 41}


BAD_LABELS: dict[str, list[object] | str] = {
    "two for each": [41, 0],
    "no teeth": [99],
    "words": ["41"],
    "truth": [True],
    "no JSON": "{Mustermann",
    "another JSON": '{"jaw": "lower"}',
    "nested without end": "{" + '"a":[' * 100_000,
}


@pytest.mark.parametrize("what", BAD_LABELS)
def test_labels_that_belong_to_nothing_are_refused(what: str, tmp_path: Path) -> None:
    labels = BAD_LABELS[what]
    given = labels * len(arch().vertices) if isinstance(labels, list) else labels
    assert refused(with_labels(tmp_path, given)) == ("bad_labels",)


def test_labels_of_an_stl_are_refused_for_it_has_no_order(tmp_path: Path) -> None:
    upload = with_labels(tmp_path, [0] * len(arch().vertices), write_stl(arch()))
    assert refused(upload) == ("bad_labels",)
