"""What quality does when something happened: each reaction calls one service."""

from __future__ import annotations

from collections.abc import Callable

from devices.choices import Stage
from devices.events import DeviceResumed, DeviceStageChanged
from devices.models import Device
from mes.eventlog.base import Recorded
from mes.eventlog.subscriptions import on
from printing.events import (
    DeviceBuildOutdated,
    DevicePrintContradicted,
    LotHoldReleased,
    PrinterHoldReleased,
    PrinterQualified,
)
from quality.choices import Source
from quality.events import DeviceReleased, RecordExported, RecordExportRequested, ScanReceived
from quality.services.export import export_next
from quality.services.measurement import measure_scan
from quality.services.nonconformance import open_nonconformance
from quality.services.postprocessing import start_post_processing
from quality.services.release import complete_record, complete_records
from quality.services.reports import render_production_record
from quality.services.scrapping import SYSTEM as NONCONFORMANCE


@on(DeviceStageChanged, id="quality.start_post_processing")
def begin_the_routing(recorded: Recorded[DeviceStageChanged]) -> None:
    """A built device begins its routing."""
    if recorded.event.target == Stage.BUILT:
        start_post_processing(device_id=recorded.event.device_id)


@on(DeviceResumed, id="quality.start_post_processing_after_hold")
def begin_the_routing_after_hold(recorded: Recorded[DeviceResumed]) -> None:
    """A device that was held when it was built begins its routing."""
    start_post_processing(device_id=recorded.event.device_id)


@on(ScanReceived, id="quality.measure_scan", queue="imaging")
def measure(recorded: Recorded[ScanReceived]) -> Callable[[], object]:
    """A scan is registered to the approved surface and compared with it."""
    return measure_scan(recorded.event.inspection_id)


@on(DeviceStageChanged, id="quality.complete_record")
def complete_after_inspection(recorded: Recorded[DeviceStageChanged]) -> None:
    """A device that passed goes on to review as soon as nothing is missing."""
    if recorded.event.target in (Stage.INSPECTED_PASS, Stage.LABELLED):
        complete_record(device_id=recorded.event.device_id)


@on(DeviceResumed, id="quality.complete_record_after_hold")
def complete_after_hold(recorded: Recorded[DeviceResumed]) -> None:
    """What a hold had stopped goes on."""
    complete_record(device_id=recorded.event.device_id)


@on(LotHoldReleased, id="quality.complete_records_of_lot")
def complete_records_of_lot(recorded: Recorded[LotHoldReleased]) -> None:
    """What a held lot had stopped goes on."""
    complete_records(Device.objects.filter(build_items__build__jobs__container__lot=recorded.event.lot_id))


@on(PrinterHoldReleased, id="quality.complete_records_of_printer")
def complete_records_of_printer(recorded: Recorded[PrinterHoldReleased]) -> None:
    """What a held printer had stopped goes on."""
    complete_records(Device.objects.filter(build_items__build__jobs__printer=recorded.event.printer_id))


@on(PrinterQualified, id="quality.complete_records_of_qualified_printer")
def complete_records_of_qualified_printer(recorded: Recorded[PrinterQualified]) -> None:
    """What waited for a printer's requalification goes on."""
    complete_records(Device.objects.filter(build_items__build__jobs__printer=recorded.event.printer_id))


@on(DeviceBuildOutdated, id="quality.flag_outdated_build")
def flag_outdated_build(recorded: Recorded[DeviceBuildOutdated]) -> None:
    """A part that a machine may have made from a voided design is for a nonconformance."""
    event = recorded.event
    open_nonconformance(
        device_id=event.device_id,
        source=Source.PRINTING,
        requirement="A part is printed from the approved design of its device (G-BLD-01)",
        description=f"Build B{event.build_id:07d} was with its machine when the design in it was voided.",
        actor=NONCONFORMANCE,
        evidence={"build": event.build_id, "design": event.design_id},
    )


@on(DevicePrintContradicted, id="quality.flag_contradicted_print")
def flag_contradicted_print(recorded: Recorded[DevicePrintContradicted]) -> None:
    """A part whose machine says that it was not finished is for a nonconformance."""
    event = recorded.event
    open_nonconformance(
        device_id=event.device_id,
        source=Source.PRINTING,
        requirement="A part is printed as verified, all of it (G-PRT-01)",
        description=f"Build B{event.build_id:07d} stands as printed; {event.text}.",
        actor=NONCONFORMANCE,
        evidence={"build": event.build_id, "job": event.job_id},
    )


@on(DeviceReleased, id="quality.render_production_record", queue="reports")
def render_record(recorded: Recorded[DeviceReleased]) -> Callable[[], object]:
    """A released device gets its production record as PDF and JSON."""
    return render_production_record(recorded.event.device_id, last_pos=recorded.pos)


@on(RecordExportRequested, id="quality.export_first_record", queue="reports")
def export_first(recorded: Recorded[RecordExportRequested]) -> Callable[[], object]:
    """The first device of an export gets its bundle."""
    return export_next(recorded.event.export_id)


@on(RecordExported, id="quality.export_next_record", queue="reports")
def export_following(recorded: Recorded[RecordExported]) -> Callable[[], object]:
    """After each bundle the next is written, until there is none or somebody stops it."""
    return export_next(recorded.event.export_id)
