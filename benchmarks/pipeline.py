"""From a folder of CT slices to a closed bone surface: Lamina beside dicom2stl, whole processes, one run.

Both read the same DICOM series of the demo's head CT. dicom2stl runs twice: as it comes (it halves the image and drops
90 % of the triangles), and at full resolution. Triangles and closedness of each result stand in the last column.
"""

from __future__ import annotations

import sys
import tempfile
from datetime import date
from pathlib import Path

from benchmarks.peers import PLACE, environment
from benchmarks.table import Row, measure, show
from mes.demo.dataset import demo_images, write_dicom_series

PEER = "dicom2stl==0.5.0"


def main() -> None:
    with tempfile.TemporaryDirectory() as place:
        series, out = Path(place, "series"), Path(place, "out.stl")
        images = demo_images(PLACE.parent, print)
        files = write_dicom_series(
            images.volume,
            series,
            patient_id="BENCH",
            family_name="Bench",
            given_name="Mark",
            birth_date=date(2000, 1, 1),
            acquired_on=date(2026, 1, 1),
        )
        for file in files:  # the peer only sees this ending
            file.rename(file.with_suffix(".dcm"))
        peer = str(environment("dicom2stl", PEER) / "dicom2stl")
        shared = ["-i", "226", "-o", str(out), str(series)]
        rows = [
            Row("Lamina", [sys.executable, "-m", "benchmarks.work.surface", str(series), str(out)]),
            Row(
                "dicom2stl, full resolution",
                [peer, "--disable", "shrink", "--smooth", "0", "--reduce", "0", *shared],
            ),
            Row("dicom2stl, as it comes", [peer, *shared]),
        ]
        measure(rows)
        show("pipeline: CT series to bone surface", rows, images=images.origin)
