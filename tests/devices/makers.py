"""Makers of people, masters, orders, devices and small skulls. Each leaves valid rows; most go through the services."""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass, field
from datetime import date, timedelta
from functools import cache
from itertools import count
from pathlib import Path
from typing import Any
from uuid import uuid4

import numpy as np
from django.utils import timezone

from devices.catalog.base import MASTERS, MATERIALS
from devices.choices import DEVICE_PAIRS, DesignStatus, SegmentationStatus, Stage, StudyStatus
from devices.events import DesignApproved
from devices.imaging.base import Acquisition, Volume
from devices.mesh.base import Mesh
from devices.mesh.io import write_stl
from devices.models import Design, Device, DeviceMaster, Material, Order, Segmentation, Study
from devices.models.devices import COUNTS
from devices.selectors.definitions import effective_master
from devices.selectors.evidence import evidence_digest
from devices.services.assignments import assign_person
from devices.services.definitions import draft_master, draft_material, publish_master, specify_material
from devices.services.designs import approval_content, design_content
from devices.services.lifecycle import count_units
from devices.services.orders import approve_order, create_order, start_order_review, submit_order
from devices.services.segmentations import segmentation_content
from mes.choices import Meaning, Role
from mes.eventlog.base import Actor
from mes.eventlog.unit import publish, unit_of_work
from mes.models import Artefact, Patient, Person
from mes.services.artefacts import store_artefact
from mes.services.patients import Identity, register_patient
from mes.services.people import grant_role, open_account, register_person
from mes.services.signatures import Credentials, sign
from tests.devices.imaging.making import lay_series
from tests.mes.makers import enrol
from tests.scenes import Scene, given, take

SETUP = Actor.system("setup")
PASSWORD = "a long enough password"
TRAINING, CLINICAL = "cranial_guide_training", "cranial_guide"
IDENTITY = Identity("LM-0815", "Mustermann", "Erika", "1964-08-12")
_numbers = count(1)


@dataclass(frozen=True)
class Who:
    """A person with an account: acts and signs."""

    person: Person
    username: str

    @property
    def actor(self) -> Actor:
        return Actor.person(self.person.pk)

    def typed(self, *, password: str = PASSWORD, digest: str | None = None, comment: str = "") -> Credentials:
        return Credentials(self.username, password, digest, comment)


def make_person(*roles: Role, name: str = "") -> Who:
    """Somebody new; or who stands ready, where one role and no name is asked for."""
    if len(roles) == 1 and not name:
        return take(roles[0], _new_person) or _new_person(*roles)
    return _new_person(*roles, name=name)


def _new_person(*roles: Role, name: str = "") -> Who:
    number = next(_numbers)
    person = register_person(full_name=name or f"Person {number}", actor=SETUP)
    for role in roles:
        grant_role(person=person, role=role, actor=SETUP)
    username = f"user{number}"
    enrol(open_account(username=username, password=PASSWORD, person=person, actor=SETUP), PASSWORD)
    return Who(person, username)


PEOPLE = Scene("devices", _new_person, each=2)


@dataclass(frozen=True)
class Staff:
    """One person for each role, and a second engineer."""

    by_role: dict[Role, Who] = field(default_factory=dict)

    def __getitem__(self, role: Role) -> Who:
        if role not in self.by_role:
            self.by_role[role] = make_person(role)
        return self.by_role[role]


def given_to(staff: Staff, name: str) -> Any | None:
    """What a scene's story left, if it is at hand; its people join a staff that has nobody of theirs yet."""
    left = given(name, lambda told: told[0].by_role.keys().isdisjoint(staff.by_role))
    if left is None:
        return None
    theirs, found = left
    staff.by_role.update(theirs.by_role)
    return found


def make_material(base: str = "resin-guide-01", **fields: Any) -> Material:
    """An approved material; the catalog's where nothing is changed."""
    if not fields and (found := Material.objects.filter(code=base).first()):
        return found
    author, approver = make_person(Role.MAT), make_person(Role.QAR)
    material = draft_material(definition=_changed(MATERIALS[base], fields), actor=author.actor)
    return specify_material(material_id=material.pk, actor=approver.actor, credentials=approver.typed())


def make_master(code: str = TRAINING, **fields: Any) -> DeviceMaster:
    """An effective master; the catalog's where nothing is changed, else its next revision."""
    for material in fields.get("materials", MASTERS[code].materials):
        make_material(material)
    if not fields and (found := effective_master(code)):
        return found
    author, approver = make_person(Role.DSN), make_person(Role.QAR)
    master = draft_master(definition=_changed(MASTERS[code], fields), actor=author.actor)
    return publish_master(master_id=master.pk, actor=approver.actor, credentials=approver.typed())


def _changed(definition: Any, fields: dict[str, Any]) -> Any:
    return type(definition)(**{**definition.__dict__, **fields})


def make_patient(identity: Identity = IDENTITY) -> Patient:
    coordinator = make_person(Role.ORD)
    return register_patient(identity=identity, actor=coordinator.actor)


def make_order(staff: Staff | None = None, *, master: DeviceMaster | None = None, **fields: Any) -> Order:
    """A draft order, written by a coordinator of its own: the staff's only one approves it (G-SOD-01)."""
    staff = staff or Staff()
    master = master or make_master()
    values: dict[str, Any] = {
        "side": "right",
        "need_by": timezone.localdate() + timedelta(days=30),
        "characteristics": [{"attribute": "drill depth", "value": "12", "unit": "mm"}],
        "prescriber": staff[Role.PRE].person,
    } | fields
    values.setdefault("actor", make_person(Role.ORD).actor)
    return create_order(
        patient=values.pop("patient", None) or make_patient(), master_code=master.code, **values
    )


def submitted(order: Order, staff: Staff) -> Order:
    prescriber = staff[Role.PRE]
    return submit_order(order_id=order.pk, actor=prescriber.actor, credentials=prescriber.typed())


def under_review(order: Order, staff: Staff) -> Order:
    submitted(order, staff)
    return start_order_review(order_id=order.pk, actor=staff[Role.ORD].actor)


def accepted(order: Order, staff: Staff) -> list[Device]:
    """Carry a draft order to accepted. Returns its planned devices."""
    under_review(order, staff)
    for role in (Role.ORD, Role.RA):
        approve_order(order_id=order.pk, actor=staff[role].actor, credentials=staff[role].typed())
    assign_person(
        order_id=order.pk, person_id=staff[Role.CLR].person.pk, role=Role.CLR, actor=staff[Role.ORD].actor
    )
    return list(Device.objects.filter(order=order).order_by("pk"))


def make_planned(staff: Staff | None = None, **fields: Any) -> Device:
    """A planned device of an accepted order, through the services."""
    staff = staff or Staff()
    if not fields and (found := given_to(staff, "planned")):
        return Device.objects.get(pk=found)
    return accepted(make_order(staff, **fields), staff)[0]


def _planned() -> tuple[Staff, int]:
    staff = Staff()
    return staff, make_planned(staff).pk


CATALOGUE = Scene("catalogue", _new_person, story=lambda: make_master().pk, upon=PEOPLE, apart=True)
PLANNED = Scene("planned", _new_person, story=_planned, upon=CATALOGUE, apart=True)


# --- devices further on, written directly along the pairs that the database allows


def path_to(stage: str) -> list[str]:
    """A shortest way from planned to a stage along the literal pairs."""
    waiting: deque[list[str]] = deque([["planned"]])
    while waiting:
        way = waiting.popleft()
        if way[-1] == stage:
            return way[1:]
        waiting.extend(
            [*way, target] for source, target in DEVICE_PAIRS if source == way[-1] and target not in way
        )
    raise ValueError(f"no way to {stage}")


def make_device(stage: str = Stage.PLANNED, staff: Staff | None = None, **fields: Any) -> Device:
    """A device at any stage. Beyond planned it has a frozen design with signatures that stand."""
    staff = staff or Staff()
    device = make_planned(staff, **fields)
    if stage == Stage.PLANNED:
        return device
    freeze_design_of(device, staff)
    for step in path_to(stage):
        device.stage = step
        count_units(device)
        device.save(update_fields=["stage", *COUNTS])
    return device


@unit_of_work
def freeze_design_of(
    device: Device,
    staff: Staff,
    mesh: Mesh | None = None,
    *,
    images: Artefact | None = None,
    bone: Mesh | None = None,
    **fields: Any,
) -> Design:
    """Give a planned device an accepted study, an approved segmentation and an approved design of a small block; its stream
    says so (G-INT-01). images, bone: what others were made from too; else stand-in files of its own."""
    make_study(device, staff, kept_as=images)
    surface: dict[str, Any] = (
        {} if bone is None else {"surface": store_artefact(write_stl(bone), media_type="model/stl")}
    )
    make_segmentation(device, staff, **surface)
    design = make_design(device, staff, mesh, **fields)
    design.review = _signed(device, staff[Role.SEG], Meaning.REVIEWED, design_content(device, design))
    design.status, design.reviewer_id = DesignStatus.REVIEWED, design.review.person_id
    design.save()
    design.approval = _signed(
        device, staff[Role.PRE], Meaning.DESIGN_APPROVED, approval_content(device, design)
    )
    design.status = DesignStatus.APPROVED
    design.save()
    _refreshed(device)
    approved = DesignApproved(
        device_id=device.pk,
        design_id=design.pk,
        mesh_sha256=str(design.mesh_id),
        signature_id=design.approval.pk,
    )
    publish(device, approved, actor=staff[Role.PRE].actor)
    return design


def make_study(device: Device, staff: Staff, *, kept_as: Artefact | None = None, **fields: Any) -> Study:
    """An accepted study whose volume is a stand-in file; of a scan, with what was `declared` of it, its surface is one."""
    values: dict[str, Any] = {
        "quarantine": uuid4(),
        "received_by": staff[Role.IMG].person,
        "source_digest": "0" * 64,
        "matched": ["patient_id", "birth_date"],
        "modality": "CT",
        "source_format": "DICOM",
        "acquired_on": timezone.localdate() - timedelta(days=3),
        "slices": 40,
        "spacing_mm": [0.5, 0.5, 1.0],
        "acquisition": {
            "slice_thickness_mm": 1.0,
            "image_type": "ORIGINAL\\PRIMARY\\AXIAL",
            "value_unit": "HU",
        },
        "widest_slice_step_mm": 1.0,
        "tilt_degrees": 0.0,
        "deidentification": {"files": 40, "sha256": "0" * 64},
    } | fields
    study = Study.objects.create(device=device, **values)
    kept = "volume" if study.declared is None else "surface"
    setattr(study, kept, kept_as or make_artefact(f"{kept} {study.pk}"))
    study.status = StudyStatus.ACCEPTED
    study.save()
    device.current_study = study
    _refreshed(device)
    return study


def segmentation_facts(name: str) -> dict[str, Any]:
    """What a segmenter gives, with stand-in files of this name."""
    return {
        "tool": "bone_threshold",
        "tool_version": "1.0",
        "validation_status": "research_only",
        "parameters": {},
        "mask": make_artefact(f"mask {name}"),
        "surface": make_artefact(f"surface {name}"),
        "volume_ml": 100.0,
        "surface_volume_ml": 100.0,
        "components": 1,
        "triangles": 1000,
        "watertight": True,
        "distance_mean_mm": 0.05,
        "distance_p95_mm": 0.1,
        "distance_max_mm": 0.3,
        "bounds_mm": [[-80.0, -100.0, -80.0], [80.0, 100.0, 80.0]],
    }


def make_segmentation(device: Device, staff: Staff, *, approved: bool = True, **fields: Any) -> Segmentation:
    values = segmentation_facts(str(device.pk)) | {"author": staff[Role.IMG].person} | fields
    assert device.current_study is not None
    segmentation = Segmentation.objects.create(device=device, study=device.current_study, **values)
    if approved:
        content = segmentation_content(device, segmentation)
        segmentation.approval = _signed(device, staff[Role.CLR], Meaning.APPROVED, content)
        segmentation.reviewer, segmentation.status = staff[Role.CLR].person, SegmentationStatus.APPROVED
        segmentation.save()
    device.current_segmentation = segmentation
    _refreshed(device)
    return segmentation


def make_design(device: Device, staff: Staff, mesh: Mesh | None = None, **fields: Any) -> Design:
    """A generated design, not yet reviewed: a block on the right of the skull."""
    mesh = mesh or make_block((20.0, 15.0, 5.0), centre=(-60.0, 0.0, 40.0))
    envelope = device.master.design["envelope"]
    values: dict[str, Any] = {
        "revision": 1,
        "generator": "bone_guide",
        "generator_version": "1",
        "validation_status": "research_only",
        "values": {name: low for name, (low, _) in envelope.items()} | {"minimum_wall_mm": 1.0},
        "measures": {"minimum_wall_mm": 1.5, "volume_ml": 1.5, **lying(-60.0)},
        "author": staff[Role.DSN].person,
    } | fields
    assert device.current_segmentation is not None
    design = Design.objects.create(device=device, segmentation=device.current_segmentation, **values)
    design.mesh = store_artefact(write_stl(mesh), media_type="model/stl")
    design.status = DesignStatus.GENERATED
    design.save()
    device.current_design = design
    _refreshed(device)
    return design


def lying(offset: float, half_width: float = 10.0, **changed: float) -> dict[str, float]:
    """What G-LAT-01 judges by: a design of a whole skull, its centre `offset` mm to the left of the patient's middle."""
    return {
        "lateral_offset_mm": offset,
        "lateral_low_mm": offset - half_width,
        "lateral_high_mm": offset + half_width,
        "midline_uncertainty_mm": 0.8,
        "midline_matched_share": 0.97,
        "midline_differs_mm": 0.0,
        "midline_inside_images_mm": 80.0,
        "bone_to_left_edge_mm": 18.0,
        "bone_to_right_edge_mm": 18.0,
    } | changed


@unit_of_work
def _signed(device: Device, who: Who, meaning: Meaning, content: dict[str, Any]) -> Any:
    return sign(subject=device, content=content, meaning=meaning, actor=who.actor, credentials=who.typed())


def _refreshed(device: Device) -> None:
    device.evidence_digest = evidence_digest(device)
    device.save()


def make_artefact(text: str) -> Artefact:
    return store_artefact(text.encode(), media_type="application/octet-stream")


def make_block(
    size: tuple[float, float, float], centre: tuple[float, float, float] = (0.0, 0.0, 0.0)
) -> Mesh:
    """A box, LPS mm, outward faces."""
    corners = np.array([[x, y, z] for x in (0, 1) for y in (0, 1) for z in (0, 1)], dtype=np.float64)
    quads = [(0, 1, 3, 2), (4, 6, 7, 5), (0, 4, 5, 1), (2, 3, 7, 6), (0, 2, 6, 4), (1, 5, 7, 3)]
    faces = [face for a, b, c, d in quads for face in ((a, b, c), (a, c, d))]
    return Mesh((corners - 0.5) * np.array(size) + np.array(centre), np.array(faces, dtype=np.int32))


# --- small images


@cache
def small_skull(step_mm: float = 2.0) -> Volume:
    """A hollow ball of bone, 40 mm outside and 33 mm inside, in soft tissue and air; about the origin of LPS."""
    half = 48.0
    across, along = np.arange(-half, half + 1e-9, 2.0), np.arange(-half, half + 1e-9, step_mm)
    z, y, x = np.meshgrid(along, across, across, indexing="ij")
    radius = np.sqrt(x**2 + y**2 + z**2)
    hu = np.interp(radius, [0, 32, 34, 39, 41, 43, 45], [40, 40, 1000, 1000, 40, 40, -1000])
    positions = np.stack([np.full_like(along, -half), np.full_like(along, -half), along], axis=1)
    row, column = np.eye(3)[0], np.eye(3)[1]
    return Volume(
        np.rint(hu).astype(np.int16),
        positions,
        row,
        column,
        (2.0, 2.0),
        Acquisition("synthetic", modality="CT"),
    )


def make_upload(
    folder: Path, volume: Volume | None = None, *, without: int | None = None, **patient: Any
) -> Path:
    """A DICOM series of the patient of `IDENTITY` in a folder, as somebody would send it; `without` one slice."""
    values: dict[str, Any] = {
        "patient_id": IDENTITY.patient_id,
        "family_name": IDENTITY.family_name,
        "given_name": IDENTITY.given_name,
        "birth_date": date.fromisoformat(IDENTITY.birth_date),
        "acquired_on": timezone.localdate() - timedelta(days=3),
    } | patient
    files = lay_series(folder, volume or small_skull(), **values)
    if without is not None:
        files[without].unlink()
    return folder


GUIDE_VALUES: dict[str, Any] = {"landmark_mm": [-28.0, 0.0, 28.0], "extent_mm": 14.0, "depth_mm": 8.0}
"""A guide that fits on the right of the small skull."""
