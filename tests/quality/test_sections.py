"""The sections of a device master that quality uses are checked when it is published, not when a device is made."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from devices.catalog.base import MASTERS
from devices.models import DeviceMaster
from devices.selectors.definitions import effective_master
from devices.services.definitions import draft_master, publish_master
from mes.choices import Role
from mes.exceptions import TransitionRefused
from mes.models import EventRecord, Signature
from quality.catalog.plan import UNSEEN, plan_faults, read_plan
from quality.catalog.routing import routing_faults
from tests.devices.makers import TRAINING, Who, make_master, make_material, make_person

pytestmark = pytest.mark.django_db
WASH = {"step": "wash", "title": "Wash", "limits": {"duration_min": [3, 10]}}


def drafted(**fields: Any) -> tuple[DeviceMaster, Who]:
    make_material()
    definition = replace(MASTERS[TRAINING], **fields)
    return draft_master(definition=definition, actor=make_person(Role.DSN).actor), make_person(Role.QAR)


def publish(master: DeviceMaster, approver: Who) -> None:
    publish_master(master_id=master.pk, actor=approver.actor, credentials=approver.typed())


@pytest.mark.requirement("G-PST-01")
@pytest.mark.requirement("G-INS-01")
def test_a_master_is_not_published_with_sections_that_nobody_could_use() -> None:
    before = make_master()
    master, approver = drafted(
        routing=(
            {"title": "No code"},
            {
                "step": "cure",
                "limits": {"duration_min": [60, 20], "temperature_c": [-400, 65], "glow": [1, 2]},
            },
        ),
        inspection={"tolerance_mm": 0, "minimum_share": 95, "maximum_p95_mm": "narrow"},
    )
    signatures, events = Signature.objects.count(), EventRecord.objects.count()
    with pytest.raises(TransitionRefused) as refusal:
        publish(master, approver)
    assert sorted((reason.text, reason.rule) for reason in refusal.value.reasons) == sorted(
        [
            ("inspection: tolerance_mm must be a number above 0.", "G-INS-01"),
            ("inspection: minimum_share must be a number above 0 and at most 1.", "G-INS-01"),
            ("inspection: maximum_p95_mm must be a number above 0.", "G-INS-01"),
            ("routing: Step 1 has no code.", "G-PST-01"),
            ("routing: The limits of cure.duration_min leave nothing.", "G-PST-01"),
            ("routing: cure.glow has no unit.", "G-PST-01"),
            ("routing: The limits of cure.temperature_c lie outside of -273.15 to 2000 °C.", "G-PST-01"),
        ]
    )
    assert all(reason.cure for reason in refusal.value.reasons)
    master.refresh_from_db()
    assert (master.status, effective_master(TRAINING)) == ("draft", before)
    assert (Signature.objects.count(), EventRecord.objects.count()) == (signatures, events)


@pytest.mark.requirement("G-MAT-07")
def test_a_material_that_is_missing_is_named_with_the_rest() -> None:
    master, approver = drafted(materials=("resin-unheard-of",), inspection={})
    with pytest.raises(TransitionRefused) as refusal:
        publish(master, approver)
    assert {reason.rule for reason in refusal.value.reasons} == {"G-INS-01", "G-MAT-07"}


def test_sections_that_can_be_used_are_published() -> None:
    master, approver = drafted(
        routing=(WASH,), inspection={**MASTERS[TRAINING].inspection, "maximum_mm": 1.5}
    )
    publish(master, approver)
    assert effective_master(TRAINING) == master


@pytest.mark.parametrize("code", list(MASTERS))
def test_the_sections_of_the_catalog_can_be_used(code: str) -> None:
    assert list(routing_faults(MASTERS[code].routing)) == []
    assert list(plan_faults(MASTERS[code].inspection)) == []


ODD_ROUTINGS: dict[str, Any] = {
    "no list": {"step": "wash"},
    "a word": "wash",
    "nothing": None,
    "a step that is a word": ["wash"],
    "limits that are a word": [WASH | {"limits": "none"}],
    "a limit alone": [WASH | {"limits": {"duration_min": 3}}],
    "limits of letters": [WASH | {"limits": {"duration_min": "ab"}}],
    "NaN": [WASH | {"limits": {"duration_min": [float("nan"), 10]}}],
    "a long number": [WASH | {"limits": {"duration_min": [0, 10**400]}}],
    "colder than can be": [WASH | {"limits": {"temperature_c": [-400, 20]}}],
    "longer than a week": [WASH | {"limits": {"duration_min": [0, 1e9]}}],
    "twice": [WASH, WASH],
    "a parameter twice": [WASH | {"parameters": [{"name": "a", "unit": "g"}, {"name": "a", "unit": "g"}]}],
}


@pytest.mark.requirement("G-PST-01")
@pytest.mark.parametrize("section", ODD_ROUTINGS.values(), ids=ODD_ROUTINGS)
def test_what_is_wrong_with_a_routing_is_said(section: Any) -> None:
    faults = list(routing_faults(section))
    assert faults
    assert all(fault.text and fault.cure and fault.rule == "G-PST-01" for fault in faults)


@pytest.mark.requirement("G-INS-01")
@pytest.mark.parametrize("value", [float("nan"), float("inf"), 10**400, 1e300, 0, -1, True, "0.3", None])
def test_what_is_wrong_with_a_plan_is_said(value: Any) -> None:
    faults = list(plan_faults({"tolerance_mm": value, "minimum_share": 0.95, "maximum_p95_mm": 0.3}))
    assert [fault.rule for fault in faults] == ["G-INS-01"]


@pytest.mark.requirement("G-INS-01")
@pytest.mark.parametrize(
    "name",
    ["maximum_scale_error", "maximum_tube_shift_mm", "maximum_tube_tilt_degrees", "maximum_bore_error_mm"],
)
def test_a_plan_without_a_limit_for_the_tubes_or_the_scale_is_not_published(name: str) -> None:
    plan = {"tolerance_mm": 0.3, "minimum_share": 0.95, "maximum_p95_mm": 0.3}
    for value in (0.0, None, "far"):
        assert [name in fault.text for fault in plan_faults(plan | {name: value})] == [True]


@pytest.mark.requirement("G-INS-01")
@pytest.mark.parametrize("name", ["minimum_coverage", "minimum_feature_coverage"])
@pytest.mark.parametrize("value", [0.5, 0.8, 1.01, "most", True])
def test_a_plan_that_lets_missing_material_pass_is_not_published(name: str, value: Any) -> None:
    plan = {"tolerance_mm": 0.3, "minimum_share": 0.95, "maximum_p95_mm": 0.3, name: value}
    assert [fault.text for fault in plan_faults(plan)] == [
        f"{name} must be a number above 0.8 and at most 1."
    ]


@pytest.mark.requirement("G-INS-01")
def test_what_a_plan_leaves_out_is_judged_all_the_same() -> None:
    plan = read_plan({"tolerance_mm": 0.2, "minimum_share": 0.95, "maximum_p95_mm": 0.3})
    assert plan.limits == {
        "tolerance_mm": 0.2,
        "share_in_tolerance": 0.95,
        "p95_mm": 0.3,
        "coverage": 0.95,
        "maximum_mm": 0.4,
        "scale_error": 0.01,
        "feature_coverage": 0.95,
        "tube_shift_mm": 0.2,
        "tube_tilt_degrees": 1.0,
        "bore_error_mm": 0.2,
    }
    good = {
        "share_in_tolerance": 1.0,
        "p95_mm": 0.06,
        "coverage": 1.0,
        "maximum_mm": 0.13,
        "coverage_tube_1": 0.99,
    }
    good |= {
        "scale_error": 0.0001,
        "shift_tube_1_mm": 0.005,
        "tilt_tube_1_degrees": 0.05,
        "bore_tube_1_mm": 0.01,
    }
    worse = {
        "scale_error": 0.0136,
        "shift_tube_1_mm": 0.35,
        "tilt_tube_1_degrees": 1.9,
        "bore_tube_1_mm": 0.6,
    }
    assert all(item["passed"] for item in plan.judged(good, ["tube_1"], ["tube_1"]))
    for code, value in worse.items():
        bad = [
            item for item in plan.judged(good | {code: value}, ["tube_1"], ["tube_1"]) if not item["passed"]
        ]
        assert [(item["code"], item["value"]) for item in bad] == [(code, value)]
        unseen = plan.judged({name: good[name] for name in good if name != code}, ["tube_1"], ["tube_1"])
        assert [item["reason"] for item in unseen if not item["passed"]] == [UNSEEN]
