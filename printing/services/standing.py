"""Whether what is on a plate still is the approved design of its device (G-BLD-01). Nothing here writes."""

from __future__ import annotations

from devices.choices import DesignStatus
from printing.models import Build, BuildItem, PrintJob
from printing.models.jobs import OPEN_JOB_VALUES


def stands_in_build(device_id: int, build_id: int) -> bool:
    """Whether what this build makes of the device is its approved design."""
    item = BuildItem.objects.select_related("device__current_design").filter(
        device_id=device_id, build_id=build_id
    )
    return any(stands(found) for found in item)


def stands(item: BuildItem) -> bool:
    """Whether a part on a plate is the mesh of its device's current, approved design."""
    design = item.device.current_design
    return (
        design is not None
        and design.status == DesignStatus.APPROVED
        and (design.pk, design.mesh_id) == (item.design_id, item.mesh_sha256)
    )


def outdated_parts(build: Build) -> list[str]:
    """Codes of the devices whose part on the plate is not their approved design any more."""
    items = build.items.select_related("device__current_design").order_by("device_id")
    return [item.device.code for item in items if not stands(item)]


def open_builds_of(device_id: int, design_id: int) -> list[int]:
    """Builds that are not over and hold this design of the device."""
    items = BuildItem.objects.filter(device_id=device_id, design_id=design_id, active=True)
    return list(items.order_by("build_id").values_list("build_id", flat=True))


def open_job_of(build_id: int) -> int | None:
    """The job that claims a printer for this build."""
    return (
        PrintJob.objects.filter(build_id=build_id, state__in=OPEN_JOB_VALUES)
        .values_list("pk", flat=True)
        .first()
    )


def verified_elsewhere(device_id: int, build_id: int) -> bool:
    """Whether another build, which was verified, is to make the device."""
    others = BuildItem.objects.filter(device_id=device_id, active=True).exclude(build_id=build_id)
    return others.filter(build__verify_signature__isnull=False).exists()
