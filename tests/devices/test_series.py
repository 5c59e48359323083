"""An aligner series from a labelled scan and a plan to one approval: each stage a device, all of them one decision."""

from __future__ import annotations

from dataclasses import replace

import pytest
from django.template.loader import render_to_string
from django.test import RequestFactory

from devices.choices import DesignStatus, Side, Stage
from devices.mesh.check import check_mesh
from devices.mesh.io import read_mesh
from devices.models import Device, Order
from devices.selectors.series import series_facts, stages_of
from devices.services.designs import (
    against_approval,
    approve_design,
    design_content,
    record_design,
    request_design,
    review_design,
)
from devices.services.generating import compute_design
from devices.services.series import approve_series, series_content, void_rest_of_series
from devices.services.voiding import void_design
from mes.choices import Role
from mes.dashboard.actions import ACTIONS
from mes.exceptions import ContentChanged, InvalidInput, NotPermitted, TransitionRefused
from mes.panels import PanelContent, panels_of
from mes.services.artefacts import artefact_path
from mes.services.signatures import content_digest
from tests.devices.dental import plan, planned, reviewed
from tests.devices.makers import (
    Staff,
    accepted,
    make_master,
    make_order,
    make_person,
)

pytestmark = pytest.mark.django_db


def statuses(order: Order) -> list[tuple[str, str]]:
    return [(one.stage, one.current_design.status if one.current_design else "") for one in stages_of(order)]


@pytest.mark.requirement("G-DES-02")
def test_from_a_labelled_scan_to_one_approval() -> None:
    staff = Staff()
    order = reviewed(staff)
    shown = series_content(order)
    prescriber = staff[Role.PRE]
    signed = approve_series(
        order_id=order.pk,
        actor=prescriber.actor,
        credentials=replace(prescriber.typed(), digest=content_digest(shown)),
    )
    assert statuses(order) == [(Stage.DESIGN_FROZEN, DesignStatus.APPROVED)] * 2
    first, second = stages_of(order)
    for device, design in zip((first, second), signed, strict=True):
        assert check_mesh(read_mesh(artefact_path(str(design.mesh_id)))).sound
        assert against_approval(device) is None
    assert (first.current_design.values["stage"], second.current_design.values["stages"]) == (1, 2)  # type: ignore[union-attr]
    acts = {one.approval.content.count(shown["series"]["digest"]) for one in signed if one.approval}
    assert acts == {1}, "each signature covers the digest of the whole"


@pytest.mark.requirement("G-DES-02")
def test_a_stage_is_not_approved_by_itself() -> None:
    staff = Staff()
    order = reviewed(staff)
    prescriber, device = staff[Role.PRE], stages_of(order)[0]
    assert not ACTIONS["approve-design"].applies(device)
    assert ACTIONS["approve-series"].applies(order)
    with pytest.raises(TransitionRefused, match="one of a series"):
        approve_design(device_id=device.pk, actor=prescriber.actor, credentials=prescriber.typed())
    assert statuses(order) == [(Stage.PLANNED, DesignStatus.REVIEWED)] * 2


@pytest.mark.requirement("ES-19")
def test_a_series_that_changed_since_it_was_shown_is_not_signed() -> None:
    staff = Staff()
    order = reviewed(staff)
    prescriber = staff[Role.PRE]
    shown = content_digest({**series_content(order), "order": "O9999999"})
    with pytest.raises(ContentChanged):
        approve_series(
            order_id=order.pk, actor=prescriber.actor, credentials=replace(prescriber.typed(), digest=shown)
        )
    assert statuses(order) == [(Stage.PLANNED, DesignStatus.REVIEWED)] * 2


@pytest.mark.requirement("G-DES-02")
def test_another_prescriber_approves_no_stage() -> None:
    staff = Staff()
    order = reviewed(staff)
    other = make_person(Role.PRE)
    with pytest.raises(NotPermitted):
        approve_series(order_id=order.pk, actor=other.actor, credentials=other.typed())
    assert statuses(order) == [(Stage.PLANNED, DesignStatus.REVIEWED)] * 2


@pytest.mark.requirement("G-DES-02")
def test_one_stage_that_is_voided_voids_what_was_decided_about_all() -> None:
    staff = Staff()
    order = reviewed(staff)
    prescriber = staff[Role.PRE]
    approve_series(order_id=order.pk, actor=prescriber.actor, credentials=prescriber.typed())
    first, second = stages_of(order)
    void_design(device_id=first.pk, actor=staff[Role.DSN].actor, reason="The attachment is misplaced.")
    assert against_approval(Device.objects.get(pk=second.pk)) is not None, "it stands for nothing at once"
    void_rest_of_series(device_id=first.pk)
    assert statuses(order) == [(Stage.PLANNED, DesignStatus.VOIDED)] * 2


@pytest.mark.requirement("G-DES-01")
def test_no_stage_is_reviewed_before_all_are_designed() -> None:
    staff = Staff()
    order = planned(staff)
    first, second = stages_of(order)
    design = request_design(device_id=first.pk, values={}, actor=staff[Role.DSN].actor)
    record_design(design_id=design.pk, outcome=compute_design(design.pk))
    other = make_person(Role.DSN)
    with pytest.raises(TransitionRefused, match=second.code):
        review_design(device_id=first.pk, actor=other.actor, credentials=other.typed())
    assert series_facts(first)["series"]["stages"][1]["mesh"] is None
    assert design_content(first, design)["series"]["stage"] == 1


@pytest.mark.requirement("G-DES-01")
def test_the_record_gives_stage_and_length_and_the_plan_has_to_fit() -> None:
    staff = Staff()
    order = planned(staff, plan(0.7))
    device = stages_of(order)[1]
    with pytest.raises(InvalidInput, match="place in its order"):
        request_design(device_id=device.pk, values={"stage": 1}, actor=staff[Role.DSN].actor)
    design = request_design(device_id=device.pk, values={}, actor=staff[Role.DSN].actor)
    assert (design.values["stage"], design.values["stages"]) == (2, 2)
    assert design.values["case_code"] == device.code
    made = record_design(design_id=design.pk, outcome=compute_design(design.pk))
    assert made.status == DesignStatus.FAILED
    assert "needs 3 stages" in made.reasons[0]["text"]


def test_an_order_without_a_series_has_none_to_approve() -> None:
    staff = Staff()
    order = make_order(staff)
    accepted(order, staff)
    prescriber = staff[Role.PRE]
    with pytest.raises(InvalidInput, match="no series"):
        approve_series(order_id=order.pk, actor=prescriber.actor, credentials=prescriber.typed())


def panel_of(order: Order) -> PanelContent | None:
    (found,) = (one for one in panels_of("order") if one.id == "devices.series")
    return found.content(RequestFactory().get("/"), order)


def shown_of(order: Order) -> str:
    content = panel_of(order)
    assert content is not None
    return render_to_string(content.template, dict(content.context))


def test_the_panel_shows_every_stage_at_every_point_of_the_story() -> None:
    staff = Staff()
    assert panel_of(make_order(staff)) is None
    bare = make_order(staff, master=make_master("aligner_mould_series_training"), side=Side.NONE)
    assert "planned when the order is accepted" in shown_of(bare)
    order = planned(Staff())
    assert shown_of(order).count("Not made yet") == 2
    assert "Tooth 41: 0.2 mm" in shown_of(order)
    assert "80 %" in shown_of(order)


def test_the_panel_shows_the_moulds_with_a_slider() -> None:
    html = shown_of(reviewed(Staff()))
    assert html.count('data-shape="design"') == 2
    assert 'type="range" data-stages min="1" max="2"' in html
    assert html.count("a gap of") == 2


def test_the_plan_of_a_stage_is_shown_on_its_device() -> None:
    (device, _) = stages_of(planned(Staff()))
    (found,) = (one for one in panels_of("device") if one.id == "devices.plan")
    content = found.content(RequestFactory().get("/"), device)
    assert content is not None
    html = render_to_string(content.template, dict(content.context))
    assert '<th scope="row">41</th>' in html
    assert "0.4" in html
