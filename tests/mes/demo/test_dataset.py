"""The demo's images: fetched and checked, or replaced by the phantom and said so."""

from __future__ import annotations

import hashlib
import io
import shutil
import tarfile
from datetime import date
from pathlib import Path

import numpy as np
import pytest
from pydicom import dcmread

from devices.imaging.intake import read_images
from mes.demo import dataset
from mes.demo.dataset import (
    DatasetUnavailable,
    analytic_head_phantom,
    demo_images,
    head_ct,
    write_dicom_series,
)


def _say_nothing(_line: str) -> None:
    pass


def _fake_archive(monkeypatch: pytest.MonkeyPatch, content: bytes, *, trusted: bool) -> None:
    """A download that gives an archive with the image's path in it."""

    def download(folder: Path) -> Path:
        path = folder / "dicom2stl-0.5.0.tar.gz"
        with tarfile.open(path, "w:gz") as archive:
            info = tarfile.TarInfo(f"dicom2stl-0.5.0/{dataset.MEMBER}")
            info.size = len(content)
            archive.addfile(info, io.BytesIO(content))
        if trusted:
            monkeypatch.setattr(dataset, "ARCHIVE_SHA256", dataset._sha256(path))
        return path

    monkeypatch.setattr(dataset, "_downloaded", download)


def test_an_archive_that_does_not_match_is_refused_and_not_kept(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    _fake_archive(monkeypatch, b"x", trusted=False)
    with pytest.raises(DatasetUnavailable, match="archive's SHA-256"):
        head_ct(tmp_path / "cache", _say_nothing)
    assert list((tmp_path / "cache").iterdir()) == []


def test_an_image_that_does_not_match_is_refused_and_not_kept(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    _fake_archive(monkeypatch, b"x", trusted=True)
    with pytest.raises(DatasetUnavailable, match="image's SHA-256"):
        head_ct(tmp_path / "cache", _say_nothing)
    assert list((tmp_path / "cache").iterdir()) == []


def test_a_checked_image_is_cached_and_not_fetched_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    _fake_archive(monkeypatch, b"the image", trusted=True)
    monkeypatch.setattr(dataset, "MEMBER_SHA256", hashlib.sha256(b"the image").hexdigest())
    first = head_ct(tmp_path, _say_nothing)
    monkeypatch.setattr(dataset, "_downloaded", lambda _folder: pytest.fail("fetched again"))
    assert head_ct(tmp_path, _say_nothing) == first
    assert first.read_bytes() == b"the image"
    first.write_bytes(b"damaged")
    with pytest.raises(pytest.fail.Exception):
        head_ct(tmp_path, _say_nothing)


def test_without_a_registry_the_phantom_takes_its_place_and_says_so(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(dataset, "find_spec", lambda _name: None)
    monkeypatch.setattr(shutil, "which", lambda _name: None)
    said: list[str] = []
    images = demo_images(tmp_path, said.append)
    assert images.origin == "phantom"
    assert "pip is not installed" in images.notice
    assert images.notice in said


@pytest.mark.parametrize(
    ("pip", "said"),
    [("/nowhere/pip", "pip did not finish"), ("/bin/false", r"pip could not fetch it \(exit")],
)
def test_a_failing_pip_is_a_reason_and_not_a_traceback(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, pip: str, said: str
) -> None:
    """Here the one on the path: the environment has none of its own."""
    monkeypatch.setattr(dataset, "find_spec", lambda _name: None)
    monkeypatch.setattr(shutil, "which", lambda _name: pip)
    with pytest.raises(DatasetUnavailable, match=said):
        head_ct(tmp_path, _say_nothing)


def test_the_phantom_is_the_same_every_time_and_reads_back_as_dicom(tmp_path: Path) -> None:
    volume = analytic_head_phantom()
    assert np.array_equal(volume.voxels, analytic_head_phantom().voxels)
    paths = write_dicom_series(
        volume,
        tmp_path / "s",
        patient_id="D-1",
        family_name="Łukasiewicz",
        given_name="Åsa",
        birth_date=date(1950, 1, 1),
        acquired_on=date(2026, 11, 1),
    )
    images = read_images(tmp_path / "s")
    assert np.array_equal(images.volume.voxels, volume.voxels)
    assert np.allclose(images.volume.positions, volume.positions, atol=1e-6)
    assert (images.identity.family_name, images.identity.given_name) == ("Łukasiewicz", "Åsa")
    assert images.volume.acquisition.acquired_on == date(2026, 11, 1)
    assert [path.name for path in paths] != sorted(path.name for path in paths)
    assert images.findings == ()


def test_written_slices_are_valid_ct(tmp_path: Path) -> None:
    paths = write_dicom_series(
        analytic_head_phantom(), tmp_path / "s", patient_id="1", family_name="A", given_name="B",
        birth_date=date(1950, 1, 1), acquired_on=date(2026, 11, 1),
    )  # fmt: skip
    slices = [dcmread(path) for path in paths]
    assert {s.SOPClassUID.name for s in slices} == {"CT Image Storage"}
    assert len({s.SOPInstanceUID for s in slices}) == len(slices)
    assert len({s.SeriesInstanceUID for s in slices}) == 1
    assert all(
        uid.is_valid for s in slices for uid in (s.SOPInstanceUID, s.StudyInstanceUID, s.FrameOfReferenceUID)
    )
    assert [s.InstanceNumber for s in slices] == list(range(1, len(slices) + 1))


def test_a_folder_that_is_not_empty_is_refused(tmp_path: Path) -> None:
    (tmp_path / "x").write_text("x")
    with pytest.raises(ValueError, match="must be empty"):
        write_dicom_series(
            analytic_head_phantom(), tmp_path, patient_id="1", family_name="A", given_name="B",
            birth_date=date(1950, 1, 1), acquired_on=date(2026, 11, 1),
        )  # fmt: skip
