"""The whole story over HTTP alone, from a patient to a production record, with what is refused on the way: told by
`test_canary`, part by part."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from typing import Any

from django.core.files.uploadedfile import SimpleUploadedFile
from django.utils import timezone

from devices.mesh.io import read_mesh, write_stl
from mes.choices import Role
from mes.demo.scan import simulate_scan
from printing.services.fleet.session import Pace
from tests.devices.makers import GUIDE_VALUES, IDENTITY, PASSWORD, make_person, make_upload
from tests.flows.clients import Client, People, until

Drain = Callable[[], int]
KIND = "LCD 120"
# Patient where a loaded machine is slow, quick where something has happened.
PATIENT = Pace(
    poll_s=0.05, contact_s=0.5, command_s=60.0, effect_s=60.0, back_off_s=0.1, longest_back_off_s=0.3
)
PARAMETERS = {
    "layer_height_mm": 0.2,
    "pixel_mm": 0.2,
    "exposure_s": 2.5,
    "bottom_exposure_s": 25.0,
    "bottom_layers": 5,
    "lift_s": 4.0,
    "loss_share": 0.1,
    "plate_size_mm": [120.0, 68.0, 150.0],
}
CERTIFICATE = [
    {"characteristic": "viscosity", "value": 850.0, "unit": "mPa·s", "minimum": 600.0, "maximum": 1100.0}
]
MEASURED = {
    "wash": {"duration_s": 0.1, "concentration_percent": 99.0},
    "cure": {"duration_s": 0.1, "temperature_c": 60.0},
}


def in_days(days: int) -> str:
    return (timezone.localdate() + timedelta(days=days)).isoformat()


class Told:
    """The story so far: its people, and the codes that the API gave."""

    def __init__(self, drain: Drain, folder: Path) -> None:
        self.people, self.drain, self.folder = People(), drain, folder
        self.second = Client(make_person(Role.DSN))
        self.patient = self.parameters = self.printer = self.label = self.device = self.build = ""
        self.gauge = ""

    def __getitem__(self, role: Role) -> Client:
        return self.people[role]


def define(told: Told) -> None:
    """The material and the masters, drafted by one and approved by another."""
    author, approver = Client(make_person(Role.DSN, Role.MAT)), told[Role.QAR]
    material = author.post("materials/draft/", {"code": "resin-guide-01"}, 201)["id"]
    approver.sign(f"materials/{material}/approve/")
    for code in ("cranial_guide_training", "cranial_guide"):
        master = author.post("masters/draft/", {"code": code}, 201)["id"]
        assert approver.sign(f"masters/{master}/publish/")["status"] == "effective"


def register(told: Told) -> None:
    identity = {
        "patient_id": IDENTITY.patient_id,
        "family_name": IDENTITY.family_name,
        "given_name": IDENTITY.given_name,
        "birth_date": IDENTITY.birth_date,
    }
    told.patient = told[Role.ORD].post("patients/", identity, 201)["token"]


def order_device(told: Told, master: str) -> str:
    """Prescribed, reviewed, approved by two people."""
    coordinator, prescriber = told[Role.ORD], told[Role.PRE]
    people = coordinator.get("people/?page_size=200")["results"]
    named = next(
        person["id"]
        for person in people
        if person["id"] == prescriber.who.person.pk and "PRE" in person["roles"]
    )
    wanted = {
        "patient": told.patient,
        "prescriber_id": named,
        "master_code": master,
        "side": "right",
        "need_by": in_days(20),
        "characteristics": [{"attribute": "drill diameter", "value": "2.4", "unit": "mm"}],
    }
    order = coordinator.post("orders/", wanted, 201)["code"]
    assert prescriber.refused(f"orders/{order}/submit/", {"password": "wrong"}, status=403) == {"ES-01"}
    stale = prescriber.refused(f"orders/{order}/submit/", {"digest": "0" * 64}, status=409)
    assert stale == {"ES-19"}
    digest = prescriber.get(f"orders/{order}/to-sign/submit/")["digest"]
    assert prescriber.sign(f"orders/{order}/submit/", {"digest": digest})["stage"] == "submitted"
    second = Client(make_person(Role.ORD))
    assert second.post(f"orders/{order}/start-review/")["stage"] == "under_review"
    assert coordinator.refused(f"orders/{order}/approve/", status=403) == {"G-SOD-01"}
    second.sign(f"orders/{order}/approve/")
    assert second.refused(f"orders/{order}/approve/", status=403)
    assert told[Role.RA].sign(f"orders/{order}/approve/")["stage"] == "accepted"
    found = coordinator.get("devices/")["results"]
    return str(next(row["code"] for row in found if row["order"] == order))


def send_images(told: Told, device: str) -> None:
    series = make_upload(told.folder / f"series-{device}")
    files = [SimpleUploadedFile("image.dcm", path.read_bytes()) for path in series.iterdir()]
    assert told[Role.IMG].send(f"devices/{device}/studies/", {"files": files})["status"] == "received"
    told.drain()
    assert told[Role.IMG].get(f"devices/{device}/")["study"]["status"] == "accepted"


def approve_bone(told: Told) -> None:
    url = f"devices/{told.device}/"
    assert told[Role.IMG].get(url)["segmentation"]["status"] == "recorded"
    assert told[Role.IMG].refused(f"{url}approve-segmentation/", status=403)
    order = told[Role.ORD].get(url)["order"]
    clinician = {"person_id": told[Role.CLR].who.person.pk, "role": "CLR"}
    assert told[Role.CLR].refused(f"{url}approve-segmentation/", status=404) == {""}
    told[Role.ORD].post(f"orders/{order}/assign/", clinician, 201)
    assert told[Role.CLR].sign(f"{url}approve-segmentation/")["status"] == "approved"


def freeze_design(told: Told) -> None:
    url, designer = f"devices/{told.device}/", told[Role.DSN]
    designer.post(f"{url}request-design/", {"values": GUIDE_VALUES}, 202)
    told.drain()
    assert designer.get(url)["design"]["status"] == "generated"
    assert designer.refused(f"{url}review-design/", status=403) == {"G-SOD-01"}
    assert told.second.sign(f"{url}review-design/")["status"] == "reviewed"
    digest = told[Role.PRE].get(f"{url}to-sign/approve-design/")["digest"]
    assert told[Role.PRE].sign(f"{url}approve-design/", {"digest": digest})["status"] == "approved"
    told.drain()
    assert designer.get(url)["stage"] == "design_frozen"


def slice_build(told: Told) -> None:
    builder, verifier = told[Role.BLD], Client(make_person(Role.BLD))
    body = {"name": "Guide resin", "printer_kind": KIND, "material": "resin-guide-01", "values": PARAMETERS}
    told.parameters = builder.post("parameters/", body, 201)["code"]
    told[Role.QCM].sign(f"parameters/{told.parameters}/approve/")
    wanted = {"devices": [told.device], "printer_kind": KIND, "parameters": told.parameters}
    told.build = builder.post("builds/", wanted, 201)["code"]
    told.drain()
    prepared = builder.get(f"builds/{told.build}/")
    assert (prepared["state"], prepared["problems"]) == ("prepared", [])
    assert prepared["layer_count"] == len(prepared["areas_mm2"]) > 10
    assert builder.refused(f"builds/{told.build}/verify/", status=403)
    digest = verifier.get(f"builds/{told.build}/content/")["digest"]
    assert verifier.sign(f"builds/{told.build}/verify/", {"digest": digest})["state"] == "verified"
    told.drain()
    assert builder.get(f"devices/{told.device}/")["stage"] == "queued"


def equip(told: Told) -> None:
    """A printer is registered and qualified; a lot is received, and not loaded before it is released."""
    printer = {
        "name": "Aurora",
        "kind": KIND,
        "serial": "SIM0001",
        "driver": "simulated",
        "connection": {"speed": 2000.0},
        "firmware": "sim-1.0",
        "password": PASSWORD,
    }
    told.printer = told[Role.CAL].post("printers/", printer, 201)["code"]
    for step in ("installation", "operation"):
        told[Role.QCM].sign(f"printers/{told.printer}/approve-step/", {"step": step})
    qualified = {"parameters": [told.parameters], "valid_until": in_days(300)}
    told[Role.QAR].sign(f"printers/{told.printer}/qualify/", qualified)
    told[Role.CAL].post(f"printers/{told.printer}/calibrate/", {"valid_until": in_days(60)})
    until(lambda: told[Role.OPR].get(f"printers/{told.printer}/live/")["operation"] == "ready")
    told.gauge = calibrate_scanner(told)
    stock(told)


def calibrate_scanner(told: Told) -> str:
    """A scanner is registered; it goes into service only once it is calibrated."""
    scanner = {
        "kind": "surface_scanner",
        "maker": "Example Optics",
        "model": "Scan 3",
        "serial": "EX-1",
        "accuracy_mm": "0.05",
        "location": "Inspection",
    }
    gauge: str = told[Role.CAL].post("gauges/", scanner, 201)["code"]
    into_service = f"gauges/{gauge}/put-in-service/"
    assert told[Role.CAL].refused(into_service, signed=False) == {"G-INS-01"}
    calibration: dict[str, Any] = {
        "username": told[Role.CAL].who.username,
        "password": PASSWORD,
        "calibrated_on": in_days(-10),
        "due_on": in_days(300),
        "as_found": "in_tolerance",
        "laboratory": "Example Metrology",
        "certificate": SimpleUploadedFile("certificate.txt", b"Certificate of a scanner"),
    }
    shown = told[Role.CAL].send(f"gauges/{gauge}/calibrate/", calibration, 409)
    calibration["certificate"].seek(0)
    read = calibration | {"digest": shown["digest"]}
    assert told[Role.CAL].send(f"gauges/{gauge}/calibrate/", read, 201)["number"] == 1
    assert told[Role.CAL].post(into_service)["stage"] == "in_service"
    return gauge


def stock(told: Told) -> None:
    body = {
        "material": "resin-guide-01",
        "supplier": "Example Resins",
        "supplier_lot": "RG-0001",
        "quantity": "500",
        "unit": "ml",
        "expires_on": in_days(200),
        "certificate": json.dumps(CERTIFICATE),
        "certificate_file": SimpleUploadedFile("../../coa.pdf", b"certificate of analysis"),
    }
    lot = told[Role.MAT].send("lots/", body, 201)
    told.label = lot["containers"][0]["label"]
    load = f"printers/{told.printer}/load/"
    assert told[Role.OPR].refused(load, {"label": told.label}, signed=False) == {"G-MAT-01"}
    dispatch = told[Role.BLD].refused(
        f"builds/{told.build}/dispatch/", {"printer": told.printer}, signed=False
    )
    assert dispatch >= {"G-MAT-01"}
    assert told[Role.MAT].refused(f"lots/{lot['code']}/release/", status=403)
    assert told[Role.QCM].sign(f"lots/{lot['code']}/release/")["state"] == "released"
    told[Role.OPR].post(load, {"label": told.label})


def print_build(told: Told) -> None:
    operator = told[Role.OPR]
    job = told[Role.BLD].post(f"builds/{told.build}/dispatch/", {"printer": told.printer}, 201)["code"]
    assert operator.post(f"jobs/{job}/start/")["code"] == job
    done = until(lambda: ended(operator.get(f"jobs/{job}/")))
    assert (done["state"], done["reason"]) == ("finished", "")
    operator.post(f"printers/{told.printer}/confirm-plate-clear/")
    told.drain()
    assert operator.get(f"jobs/{job}/")["plate_cleared_at"]
    assert operator.get(f"devices/{told.device}/")["stage"] == "post_processing"


def ended(job: dict[str, Any]) -> dict[str, Any] | None:
    return job if job["ended_at"] or job["state"] == "uncertain" else None


def finish(told: Told) -> None:
    finisher, url = told[Role.PST], f"devices/{told.device}/post-process-steps/"
    assert finisher.refused(url, {"step": "cure", "values": MEASURED["cure"]})
    for step, values in MEASURED.items():
        assert finisher.sign(url, {"step": step, "values": values}, 201)["in_limits"]
    told.drain()
    assert [row["step"] for row in finisher.get(url)] == ["wash", "cure"]
    assert finisher.get(f"devices/{told.device}/")["stage"] == "awaiting_inspection"


def inspect(told: Told) -> None:
    inspector, url = told[Role.INS], f"devices/{told.device}/"
    mesh_id = inspector.get(url)["design"]["mesh_id"]
    mesh = told.folder / "design.stl"
    mesh.write_bytes(inspector.file(f"{url}artefacts/{mesh_id}/"))
    assert hashlib.sha256(mesh.read_bytes()).hexdigest() == mesh_id
    scan = write_stl(simulate_scan(read_mesh(mesh), seed=7, dropout_share=0.0, resolution_mm=0.8).mesh)
    file = SimpleUploadedFile("scan.stl", scan)
    sent = inspector.send(f"{url}scans/", {"scan": file, "gauge": told.gauge})
    assert (sent["gauge"], sent["calibration"]) == (told.gauge, 1)
    told.drain()
    measured = inspector.get(f"inspections/{sent['id']}/")["measurement"]
    assert measured["passed"], measured
    assert measured["figures"]["rms_mm"] < 0.1
    inspector.sign(f"inspections/{sent['id']}/sign/")
    told.drain()


def release(told: Told) -> None:
    url, releaser = f"devices/{told.device}/", told[Role.QAX]
    assert told[Role.QAR].get(url)["stage"] == "ready_for_review"
    assert releaser.refused(f"{url}release/")
    assert told[Role.QAR].sign(f"{url}review-record/")["stage"] == "reviewed"
    assert told[Role.OPR].refused(f"{url}release/", status=403)
    checklist = releaser.get(f"{url}release/")
    assert checklist["ready"], checklist
    assert releaser.refused(f"{url}release/", {"password": "wrong"}, status=403) == {"ES-01"}
    assert releaser.sign(f"{url}release/", {"digest": checklist["digest"]})["stage"] == "released"
    told.drain()
    assert releaser.get(url)["stage"] == "released"


def read_record(told: Told) -> None:
    reader = told[Role.QAX]
    report = reader.get(f"devices/{told.device}/reports/")[-1]
    pdf, text = (reader.file(f"devices/{told.device}/record.{ending}") for ending in ("pdf", "json"))
    assert pdf.startswith(b"%PDF")
    assert [hashlib.sha256(one).hexdigest() for one in (pdf, text)] == [report["pdf_id"], report["json_id"]]
    record = json.loads(text)
    assert (record["device"], record["status"]) == (told.device, "released")
    assert record["notice"]
    assert told.label in text.decode()
    for value in (IDENTITY.patient_id, IDENTITY.family_name, IDENTITY.birth_date):
        assert value not in text.decode()
