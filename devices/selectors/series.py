"""Series: devices of one order that are the stages of one plan, each made by itself and all of them decided about as one. Nothing
here writes."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from devices.choices import DesignStatus
from devices.generators.base import GENERATORS, STAGE
from devices.models import Device, DeviceMaster, Order
from devices.planning.base import Reading
from devices.planning.marks import read_marks
from devices.planning.movements import read_treatment
from devices.planning.staging import StepLimits, stage_treatment
from devices.selectors.plans import current_plan
from mes.eventlog.base import digest_of

OVERLAP = "overlap_"
DESIGNED = (DesignStatus.GENERATED, DesignStatus.REVIEWED, DesignStatus.APPROVED)


def is_serial(master: DeviceMaster) -> bool:
    """Whether the devices of an order under this master are stages of a series."""
    return STAGE in GENERATORS[master.design["generator"]].parameters


def in_series(device: Device) -> bool:
    return is_serial(device.master)


def stages_of(order: Order) -> list[Device]:
    """The devices of an order in the order of their stages, which is that of their serials."""
    return list(Device.objects.filter(order=order).select_related("current_design").order_by("serial"))


def series_of(device: Device) -> list[Device]:
    """All stages of a device's series, itself among them."""
    return stages_of(device.order)


def place_of(device: Device) -> tuple[int, int]:
    """(the stage that a device is, of how many)."""
    every = [one.pk for one in series_of(device)]
    return every.index(device.pk) + 1, len(every)


def is_designed(device: Device) -> bool:
    """Whether a device has a design that stands."""
    design = device.current_design
    return design is not None and design.status in DESIGNED


def series_facts(device: Device) -> dict[str, Any]:
    """What is signed of the series that a device is a stage of: every stage's design, and one digest over all of it; nothing for others."""
    if not in_series(device):
        return {}
    every = series_of(device)
    stages = [_stage(number, one) for number, one in enumerate(every, start=1)]
    return {
        "series": {
            "stage": [one.pk for one in every].index(device.pk) + 1,
            "stages": stages,
            "digest": digest_of({"order": device.order.code, "stages": stages}),
        }
    }


def _stage(number: int, device: Device) -> dict[str, Any]:
    design = device.current_design if is_designed(device) else None
    return {
        "stage": number,
        "device": device.code,
        "revision": design.revision if design else None,
        "mesh": design.mesh_id if design else None,
    }


@dataclass(frozen=True)
class StageRow:
    """One stage on a screen. moves: what each tooth does from the stage before, with its share of the limit; overlap_mm: the closest pair of
    neighbours, negative where a gap is left, None before the design is made."""

    number: int
    device: Device
    moves: tuple[dict[str, Any], ...]
    overlap_mm: float | None
    overlapping: str

    @property
    def largest(self) -> dict[str, Any] | None:
        """The move that comes nearest to its limit."""
        return max(self.moves, key=lambda move: float(move["share_of_limit"]), default=None)


def stage_rows(order: Order) -> list[StageRow]:
    """Every stage of an order's series, with what its plan and its design say."""
    every = stages_of(order)
    moves = _moves(every[0]) if every else []
    return [_row(number, device, moves) for number, device in enumerate(every, start=1)]


def _moves(device: Device) -> list[dict[str, Any]]:
    plan = current_plan(device)
    if plan is None:
        return []
    _, teeth = read_marks(Reading(), plan.content["teeth"])
    said = device.current_design.values if device.current_design else device.master.design["defaults"]
    limits = StepLimits(float(said["translation_step_mm"]), float(said["rotation_step_deg"]))
    return stage_treatment(read_treatment(plan.content["treatment"], teeth), limits).table()


def _row(number: int, device: Device, moves: list[dict[str, Any]]) -> StageRow:
    design = device.current_design if is_designed(device) else None
    pairs = {
        name: float(value)
        for name, value in (design.measures if design else {}).items()
        if name.startswith(OVERLAP)
    }
    worst = max(pairs, key=lambda name: pairs[name], default="")
    return StageRow(
        number,
        device,
        tuple(move for move in moves if move["stage"] == number),
        pairs.get(worst),
        " and ".join(worst.removeprefix(OVERLAP).split("_")[:2]),
    )
