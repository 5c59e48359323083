"""From the prescription to the frozen design: the first half of the story, each step by the person who may do it."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import nullcontext
from dataclasses import dataclass
from datetime import date, timedelta
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
from django.conf import settings
from django.utils import timezone

from devices.choices import DesignStatus, OrderStage, SegmentationStatus, StudyStatus
from devices.mesh.io import read_mesh
from devices.models import Device, DeviceMaster, Material, Order
from devices.services.assignments import assign_person
from devices.services.definitions import draft_master, draft_material, publish_master, specify_material
from devices.services.designs import approve_design, request_design, review_design
from devices.services.orders import approve_order, create_order, start_order_review, submit_order
from devices.services.segmentations import approve_segmentation
from devices.services.studies import receive_study
from mes.choices import Role
from mes.demo.dataset import DemoImages, write_dicom_series
from mes.demo.people import actor, person, typed
from mes.demo.teller import Teller
from mes.eventlog.unit import unit_of_work
from mes.models import Patient
from mes.services.artefacts import intact_path
from mes.services.patients import Identity, register_patient

TRAINING = "cranial_guide_training"
CLINICAL = "cranial_guide"
MATERIAL = "resin-guide-01"
PATIENT = Identity("LAM-DEMO-0001", "Demonstration", "Alexis", "1961-04-12")
AGE_OF_IMAGES = timedelta(days=12)
CHARACTERISTICS = ({"attribute": "drill diameter", "value": "2.4", "unit": "mm"},)


@dataclass
class Case:
    """One order of the demo and its device."""

    order: Order
    device: Device

    def refresh(self) -> Device:
        self.device = Device.objects.select_related(
            "master", "order", "current_study", "current_segmentation", "current_design"
        ).get(pk=self.device.pk)
        return self.device


def publish_definitions(teller: Teller) -> None:
    """The material and both masters, each drafted by an engineer and approved by quality."""
    teller.steadily(define)
    teller.say("The material and two device masters are approved: training, and clinical.")


@unit_of_work
def define() -> None:
    """Whatever is not defined yet. Drafted and approved together: half of it could not be told from a draft in work."""
    if not Material.objects.filter(code=MATERIAL).exists():
        material = draft_material(definition=MATERIAL, actor=actor("designer"))
        specify_material(material_id=material.pk, actor=actor("reviewer"), credentials=typed("reviewer"))
    for code in (TRAINING, CLINICAL):
        if not DeviceMaster.objects.filter(code=code).exists():
            master = draft_master(definition=code, actor=actor("designer"))
            publish_master(master_id=master.pk, actor=actor("reviewer"), credentials=typed("reviewer"))


def place_order(teller: Teller, master: str) -> Case:
    """Step 1: prescribed, reviewed, and approved by two people; then the device is planned."""
    newest = teller.steadily(lambda: Order.objects.order_by("-pk").values_list("pk", flat=True).first() or 0)
    order = teller.once(
        f"A {'training' if master == TRAINING else 'clinical'} guide is ordered for a patient known by a token.",
        lambda: _draft(register_patient(identity=PATIENT, actor=actor("coordinator")), master),
        found=lambda: Order.objects.filter(pk__gt=newest, master__code=master).first(),
    )
    step = _steps(order)
    teller.act(
        f"{order.code}: prescribed by a signature.",
        lambda: submit_order(order_id=order.pk, actor=actor("prescriber"), credentials=typed("prescriber")),
        unless=lambda: step() != OrderStage.DRAFT,
    )
    teller.act(
        f"{order.code}: under review.",
        lambda: start_order_review(order_id=order.pk, actor=actor("coordinator2")),
        unless=lambda: step() != OrderStage.SUBMITTED,
    )
    for username, role in (("coordinator2", Role.ORD), ("regulatory", Role.RA)):
        teller.act(
            f"{order.code}: approved ({role.label.lower()}).",
            lambda u=username, r=role: approve_order(  # type: ignore[misc]  # bound for this turn of the loop
                order_id=order.pk, actor=actor(u), credentials=typed(u), role=r
            ),
            unless=lambda: step() != OrderStage.UNDER_REVIEW,
        )
    teller.act(
        f"{order.code}: a clinical reviewer is assigned; until then the case did not exist for her.",
        lambda: assign_person(
            order_id=order.pk, person_id=person("clinical").pk, role=Role.CLR, actor=actor("coordinator")
        ),
        unless=lambda: order.assignments.filter(ended=False).exists(),
    )
    device = teller.wait("The device is planned.", lambda: Device.objects.filter(order=order).first())
    return Case(order, device)


def _draft(patient: Patient, master: str) -> Order:
    return create_order(
        patient=patient,
        prescriber=person("prescriber"),
        master_code=master,
        side="left",
        need_by=timezone.localdate() + timedelta(days=10),
        characteristics=CHARACTERISTICS,
        actor=actor("coordinator"),
    )


def _steps(order: Order) -> Callable[[], str]:
    return lambda: Order.objects.values_list("stage", flat=True).get(pk=order.pk)


def send_images(teller: Teller, case: Case, images: DemoImages, *, timed: bool = True) -> None:
    """Step 2: a DICOM series, its slices in shuffled order, through the front door."""
    with teller.timed("imaging") if timed else nullcontext():
        teller.act(
            f"{case.device.code}: a DICOM series of {len(images.volume.positions)} slices is sent in.",
            lambda: _send(case, images),
            unless=lambda: case.device.studies.exists(),
        )
        study = teller.wait(
            "The images are a calibrated volume of this patient, de-identified.",
            lambda: case.refresh().studies.filter(status=StudyStatus.ACCEPTED).first(),
            broken=lambda: _refusals(case),
        )
    teller.say(
        f"   {study.columns} × {study.rows} × {study.slices} voxels, slices {study.widest_slice_step_mm:.2f} mm apart"
    )


def _send(case: Case, images: DemoImages) -> None:
    with TemporaryDirectory(prefix=".demo-", dir=settings.QUARANTINE_DIR) as scratch:
        folder = Path(scratch) / "series"
        write_dicom_series(
            images.volume,
            folder,
            patient_id=PATIENT.patient_id,
            family_name=PATIENT.family_name,
            given_name=PATIENT.given_name,
            birth_date=date.fromisoformat(PATIENT.birth_date),
            acquired_on=timezone.localdate() - AGE_OF_IMAGES,
        )
        receive_study(device_id=case.device.pk, upload=folder, actor=actor("imaging"))


def _refusals(case: Case) -> str:
    refused = case.device.studies.filter(status=StudyStatus.REFUSED).first()
    return "; ".join(finding["message"] for finding in refused.findings) if refused else ""


def approve_bone(teller: Teller, case: Case) -> None:
    """Step 3: bone by threshold, its surface, and a clinician who looks at both."""
    with teller.timed("segmentation"):
        found = teller.wait(
            "The bone is segmented, its surface closed.",
            lambda: case.refresh().current_segmentation,
        )
    teller.say(
        f"   {found.volume_ml:.0f} mL, {found.triangles} triangles, {found.distance_mean_mm:.3f} mm from the mask on average"
    )
    teller.act(
        "The segmentation is approved by a clinical reviewer who is not its author.",
        lambda: approve_segmentation(
            device_id=case.device.pk, actor=actor("clinical"), credentials=typed("clinical")
        ),
        unless=lambda: case.refresh().current_segmentation.status != SegmentationStatus.RECORDED,  # type: ignore[union-attr]  # waited for
    )


def freeze_design(teller: Teller, case: Case) -> None:
    """Step 4: a guide around a landmark, reviewed by a second engineer, then signed by the prescriber."""
    with teller.timed("design"):
        teller.act(
            "A guide is asked for around a landmark on the left of the vault.",
            lambda: request_design(
                device_id=case.device.pk, values={"landmark_mm": landmark(case)}, actor=actor("designer")
            ),
            unless=lambda: case.device.designs.exists(),
        )
        design = teller.wait(
            "The guide fits the bone.",
            lambda: case.device.designs.filter(status=DesignStatus.GENERATED).first(),
            broken=lambda: "; ".join(
                reason["text"]
                for failed in case.device.designs.filter(status=DesignStatus.FAILED)
                for reason in failed.reasons
            ),
        )
    measures: dict[str, Any] = design.measures
    teller.say(
        f"   {measures['volume_ml']:.2f} mL, thinnest wall {measures['minimum_wall_mm']:.2f} mm, "
        f"{measures['bone_clearance_p50_mm']:.2f} mm from the bone"
    )
    teller.act(
        "The design is reviewed by a second engineer.",
        lambda: review_design(
            device_id=case.device.pk, actor=actor("designer2"), credentials=typed("designer2")
        ),
        unless=lambda: case.device.designs.exclude(status=DesignStatus.GENERATED).exists(),
    )
    teller.act(
        "The prescriber signs exactly this mesh, and the design is frozen.",
        lambda: approve_design(
            device_id=case.device.pk, actor=actor("prescriber"), credentials=typed("prescriber")
        ),
        unless=lambda: case.device.designs.filter(status=DesignStatus.APPROVED).exists(),
    )


def landmark(case: Case) -> tuple[float, float, float]:
    """A point on the left half of the skull's vault, as a designer would click it: the highest one 30 mm off the middle."""
    segmentation = case.refresh().current_segmentation
    if segmentation is None:
        raise LookupError("there is no bone yet")
    points = read_mesh(intact_path(segmentation.surface_id)).vertices
    middle = (points.min(axis=0) + points.max(axis=0)) / 2
    beside = np.hypot(points[:, 0] - middle[0] - 30.0, points[:, 1] - middle[1])
    near = points[beside < max(4.0, float(beside.min()) + 1.0)]
    x, y, z = near[np.argmax(near[:, 2])]
    return float(x), float(y), float(z)
