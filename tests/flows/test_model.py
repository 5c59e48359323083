"""A model on its light route, from the order to the delivery: the right patient's, approved by a clinician, inspected, released."""

from __future__ import annotations

import json
from collections.abc import Callable
from hashlib import sha256
from pathlib import Path

import pytest

from devices.catalog.base import MASTERS
from devices.choices import Stage
from devices.imaging.encapsulated import extract
from devices.mesh.io import read_mesh
from devices.models import Design, Device
from devices.selectors.devices import devices
from devices.selectors.history import exports_of
from devices.selectors.progress import waits_for
from devices.selectors.waiting import devices_awaiting_model_approval, devices_awaiting_prescriber
from devices.services.designs import approve_design, approve_model, request_design, review_design
from devices.services.exporting import request_export
from devices.services.lifecycle import advance_device
from devices.services.segmentations import approve_segmentation
from devices.services.studies import receive_study
from mes.choices import Role
from mes.exceptions import InvalidInput, NotPermitted, TransitionRefused
from mes.services.artefacts import artefact_path
from quality.models import Inspection, Report
from quality.services.inspection import sign_inspection
from quality.services.postprocessing import record_post_process_step
from quality.services.release import release_device, review_record
from quality.services.scans import receive_scan
from tests.devices.makers import IDENTITY, Staff, make_master, make_person, make_planned, make_upload
from tests.quality.makers import acting, leave_undrawn, make_printed, make_scan, make_staff, the_gauge, typed
from tests.quality.test_packages import closed, labelled, packed

Drain = Callable[[], int]


def designed(staff: Staff, tmp_path: Path, drain: Drain) -> Device:
    """Images in, segmentation approved, a model made and reviewed by a second engineer."""
    coarse = {**MASTERS["anatomical_model"].imaging, "max_pixel_spacing_mm": 2.0}
    device = make_planned(staff, master=make_master("anatomical_model", imaging=coarse), side="none")
    receive_study(device_id=device.pk, upload=make_upload(tmp_path / "series"), actor=staff[Role.IMG].actor)
    drain()
    by = staff[Role.CLR]
    approve_segmentation(device_id=device.pk, actor=by.actor, credentials=by.typed())
    with pytest.raises(InvalidInput, match="own code"):
        request_design(device_id=device.pk, values={"case_code": "MUSTERMANN"}, actor=staff[Role.DSN].actor)
    request_design(device_id=device.pk, values={}, actor=staff[Role.DSN].actor)
    drain()
    design = Design.objects.get()
    assert design.status == "generated", design.reasons
    assert design.values["case_code"] == device.code
    assert design.measures["minimum_wall_mm"] >= 0.8
    request_export(device_id=device.pk, format="dicom", actor=staff[Role.DSN].actor)
    drain()
    archived = extract(artefact_path(exports_of(device)[0]["file_sha256"]).read_bytes())
    assert sha256(archived.stl).hexdigest() == design.mesh_id
    assert archived.case_code == device.code
    assert len(archived.images.instance_uids) == 49
    assert archived.images.frame_of_reference_uid.startswith("2.25.")
    second = make_person(Role.DSN)
    review_design(device_id=device.pk, actor=second.actor, credentials=second.typed())
    return devices().get()


@pytest.mark.requirement("G-DES-02")
@pytest.mark.requirement("G-SW-01")
def test_a_model_is_made_without_a_prescribers_signature_over_its_shape(
    drain: Drain, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    leave_undrawn(monkeypatch)
    staff = Staff()
    device = designed(staff, tmp_path, drain)
    assert waits_for(device) == "The clinical reviewer"
    assert list(devices_awaiting_model_approval()) == [device]
    assert not devices_awaiting_prescriber().exists()
    prescriber, clinician = staff[Role.PRE], staff[Role.CLR]
    with pytest.raises(TransitionRefused, match="clinical reviewer approves"):
        approve_design(device_id=device.pk, actor=prescriber.actor, credentials=prescriber.typed())
    for who in (prescriber, staff[Role.DSN], make_person(Role.CLR)):
        with pytest.raises(NotPermitted):
            approve_model(device_id=device.pk, actor=who.actor, credentials=who.typed())
    approve_model(device_id=device.pk, actor=clinician.actor, credentials=clinician.typed())
    drain()
    device = devices().get()
    assert device.stage == Stage.DESIGN_FROZEN

    people = make_staff()
    make_printed(people, device)
    drain()
    for step, values in (
        ("wash", {"duration_min": 5.0, "concentration_percent": 95.0}),
        ("cure", {"duration_min": 30.0, "temperature_c": 60.0}),
    ):
        finisher = people[Role.PST]
        record_post_process_step(
            device_id=device.pk, step=step, values=values, actor=acting(finisher), credentials=typed(finisher)
        )
    inspector = people[Role.INS]
    receive_scan(
        device_id=device.pk, upload=scan_of(device), gauge_id=the_gauge().pk, actor=acting(inspector)
    )
    drain()
    inspection = Inspection.objects.get()
    assert inspection.measurement.passed, inspection.measurement.figures
    sign_inspection(inspection_id=inspection.pk, actor=acting(inspector), credentials=typed(inspector))
    drain()
    reviewer, releaser, shipper = people[Role.QAR], people[Role.QAX], people[Role.LBL]
    review_record(device_id=device.pk, actor=acting(reviewer), credentials=typed(reviewer))
    release_device(device_id=device.pk, actor=acting(releaser), credentials=typed(releaser))
    drain()
    told = json.loads(artefact_path(Report.objects.get().json).read_bytes())
    assert told["notice"] == "MODEL - NOT A MEDICAL DEVICE - NOT FOR IMPLANTATION"
    assert IDENTITY.family_name not in json.dumps(told)
    device = devices().get()
    assert waits_for(device) == "Shipping"
    carton = labelled(shipper, packed(shipper, device))
    assert carton.label["notice"] == "Not a medical device. Not for implantation. Not for diagnosis."
    closed(people, carton)
    drain()
    shipped = advance_device(
        device_id=device.pk, transition="ship", actor=acting(shipper), credentials=typed(shipper)
    )
    assert shipped.stage == Stage.SHIPPED


def scan_of(device: Device) -> bytes:
    """The printed model as a scanner sees it, laid on the design: nobody could tell how such a ball is turned."""
    assert device.current_design is not None
    return make_scan(read_mesh(artefact_path(str(device.current_design.mesh_id))), laid=True)
