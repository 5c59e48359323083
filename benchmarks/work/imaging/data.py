"""The real series that the benchmark reads, unpacked once. They are no part of the project: `LAMINA_TEST_DATA` names their folder."""

from __future__ import annotations

import os
import shutil
import tarfile
import tempfile
from pathlib import Path

from benchmarks.peers import PLACE

DATA = Path(os.environ.get("LAMINA_TEST_DATA", Path(__file__).resolve().parents[4] / "shared" / "data"))
CHEST, PHANTOM = "chest-ct", "phantom-head"
SERIES = {
    "chest": (CHEST, "lidc-idri-0314-chest"),
    "phantom": (PHANTOM, "phantom-head-tilt/S21570/S2030"),
    "tilt -18.5": (PHANTOM, "phantom-head-tilt/S21610/S2010"),
    "tilt +16.5": (PHANTOM, "phantom-head-tilt/S21610/S3010"),
}


def missing() -> list[str]:
    """The sets that are not there."""
    return [name for name in (CHEST, PHANTOM) if not (DATA / f"{name}.tar.xz").is_file()]


def series(name: str) -> Path:
    """The folder of one series, its files with the ending `.dcm`, without which the peer sees none."""
    archive, inside = SERIES[name]
    place = PLACE.parent / "imaging-series" / name.replace(" ", "")
    if not place.is_dir():
        place.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=place.parent) as scratch:
            with tarfile.open(DATA / f"{archive}.tar.xz") as packed:
                packed.extractall(scratch, filter="data")
            partial = Path(scratch, "series")
            partial.mkdir()
            for file in Path(scratch, inside).iterdir():
                if file.is_file() and file.read_bytes()[128:132] == b"DICM":
                    shutil.move(file, partial / f"{file.stem}.dcm")
            shutil.move(partial, place)
    return place
