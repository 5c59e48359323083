"""A bolus on the skin of a real patient, from CT: noise, folds and coarse voxels instead of an equation."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import SimpleITK

from devices.generators.bolus import Bolus
from devices.imaging.intake import read_images
from devices.mesh.base import Mesh
from devices.mesh.distance import Surface
from devices.mesh.surface import Smoothing, surface_of_mask
from tests.devices.conftest import RealData
from tests.devices.generators.attempts import sound

AIR_HU = -300.5


def skin_of(real_data: RealData) -> Mesh:
    """The outside of the body, its lungs and bowel filled."""
    volume = read_images(real_data("totalsegmentator-ct/example_ct.nii.gz")).volume
    itk: Any = SimpleITK
    body = itk.RelabelComponent(
        itk.ConnectedComponent(itk.GetImageFromArray((volume.voxels > AIR_HU).astype(np.uint8)))
    )
    filled = itk.BinaryFillhole(itk.BinaryMorphologicalClosing(body == 1, [3, 3, 3]))
    return surface_of_mask(
        volume, itk.GetArrayFromImage(filled), smoothing=Smoothing(), tolerance_mm=0.05
    ).mesh


@pytest.mark.slow
@pytest.mark.requirement("G-DES-01")
def test_a_bolus_on_a_real_chest_keeps_what_is_stated(real_data: RealData) -> None:
    skin = skin_of(real_data)
    low, high = skin.vertices.min(axis=0), skin.vertices.max(axis=0)
    middle = (low + high) / 2.0
    start = np.array([[middle[0] + 0.15 * (high[0] - low[0]), low[1] - 50.0, middle[2]]])
    ahead = np.array([[0.0, 1.0, 0.0]])
    place = start + Surface(skin).first_hits(start, ahead)[:, None] * ahead
    values = {"centre_mm": tuple(place[0]), "radius_mm": 40.0, "thickness_mm": 8.0, "case_code": "D0000042"}
    made = Bolus().generate(skin, values)
    assert sound(made)
    assert made.measures["thickness_error_p99_mm"] <= 0.15
    assert made.measures["fit_error_p99_mm"] <= 0.15
    outside = Surface(skin).unsigned(made.mesh.vertices)
    assert outside.max() < 8.6
