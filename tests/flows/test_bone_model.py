"""A sound bone of the other side, mirrored: on the ordered side, and said to be mirrored wherever it goes."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from devices.catalog.base import MASTERS
from devices.imaging.base import Volume
from devices.imaging.encapsulated import extract
from devices.models import Design
from devices.selectors.history import exports_of
from devices.services.designs import request_design
from devices.services.exporting import request_export
from devices.services.segmentations import approve_segmentation
from devices.services.studies import receive_study
from mes.choices import Role
from mes.services.artefacts import artefact_path
from tests.devices.makers import Staff, make_master, make_planned, make_upload, small_skull

Drain = Callable[[], int]
pytestmark = pytest.mark.slow


def left_shaft() -> Volume:
    """A shaft of bone on the patient's left, 18 mm beside the origin, with an arm further to the left: no mirror image of itself."""
    shape = small_skull()
    z, y, x = (axis - 48.0 for axis in np.indices(shape.shape) * 2.0)
    shaft = np.minimum(9.5 - np.hypot(x - 18.0, y), 32.0 - np.abs(z))
    arm = np.minimum(9.5 - np.hypot(z - 20.0, y), np.minimum(x - 18.0, 44.0 - x))
    hu = np.interp(np.maximum(shaft, arm), [-1.0, 1.0], [40.0, 700.0])
    return replace(shape, voxels=np.rint(hu).astype(np.int16))


@pytest.mark.requirement("G-LAT-01")
def test_a_mirrored_bone_lies_on_the_ordered_side_and_is_exported_as_mirrored(
    drain: Drain, tmp_path: Path
) -> None:
    staff = Staff()
    coarse = dict.fromkeys(("max_slice_spacing_mm", "max_slice_thickness_mm", "max_pixel_spacing_mm"), 2.0)
    master = make_master("bone_model", imaging={**MASTERS["bone_model"].imaging, **coarse})
    device = make_planned(staff, master=master, side="right")
    receive_study(
        device_id=device.pk,
        upload=make_upload(tmp_path / "series", left_shaft()),
        actor=staff[Role.IMG].actor,
    )
    drain()
    clinician, designer = staff[Role.CLR], staff[Role.DSN]
    approve_segmentation(device_id=device.pk, actor=clinician.actor, credentials=clinician.typed())
    asked = {"landmark_mm": [8.5, 0.0, 0.0], "midline_x_mm": 0.0, "letter_height_mm": 3.0}
    request_design(device_id=device.pk, values={**asked, "mirror": 0}, actor=designer.actor)
    drain()
    refused = Design.objects.get()
    assert refused.status == "failed", refused.status
    assert any("The order is for the right side" in reason["text"] for reason in refused.reasons), (
        refused.reasons
    )
    request_design(device_id=device.pk, values={**asked, "mirror": 1}, actor=designer.actor)
    drain()
    design = Design.objects.latest("pk")
    assert design.status == "generated", design.reasons
    assert design.measures["lateral_high_mm"] < -5.0
    assert design.warnings[0].startswith("This is the left bone, mirrored to the right side")
    request_export(device_id=device.pk, format="dicom", actor=designer.actor)
    drain()
    assert extract(artefact_path(exports_of(device)[0]["file_sha256"]).read_bytes()).mirrored
