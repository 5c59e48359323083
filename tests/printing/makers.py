"""Makers of lots, parameter sets, printers, builds and jobs. Each goes through the services, so its rows are true."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import date, timedelta
from decimal import Decimal
from itertools import count
from typing import Any
from uuid import UUID

from django.utils import timezone

from devices.choices import Stage
from devices.models import Device
from devices.services.lifecycle import advance_device
from mes.choices import Role
from mes.eventlog.base import Actor
from mes.eventlog.unit import open_unit
from printing.choices import Link, Machine, Operation, Run
from printing.drivers.base import Finding, RunSeen, Snapshot
from printing.models import Build, Container, MaterialLot, ParameterSet, Printer, PrinterContact, PrintJob
from printing.selectors.jobs import open_command
from printing.services.builds import create_build, verify_build
from printing.services.commands import record_answer, take_command
from printing.services.fleet.lease import take_lease
from printing.services.fleet.words import FLEET, Word, record_fleet_word
from printing.services.jobs import dispatch_build, start_job
from printing.services.loading import load_container
from printing.services.lots import receive_lot, release_lot
from printing.services.parameters import approve_parameters, define_parameters
from printing.services.preparation import prepare_build
from printing.services.printers import (
    approve_printer_step,
    qualify_printer,
    record_calibration,
    register_printer,
)
from tests.devices.makers import PEOPLE, Staff, given_to, make_device, make_material
from tests.scenes import Scene

KIND = "sim-dlp-1"
MATERIAL = "resin-guide-01"
VALUES: dict[str, Any] = {
    "layer_height_mm": 0.5,
    "pixel_mm": 0.25,
    "plate_size_mm": [60.0, 40.0, 60.0],
    "exposure_s": 2.0,
    "bottom_exposure_s": 20.0,
    "bottom_layers": 2,
    "lift_s": 3.0,
    "loss_share": 0.1,
}
GOOD = [{"characteristic": "viscosity", "value": 900, "unit": "mPa s", "minimum": 800, "maximum": 1100}]
SYSTEM = Actor.system("test")
_numbers = count(1)


def in_days(days: int) -> date:
    return timezone.localdate() + timedelta(days=days)


def make_lot(staff: Staff | None = None, **fields: Any) -> MaterialLot:
    """A lot in quarantine with a good certificate: 1000 mL in one container, a year to go."""
    staff = staff or Staff()
    make_material(fields.get("material", MATERIAL))
    values: dict[str, Any] = {
        "material": MATERIAL,
        "supplier": "Resins & Co",
        "supplier_lot": f"RC-{next(_numbers)}",
        "quantity": Decimal("1000"),
        "unit": "ml",
        "expires_on": in_days(365),
        "certificate": GOOD,
        "certificate_file": b"certificate",
        "actor": staff[Role.MAT].actor,
    } | fields
    return receive_lot(**values)


def make_released_lot(staff: Staff | None = None, **fields: Any) -> MaterialLot:
    staff = staff or Staff()
    lot = make_lot(staff, **fields)
    release_lot(lot_id=lot.pk, actor=staff[Role.QCM].actor, credentials=staff[Role.QCM].typed())
    lot.refresh_from_db()
    return lot


def container_of(lot: MaterialLot) -> Container:
    return Container.objects.filter(lot=lot).order_by("pk")[0]


def make_parameters(staff: Staff | None = None, *, approved: bool = True, **fields: Any) -> ParameterSet:
    staff = staff or Staff()
    make_material(fields.get("material", MATERIAL))
    values: dict[str, Any] = {
        "name": f"set {next(_numbers)}",
        "printer_kind": KIND,
        "material": MATERIAL,
        "values": VALUES,
        "actor": staff[Role.BLD].actor,
    } | fields
    parameters = define_parameters(**values)
    if approved:
        approver = staff[Role.QAR]
        approve_parameters(parameters_id=parameters.pk, actor=approver.actor, credentials=approver.typed())
        parameters.refresh_from_db()
    return parameters


def make_printer(
    staff: Staff | None = None, parameters: ParameterSet | None = None, **fields: Any
) -> Printer:
    """A simulated printer, qualified with `parameters` where given, not yet heard of."""
    staff = staff or Staff()
    number = next(_numbers)
    values: dict[str, Any] = {
        "name": f"Printer {number}",
        "kind": KIND,
        "serial": f"SN{number}",
        "driver": "simulated",
        "connection": {"speed": 1.0},
        "firmware": "sim-1.0",
        "actor": staff[Role.CAL].actor,
    } | fields
    printer = register_printer(**values)
    if parameters:
        qualify(printer, parameters, staff)
    printer.refresh_from_db()
    return printer


def qualify(printer: Printer, parameters: ParameterSet, staff: Staff) -> None:
    who = staff[Role.QAR]
    for step in ("installation", "operation"):
        approve_printer_step(printer_id=printer.pk, step=step, actor=who.actor, credentials=who.typed())
    qualify_printer(
        printer_id=printer.pk,
        parameters=[parameters.pk],
        valid_until=in_days(100),
        actor=who.actor,
        credentials=who.typed(),
    )
    record_calibration(printer_id=printer.pk, valid_until=in_days(100), actor=staff[Role.CAL].actor)


def hear(printer: Printer, word: Word) -> None:
    """As the fleet does: the word is recorded, and the printer counts as heard now."""
    epoch = take_lease(UUID(int=1)) or 0
    PrinterContact.objects.filter(printer=printer).update(heard_at=timezone.now())
    record_fleet_word(printer_id=printer.pk, word=word, epoch=epoch)
    printer.refresh_from_db()


def send(printer: Printer, *, accepted: bool = True, text: str = "") -> None:
    """As the fleet does: the open command is sent once, and the machine answers."""
    command = open_command(printer)
    assert command
    epoch = take_lease(UUID(int=1)) or 0
    assert take_command(command_id=command.pk, epoch=epoch, actor=FLEET)
    record_answer(command_id=command.pk, accepted=accepted, text=text, actor=FLEET)


def frozen_device(staff: Staff | None = None) -> Device:
    staff = staff or Staff()
    if found := given_to(staff, "frozen"):
        return Device.objects.get(pk=found)
    with open_unit():
        return make_device(Stage.DESIGN_FROZEN, staff)


def _frozen() -> tuple[Staff, int]:
    staff = Staff()
    return staff, frozen_device(staff).pk


FROZEN = Scene("frozen", PEOPLE.make, story=_frozen, upon=PEOPLE, apart=True)


def idle(expected: str | None = None) -> Word:
    finding = Finding.VANISHED if expected else Finding.QUIET
    return Word(Link.UP, Machine.OK, Run.NONE, Operation.IDLE, finding=finding, expected=expected)


OPERATIONS = {
    Run.PRINTING: (Finding.RUNNING, Operation.PRINTING),
    Run.PAUSED: (Finding.PAUSED, Operation.PAUSED),
    Run.FINISHED: (Finding.FINISHED, Operation.FINISHED),
    Run.FAILED: (Finding.FAILED, Operation.ERROR),
    Run.CANCELLED: (Finding.CANCELLED, Operation.CANCELLED),
}


def runs(
    job: PrintJob, run: Run, *, layer: int = 1, late: bool = False, text: str = "", **fields: Any
) -> Word:
    """What a printer says while it has the job's own print in a state."""
    claim = str(job.claim)
    finding, operation = OPERATIONS[run]
    digest = fields.pop("digest", job.build.plate_digest)
    planned, outage = job.build.layer_count or 0, fields.pop("outage", None)
    seen = RunSeen(claim, run, digest, layer, planned, **fields)
    return Word(
        Link.UP,
        Machine.OK,
        run,
        operation,
        text=text,
        finding=finding,
        seen=seen,
        expected=claim,
        late=late,
        outage=outage,
    )


def reading(current: RunSeen | None) -> Snapshot:
    """A full reading of a machine that is in order and tells of this print."""
    return Snapshot(timezone.now(), 1, Link.UP, Machine.OK, current=current)


def make_build(staff: Staff | None = None, *devices: Device, parameters: ParameterSet | None = None) -> Build:
    """A sliced build of one small frozen device, or of the given ones."""
    staff = staff or Staff()
    parameters = parameters or make_parameters(staff)
    chosen = devices or (frozen_device(staff),)
    build = create_build(
        device_ids=[device.pk for device in chosen],
        printer_kind=KIND,
        parameters=parameters.pk,
        actor=staff[Role.BLD].actor,
    )
    prepare_build(build.pk)()
    build.refresh_from_db()
    return build


def make_verified_build(staff: Staff | None = None, **fields: Any) -> Build:
    """A verified build whose device is queued."""
    staff = staff or Staff()
    build = make_build(staff, **fields)
    verify_build(build_id=build.pk, actor=staff[Role.QCM].actor, credentials=staff[Role.QCM].typed())
    for item in build.items.all():
        advance_device(device_id=item.device_id, transition="queue", actor=Actor.system("printing"))
    build.refresh_from_db()
    return build


@dataclass
class Floor:
    """One qualified, idle printer with released material on it, and a verified build."""

    staff: Staff = field(default_factory=Staff)
    parameters: ParameterSet = field(init=False)
    printer: Printer = field(init=False)
    lot: MaterialLot = field(init=False)
    build: Build = field(init=False)

    def __post_init__(self) -> None:
        if found := given_to(self.staff, "floor"):
            vars(self).update(vars(found) | {"staff": self.staff})
        else:
            self._set_up()
        # Last: what was heard is fresh for seconds only, and slicing takes some.
        hear(self.printer, idle())

    def _set_up(self) -> None:
        self.parameters = make_parameters(self.staff)
        self.printer = make_printer(self.staff, self.parameters)
        self.lot = make_released_lot(self.staff)
        self.load(self.lot)
        self.build = make_verified_build(self.staff, parameters=self.parameters)

    def load(self, lot: MaterialLot, printer: Printer | None = None) -> Container:
        chosen = printer or self.printer
        container = load_container(
            printer_id=chosen.pk,
            scanned_code=container_of(lot).label,
            actor=self.staff[Role.OPR].actor,
        )
        chosen.refresh_from_db()
        return container

    def another(self) -> tuple[Printer, Build]:
        """One more qualified, idle printer with a container of its own lot, and one more verified build."""
        printer = make_printer(self.staff, self.parameters, connection=self.printer.connection)
        self.load(make_released_lot(self.staff), printer)
        build = make_verified_build(self.staff, parameters=self.parameters)
        hear(printer, idle())
        return printer, build

    @property
    def operator(self) -> Actor:
        return self.staff[Role.OPR].actor

    def start(self, job: PrintJob | None = None) -> PrintJob:
        """Carry a job to printing, as the operator and the fleet do."""
        job = job or self.dispatch()
        start_job(job_id=job.pk, actor=self.operator)
        send(job.printer)
        hear(job.printer, runs(job, Run.PRINTING))
        return refreshed(job)

    def finish(self, job: PrintJob, **fields: Any) -> PrintJob:
        hear(job.printer, runs(job, Run.FINISHED, layer=job.build.layer_count or 0, **fields))
        return refreshed(job)

    def dispatch(self, build: Build | None = None, printer: Printer | None = None) -> PrintJob:
        chosen = build or self.build
        return dispatch_build(
            build_id=chosen.pk,
            printer_id=printer.pk if printer else None,
            actor=self.staff[Role.BLD].actor,
        )


def _floor() -> tuple[Staff, Floor]:
    floor = Floor()
    return floor.staff, floor


FLOOR = Scene("floor", PEOPLE.make, story=_floor, upon=FROZEN, apart=True)


def refreshed(job: PrintJob) -> PrintJob:
    return PrintJob.objects.select_related("build", "printer", "container__lot").get(pk=job.pk)
