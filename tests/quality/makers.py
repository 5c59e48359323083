"""Typed makers for quality's tests: people, a device that has been built as the record wants it, scans of its part."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from decimal import Decimal
from functools import cache
from io import BytesIO
from typing import Any

import numpy as np
import pytest
from django.utils import timezone
from numpy.typing import NDArray
from PIL import Image

from devices.choices import DefinitionStatus, DesignStatus, OrderStage, SegmentationStatus, Stage, StudyStatus
from devices.events import (
    DesignApproved,
    DesignGenerated,
    DevicePlanned,
    DeviceStageChanged,
    ImagesAccepted,
    MasterPublished,
    MaterialSpecified,
    OrderCreated,
    SegmentationRecorded,
)
from devices.lifecycle import DEVICE
from devices.mesh.base import Mesh
from devices.mesh.compare import Deviation, inspect_scan
from devices.mesh.io import read_mesh, write_stl
from devices.models import Design, Device, DeviceMaster, Material, Order, Segmentation, Study
from devices.selectors.evidence import evidence_digest
from devices.services.definitions import master_content, material_content
from devices.services.designs import approval_content, design_content
from devices.services.lifecycle import count_units
from devices.services.orders import approval_content as order_approval
from devices.services.orders import prescription_content
from devices.services.segmentations import segmentation_content
from mes.choices import Meaning, Role
from mes.eventlog.base import Actor, Event, digest_of
from mes.eventlog.unit import publish, unit_of_work
from mes.models import Artefact, Patient, Person, Signature
from mes.services.artefacts import store_artefact
from mes.services.patients import Identity, register_patient
from mes.services.people import grant_role, open_account, register_person
from mes.services.signatures import Credentials, sign
from printing.choices import (
    BuildState,
    ConsumptionBasis,
    ContainerState,
    JobState,
    LotState,
    ParametersState,
)
from printing.events import (
    BuildCreated,
    BuildPrepared,
    BuildVerified,
    ContainerRegistered,
    DevicePrintFinished,
    DevicePrintStarted,
    JobDispatched,
    JobFinished,
    LotReleased,
    MaterialConsumed,
    ParametersApproved,
)
from printing.models import (
    Build,
    BuildItem,
    Consumption,
    Container,
    MaterialLot,
    ParameterSet,
    Printer,
    PrintJob,
)
from printing.selectors.builds import build_content, items_content, parameters_content
from printing.selectors.machines import machine_now
from printing.selectors.material import lot_content
from printing.services.printers import approve_printer_step, qualify_printer, register_printer
from quality.catalog.plan import read_plan
from quality.choices import AsFound, GaugeKind, GaugeStage
from quality.models import Calibration, Gauge, Inspection
from quality.services import reports
from quality.services.gauges import (
    Certified,
    calibrate_gauge,
    put_gauge_in_service,
    register_gauge,
    store_calibration_certificate,
)
from quality.services.measurement import record_measurement
from quality.services.scans import receive_scan
from tests.mes.makers import enrol
from tests.scenes import Scene, given, take

SYSTEM = Actor.system("test")
PASSWORD = "a long pass phrase"
STAFF = "staff"
"""What user names begin with here, and nowhere else."""
CANARY = "ZZCANARY"
ROUTING: tuple[dict[str, Any], ...] = (
    {"step": "wash", "title": "Wash", "limits": {"duration_min": [3.0, 10.0]}},
    {
        "step": "cure",
        "title": "Cure",
        "limits": {"duration_min": [20.0, 60.0], "temperature_c": [55.0, 65.0]},
    },
)
WASH = {"duration_min": 5.0}
PRINTED_AGO = timedelta(hours=6)
"""How long ago the print of a maker's device ended: time enough to wash and cure it."""
CURE = {"duration_min": 30.0, "temperature_c": 60.0}
INSPECTION = {"tolerance_mm": 0.3, "minimum_share": 0.95, "maximum_p95_mm": 0.3}
USUAL = (False, list(ROUTING), INSPECTION, "research_only", 0, dict[str, Any]())
"""What a test gets that asks for nothing else, and the device of the scene."""
LOT = (False, list(ROUTING), INSPECTION, "research_only", 3, dict[str, Any]())
WAY = ("design_frozen", "queued", "in_build", "built")
FURTHER = ("built", "post_processing", "awaiting_inspection", "inspected_pass")


# --- people


def make_person(name: str, *roles: Role, zone: str = "Europe/Berlin") -> Person:
    person = register_person(full_name=name, actor=SYSTEM, credentials="MSc", timezone=zone)
    enrol(
        open_account(username=f"{STAFF}{person.pk}", password=PASSWORD, person=person, actor=SYSTEM), PASSWORD
    )
    for role in roles:
        grant_role(person=person, role=role, actor=SYSTEM)
    return person


def acting(person: Person) -> Actor:
    return Actor.person(person.pk)


def typed(person: Person, *, password: str = PASSWORD, digest: str | None = None) -> Credentials:
    return Credentials(person.accounts.get().username, password, digest)


@dataclass(frozen=True)
class Staff:
    """One person for each role that the story needs."""

    by_role: Mapping[Role, Person]

    def __getitem__(self, role: Role) -> Person:
        return self.by_role[role]


class _AsAsked(dict[Role, Person]):
    """People who are there as soon as somebody asks for their role: most tests need few of them."""

    def __missing__(self, role: Role) -> Person:
        self[role] = take(role, _one) or _one(role)
        return self[role]


def _one(role: Role) -> Person:
    return make_person(f"Person {role.value}", role)


PEOPLE = Scene("quality", _one)


def make_staff() -> Staff:
    return Staff(_AsAsked())


# --- surfaces


@unit_of_work
def make_printed(staff: Staff, device: Device) -> None:
    """A device whose design is frozen, built as its record wants it."""
    _printed(staff, device)
    move_through(device, WAY[1:])


@cache
def make_part(seed: int = 3) -> Mesh:
    """A lopsided lump of about 40 mm: closed, without symmetry, 3,000 vertices."""
    rows, columns = 40, 76
    theta = np.linspace(0.0, np.pi, rows + 2)[1:-1]
    phi = np.linspace(0.0, 2.0 * np.pi, columns, endpoint=False)
    polar, around = np.meshgrid(theta, phi, indexing="ij")
    rng = np.random.default_rng(seed)
    radius = np.full(polar.shape, 18.0)
    for size, (first, second), shift in zip(
        (3.0, 2.0, 1.4), ((1, 2), (2, 3), (3, 1)), rng.uniform(0, 6, 3), strict=True
    ):
        radius += size * np.sin(first * polar + shift) * np.cos(second * around + shift)
    grid = np.stack(
        [
            1.3 * radius * np.sin(polar) * np.cos(around),
            radius * np.sin(polar) * np.sin(around),
            0.7 * radius * np.cos(polar),
        ],
        axis=-1,
    ).reshape(-1, 3)
    poles = np.array([[0.0, 0.0, grid[:columns, 2].mean()], [0.0, 0.0, grid[-columns:, 2].mean()]])
    return Mesh(np.concatenate([grid, poles]), _sphere_faces(rows, columns))


def _sphere_faces(rows: int, columns: int) -> NDArray[np.int32]:
    top, bottom = rows * columns, rows * columns + 1
    faces = []
    for column in range(columns):
        after = (column + 1) % columns
        faces.append((top, column, after))
        last = (rows - 1) * columns
        faces.append((bottom, last + after, last + column))
        for row in range(rows - 1):
            low, high = row * columns, (row + 1) * columns
            faces.append((low + column, high + column, high + after))
            faces.append((low + column, high + after, low + after))
    return np.array(faces, dtype=np.int32)


def make_scan(
    part: Mesh, *, noise_mm: float = 0.03, offset_mm: float = 0.0, seed: int = 1, laid: bool = False
) -> bytes:
    """An STL of the part as a scanner might see it: noisy, grown outwards by `offset_mm`; turned and moved, or laid on the part
    by the scanner's program."""
    rng = np.random.default_rng(seed)
    outwards = part.vertices / np.linalg.norm(part.vertices, axis=1, keepdims=True)
    points = part.vertices + outwards * (offset_mm + rng.normal(0.0, noise_mm, (len(part.vertices), 1)))
    if laid:
        return write_stl(Mesh(points, part.faces))
    turn, _ = np.linalg.qr(rng.normal(size=(3, 3)))
    turn *= np.sign(np.linalg.det(turn))
    return write_stl(Mesh(points @ turn.T + rng.uniform(-50, 50, 3), part.faces))


# --- a device that was built


def make_built_device(
    staff: Staff,
    *,
    clinical: bool = False,
    routing: Sequence[Mapping[str, Any]] = ROUTING,
    inspection: Mapping[str, Any] = INSPECTION,
    stage: Stage = Stage.BUILT,
    validation: str = "research_only",
    lot_of: int = 0,
    packaging: Mapping[str, Any] | None = None,
    beside: Device | None = None,
) -> Device:
    """A device at `built` (or further, without the facts between), with everything that its record needs up to there.

    lot_of: a lot of so many units instead of one.  beside: a device of the same patient, from the same images and bone."""
    wanted = (clinical, list(routing), dict(inspection), validation, lot_of, dict(packaging or {}))
    ready = _ready(wanted, stage) if beside is None else None
    device = Device.objects.get(pk=ready) if ready else _device_for(staff, *wanted, beside)
    move_through(device, FURTHER[FURTHER.index(device.stage) + 1 : FURTHER.index(stage) + 1])
    return device


def _ready(wanted: tuple[Any, ...], stage: Stage) -> int | None:
    """The device of the test's scene, if it is such a one and has not gone further."""
    if wanted == USUAL and stage in (Stage.BUILT, Stage.POST_PROCESSING):
        return given("built")
    if wanted == USUAL:
        return given("waiting") or given("built")
    return given("lot") if wanted == LOT and stage != Stage.BUILT else None


def _device_for(
    staff: Staff,
    clinical: bool,
    routing: list[Any],
    inspection: dict[str, Any],
    validation: str,
    lot_of: int,
    packaging: dict[str, Any],
    beside: Device | None,
) -> Device:
    patient = beside.order.patient if beside else _patient(staff)
    tracking = {"tracked_as": "lot" if lot_of else "unit", "packaging": packaging}
    return _built(staff, patient.pk, clinical, routing, inspection, validation, lot_of or 1, tracking, beside)


def _patient(staff: Staff) -> Patient:
    return register_patient(
        identity=Identity(f"{CANARY}-{timezone.now().timestamp()}", CANARY, f"{CANARY}given", "1961-02-03"),
        actor=acting(staff[Role.ORD]),
    )


@unit_of_work
def _built(
    staff: Staff,
    patient_id: int,
    clinical: bool,
    routing: list[Any],
    inspection: dict[str, Any],
    validation: str,
    quantity: int,
    tracking: dict[str, Any],
    beside: Device | None,
) -> Device:
    material = _material(staff)
    master = _master(staff, material, clinical, routing, inspection, tracking)
    order = _order(staff, patient_id, master, material, quantity)
    device = Device.objects.create(
        order=order,
        master=master,
        material=material,
        serial=f"L{order.pk:07d}U01",
        tracked_as=master.tracked_as,
        quantity=quantity,
        need_by=order.need_by,
    )
    publish(device, DevicePlanned(device_id=device.pk, order_id=order.pk, serial=device.serial), actor=SYSTEM)
    _designed(staff, device, validation, beside or device)
    _printed(staff, device)
    move_through(device, WAY)
    return device


def _awaited(lot_of: int) -> int:
    """A device, or a lot, that awaits its scans, and the scanner for them."""
    the_gauge()
    return make_built_device(make_staff(), stage=Stage.AWAITING_INSPECTION, lot_of=lot_of).pk


BUILT = Scene("built", PEOPLE.make, story=lambda: make_built_device(make_staff()).pk, upon=PEOPLE)
WAITING = Scene("waiting", PEOPLE.make, story=lambda: _awaited(0), upon=BUILT)
LOT_WAITING = Scene("lot", PEOPLE.make, story=lambda: _awaited(3), upon=PEOPLE)


@unit_of_work
def move_through(device: Device, stages: Sequence[str]) -> None:
    """Walk a device along the table without asking gates: for what a test does not look at."""
    for target in stages:
        row = next(row for row in DEVICE.moves_from(device.stage) if row.target == target)
        device.stage = target
        count_units(device)
        device.evidence_digest = evidence_digest(device)
        device.save()
        fact = DeviceStageChanged(
            device_id=device.pk,
            transition=row.name,
            source=row.source,
            target=target,
            gates=[],
            signature_id=None,
        )
        publish(device, fact, actor=SYSTEM)


def signed(root: Any, content: Mapping[str, Any], meaning: Meaning, person: Person) -> Signature:
    return sign(
        subject=root, content=content, meaning=meaning, actor=acting(person), credentials=typed(person)
    )


def _material(staff: Staff) -> Material:
    found = Material.objects.filter(code="resin-t").first()
    if found is not None:
        return found
    material = Material.objects.create(
        code="resin-t",
        name="Test resin",
        process="vat_photopolymerisation",
        minimum_wall_mm=0.8,
        density_g_per_ml=1.1,
        contact_category="none",
        status=DefinitionStatus.EFFECTIVE,
    )
    signature = signed(material, material_content(material), Meaning.APPROVED, staff[Role.QAR])
    material.approval = signature
    material.save()
    fact = MaterialSpecified(material_id=material.pk, code=material.code, signature_id=signature.pk)
    publish(material, fact, actor=acting(staff[Role.QAR]))
    return material


def _master(
    staff: Staff,
    material: Material,
    clinical: bool,
    routing: list[Any],
    inspection: dict[str, Any],
    tracking: dict[str, Any],
) -> DeviceMaster:
    master = DeviceMaster.objects.create(
        code=f"guide-{DeviceMaster.objects.count()}",
        revision=1,
        title="Cranial drill guide",
        field="cranial",
        intended_use="clinical" if clinical else "training",
        pathway="Training only",
        contact_category="none",
        imaging={"max_slice_spacing_mm": 3.0, "max_tilt_degrees": 1.0, "max_image_age_days": 180},
        segmentation={"segmenter": "bone_threshold", "parameters": {}},
        design={"generator": "bone_guide", "defaults": {}, "envelope": {}},
        materials=[material.code],
        process=material.process,
        routing=routing,
        inspection=inspection,
        label={"text": "Cranial drill guide", "notice": "Training"},
        **tracking,
        author=staff[Role.DSN],
    )
    signature = signed(master, master_content(master), Meaning.APPROVED, staff[Role.QAR])
    master.approval = signature
    master.save()
    fact = MasterPublished(master_id=master.pk, code=master.code, revision=1, signature_id=signature.pk)
    publish(master, fact, actor=acting(staff[Role.QAR]))
    return master


def _order(staff: Staff, patient_id: int, master: DeviceMaster, material: Material, quantity: int) -> Order:
    order = Order.objects.create(
        patient_id=patient_id,
        prescriber=staff[Role.PRE],
        master=master,
        material=material,
        side="none",
        need_by=timezone.localdate() + timedelta(days=30),
        quantity=quantity,
        characteristics=[{"attribute": "tubes", "value": "2", "unit": "1", "author": staff[Role.PRE].pk}],
        created_by=staff[Role.ORD],
    )
    created = OrderCreated(
        order_id=order.pk,
        patient_id=patient_id,
        master_id=master.pk,
        side=order.side,
        need_by=order.need_by.isoformat(),
    )
    publish(order, created, actor=acting(staff[Role.ORD]))
    order.prescription = signed(order, prescription_content(order), Meaning.PRESCRIBED, staff[Role.PRE])
    for role in (Role.ORD, Role.RA):
        signed(order, order_approval(order, role), Meaning.APPROVED, staff[role])
    for stage in (OrderStage.SUBMITTED, OrderStage.UNDER_REVIEW, OrderStage.ACCEPTED):
        order.stage = stage
        order.save()
    publish(order, created, actor=acting(staff[Role.ORD]), reason="accepted")
    return order


def _designed(staff: Staff, device: Device, validation: str, beside: Device) -> None:
    study = _images(staff, device, beside)
    segmentation = _segmentation(staff, device, study, validation, beside)
    part = make_part()
    design = Design.objects.create(
        device=device,
        segmentation=segmentation,
        revision=1,
        generator="bone_guide",
        generator_version="1",
        validation_status=validation,
        values={"thickness_mm": 3.0},
        author=staff[Role.DSN],
    )
    device.current_study, device.current_segmentation, device.current_design = study, segmentation, design
    design.mesh = store_artefact(write_stl(part), media_type="model/stl")
    design.measures = {"volume_ml": 12.5, "lateral_offset_mm": 3.2}
    design.status = DesignStatus.GENERATED
    design.save()
    reviewer = staff[Role.QCM]
    design.review = signed(device, design_content(device, design), Meaning.REVIEWED, reviewer)
    design.reviewer, design.status = reviewer, DesignStatus.REVIEWED
    design.save()
    prescriber = staff[Role.PRE]
    design.approval = signed(device, approval_content(device, design), Meaning.DESIGN_APPROVED, prescriber)
    design.status = DesignStatus.APPROVED
    design.save()
    _save_with(device)
    facts: list[tuple[Event, Person]] = [
        (
            DesignGenerated(
                device_id=device.pk,
                design_id=design.pk,
                revision=1,
                mesh_sha256=str(design.mesh_id),
                measures=design.measures,
            ),
            staff[Role.DSN],
        ),
        (
            DesignApproved(
                device_id=device.pk,
                design_id=design.pk,
                mesh_sha256=str(design.mesh_id),
                signature_id=design.approval.pk,
            ),
            prescriber,
        ),
    ]
    for fact, person in facts:
        publish(device, fact, actor=acting(person))


def _save_with(device: Device) -> None:
    device.evidence_digest = evidence_digest(device)
    device.save()


def _images(staff: Staff, device: Device, beside: Device) -> Study:
    volume = store_artefact(f"volume of {beside.pk}".encode(), media_type="application/x-npz")
    study = Study.objects.create(
        device=device, quarantine=f"00000000-0000-4000-8000-{device.pk:012d}", received_by=staff[Role.SEG]
    )
    study.status, study.volume = StudyStatus.ACCEPTED, volume
    study.acquired_on = timezone.localdate() - timedelta(days=20)
    study.matched, study.spacing_mm, study.modality = ["patient_id", "birth_date"], [1.0, 1.0, 2.5], "CT"
    study.save()
    accepted = ImagesAccepted(
        device_id=device.pk, study_id=study.pk, volume_sha256=volume.sha256, series_sha256=None, gates=[]
    )
    publish(device, accepted, actor=SYSTEM)
    return study


def _segmentation(
    staff: Staff, device: Device, study: Study, validation: str, beside: Device
) -> Segmentation:
    mask, surface = (
        store_artefact(f"{what} of {beside.pk}".encode(), media_type="application/octet-stream")
        for what in ("mask", "bone")
    )
    segmentation = Segmentation.objects.create(
        device=device,
        study=study,
        tool="bone_threshold",
        tool_version="1",
        validation_status=validation,
        parameters={"lower_hu": 300.0},
        author=staff[Role.SEG],
        mask=mask,
        surface=surface,
        overlays={"axial": make_picture(device.pk).sha256},
        volume_ml=430.0,
        surface_volume_ml=429.5,
        components=1,
        triangles=250_000,
        watertight=True,
        distance_mean_mm=0.05,
        distance_p95_mm=0.2,
        distance_max_mm=0.9,
        bounds_mm=[[0.0, 0.0, 0.0], [150.0, 190.0, 120.0]],
    )
    segmentation.reviewer = staff[Role.CLR]
    segmentation.approval = signed(
        device, segmentation_content(device, segmentation), Meaning.APPROVED, staff[Role.CLR]
    )
    segmentation.status = SegmentationStatus.APPROVED
    segmentation.save()
    fact = SegmentationRecorded(
        device_id=device.pk,
        segmentation_id=segmentation.pk,
        author_id=staff[Role.SEG].pk,
        mask_sha256=mask.sha256,
        surface_sha256=surface.sha256,
        volume_ml=430.0,
        watertight=True,
    )
    publish(device, fact, actor=acting(staff[Role.SEG]))
    return segmentation


def make_picture(seed: int) -> Artefact:
    """A small PNG, another for each seed."""
    shade = np.random.default_rng(seed).integers(0, 255, (64, 64, 3), dtype=np.uint8)
    return store_artefact(as_png(shade), media_type="image/png")


def as_png(pixels: NDArray[np.uint8]) -> bytes:
    with BytesIO() as file:
        Image.fromarray(pixels, "RGB").save(file, "PNG")
        return file.getvalue()


def _printed(staff: Staff, device: Device) -> None:
    operator = acting(staff[Role.OPR])
    lot, container = _lot(staff, device.material)
    build = _build(staff, device)
    printer = _printer(staff, build)
    job = PrintJob.objects.create(build=build, printer=printer, container=container)
    for state in (JobState.STARTING, JobState.PRINTING, JobState.FINISHED):
        job.state = state
        job.save()
    job.plate_cleared_at = timezone.now()
    job.ended_at = job.plate_cleared_at - PRINTED_AGO
    job.started_at = job.ended_at - timedelta(hours=3)
    job.machine = machine_now(job)
    job.layers_done, job.file_digest_seen, job.plate_cleared_by = 400, build.plate_digest, staff[Role.OPR]
    job.save()
    dispatched = JobDispatched(
        job_id=job.pk, build_id=build.pk, printer_id=printer.pk, container_id=container.pk, gates=[]
    )
    publish(job, dispatched, actor=operator)
    publish(job, JobFinished(job_id=job.pk, build_id=build.pk, layers=400, observed_late=False), actor=SYSTEM)
    Consumption.objects.create(
        container=container, lot=lot, job=job, quantity="14.200", basis=ConsumptionBasis.REPORTED
    )
    consumed = MaterialConsumed(
        lot_id=lot.pk,
        container_id=container.pk,
        job_id=job.pk,
        quantity="14.200",
        measured="14.200",
        unit="ml",
        basis="reported",
    )
    publish(lot, consumed, actor=SYSTEM)
    for fact in (DevicePrintStarted, DevicePrintFinished):
        publish(device, fact(device_id=device.pk, build_id=build.pk, job_id=job.pk), actor=SYSTEM)


def _printer(staff: Staff, build: Build) -> Printer:
    """One that was qualified for this build."""
    printer = register_printer(
        name=f"Resin {build.pk}",
        kind="simulated",
        serial=f"S{build.pk}",
        driver="simulated",
        firmware="1",
        actor=acting(staff[Role.CAL]),
    )
    by: dict[str, Any] = {"actor": acting(staff[Role.QAR]), "credentials": typed(staff[Role.QAR])}
    for step in ("installation", "operation"):
        approve_printer_step(printer_id=printer.pk, step=step, **by)
    until = timezone.localdate() + timedelta(days=100)
    qualify_printer(printer_id=printer.pk, parameters=[build.parameters_id], valid_until=until, **by)
    printer.refresh_from_db()
    return printer


def _build(staff: Staff, device: Device) -> Build:
    parameters = ParameterSet.objects.create(
        name=f"fine {device.pk}",
        printer_kind="simulated",
        material=device.material,
        values={"layer_height_mm": 0.05},
        digest="a" * 64,
        authored_by=staff[Role.BLD],
    )
    content = parameters_content(parameters)
    parameters.signature = signed(parameters, content, Meaning.APPROVED, staff[Role.QAR])
    parameters.state = ParametersState.APPROVED
    parameters.save()
    fact = ParametersApproved(
        parameters_id=parameters.pk, digest=parameters.digest, signature_id=parameters.signature.pk
    )
    publish(parameters, fact, actor=acting(staff[Role.QAR]))
    build = Build.objects.create(
        printer_kind="simulated",
        parameters=parameters,
        parameters_digest=parameters.digest,
        material=device.material,
        items_digest="",
        created_by=staff[Role.BLD],
    )
    mesh_sha256 = str(device.current_design.mesh_id) if device.current_design else ""
    BuildItem.objects.create(
        build=build, device=device, design_id=device.current_design_id or 0, mesh_sha256=mesh_sha256
    )
    build.items_digest = digest_of(items_content(build))
    build.save()
    publish(build, BuildCreated(build_id=build.pk, device_ids=[device.pk]), actor=acting(staff[Role.BLD]))
    build.file = store_artefact(f"build file {build.pk}".encode(), media_type="application/zip")
    build.plate_digest, build.layer_count = f"{build.pk:064x}", 400
    build.prepared_with, build.material_ml, build.print_seconds = "lamina.slice 1", 13.9, 5400.0
    for state in (
        BuildState.PREPARED,
        BuildState.VERIFIED,
        BuildState.SCHEDULED,
        BuildState.STARTED,
        BuildState.COMPLETED,
    ):
        build.state = state
        build.save()
    prepared = BuildPrepared(
        build_id=build.pk,
        file=str(build.file_id),
        plate_digest=build.plate_digest,
        layer_count=400,
        material_ml=13.9,
        print_seconds=5400.0,
    )
    publish(build, prepared, actor=SYSTEM)
    build.verify_signature = signed(build, build_content(build), Meaning.VERIFIED, staff[Role.OPR])
    build.verified_by = staff[Role.OPR]
    build.save()
    verified = BuildVerified(build_id=build.pk, signature_id=build.verify_signature.pk, gates=[])
    publish(build, verified, actor=acting(staff[Role.OPR]))
    return build


def _lot(staff: Staff, material: Material) -> tuple[MaterialLot, Container]:
    number = MaterialLot.objects.count()
    lot = MaterialLot.objects.create(
        material=material,
        supplier="Acme Resins",
        supplier_lot=f"A-{number}",
        unit="ml",
        received="1000",
        consumed="14.2",
        remaining="985.8",
        expires_on=timezone.localdate() + timedelta(days=300),
        expires_precision="day",
        certificate=[
            {"characteristic": "viscosity", "value": 0.9, "unit": "Pa s", "minimum": 0.5, "maximum": 1.2}
        ],
        received_by=staff[Role.MAT],
    )
    lot.refresh_from_db()
    signature = signed(lot, lot_content(lot), Meaning.APPROVED, staff[Role.QAR])
    lot.released_by, lot.release_signature = staff[Role.QAR], signature
    for state in (LotState.RELEASED, LotState.IN_USE):
        lot.state = state
        lot.save()
    container = Container.objects.create(
        lot=lot, label=f"C{lot.pk:06d}", filled="1000", remaining="985.8", state=ContainerState.SEALED
    )
    registered = ContainerRegistered(container_id=container.pk, lot_id=lot.pk, label=container.label)
    publish(container, registered, actor=SYSTEM)
    released = LotReleased(lot_id=lot.pk, signature_id=signature.pk, gates=[])
    publish(lot, released, actor=acting(staff[Role.QAR]))
    return lot, container


# --- reports

UNDRAWN = b"%PDF-1.7\n"


def leave_undrawn(monkeypatch: pytest.MonkeyPatch) -> None:
    """A report's pages take seconds to draw: whoever looks at none of them leaves them out."""
    monkeypatch.setattr(reports, "write_pdf", lambda _html, **_of: UNDRAWN)


# --- measuring equipment


def make_gauge(
    *, accuracy_mm: str = "0.05", in_service: bool = True, calibrated_on: date | None = None
) -> Gauge:
    """A 3D scanner: calibrated 30 days ago for a year, and in service."""
    metrologist = _metrologist()
    gauge = register_gauge(
        kind=GaugeKind.SURFACE_SCANNER,
        maker="Example Optics",
        model="Scan 3",
        serial=f"EX-{Gauge.objects.count()}",
        accuracy_mm=Decimal(accuracy_mm),
        location="Inspection",
        actor=acting(metrologist),
    )
    if in_service:
        day = calibrated_on or timezone.localdate() - timedelta(days=30)
        make_calibration(gauge, day, day + timedelta(days=365))
        put_gauge_in_service(gauge_id=gauge.pk, actor=acting(metrologist))
        gauge.refresh_from_db()
    return gauge


def make_calibration(
    gauge: Gauge, made: date, due: date, as_found: AsFound = AsFound.IN_TOLERANCE
) -> Calibration:
    metrologist = _metrologist()
    text = f"Certificate {gauge.calibrations.count() + 1} of {gauge.code}\n".encode()
    certificate = store_calibration_certificate(file=text, actor=acting(metrologist))
    return calibrate_gauge(
        gauge_id=gauge.pk,
        certified=Certified(made, due, as_found, "Example Metrology"),
        certificate=certificate.sha256,
        actor=acting(metrologist),
        credentials=typed(metrologist),
    )


def the_gauge() -> Gauge:
    """The scanner of a test that does not look at gauges."""
    found = Gauge.objects.filter(stage=GaugeStage.IN_SERVICE).order_by("pk").first()
    return found or make_gauge()


def _metrologist() -> Person:
    # Those of another maker have another password.
    own = Person.objects.filter(accounts__username__startswith=STAFF)
    found = own.filter(role_grants__role=Role.CAL).order_by("pk").first()
    return found or make_person("Person CAL", Role.CAL)


# --- inspections


@cache
def deviation_of(offset_mm: float) -> Deviation:
    """A real comparison of a scan with the part, computed once."""
    scan = read_mesh(make_scan(make_part(), offset_mm=offset_mm))
    return inspect_scan(make_part(), scan, tolerance_mm=float(INSPECTION["tolerance_mm"]))


def make_measured(staff: Staff, device: Device, *, offset_mm: float = 0.0, unit: int = 1) -> Inspection:
    """A scan that was received and measured. Beyond 0.3 mm of offset it is out of tolerance."""
    return measured(make_received(staff, device, unit), offset_mm=offset_mm)


def make_received(staff: Staff, device: Device, unit: int = 1) -> Inspection:
    """A scan that arrived and is still to be measured."""
    upload = f"solid scan {device.pk} {device.inspections.count()} facet".encode()
    return receive_scan(
        device_id=device.pk, upload=upload, gauge_id=the_gauge().pk, actor=acting(staff[Role.INS]), unit=unit
    )


def measured(inspection: Inspection, *, offset_mm: float = 0.0) -> Inspection:
    """The same inspection, once a worker has measured its scan."""
    design = inspection.device.current_design
    assert design is not None
    assert design.mesh is not None
    record_measurement(
        inspection_id=inspection.pk,
        deviation=deviation_of(offset_mm),
        plan=read_plan(inspection.device.master.inspection),
        nominal=design.mesh,
        files=(
            store_artefact(f"map {inspection.pk}".encode(), media_type="model/ply"),
            make_picture(inspection.pk),
        ),
    )
    return Inspection.objects.get(pk=inspection.pk)
