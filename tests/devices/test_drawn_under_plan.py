"""A guide that was drawn in another program from the approved plan: its planned bores are measured, and every other one is named."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from manifold3d import Manifold, OpType

from devices.choices import Side
from devices.mesh.base import Mesh
from devices.mesh.io import write_stl
from devices.mesh.solid import mesh_of, solid_of
from devices.models import Design, Device
from devices.planning.instruments import SLEEVES
from devices.services.designs import DesignMade, record_design
from devices.services.equivalence import measured_back, part_faults
from devices.services.external_designs import asked_of, hold_part, request_external_design
from devices.services.generating import compute_design
from mes.choices import Role
from tests.devices.drawing import DRAWN
from tests.devices.makers import Staff, make_master
from tests.devices.planned import CONTENT, SLEEVE, approve, blocking, draft, make_ready
from tests.devices.vertebra import vertebra

TUBE_MM, HIGH_MM, TOP_MM = 4.0, 30.0, 26.0
pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def folders(tmp_path: Path, settings: Any) -> None:
    settings.ARTEFACTS_DIR = tmp_path / "artefacts"
    settings.QUARANTINE_DIR = tmp_path / "quarantine"


def drawn_guide(*, off_degrees: float = 0.0, drilled: bool = False) -> Mesh:
    """Two tubes on the planned axes down to the bone, joined behind the spinous process. off: by how much the right bore leans;
    drilled: with another bore, through the bar."""
    rows = CONTENT["trajectories"]
    seat = SLEEVES[SLEEVE].seat_diameter_mm / 2.0 / np.cos(np.pi / 96)
    tubes = [_along(row, TUBE_MM, -2.0, HIGH_MM) for row in rows]
    ends = [np.array(row["entry_mm"]) - TOP_MM * np.array(row["axis"]) for row in rows]
    bar = Manifold.batch_hull([Manifold.sphere(3.0, 32).translate(tuple(end)) for end in ends])
    part = Manifold.batch_boolean([*tubes, bar], OpType.Add) - solid_of(vertebra())
    bores = [_along(row, seat, -20.0, 60.0, off_degrees * (row["side"] == "right")) for row in rows]
    if drilled:
        middle = (ends[0] + ends[1]) / 2.0
        bores.append(
            Manifold.cylinder(20.0, 1.0, circular_segments=64).translate(
                (middle[0], middle[1], middle[2] - 10.0)
            )
        )
    return mesh_of(max((part - Manifold.batch_boolean(bores, OpType.Add)).decompose(), key=Manifold.volume))  # fmt: skip


def _along(row: dict[str, Any], radius: float, low: float, high: float, off: float = 0.0) -> Manifold:
    out, turn = -np.array(row["axis"]), np.radians(off)
    out = np.array(
        [out[0] * np.cos(turn) - out[1] * np.sin(turn), out[0] * np.sin(turn) + out[1] * np.cos(turn), 0.0]
    )
    across = np.cross(out, [0.0, 0.0, 1.0])
    place = np.column_stack([across, np.cross(out, across), out, row["entry_mm"]])
    return Manifold.cylinder(high - low, radius, circular_segments=96).translate((0.0, 0.0, low)).transform(place)  # fmt: skip


def sent_in(device: Device, staff: Staff, folder: Path, part: Mesh) -> Design:
    folder.mkdir(exist_ok=True)
    (folder / "guide.stl").write_bytes(write_stl(part))
    actor = staff[Role.DSN].actor
    held = hold_part(folder / "guide.stl", device, actor, DRAWN)
    return request_external_design(
        device_id=device.pk, token=held.token, digest=held.digest, values={}, actor=actor
    )


@pytest.mark.requirement("G-BLD-01")
def test_a_guide_drawn_from_a_plan_has_its_bores_and_hides_no_other(tmp_path: Path) -> None:
    staff = Staff()
    device = make_ready(staff, master=make_master("pedicle_guide_drawn_training"), side=Side.BILATERAL)
    plan = draft(device, staff)
    approve(device, staff[Role.CLR])
    assert not [one.name for one in asked_of(device) if one.name.startswith("bore_")], "the plan says them"

    leaning = part_faults(plan, measured_back(plan, drawn_guide(off_degrees=0.5)))
    assert [one.rule for one in leaning] == ["G-BLD-01"]
    assert leaning[0].text.startswith("Right: axis against the plan: 0.5")

    design = sent_in(device, staff, tmp_path / "drilled", drawn_guide(drilled=True))
    made = compute_design(design.pk)
    assert isinstance(made, DesignMade), made
    record_design(design_id=design.pk, outcome=made)
    design.refresh_from_db()
    assert design.measures["left_bore_diameter_mm"] == pytest.approx(
        SLEEVES[SLEEVE].seat_diameter_mm, abs=0.01
    )
    assert design.measures["unspoken_bores"] == 1.0
    (said,) = [one for one in design.warnings if "neither planned nor stated" in one]
    assert said.startswith("A bore of 2.00 mm at (")
    assert "G-BLD-01" not in blocking(device, "freeze_design"), "measured again on the file"
