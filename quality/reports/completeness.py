"""Whether a production record is complete: what must be there, and whether the quantities agree (G-REL-01)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from devices.choices import DesignStatus, SegmentationStatus, StudyStatus
from devices.models import Device
from devices.selectors.evidence import bone_of
from mes.models import EventRecord
from mes.selectors import stream_of
from printing.choices import BuildState, JobState
from printing.models import Consumption
from quality.selectors.making import passed_inspection, routing_done
from quality.selectors.record import builds_of, jobs_of


@dataclass(frozen=True)
class Item:
    """One thing that the record must hold."""

    key: str
    title: str
    present: bool
    cure: str
    evidence: Any


def record_items(device: Device) -> tuple[Item, ...]:
    """Sections B to L of the record, as far as the device needs them."""
    study, segmentation, design = (
        device.current_study,
        bone_of(device),
        device.current_design,
    )
    inspection = passed_inspection(device)
    return (
        Item(
            "prescription",
            "the signed prescription",
            device.order.prescription_id is not None,
            "The prescriber signs.",
            device.order.prescription_id,
        ),
        Item(
            "images",
            "accepted images",
            study is not None and study.status == StudyStatus.ACCEPTED,
            "Send images.",
            (study.volume_id or study.surface_id) if study else None,
        ),
        Item(
            "segmentation",
            "an approved segmentation",
            segmentation is not None
            and segmentation.status == SegmentationStatus.APPROVED
            and segmentation.pk == device.current_segmentation_id,
            "A clinical reviewer approves it.",
            segmentation.surface_id if segmentation else None,
        ),
        Item(
            "design",
            "an approved design",
            design is not None and design.status == DesignStatus.APPROVED,
            "The prescriber approves it.",
            design.mesh_id if design else None,
        ),
        *_printing_items(device),
        Item(
            "post_processing",
            "every post-processing step",
            routing_done(device),
            "Record the missing steps.",
            [f"{row.step} #{row.attempt}" for row in device.post_process_steps.order_by("pk")],
        ),
        Item(
            "inspection",
            "a passed inspection",
            inspection is not None,
            "An inspector signs a scan within its limits.",
            inspection.number if inspection else None,
        ),
    )


def _printing_items(device: Device) -> tuple[Item, ...]:
    completed = [build for build in builds_of(device) if build.state == BuildState.COMPLETED]
    design = device.current_design
    from_design = [
        build.code
        for build in completed
        if design and build.items.filter(device=device, mesh_sha256=design.mesh_id).exists()
    ]
    finished = [job for job in jobs_of(device) if job.state == JobState.FINISHED and job.build in completed]
    used = Consumption.objects.filter(job__in=finished)
    return (
        Item(
            "build",
            "a completed build of the approved design",
            bool(from_design),
            "Print the approved design.",
            from_design,
        ),
        Item(
            "print_job",
            "a finished print job",
            bool(finished),
            "Finish the print.",
            [job.code for job in finished],
        ),
        Item(
            "material",
            "the material used, by lot",
            used.exists(),
            "Record the material that the job used.",
            [{"lot": row.lot.code, "quantity": str(row.quantity)} for row in used.select_related("lot")],
        ),
    )


@dataclass(frozen=True)
class Quantities:
    """Units: ordered, how often they were started, built and lost, and what became of those that were built."""

    ordered: int
    started: int
    built: int
    lost: int
    scrapped: int
    accepted: int

    @property
    def approved(self) -> int:
        return self.built - self.scrapped

    @property
    def agree(self) -> bool:
        return self.started == self.built + self.lost and self.approved == self.accepted >= 1

    def as_evidence(self) -> dict[str, int]:
        return {
            "ordered": self.ordered,
            "started": self.started,
            "built": self.built,
            "lost": self.lost,
            "scrapped": self.scrapped,
            "approved": self.approved,
            "accepted": self.accepted,
        }


def quantities_of(device: Device) -> Quantities:
    """Counted from the facts on the device's stream; a plate holds every unit of a lot, so a print is of all of them."""
    kind, key = stream_of(device)
    events = EventRecord.objects.filter(stream_type=kind, stream_id=key)
    count = {
        name: device.quantity * events.filter(type=f"printing.device_print_{name}").count()
        for name in ("started", "finished", "failed")
    }
    return Quantities(
        ordered=device.quantity,
        started=count["started"],
        built=count["finished"],
        lost=count["failed"],
        scrapped=device.scrapped,
        accepted=device.accepted,
    )
