"""Starting the time for which builds and lots are kept, once everything that they made has ended (K-15)."""

from __future__ import annotations

from devices.choices import KEPT_FROM
from devices.models import Device
from mes.eventlog.base import Actor
from mes.eventlog.unit import unit_of_work
from mes.services.retention import start_clock
from printing.choices import USED_UP
from printing.models import MaterialLot
from printing.selectors.builds import device_builds
from printing.selectors.material import device_lots

CLOCK = Actor.system("printing")


@unit_of_work
def start_clocks_of_plates(*, device_id: int, stage: str) -> None:
    """The builds and used-up lots of a device that ended; each only where nothing made with it is still under way."""
    if stage not in KEPT_FROM:
        return
    device = Device.objects.get(pk=device_id)
    for build in device_builds(device):
        start_clock(row=build, actor=CLOCK)
    for lot in device_lots(device).filter(state__in=USED_UP):
        start_clock(row=lot, actor=CLOCK)


@unit_of_work
def start_clock_of_lot(*, lot_id: int) -> None:
    start_clock(row=MaterialLot.objects.get(pk=lot_id), actor=CLOCK)
