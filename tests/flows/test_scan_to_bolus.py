"""From an optical scan of the skin to an approved bolus, whose design a medical physicist has to sign before the prescriber can."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from devices.choices import Side, Stage
from devices.mesh.check import check_mesh
from devices.mesh.io import read_mesh, write_stl
from devices.models import Design, Device, Study
from devices.selectors.devices import devices
from devices.selectors.latency import open_waits
from devices.selectors.progress import waits_for
from devices.selectors.waiting import devices_awaiting_physicist, devices_awaiting_second_engineer
from devices.services.designs import approve_design, check_design, request_design, review_design
from devices.services.lifecycle import check_transition
from devices.services.segmentations import approve_segmentation
from devices.services.studies import receive_study
from mes.choices import Role
from mes.exceptions import NotPermitted, TransitionRefused
from mes.scope import viewer_of
from mes.services.artefacts import intact_path
from tests.devices.generators.bodies import cap
from tests.devices.makers import Staff, accepted, make_master, make_order, make_person
from tests.devices.scanning import MM, laid, vouching

Drain = Callable[[], int]
VALUES: dict[str, Any] = {"centre_mm": [0.0, 0.0, 80.0], "radius_mm": 18.0, "letters_mm": 3.0, "edge_mm": 1.0}


def designed(staff: Staff, drain: Drain, folder: Path) -> Device:
    """A scan sent in and vouched for, its surface approved, and a bolus designed on it with the thickness that was prescribed."""
    imaging, clinician = staff[Role.IMG], staff[Role.CLR]
    asked = [{"attribute": "bolus thickness", "value": 6.0, "unit": "mm"}]
    order = make_order(
        staff, master=make_master("bolus_training"), side=Side.NONE, quantity=1, characteristics=asked
    )
    (device,) = accepted(order, staff)
    upload = laid(folder, write_stl(cap(80.0, 48.0)))
    receive_study(
        device_id=device.pk,
        upload=upload,
        actor=imaging.actor,
        link_confirmed=True,
        credentials=vouching(device, imaging, upload, MM),
        declared=MM,
    )
    drain()
    assert Study.objects.get().status == "accepted", Study.objects.get().findings
    approve_segmentation(device_id=device.pk, actor=clinician.actor, credentials=clinician.typed())
    request_design(device_id=device.pk, values=VALUES, actor=staff[Role.DSN].actor)
    drain()
    return devices().get(pk=device.pk)


def blocking(device: Device) -> dict[str, str]:
    return {one.gate: one.reason for one in check_transition(device, "freeze_design") if not one.passed}


@pytest.mark.requirement("G-DES-01")
@pytest.mark.requirement("G-SIG-01")
@pytest.mark.requirement("G-SOD-01")
def test_a_physicist_signs_a_bolus_before_its_prescriber(drain: Drain, tmp_path: Path) -> None:
    staff = Staff()
    device = designed(staff, drain, tmp_path)
    design = Design.objects.get()
    assert design.status == "generated", design.reasons
    assert check_mesh(read_mesh(intact_path(str(design.mesh_id)))).sound
    assert (design.values["thickness_mm"], design.values["case_code"]) == (6.0, device.code)
    assert design.measures["thickness_error_p99_mm"] < 0.05
    assert any("dense" in warning for warning in design.warnings)

    assert waits_for(device) == "A medical physicist"
    assert [*devices_awaiting_physicist()] == [device]
    assert not devices_awaiting_second_engineer().exists()
    physicist, second, prescriber = staff[Role.PHY], make_person(Role.DSN), staff[Role.PRE]
    assert [wait.awaits for wait in open_waits(viewer_of(physicist.person))] == ["Medical physicist"]

    with pytest.raises(TransitionRefused, match="A medical physicist reviews them"):
        review_design(device_id=device.pk, actor=second.actor, credentials=second.typed())
    for nobody in (second, prescriber, staff[Role.DSN]):
        with pytest.raises(NotPermitted):
            check_design(device_id=device.pk, actor=nobody.actor, credentials=nobody.typed())
    assert blocking(device)["G-SIG-01"] == "No medical physicist reviewed the design."
    with pytest.raises(TransitionRefused):
        approve_design(device_id=device.pk, actor=prescriber.actor, credentials=prescriber.typed())

    checked = check_design(device_id=device.pk, actor=physicist.actor, credentials=physicist.typed())
    assert checked.review is not None
    assert (checked.review.person, "PHY" in checked.review.roles.split()) == (physicist.person, True)
    approve_design(device_id=device.pk, actor=prescriber.actor, credentials=prescriber.typed())
    drain()
    assert devices().get().stage == Stage.DESIGN_FROZEN
