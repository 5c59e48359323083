"""Real images for the tests, unpacked once into a cache outside the project."""

from __future__ import annotations

import os
import shutil
import tarfile
import tempfile
from collections.abc import Callable
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
DATA = Path(os.environ.get("LAMINA_TEST_DATA", ROOT.parent / "shared" / "data"))
CACHE = Path(tempfile.gettempdir()) / f"lamina-test-data-{os.getuid()}"
ARCHIVES = {"phantom-head": "phantom-head-tilt", "chest-ct": "lidc-idri-0314-chest"}

RealData = Callable[[str], Path]


@pytest.fixture(scope="session")
def real_data() -> RealData:
    """real_data("phantom-head") or real_data("totalsegmentator-ct/example_ct_dicom"): a folder of real images."""
    return _found


def _found(name: str) -> Path:
    head, _, tail = name.partition("/")
    folder = _unpacked(head) if head in ARCHIVES else DATA / head
    found = folder / tail
    if not found.exists():
        pytest.skip(f"the real data set '{name}' is not there (set LAMINA_TEST_DATA)")
    return found


def _unpacked(name: str) -> Path:
    archive = DATA / f"{name}.tar.xz"
    if not archive.is_file():
        pytest.skip(f"the real data set '{name}' is not there (set LAMINA_TEST_DATA)")
    target = CACHE / f"{name}-{archive.stat().st_size}"
    if not target.is_dir():
        _unpack(archive, target)
    return target / ARCHIVES[name]


def _unpack(archive: Path, target: Path) -> None:
    CACHE.mkdir(mode=0o700, exist_ok=True)
    scratch = Path(tempfile.mkdtemp(dir=CACHE))
    with tarfile.open(archive) as packed:
        packed.extractall(scratch, filter="data")
    try:
        scratch.rename(target)
    except OSError:
        # Another worker was quicker.
        shutil.rmtree(scratch)
