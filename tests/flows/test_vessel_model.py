"""From contrast in a CT to an approved model of the vessel that it fills: nothing but what people do, and what follows by itself."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from devices.catalog.base import MASTERS
from devices.choices import Stage
from devices.imaging.base import Volume
from devices.models import Design
from devices.selectors.devices import devices
from devices.services.designs import approve_model, request_design, review_design
from devices.services.segmentations import approve_segmentation
from devices.services.studies import receive_study
from mes.choices import Role
from tests.devices.makers import Staff, make_master, make_person, make_planned, make_upload, small_skull

Drain = Callable[[], int]


def with_contrast() -> Volume:
    """A straight vessel of 10 mm radius full of contrast in soft tissue, 60 mm along the patient about the origin of LPS."""
    shape = small_skull()
    z, y, x = (axis - 48.0 for axis in np.indices(shape.shape) * 2.0)
    depth = np.minimum(10.0 - np.hypot(x, y), 30.0 - np.abs(z))
    return replace(shape, voxels=np.rint(np.interp(depth, [-1.0, 1.0], [40.0, 300.0])).astype(np.int16))


@pytest.mark.requirement("G-DES-02")
def test_from_contrast_to_an_approved_model_of_a_vessel(drain: Drain, tmp_path: Path) -> None:
    staff = Staff()
    coarse = dict.fromkeys(("max_slice_spacing_mm", "max_slice_thickness_mm", "max_pixel_spacing_mm"), 2.0)
    master = make_master("vessel_model", imaging={**MASTERS["vessel_model"].imaging, **coarse})
    device = make_planned(staff, master=master, side="none")
    upload = make_upload(tmp_path / "series", with_contrast())
    receive_study(device_id=device.pk, upload=upload, actor=staff[Role.IMG].actor)
    drain()
    clinician, designer, second = staff[Role.CLR], staff[Role.DSN], make_person(Role.DSN)
    approve_segmentation(device_id=device.pk, actor=clinician.actor, credentials=clinician.typed())
    ends = {"port_1_mm": [0.0, 0.0, 30.0], "port_2_mm": [0.0, 0.0, -30.0]}
    request_design(device_id=device.pk, values={**ends, "wall_mm": 3.0}, actor=designer.actor)
    drain()
    design = Design.objects.get()
    assert design.status == "generated", design.reasons
    assert design.measures["port_1_diameter_mm"] == pytest.approx(20.0, abs=0.6)
    assert design.values["port_1_outward"] == pytest.approx([0.0, 0.0, 1.0], abs=0.01)
    assert design.warnings[0].startswith("The wall is no anatomy")
    review_design(device_id=device.pk, actor=second.actor, credentials=second.typed())
    approve_model(device_id=device.pk, actor=clinician.actor, credentials=clinician.typed())
    drain()
    assert devices().get().stage == Stage.DESIGN_FROZEN
