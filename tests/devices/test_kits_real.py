"""Two segmentations of one real vertebra under the guide that was designed on one of them: which agree, and which do not."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from devices.generators.base import GENERATORS
from devices.imaging.base import Volume
from devices.mesh.base import Mesh
from devices.models import Device
from devices.services.matching import on_same_anatomy
from tests.devices.generators.test_real_vertebra import bone, chest, segmented, values
from tests.devices.test_kits import member, moved, pair, staff

__all__ = ["bone", "chest", "pair", "staff", "values"]
pytestmark = [pytest.mark.slow, pytest.mark.django_db, pytest.mark.requirement("G-DES-01")]


@pytest.fixture(scope="module")
def guide(bone: Mesh, values: dict[str, Any]) -> Mesh:
    return GENERATORS["pedicle_guide"].generate(bone, values).mesh


@pytest.mark.parametrize(("lower_hu", "outcome"), [(150.0, "pass"), (200.0, "pass"), (300.0, "block")])
def test_bones_of_other_thresholds_agree_until_they_are_other_bones(
    chest: Volume, bone: Mesh, guide: Mesh, pair: list[Device], lower_hu: float, outcome: str
) -> None:
    first, second = pair
    other = segmented(chest, lower_hu)
    found = on_same_anatomy([member(first, bone, guide), member(second, other, guide)])
    assert found.outcome == outcome, found.evidence


def test_a_bone_half_a_millimetre_off_is_another(bone: Mesh, guide: Mesh, pair: list[Device]) -> None:
    first, second = pair
    off = moved(bone, *(0.5 * np.array([0.0, 1.0, 0.0])))
    assert on_same_anatomy([member(first, bone, guide), member(second, off, guide)]).outcome == "block"
