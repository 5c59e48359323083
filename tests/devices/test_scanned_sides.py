"""Left and right of a part on a scan, which shows no patient's middle: the picks say it, and it has to be the order's (G-LAT-01)."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from devices.catalog.base import MASTERS
from devices.choices import Side
from devices.generators import scleral_shell
from devices.mesh.io import write_stl
from devices.models import Design, Device
from devices.selectors.devices import devices
from devices.services.definitions import draft_master
from devices.services.designs import DesignMade, NotDesigned, record_design, request_design
from devices.services.generating import compute_design
from devices.services.laterality import picked_side_faults
from devices.services.lifecycle import check_transition
from mes.choices import Role
from mes.exceptions import InvalidInput
from mes.services.artefacts import store_artefact
from tests.devices.generators.bodies import eye, on_eye
from tests.devices.makers import Staff, make_master, make_person, make_planned, make_segmentation, make_study

SCANNED = {"unit": "mm", "axes": "own", "scanned_on": None}
NOSE_OF_LEFT, NOSE_OF_RIGHT = on_eye(-8.0, 0.0), on_eye(8.0, 0.0)


def ready(staff: Staff, side: Side) -> Device:
    """A scleral shell that is ordered for a side, with the approved scan of an impression."""
    device = make_planned(staff, master=make_master("scleral_shell_training"), side=side)
    make_study(device, staff, declared=SCANNED)
    surface = store_artefact(write_stl(eye()), media_type="model/stl")
    make_segmentation(device, staff, surface=surface, watertight=False)
    return device


def designed(device: Device, staff: Staff, nose: tuple[float, float, float]) -> DesignMade | NotDesigned:
    picks: dict[str, Any] = {
        "apex_mm": on_eye(0.0, 0.0),
        "upward_mm": on_eye(0.0, 8.0),
        "towards_middle_mm": nose,
    }
    values = {name: list(place) for name, place in picks.items()}
    design = request_design(device_id=device.pk, values=values, actor=staff[Role.DSN].actor)
    outcome = compute_design(design.pk)
    record_design(design_id=design.pk, outcome=outcome)
    return outcome


def verdict(device: Device) -> Any:
    found = check_transition(devices().get(pk=device.pk), "freeze_design")
    return next(one for one in found if one.gate == "G-LAT-01" and one.title.startswith("The whole design"))


@pytest.mark.django_db
@pytest.mark.requirement("G-LAT-01")
def test_the_picks_on_a_scan_have_to_be_those_of_the_ordered_side(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(scleral_shell, "SPACING_MM", 0.8)
    staff = Staff()
    device = ready(staff, Side.LEFT)
    outcome = designed(device, staff, NOSE_OF_RIGHT)
    assert isinstance(outcome, NotDesigned)
    assert [(one["code"], one["text"]) for one in outcome.reasons] == [
        ("G-LAT-01", "The picks are those of the patient's right; the order is for the left.")
    ]
    assert isinstance(designed(device, staff, NOSE_OF_LEFT), DesignMade)
    assert verdict(device).passed
    design = Design.objects.latest("pk")
    Design.objects.filter(pk=design.pk).update(measures={**design.measures, "leftward": -1.0})
    assert "are those of the patient's right" in verdict(device).reason


@pytest.mark.requirement("G-LAT-01")
def test_a_side_that_no_pick_tells_is_not_known() -> None:
    assert [one.text for one in picked_side_faults("left", {})] == ["The side of the design is not known."]
    assert picked_side_faults("right", {"leftward": -1.0}) == []


@pytest.mark.django_db
@pytest.mark.requirement("G-LAT-01")
@pytest.mark.parametrize(
    ("code", "sides"), [("face_mask", ["left", "right"]), ("limb_orthosis", ["left", "bilateral"])]
)
def test_only_a_generator_that_tells_left_from_right_makes_sided_parts_on_scans(
    code: str, sides: list[str]
) -> None:
    base = MASTERS[code]
    with pytest.raises(InvalidInput, match="neither plan nor picks"):
        draft_master(
            definition=replace(base, design={**base.design, "sides": sides}),
            actor=make_person(Role.DSN).actor,
        )
