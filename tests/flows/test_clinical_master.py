"""A master for clinical use asks more of its images and its software than one for training."""

from __future__ import annotations

from pathlib import Path

import pytest

from mes.choices import Role
from tests.flows.story import Drain, Told, define, order_device, register, send_images


@pytest.mark.requirement("G-IMG-01")
@pytest.mark.requirement("G-SW-01")
def test_the_clinical_master_refuses_the_same_images(drain: Drain, tmp_path: Path) -> None:
    told = Told(drain, tmp_path)
    define(told)
    register(told)
    device = order_device(told, "cranial_guide")
    send_images(told, device)
    rules = told[Role.IMG].refused(f"devices/{device}/start-segmentation/", signed=False)
    assert {"G-IMG-01", "G-SW-01"} <= rules
    gates = told[Role.IMG].get(f"devices/{device}/check/start_segmentation/")
    assert not gates["passed"]
    assert {"G-IMG-01", "G-SW-01"} <= {gate["gate"] for gate in gates["gates"] if gate["outcome"] == "block"}
    assert told[Role.IMG].get(f"devices/{device}/")["segmentation"] is None
