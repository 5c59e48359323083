"""Random damage: whatever is done to a file, the answer is a volume or a refusal with reasons, never another error."""

from __future__ import annotations

from pathlib import Path

import pydicom.data
import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from devices.imaging.base import ImagingRefused
from devices.imaging.dicom import Rejection, read_header
from devices.imaging.intake import read_images
from devices.imaging.nifti import write_nifti
from devices.imaging.series import identity
from devices.imaging.sources import opened
from tests.devices.imaging.making import make_series, make_volume

DAMAGE = st.lists(st.tuples(st.integers(0, 2**20), st.integers(0, 255)), min_size=1, max_size=12)
THOROUGH = settings(
    max_examples=60,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)


def _damaged(data: bytes, damage: list[tuple[int, int]], cut: int | None) -> bytes:
    changed = bytearray(data)
    for place, value in damage:
        changed[place % len(changed)] = value
    return bytes(changed[: cut % len(changed)] if cut is not None else changed)


def _answer(source: Path) -> int:
    try:
        return read_images(source).volume.shape[0]
    except ImagingRefused as refused:
        return len(refused.codes)


@pytest.fixture(scope="module")
def series(tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    return make_series(tmp_path_factory.mktemp("damage") / "s")


@THOROUGH
@given(damage=DAMAGE, cut=st.none() | st.integers(0, 2**20))
def test_a_damaged_slice(series: list[Path], damage: list[tuple[int, int]], cut: int | None) -> None:
    whole = series[2].read_bytes()
    try:
        series[2].write_bytes(_damaged(whole, damage, cut))
        assert _answer(series[0].parent) >= 1
    finally:
        series[2].write_bytes(whole)


@THOROUGH
@given(damage=DAMAGE, cut=st.none() | st.integers(0, 2**20))
@example(damage=[(19011, 128)], cut=None)  # a header that states a size below zero
def test_a_damaged_nifti(tmp_path: Path, damage: list[tuple[int, int]], cut: int | None) -> None:
    write_nifti(make_volume(), tmp_path / "a.nii")
    data = (tmp_path / "a.nii").read_bytes()
    head, body = _damaged(data[:352], damage, None), data[352:]
    (tmp_path / "b").write_bytes((head + body)[:cut])
    assert _answer(tmp_path / "b") >= 1


@pytest.mark.requirement("G-ORD-05")
@pytest.mark.parametrize(
    ("file", "family", "given_name"), [("chrFren.dcm", "Buc", "Jérôme"), ("chrGerm.dcm", "Äneas", "Rüdiger")]
)
def test_names_in_other_character_sets_are_read(file: str, family: str, given_name: str) -> None:
    (path,) = pydicom.data.get_charset_files(file)
    with opened(Path(path)) as files:
        read = read_header(files[0])
    header = read.header if isinstance(read, Rejection) else read
    assert header is not None
    person, findings = identity([], [header])
    assert (person.family_name, person.given_name) == (family, given_name)
    assert findings == []
