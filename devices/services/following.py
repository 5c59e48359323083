"""An order follows its devices along its own table."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from devices.choices import OrderStage, Phase, Stage, StudyStatus
from devices.events import OrderStageChanged
from devices.lifecycle import ORDER
from devices.models import Device
from devices.services.orders import locked_order, move_order
from mes.eventlog.base import Actor
from mes.eventlog.unit import unit_of_work

SYSTEM = Actor.system("orders")
ENDED = (Stage.SCRAPPED, Stage.CANCELLED)
GONE = (Stage.SHIPPED, Stage.DELIVERED)
BEFORE_APPROVAL = (Phase.IMAGING, Phase.DESIGN)
Rule = Callable[[Sequence[Device]], bool]


def _has_images(devices: Sequence[Device]) -> bool:
    return any(
        device.current_study is not None and device.current_study.status == StudyStatus.ACCEPTED
        for device in devices
    )


def _back_in_design(devices: Sequence[Device]) -> bool:
    return any(device.stage == Stage.PLANNED and device.phase in BEFORE_APPROVAL for device in devices)


def _frozen(devices: Sequence[Device]) -> bool:
    return all(device.stage != Stage.PLANNED for device in devices)


def _released(devices: Sequence[Device]) -> bool:
    return all(device.stage in (Stage.RELEASED, *GONE) for device in devices)


# fmt: off
FOLLOWS: dict[str, tuple[tuple[str, Rule], ...]] = {
    OrderStage.ACCEPTED:                   (("start_design", _has_images),),
    OrderStage.IN_DESIGN:                  (("submit_design", lambda devices: not _back_in_design(devices)),),
    OrderStage.AWAITING_CLINICAL_APPROVAL: (("request_changes", _back_in_design), ("approve_design", _frozen)),
    OrderStage.IN_PRODUCTION:              (("request_changes", _back_in_design), ("release_all", _released)),
    OrderStage.READY_TO_SHIP:              (("ship", lambda devices: all(d.stage in GONE for d in devices)),),
    OrderStage.SHIPPED:                    (("deliver", lambda devices: all(d.stage == Stage.DELIVERED for d in devices)),),
}
# fmt: on


@unit_of_work
def follow_devices(*, device_id: int) -> None:
    """Move the device's order as far as its devices allow. Devices that ended do not count, unless all did."""
    order = locked_order(Device.objects.values_list("order_id", flat=True).get(pk=device_id))
    living = [device for device in order.devices.select_related("current_study") if device.stage not in ENDED]
    while living:
        name = next((name for name, rule in FOLLOWS.get(order.stage, ()) if rule(living)), None)
        if name is None:
            return
        row = ORDER.row(name, order.stage)
        event = OrderStageChanged(
            order_id=order.pk, transition=name, source=str(row.source), target=str(row.target)
        )
        move_order(order, name, event, actor=SYSTEM)
