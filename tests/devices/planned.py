"""A plan of two pedicle trajectories into a third lumbar vertebra at the origin of LPS, and what it stands on."""

from __future__ import annotations

import tempfile
from copy import deepcopy
from pathlib import Path
from typing import Any

import numpy as np

from devices.imaging.base import Acquisition, Volume
from devices.imaging.storage import save_volume
from devices.mesh.io import write_stl
from devices.models import Design, Device, Plan
from devices.planning.base import Ground, Points
from devices.selectors.devices import devices
from devices.services.designs import record_design, request_design
from devices.services.generating import compute_design
from devices.services.lifecycle import check_transition
from devices.services.plans import approve_plan, draft_plan
from mes.choices import Role
from mes.services.artefacts import store_artefact
from tests.devices.makers import (
    CATALOGUE,
    PEOPLE,
    Staff,
    Who,
    given_to,
    make_master,
    make_planned,
    make_segmentation,
    make_study,
)
from tests.devices.vertebra import vertebra
from tests.scenes import Scene

COARSE = {"detail_mm": 0.9, "clearance_mm": 0.3}
GUIDE = "pedicle_guide_training"

LOW_MM, HIGH_MM = np.array([-60.0, -60.0, -120.0]), np.array([60.0, 60.0, 40.0])
SLEEVE = "sleeve-2.5-12"
_CONVERGING = 0.17364817766693033, 0.984807753012208
CONTENT: dict[str, Any] = {
    "level": "L3",
    "counted": [
        {"level": level, "point_mm": [0.0, -24.0, z]}
        for level, z in (("S1", -99.0), ("L5", -66.0), ("L4", -33.0), ("L3", 0.0))
    ],
    "side": "bilateral",
    "spinous_mm": [0.0, 38.0, -2.0],
    "body_mm": [0.0, -24.0, 0.0],
    "sleeve": SLEEVE,
    "trajectories": [
        {"side": "left", "entry_mm": [17.868, 16.924, 2.0], "axis": [-_CONVERGING[0], -_CONVERGING[1], 0.0], "depth_mm": 38.0},
        {"side": "right", "entry_mm": [-17.868, 16.924, 2.0], "axis": [_CONVERGING[0], -_CONVERGING[1], 0.0], "depth_mm": 38.0},
    ],
    "contacts": {"left": [15.0, 17.0, -1.5], "right": [-15.0, 17.0, -1.5], "spinous": [0.0, 30.0, 1.0]},
}  # fmt: skip


def content(**changed: Any) -> dict[str, Any]:
    """The plan as somebody would send it, with some parts changed; a part given as None is left out."""
    found = {**deepcopy(CONTENT), **changed}
    return {name: value for name, value in found.items() if value is not None}


def ground(side: str = "bilateral") -> Ground:
    """Images from 40 mm above the vertebra to below the sacrum's upper end."""

    def inside(points: Points) -> np.ndarray[Any, np.dtype[np.bool_]]:
        return np.asarray(((points >= LOW_MM) & (points <= HIGH_MM)).all(axis=1), dtype=np.bool_)

    return Ground(side, inside)


def spine_volume() -> Volume:
    """Images of that place without anything in them, in voxels of 4 mm."""
    counts = ((HIGH_MM - LOW_MM) / 4.0).astype(int) + 1
    slices = LOW_MM[2] + 4.0 * np.arange(counts[2])
    positions = np.stack([np.full_like(slices, LOW_MM[0]), np.full_like(slices, LOW_MM[1]), slices], axis=1)
    voxels = np.zeros((counts[2], counts[1], counts[0]), dtype=np.int16)
    return Volume(
        voxels, positions, np.eye(3)[0], np.eye(3)[1], (4.0, 4.0), Acquisition("synthetic", modality="CT")
    )


def make_ready(staff: Staff | None = None, **fields: Any) -> Device:
    """A device that waits for its plan: images from the sacrum up, and the approved surface of the vertebra."""
    staff = staff or Staff()
    if not fields and (found := given_to(staff, "to_plan")):
        return Device.objects.get(pk=found)
    device = make_planned(staff, **{"master": make_master(GUIDE), "side": "bilateral"} | fields)
    study, volume = make_study(device, staff), spine_volume()
    with tempfile.TemporaryDirectory() as folder:
        save_volume(volume, Path(folder) / "volume.npz")
        study.volume = store_artefact(Path(folder) / "volume.npz", media_type="application/x-npz")
    study.slices, study.rows, study.columns = volume.shape
    study.save()
    make_segmentation(device, staff, surface=store_artefact(write_stl(vertebra()), media_type="model/stl"))
    return device


def draft(device: Device, staff: Staff, **changed: Any) -> Plan:
    """The plan of `CONTENT`, by a design engineer for the assigned reviewer, where nothing else is said."""
    reader: Who = changed.pop("reader", staff[Role.CLR])
    author: Who = changed.pop("author", staff[Role.DSN])
    return draft_plan(
        device_id=device.pk, content=content(**changed), reader_id=reader.person.pk, actor=author.actor
    )


def approve(device: Device, who: Who, counted: str = "L3") -> Plan:
    return approve_plan(device_id=device.pk, counted=counted, actor=who.actor, credentials=who.typed())


def _to_plan() -> tuple[Staff, int]:
    staff = Staff()
    return staff, make_ready(staff).pk


def make_designed(staff: Staff | None = None) -> Design:
    """The guide that the plan asks for, generated and not reviewed yet. Coarse: it takes a second."""
    staff = staff or Staff()
    if found := given_to(staff, "planned_design"):
        return Design.objects.get(pk=found)
    return make_designed_on(make_ready(staff), staff)


def make_designed_on(device: Device, staff: Staff) -> Design:
    design = request_planned(device, staff)
    return record_design(design_id=design.pk, outcome=compute_design(design.pk))


def request_planned(device: Device, staff: Staff, **changed: Any) -> Design:
    """Plan, read and ask for the design."""
    draft(device, staff, **changed)
    approve(device, staff[Role.CLR])
    return request_design(device_id=device.pk, values=COARSE, actor=staff[Role.DSN].actor)


def blocking(device: Device, transition: str) -> dict[str, str]:
    """What the gates of a move say against it, by rule."""
    found: dict[str, str] = {}
    for result in check_transition(devices().get(pk=device.pk), transition):
        if not result.passed:
            found[result.gate] = f"{found.get(result.gate, '')} {result.reason}".strip()
    return found


def _designed() -> tuple[Staff, int]:
    staff = Staff()
    device = make_ready(staff)
    return staff, make_designed_on(device, staff).pk


TO_PLAN = Scene("to_plan", PEOPLE.make, story=_to_plan, upon=CATALOGUE, apart=True)
PLANNED_DESIGN = Scene("planned_design", PEOPLE.make, story=_designed, upon=TO_PLAN, apart=True)
