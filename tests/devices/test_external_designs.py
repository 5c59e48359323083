"""A part that was drawn in another program as a revision of a design: admitted by the master, read, measured, signed, voided."""

from __future__ import annotations

import hashlib
import json
import re
from dataclasses import replace
from datetime import timedelta
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from rest_framework.test import APIClient

from devices.catalog.base import MASTERS
from devices.gates.designs import part_as_planned
from devices.generators.external import read_back
from devices.imaging.scans import Declared
from devices.imaging.storage import save_volume
from devices.mesh.base import Mesh
from devices.mesh.io import read_mesh, write_ply, write_stl
from devices.mesh.threemf import Part, write_3mf
from devices.models import Design, Device, DeviceMaster, Upload
from devices.selectors.external import parts_waiting, validation_of
from devices.services.definitions import draft_master
from devices.services.designs import (
    DesignMade,
    NotDesigned,
    approve_design,
    design_content,
    record_design,
    review_design,
)
from devices.services.external_designs import (
    Drawn,
    HeldPart,
    discard_part,
    hold_part,
    request_external_design,
    shown_part,
)
from devices.services.generating import compute_design
from devices.services.held import held_upload
from devices.services.parcels import begin_upload, taken_upload, write_part
from devices.services.studies import quarantine_path, sweep_quarantine
from mes.choices import Role
from mes.eventlog.base import Actor
from mes.exceptions import Conflict, InvalidInput, NotPermitted, Refused, TransitionRefused
from mes.models import Account, Artefact, EventRecord
from mes.services.artefacts import artefact_path, store_artefact
from quality.reports.evidence import tools_of
from quality.reports.origin import design as design_section
from tests.devices.drawing import DRAWN, ball, guide, joined, stated
from tests.devices.makers import (
    IDENTITY,
    TRAINING,
    Staff,
    make_block,
    make_master,
    make_person,
    make_planned,
    make_segmentation,
    make_study,
    small_skull,
)

LIMITS = MASTERS[TRAINING].design["external_cad"]["limits"]
pytestmark = [pytest.mark.django_db, pytest.mark.requirement("G-DES-01")]


@pytest.fixture(autouse=True)
def folders(tmp_path: Path, settings: Any) -> None:
    settings.ARTEFACTS_DIR = tmp_path / "artefacts"
    settings.QUARANTINE_DIR = tmp_path / "quarantine"


def ready(staff: Staff, tmp_path: Path, **fields: Any) -> Device:
    """A planned device with an approved surface: the ball, in the images that show it."""
    device = make_planned(staff, **fields)
    make_study(device, staff)
    study = device.current_study
    assert study is not None
    save_volume(small_skull(3.0), tmp_path / "volume.npz")
    study.volume = store_artefact(tmp_path / "volume.npz", media_type="application/x-npz")
    study.save()
    surface = store_artefact(write_stl(ball()), media_type="model/stl")
    make_segmentation(device, staff, surface=surface)
    return device


def sent(folder: Path, data: bytes | Mesh) -> Path:
    """A file as it comes in, under the name of its patient."""
    folder.mkdir(exist_ok=True)
    place = folder / "Mustermann^Erika.stl"
    place.write_bytes(write_stl(data) if isinstance(data, Mesh) else data)
    return place


def drawn(
    device: Device, staff: Staff, tmp_path: Path, data: bytes | Mesh, drawn: Drawn = DRAWN, **values: Any
) -> Design:
    actor = staff[Role.DSN].actor
    part = hold_part(sent(tmp_path / "sent", data), device, actor, drawn)
    asked = values["values"] if "values" in values else stated() | values
    return taken(device, part, actor, values=asked)


def taken(device: Device, part: HeldPart, actor: Actor, **said: Any) -> Design:
    about = {"digest": part.digest, "values": stated(), **said}
    return request_external_design(device_id=device.pk, token=part.token, actor=actor, **about)


def made(design: Design) -> Design:
    outcome = compute_design(design.pk)
    assert isinstance(outcome, DesignMade), outcome
    return record_design(design_id=design.pk, outcome=outcome)


def refused(design: Design) -> str:
    outcome = compute_design(design.pk)
    assert isinstance(outcome, NotDesigned)
    assert not Artefact.objects.filter(sha256=(design.origin or {})["sha256"]).exists()
    return " ".join(f"{one['code']} {one['text']} {one['cure']}" for one in outcome.reasons)


@pytest.mark.requirement("G-DES-02")
@pytest.mark.requirement("G-BLD-01")
@pytest.mark.requirement("G-LAT-01")
def test_a_drawn_guide_is_measured_reviewed_signed_frozen_and_voided_like_any_other(tmp_path: Path) -> None:
    staff = Staff()
    device, data = ready(staff, tmp_path), write_stl(guide())
    design = drawn(device, staff, tmp_path, data)
    digest, origin = hashlib.sha256(data).hexdigest(), design.origin or {}
    place = quarantine_path(origin["upload"])
    assert (origin["tool"], origin["tool_version"], origin["sha256"]) == ("FreeCAD", "1.0.2", digest)
    assert (design.generator, design.validation_status) == ("external_cad", "research_only")
    assert json.loads(EventRecord.objects.get(type="devices.design_requested").payload)["origin"] == origin
    assert (parts_waiting(), sweep_quarantine(older_than=timedelta(0))) == ({place.name}, 0)
    design = made(design)
    assert (design.status, design.source_id) == ("generated", digest)
    assert artefact_path(digest).read_bytes() == data
    assert read_mesh(artefact_path(str(design.mesh_id))).vertices.tolist() == guide().vertices.tolist()
    assert design.measures["lateral_offset_mm"] < -20.0
    assert design.features[0]["inner_diameter_mm"] == 2.4
    assert "their word" in design.warnings[0]
    discard_part(design.pk)
    discard_part(design.pk)
    assert (place.exists(), parts_waiting()) == (False, set())
    content = design_content(device, design)
    assert content["generator"] == "FreeCAD 1.0.2 (research_only)"
    assert (content["external_cad"]["sha256"], content["source"]) == (digest, digest)
    author, second, approver = staff[Role.DSN], make_person(Role.DSN), staff[Role.PRE]
    with pytest.raises(NotPermitted, match="You are the author"):
        review_design(device_id=device.pk, actor=author.actor, credentials=author.typed())
    review_design(device_id=device.pk, actor=second.actor, credentials=second.typed())
    design = approve_design(device_id=device.pk, actor=approver.actor, credentials=approver.typed())
    assert Device.objects.get().stage == "design_frozen"
    assert part_as_planned(Device.objects.get()).evidence["bore_1_shift_mm"] == 0.0
    design.values["tube_inner_diameter_mm"] = 2.3
    design.save()
    said = part_as_planned(Device.objects.get())
    assert (said.outcome, "diameter error of 0.100" in said.reason) == ("block", True)
    design.values["tube_inner_diameter_mm"] = 2.4
    design.save()
    told = {fact.key: fact.value for fact in design_section(design).facts}
    assert (told["origin"], told["drawn_with"]) == ("external CAD", "FreeCAD 1.0.2")
    assert (told["source_sha256"], told["unit"], told["unit_stated_by"]) == (digest, "mm", "designer")
    assert "FreeCAD" in {one["name"] for one in tools_of(Device.objects.get())}
    again = drawn(Device.objects.get(), staff, tmp_path, data)
    assert (again.revision, Device.objects.get().stage) == (2, "planned")
    assert Design.objects.get(pk=design.pk).status == "voided"


def at_the_door(device: Device, staff: Staff, tmp_path: Path, given: Drawn, data: bytes | Mesh) -> str:
    upload = sent(tmp_path / "sent", data)
    with pytest.raises(Refused) as refusal:
        hold_part(upload, device, staff[Role.DSN].actor, given)
    assert upload.exists()
    return " ".join(f"{one.rule} {one.text} {one.cure}" for one in refusal.value.reasons)


def test_what_is_no_part_of_this_patient_never_comes_in(tmp_path: Path) -> None:
    staff, stl = Staff(), write_stl(guide())
    device = ready(staff, tmp_path)
    door = partial(at_the_door, device, staff, tmp_path)
    named = IDENTITY.family_name
    assert "Program is missing" in door(replace(DRAWN, tool=" "), stl)
    assert "Version is longer" in door(replace(DRAWN, tool_version="9" * 61), stl)
    assert "G-IMG-03 The program's name names the patient" in door(replace(DRAWN, tool=named), stl)
    assert "G-LAT-01" in door(replace(DRAWN, declared=Declared("mm", "own")), stl)
    assert "left-handed" in door(replace(DRAWN, declared=Declared("mm", "RPS")), stl)
    assert "states no unit" in door(replace(DRAWN, declared=Declared("", "LPS")), stl)
    assert "is empty" in door(DRAWN, b"")
    assert "end is missing" in door(DRAWN, stl[:-50])
    assert "no STL, PLY, OBJ or 3MF" in door(DRAWN, b"%PDF-1.7 " * 99)
    assert "G-IMG-03 The file names the patient" in door(DRAWN, named.encode().ljust(80) + stl[80:])
    package = write_3mf([Part("body", guide())], title="bracket")
    inch = replace(DRAWN, declared=Declared("inch", "LPS"))
    assert "its sender that it is in inch" in door(inch, package)
    assert not Design.objects.exists()
    assert not list(tmp_path.glob("quarantine/*"))


def test_only_a_master_that_admits_a_drawn_part_gets_one(tmp_path: Path) -> None:
    """By default none does; and nobody draws who does not design."""
    staff = Staff()
    silent = {name: value for name, value in MASTERS[TRAINING].design.items() if name != "external_cad"}
    device = ready(staff, tmp_path, master=make_master(design=silent))
    said = at_the_door(device, staff, tmp_path, DRAWN, guide())
    assert "admits no design that was drawn in another program" in said
    assert "Make the design with bone_guide" in said
    with pytest.raises(TransitionRefused, match="admits no design"):
        begin_upload(device_id=device.pk, sizes=[10], actor=staff[Role.DSN].actor, purpose="design")
    with pytest.raises(NotPermitted):
        hold_part(sent(tmp_path / "sent", guide()), device, staff[Role.OPR].actor, DRAWN)
    assert not Design.objects.exists()


def test_a_held_part_is_nobody_elses_and_serves_for_nothing_else(tmp_path: Path) -> None:
    staff = Staff()
    device, author = ready(staff, tmp_path), staff[Role.DSN].actor
    part = hold_part(sent(tmp_path / "sent", guide()), device, author, DRAWN)
    token = part.token
    shown = shown_part(token, device, author)
    assert shown["size"] == "17.4 × 18.0 × 17.5 mm"
    assert (shown["drawn_with"], shown["unit"]) == ("FreeCAD 1.0.2", "mm, as the designer says")
    with pytest.raises(Conflict):
        shown_part(token, device, make_person(Role.DSN).actor)
    with pytest.raises(Conflict):
        held_upload(token, device, author)
    request = partial(taken, device, part, author)
    with pytest.raises(InvalidInput) as missing:
        request(values={})
    assert len(missing.value.reasons) == 4
    with pytest.raises(
        InvalidInput, match=r"tube_inner_diameter_mm is 0\.9; the device master allows 1 to 6"
    ):
        request(values=stated(tube_inner_diameter_mm=0.9))
    with pytest.raises(InvalidInput, match="is no parameter"):
        request(values=stated(landmark_mm=(0.0, 0.0, 0.0)))
    assert not Design.objects.exists()
    assert request(values=stated()).revision == 1
    with pytest.raises(Conflict):
        request(values=stated())
    assert Design.objects.count() == 1


def test_a_part_that_is_not_what_the_master_asks_for_is_refused_with_the_reason(tmp_path: Path) -> None:
    """Measured on the part, whatever was stated; its file is stored with a design alone."""
    staff = Staff()
    device = ready(staff, tmp_path)
    ask = partial(drawn, device, staff, tmp_path)
    left = refused(ask(guide("left")))
    assert "G-LAT-01 The order is for the right side; the design lies on the patient's left" in left
    assert left.index("G-LAT-01") < left.index("No bore of 2.4 mm is found")
    assert "diameter error of 0.100" in refused(ask(guide(), tube_inner_diameter_mm=2.5))
    inwards = 0.5 * np.array(stated()["bore_1_axis"])
    sunk = refused(ask(Mesh(guide().vertices + inwards, guide().faces), tube_height_mm=11.5))
    assert "inside_anatomy_mm is 0.2" in sunk
    centimetres = replace(DRAWN, declared=Declared("cm", "LPS"))
    large = refused(ask(guide(), centimetres))
    assert (
        "longest_mm is 180; the device master asks for at least 15 and at most 120. Check the unit" in large
    )
    assert large.index("longest_mm") < large.index("No bore of 2.4 mm is found")
    loose = joined(guide(), make_block((4.0, 4.0, 4.0), (0.0, 0.0, 60.0)))
    two = refused(ask(loose))
    assert "solids is 2; the device master asks for at least 1 and at most 1. Unite its bodies" in two


@pytest.mark.requirement("G-LAT-01")
def test_a_drawn_model_has_to_be_of_this_anatomy(tmp_path: Path) -> None:
    """In other axes it is none of it, and says so; what cannot be seen on it the reviewer is told to look for."""
    staff = Staff()
    device = ready(staff, tmp_path, master=make_master("anatomical_model"), side="none")
    model = Mesh(ball().vertices + np.array((0.0, 0.0, 0.05)), ball().faces)
    design = made(drawn(device, staff, tmp_path, write_ply(model), values={}))
    assert design.measures["on_anatomy_share"] == 1.0
    assert any("code" in warning for warning in design.warnings)
    inch = replace(DRAWN, declared=Declared("inch", "LPS"))
    said = refused(drawn(device, staff, tmp_path, model, inch, values={}))
    assert "longest_mm is" in said
    assert "on_anatomy_share is" in said
    assert "beyond_anatomy_mm is" in said


@pytest.mark.parametrize(
    ("section", "said"),
    [
        ({"limits": {}}, "does not tell a part of this anatomy from another one"),
        ({"limits": {"solids": [1, 1], "longest_mm": [1, 9]}}, "does not tell a part of this anatomy"),
        ({"limits": {**LIMITS, "colour": [1, 2]}}, "nobody measures: colour"),
        ({"limits": {**LIMITS, "solids": [2, 1]}}, "The limits of solids are none"),
        ({"limits": LIMITS, "values": ["colour"]}, "have no limits: colour"),
        ({"limits": LIMITS, "bores": 7}, "none from 0 to 6"),
        ({"limits": LIMITS, "bores": 2}, "Bores are looked for, and not stated"),
        ({"limits": LIMITS, "validated": {"FreeCAD 1.0.2": "probably"}}, "The validation of FreeCAD 1.0.2"),
    ],
)
def test_a_master_admits_a_drawn_part_only_where_everything_it_asks_for_can_be_shown(
    section: dict[str, Any], said: str
) -> None:
    base = MASTERS[TRAINING]
    definition = replace(base, design={**base.design, "external_cad": section})
    with pytest.raises(InvalidInput, match=re.escape(said)):
        draft_master(definition=definition, actor=Staff()[Role.DSN].actor)
    budget = replace(
        base, design={**base.design, "errors": {"printing_mm": 0.1}, "limits": {"seat_reach_mm": [0, 1]}}
    )
    with pytest.raises(InvalidInput) as refusal:
        draft_master(definition=budget, actor=Staff()[Role.DSN].actor)
    assert len(refusal.value.reasons) == 2


def test_a_part_is_sent_by_parts_stated_and_asked_for_over_http(tmp_path: Path) -> None:
    staff, data = Staff(), write_stl(guide())
    device, client = ready(staff, tmp_path), APIClient()
    client.force_authenticate(Account.objects.get(username=staff[Role.DSN].username))
    url = f"/api/devices/{device.code}"
    asked = {"device": device.code, "sizes": [len(data)], "purpose": "design"}
    assert client.post("/api/uploads", {**asked, "purpose": "images"}, format="json").status_code == 403
    begun = client.post("/api/uploads", asked, format="json").json()
    part = f"/api/uploads/{begun['upload']}"
    octets = "application/offset+octet-stream"
    assert client.patch(part, data, content_type=octets, headers={"Upload-Offset": "0"}).status_code == 204
    said = {"sent": begun["upload"], "tool": "FreeCAD", "tool_version": "1.0.2", "unit": "mm", "axes": "LPS"}
    refusal = client.post(f"{url}/external-design/", {**said, "axes": "own"}, format="multipart")
    assert (refusal.status_code, refusal.json()["reasons"][0]["rule"]) == (422, "G-LAT-01")
    answer = client.post(f"{url}/external-design/", said, format="multipart")
    assert answer.status_code == 202, answer.content
    assert answer.json()["seen"]["size"] == "17.4 × 18.0 × 17.5 mm"
    needed = {one["name"]: one["limits"] for one in answer.json()["asked"] if one["needed"]}
    assert needed["tube_inner_diameter_mm"] == [1.0, 6.0]
    values = {"upload": answer.json()["upload"], "values": stated()}
    assert client.post(f"{url}/request-external-design/", values, format="json").status_code == 400
    values["digest"] = hashlib.sha256(data).hexdigest()
    assert answer.json()["digest"] == answer.json()["seen"]["file"] == values["digest"]
    made_ = client.post(f"{url}/request-external-design/", values, format="json")
    assert (made_.status_code, made_.json()["origin"]["tool"]) == (202, "FreeCAD")
    assert Upload.objects.get().stage == "taken"
    assert compute_design(Design.objects.get().pk).__class__ is DesignMade
    again = client.post(f"{url}/request-external-design/", values, format="json")
    assert (again.status_code, Design.objects.count()) == (409, 1)


def test_an_upload_that_is_no_part_is_given_up_and_one_that_is_misspoken_waits(tmp_path: Path) -> None:
    staff = Staff()
    device, actor = ready(staff, tmp_path), staff[Role.DSN].actor
    for data, given, stage in (
        (write_stl(guide())[:-50], DRAWN, "cancelled"),
        (write_stl(guide()), replace(DRAWN, tool=" "), "open"),
    ):
        upload = begin_upload(device_id=device.pk, sizes=[len(data)], actor=actor, purpose="design")
        write_part(upload, offset=0, part=data)
        with pytest.raises(InvalidInput), taken_upload(upload.quarantine, device_id=device.pk, digest="", actor=actor) as path:  # fmt: skip
            hold_part(path, device, actor, given)
        assert Upload.objects.get(pk=upload.pk).stage == stage
    assert not Design.objects.exists()


def test_a_program_is_research_only_unless_the_master_names_its_version() -> None:
    named = {"validated": {"FreeCAD 1.0.2": "validated_in_house"}}
    master = DeviceMaster(design={"external_cad": named})
    assert validation_of(master, "FreeCAD", "1.0.2") == "validated_in_house"
    assert validation_of(master, "FreeCAD", "1.0.3") == "research_only"


@pytest.mark.requirement("G-INT-01")
def test_a_part_that_changed_in_quarantine_or_is_gone_makes_no_design(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Before it is asked for, before it is read, and between its reading and its keeping."""
    staff = Staff()
    device, actor = ready(staff, tmp_path), staff[Role.DSN].actor
    part = hold_part(sent(tmp_path / "sent", guide()), device, actor, DRAWN)
    (held,) = tmp_path.glob("quarantine/held-*")
    as_shown = held.read_bytes()
    held.write_bytes(as_shown[:60] + b"*" + as_shown[61:])
    for step in (partial(taken, device, part, actor), partial(shown_part, part.token, device, actor)):
        with pytest.raises(InvalidInput, match="not the file that was sent in") as changed:
            step()
        assert changed.value.reasons[0].rule == "G-INT-01"
    held.write_bytes(as_shown)
    with pytest.raises(InvalidInput, match="not that of the part that was shown"):
        taken(device, part, actor, digest="0" * 64)
    design = taken(device, part, actor)
    place = quarantine_path((design.origin or {})["upload"])
    whole, kept = place.read_bytes(), Artefact.objects.count()
    other = b"another header".ljust(80) + whole[80:]
    place.write_bytes(other)
    assert "G-INT-01 The part is not the file that was sent in" in refused(design)
    assert Artefact.objects.count() == kept
    place.write_bytes(whole)

    def measured_while_it_changes(*part: Any, **about: Any) -> Any:
        place.write_bytes(other)
        return read_back(*part, **about)

    monkeypatch.setattr("devices.services.drawn.read_back", measured_while_it_changes)
    assert "G-INT-01 The part is not the file that was sent in" in refused(design)
    place.unlink()
    assert "no longer in quarantine" in refused(design)
    outcome = compute_design(design.pk)
    assert record_design(design_id=design.pk, outcome=outcome).status == "failed"
