"""Revisions of a design are measured against each other by a handler, and the record says what was found."""

from __future__ import annotations

import json
from collections.abc import Callable

import pytest

from devices.events import DesignGenerated
from devices.files import difference_maps
from devices.mesh.io import write_stl
from devices.models import Design, Device
from devices.selectors.revisions import changed_values, differences_of
from devices.services.comparing import request_comparison
from devices.services.lifecycle import record_progress
from mes.choices import Role
from mes.eventlog.base import Actor
from mes.eventlog.unit import open_unit
from mes.exceptions import InvalidInput, NotPermitted
from mes.models import EventRecord
from mes.services.artefacts import artefact_path
from tests.devices.makers import Staff, make_block, make_design, make_planned, make_segmentation, make_study

pytestmark = [pytest.mark.django_db, pytest.mark.requirement("G-DES-02")]
CENTRE = (-60.0, 0.0, 40.0)


@pytest.fixture
def staff() -> Staff:
    return Staff()


@pytest.fixture
def device(staff: Staff) -> Device:
    """Two revisions: the second is half a millimetre higher."""
    made = make_planned(staff)
    make_study(made, staff)
    make_segmentation(made, staff)
    make_design(made, staff)
    Design.objects.update(status="rejected")
    make_design(made, staff, make_block((20.0, 15.0, 6.0), centre=CENTRE), revision=2)
    return made


def generated(device: Device) -> None:
    design = Design.objects.get(revision=2)
    event = DesignGenerated(
        device_id=device.pk, design_id=design.pk, revision=2, mesh_sha256=str(design.mesh_id), measures={}
    )
    with open_unit():
        record_progress(device, event, actor=Actor.system("test"))


def test_a_new_revision_is_measured_against_the_one_before(device: Device, drain: Callable[[], int]) -> None:
    generated(device)
    drain()
    told = differences_of(device)[2, 1]
    assert told["figures"]["largest_mm"] == pytest.approx(0.5, abs=1e-3)
    assert told["figures"]["limit_mm"] == 0.5
    assert artefact_path(told["map_sha256"]).read_bytes().startswith(b"ply")
    assert dict(difference_maps(device)) == {told["map_sha256"]: f"{device.code}-design-2-against-1"}


def test_the_first_revision_is_measured_against_nothing(device: Device, drain: Callable[[], int]) -> None:
    first = Design.objects.get(revision=1)
    event = DesignGenerated(
        device_id=device.pk, design_id=first.pk, revision=1, mesh_sha256=str(first.mesh_id), measures={}
    )
    with open_unit():
        record_progress(device, event, actor=Actor.system("test"))
    drain()
    assert differences_of(device) == {}
    assert not EventRecord.objects.filter(type__contains="compar").exists()


@pytest.mark.parametrize(("revision", "older"), [(1, 2), (2, 2), (3, 1), (2, 7)])
def test_what_was_not_made_or_is_no_older_is_not_compared(
    device: Device, staff: Staff, revision: int, older: int
) -> None:
    with pytest.raises(InvalidInput, match="cannot be compared"):
        request_comparison(device_id=device.pk, revision=revision, older=older, actor=staff[Role.DSN].actor)
    with pytest.raises(NotPermitted):
        request_comparison(device_id=device.pk, revision=2, older=1, actor=staff[Role.OPR].actor)
    assert not EventRecord.objects.filter(type__contains="compar").exists()


@pytest.mark.requirement("G-INT-01")
def test_an_altered_file_is_not_measured(device: Device, staff: Staff, drain: Callable[[], int]) -> None:
    path = artefact_path(str(Design.objects.get(revision=1).mesh_id))
    path.chmod(0o600)
    path.write_bytes(write_stl(make_block((1.0, 1.0, 1.0))))
    request_comparison(device_id=device.pk, revision=2, older=1, actor=staff[Role.DSN].actor)
    drain()
    failed = EventRecord.objects.get(type="devices.design_comparison_failed")
    assert json.loads(failed.payload)["reasons"][0]["code"] == "G-INT-01"
    assert differences_of(device) == {}


def test_what_differs_in_values_stands_side_by_side() -> None:
    older = Design(values={"wall": 1.0, "tubes": 2, "gone": 1}, measures={"volume_ml": 1.5})
    newer = Design(values={"wall": 1.5, "tubes": 2, "new": 3}, measures={"volume_ml": 1.5})
    changed = changed_values(older, newer)
    assert [(one.name, one.before, one.after) for one in changed["Made with"]] == [
        ("wall", 1.0, 1.5),
        ("new", None, 3),
        ("gone", 1, None),
    ]
    assert changed["Measured"] == []
