"""What leaves the house: the same surface in millimetres, with what it cost, and no name on it."""

from __future__ import annotations

import io
import shutil
import subprocess
import zipfile
from dataclasses import replace
from datetime import UTC, datetime
from hashlib import sha256
from pathlib import Path

import numpy as np
import pydicom
import pytest
from manifold3d import Manifold

from devices.imaging.encapsulated import (
    Described,
    Images,
    NotEncapsulated,
    encapsulate,
    extract,
    images_in,
)
from devices.mesh.base import Mesh
from devices.mesh.convert import NotConverted, converted
from devices.mesh.io import read_mesh, write_stl
from devices.mesh.maps import gap_map, wall_map
from devices.mesh.solid import mesh_of
from devices.mesh.threemf import Part, read_3mf, write_3mf

CENTRE = (12.0, -90.0, 710.0)
CT = "1.2.840.10008.5.1.4.1.1.2"
IMAGES = Images("2.25.11", "2.25.12", CT, ("2.25.13", "2.25.14"))
DESCRIBED = Described(
    "D0000815",
    "Anatomical model",
    "D0000815",
    2,
    datetime(2026, 3, 1, 9, 30, tzinfo=UTC),
    "Lamina",
    True,
    False,
    False,
)


@pytest.fixture(scope="module")
def ball() -> Mesh:
    return mesh_of(Manifold.sphere(20.0, 96).translate(CENTRE))


@pytest.mark.requirement("G-MSH-01")
def test_fewer_triangles_stay_within_the_tolerance_on_both_sides(ball: Mesh) -> None:
    fine = mesh_of(Manifold.sphere(20.0, 200).translate(CENTRE))
    kept, fewer = converted(ball), converted(fine, tolerance_mm=0.1)
    assert kept.report.triangles == kept.triangles_before == len(ball.faces)
    assert kept.deviation.max_mm < 0.001
    assert fewer.report.triangles < len(fine.faces) / 2
    radii = np.linalg.norm(fewer.mesh.vertices[fewer.mesh.faces].mean(axis=1) - np.array(CENTRE), axis=1)
    assert np.abs(radii - 20.0).max() <= 0.1 + 0.02
    assert fewer.deviation.max_mm <= 0.1
    facts = fewer.as_facts()
    assert (facts["units"], facts["watertight"], facts["oriented"]) == ("mm", True, True)


@pytest.mark.requirement("G-MSH-01")
@pytest.mark.parametrize("tolerance", [-0.1, 0.6, float("nan")])
def test_a_tolerance_that_is_none_is_refused(ball: Mesh, tolerance: float) -> None:
    with pytest.raises(NotConverted, match="tolerance"):
        converted(ball, tolerance_mm=tolerance)


def test_a_3mf_says_millimetres_names_and_colours(ball: Mesh) -> None:
    cube = mesh_of(Manifold.cube((5.0, 6.0, 7.0)).translate((40.0, 0.0, 700.0)))
    data = write_3mf([Part("one", ball), Part("two", cube, (10, 20, 30))], title="D0000815 2")
    assert data == write_3mf([Part("one", ball), Part("two", cube, (10, 20, 30))], title="D0000815 2")
    with zipfile.ZipFile(io.BytesIO(data)) as archive:
        assert b'unit="millimeter"' in archive.read("3D/3dmodel.model")
    first, second = read_3mf(data)
    assert (first.name, second.name, second.colour) == ("one", "two", (10, 20, 30))
    assert np.abs(first.mesh.vertices - ball.vertices).max() < 1e-4
    assert (first.mesh.faces == ball.faces).all()
    assert np.ptp(second.mesh.vertices, axis=0) == pytest.approx((5.0, 6.0, 7.0), abs=1e-4)


@pytest.mark.parametrize("tail", [b"", b"\0"])
def test_an_encapsulated_stl_comes_back_to_the_last_byte(ball: Mesh, tail: bytes) -> None:
    stl = write_stl(ball) + tail
    file = encapsulate(stl, IMAGES, DESCRIBED)
    assert file == encapsulate(stl, IMAGES, DESCRIBED)
    back = extract(file)
    assert sha256(back.stl).digest() == sha256(stl).digest()
    assert back.images == IMAGES
    assert (back.case_code, back.unit) == ("D0000815", "mm")
    assert (back.modified, back.mirrored, back.burned_in) == (True, False, False)
    data = pydicom.dcmread(io.BytesIO(file))
    assert (data.Modality, data.MIMETypeOfEncapsulatedDocument) == ("M3D", "model/stl")
    assert (data.PatientIdentityRemoved, data.PatientBirthDate) == ("YES", "")
    assert data.MeasurementUnitsCodeSequence[0].CodingSchemeDesignator == "UCUM"


def test_a_mirrored_model_says_so(ball: Mesh) -> None:
    mirrored = replace(DESCRIBED, mirrored=True)
    assert extract(encapsulate(write_stl(ball), IMAGES, mirrored)).mirrored


def test_what_is_no_encapsulated_stl_is_refused(ball: Mesh) -> None:
    file = encapsulate(write_stl(ball), IMAGES, DESCRIBED)
    other = file.replace(b"1.2.840.10008.5.1.4.1.1.104.3", b"1.2.840.10008.5.1.4.1.1.104.1")
    for wrong in (b"", b"solid", write_stl(ball), file[: len(file) // 2], other):
        with pytest.raises(NotEncapsulated):
            extract(wrong)


@pytest.mark.skipif(shutil.which("dcmdump") is None, reason="dcmtk is not installed")
def test_dcmtk_reads_it(ball: Mesh, tmp_path: Path) -> None:
    file = tmp_path / "model.dcm"
    file.write_bytes(encapsulate(write_stl(ball), IMAGES, DESCRIBED))
    said = subprocess.run(["dcmdump", str(file)], capture_output=True, check=True, text=True).stdout
    assert "EncapsulatedSTLStorage" in said
    assert "2.25.12" in said


def test_a_series_names_its_study_frame_and_instances() -> None:
    def head(instance: str) -> bytes:
        data = pydicom.Dataset()
        data.SOPClassUID, data.SOPInstanceUID = CT, instance
        data.StudyInstanceUID, data.FrameOfReferenceUID = "2.25.11", "2.25.12"
        data.file_meta = pydicom.dataset.FileMetaDataset()
        data.file_meta.TransferSyntaxUID = pydicom.uid.ExplicitVRLittleEndian
        file = io.BytesIO()
        data.save_as(file, enforce_file_format=True)
        return file.getvalue()

    assert images_in([head("2.25.14"), head("2.25.13")]) == IMAGES


def test_the_walls_and_gaps_of_a_box_with_a_slot_are_measured() -> None:
    """A slot of 0.3 mm with a wall of 0.6 mm beside it."""
    box = Manifold.cube((20.0, 20.0, 10.0)) - Manifold.cube((0.3, 22.0, 8.0)).translate((0.6, -1.0, 3.0))
    walls, gaps = wall_map(mesh_of(box), 1.0), gap_map(mesh_of(box), 0.5)
    assert walls.as_facts()["minimum_mm"] == pytest.approx(0.6, abs=0.01)
    assert gaps.as_facts()["minimum_mm"] == pytest.approx(0.3, abs=0.01)
    assert 0.1 < walls.as_facts()["share_below"] < 0.3
    assert 0.1 < gaps.as_facts()["share_below"] < 0.3
    drawn = read_mesh(walls.as_ply())
    assert np.ptp(drawn.vertices, axis=0) == pytest.approx((20.0, 20.0, 10.0), abs=1e-4)
    assert b"property uchar red" in walls.as_ply()


def test_a_ball_has_one_wall_and_no_gap(ball: Mesh) -> None:
    facts = wall_map(ball, 1.0).as_facts()
    assert facts["share_below"] == 0.0
    assert facts["p50_mm"] == pytest.approx(40.0, abs=0.1)
    assert gap_map(ball).as_facts() == {"limit_mm": 0.5, "share_below": 0.0}
