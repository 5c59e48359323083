"""What the order prescribes binds the design: numbers that are none are refused at its door, and a design that departs
is refused with both values (G-ORD-02, G-DES-01)."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from devices.models import Design, Device, Order
from devices.selectors.devices import devices
from devices.services.designs import request_design
from devices.services.lifecycle import check_transition
from devices.services.prescribed import bindings, bound_parameter, prescribed_values, unbound
from mes.choices import Role
from mes.dashboard.actions.devices import design_fields
from mes.exceptions import InvalidInput
from tests.devices.makers import (
    GUIDE_VALUES,
    Staff,
    lying,
    make_design,
    make_master,
    make_order,
    make_planned,
    make_segmentation,
    make_study,
)

pytestmark = pytest.mark.django_db
DRILL = {"attribute": "drill diameter", "value": "2.4", "unit": "mm"}


@pytest.fixture(autouse=True)
def artefacts(tmp_path: Path, settings: Any) -> None:
    settings.ARTEFACTS_DIR = tmp_path / "artefacts"


def ready(staff: Staff, *characteristics: dict[str, str]) -> Device:
    device = make_planned(staff, characteristics=list(characteristics))
    make_study(device, staff)
    make_segmentation(device, staff)
    return device


def request(device: Device, staff: Staff, **values: Any) -> Design:
    return request_design(device_id=device.pk, values={**GUIDE_VALUES, **values}, actor=staff[Role.DSN].actor)


@pytest.mark.requirement("G-ORD-02")
@pytest.mark.parametrize(("attribute", "value", "unit", "said"), [
    ("resection margin", "NaN", "mm", "that is no number"), ("resection margin", "inf", "mm", "that is no number"),
    ("resection margin", "-Infinity", "", "that is no number"), ("margin", "1e300", "mm", "that is no number"),
    ("drill diameter", "about two", "mm", "takes it as a number in mm"),
    ("Drill  Diameter", "2.4", "inch", "takes it as a number in mm"), ("drill diameter", "2.4", "", "number in mm"),
    ("number of tubes", "2", "mm", "takes it as a number"),
])  # fmt: skip
def test_what_no_design_can_keep_to_is_refused_at_the_door(
    attribute: str, value: str, unit: str, said: str
) -> None:
    make_master()
    row = {"attribute": attribute, "value": value, "unit": unit}
    with pytest.raises(InvalidInput, match=said) as refused:
        make_order(characteristics=[row])
    assert {reason.rule for reason in refused.value.reasons} == {"G-ORD-02"}
    assert not Order.objects.exists()


@pytest.mark.requirement("G-ORD-02")
def test_one_thing_is_prescribed_once() -> None:
    make_master()
    with pytest.raises(InvalidInput, match=r"Inner diameter is prescribed as 2\.4 and as 3 mm"):
        make_order(characteristics=[DRILL, {**DRILL, "attribute": "bore diameter", "value": "3"}])
    make_order(characteristics=[DRILL, {**DRILL, "value": "0.24", "unit": "cm"}])


def test_what_is_no_value_of_a_design_stays_as_it_was_written() -> None:
    make_order(characteristics=[{"attribute": "scar", "value": "at the temple", "unit": "left"}])
    assert Order.objects.get().characteristics[0]["value"] == "at the temple"


@pytest.mark.requirement("G-DES-01")
def test_a_design_starts_from_what_is_prescribed_and_may_not_depart() -> None:
    staff = Staff()
    device = ready(staff, {**DRILL, "value": "3,2"}, {"attribute": "tubes", "value": "1", "unit": ""})
    with pytest.raises(InvalidInput) as refused:
        request(device, staff, tube_inner_diameter_mm=4.5)
    assert [reason.rule for reason in refused.value.reasons] == ["G-DES-01"]
    assert "prescribes drill diameter 3,2 mm; in the design, tube_inner_diameter_mm is 4.5 mm" in str(
        refused.value
    )
    assert not Design.objects.exists()
    values = request(device, staff).values
    assert (values["tube_inner_diameter_mm"], values["tube_count"]) == (3.2, 1)


@pytest.mark.requirement("G-DES-01")
@pytest.mark.parametrize(("attribute", "unit", "bound"), [
    ("Drill diameter (mm)", "mm", True), ("drill-diameter:", "mm", True), ("DRILL_DIAMETER [mm]", "mm", True),
    ("drill diameter in mm", "", True), ("drill \u00d8", "mm", True), ("tube_inner_diameter_mm", "mm", True),
    ("bore diameter", "\u00b5m", True), ("drill diameter (cm)", "mm", None), ("drill diameter (in)", "in", None),
    ("drill bit diameter", "mm", False), ("diameter (mm)", "mm", False), ("mm", "mm", False), ("axis of the tubes", "", False),
])  # fmt: skip
def test_a_name_is_known_however_it_is_spelt_and_a_quantity_of_no_value_is_a_warning(
    attribute: str, unit: str, bound: bool | None
) -> None:
    """None: known, and refused, for its name says another unit."""
    make_master()
    value = "2.4" if unit != "\u00b5m" else "2400"
    rows = [
        {"attribute": attribute, "value": value, "unit": unit},
        {"attribute": "scar", "value": "left", "unit": ""},
    ]
    if bound is None:
        with pytest.raises(InvalidInput, match="takes it as a number in mm"):
            make_order(characteristics=rows)
        return
    order = make_order(characteristics=rows)
    assert prescribed_values(order) == ({"tube_inner_diameter_mm": pytest.approx(2.4)} if bound else {})
    said = f"{attribute} {value} {unit}".strip()
    warning = f"The order prescribes '{said}'; no value of the design is bound to it: check it by hand."
    assert unbound(order) == (() if bound else (warning,))
    assert [parameter is not None for _, parameter in bindings(order)] == [bound, False]
    unseen = "\u200b".join(attribute)
    assert (bound_parameter(order.master, unseen) is not None) is bound


@pytest.mark.requirement("G-DES-01")
def test_the_dialog_shows_what_is_prescribed() -> None:
    staff = Staff()
    device = ready(staff, {**DRILL, "value": "3.2"})
    make_design(device, staff, measures={"minimum_wall_mm": 1.5, **lying(-40.0)})
    fields = {field.name: field for field in design_fields(devices().get(pk=device.pk))}
    assert fields["tube_inner_diameter_mm"].initial == 3.2
    assert "The order prescribes 3.2 mm." in fields["tube_inner_diameter_mm"].hint
    assert "prescribes" not in fields["tube_height_mm"].hint


def test_the_dialog_asks_for_what_the_generator_needs_also_the_second_time() -> None:
    staff = Staff()
    device = ready(staff, DRILL)
    assert fields_required(device) == {"landmark_mm"}
    make_design(device, staff, values={"landmark_mm": [1.0, 2.0, 3.0], "midline_x_mm": 4.0})
    assert fields_required(device) == {"landmark_mm"}
    fields = {field.name: field for field in design_fields(devices().get(pk=device.pk))}
    assert (fields["landmark_mm"].initial, fields["midline_x_mm"].initial) == ([1.0, 2.0, 3.0], None)


def fields_required(device: Device) -> set[str]:
    return {field.name for field in design_fields(devices().get(pk=device.pk)) if field.required}


@pytest.mark.requirement("G-DES-01")
def test_the_gate_compares_the_stored_values_again() -> None:
    staff = Staff()
    device = ready(staff, DRILL)
    make_design(device, staff, measures={"minimum_wall_mm": 1.5, **lying(-40.0)})
    results = check_transition(devices().get(pk=device.pk), "freeze_design")
    (blocked,) = (one for one in results if one.gate == "G-DES-01" and not one.passed)
    assert "The order prescribes drill diameter 2.4 mm" in blocked.reason
    assert blocked.evidence["prescribed"] == {"tube_inner_diameter_mm": 2.4}
