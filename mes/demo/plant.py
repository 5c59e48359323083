"""The demo's plant: three simulated printers, a qualified way to print, and a released lot of resin."""

from __future__ import annotations

from datetime import timedelta
from decimal import Decimal

from django.db.models import Count, Max, QuerySet
from django.utils import timezone

from mes.demo.case import MATERIAL
from mes.demo.people import actor, typed
from mes.demo.teller import StoryBroken, Teller
from mes.eventlog.unit import unit_of_work
from mes.standing import is_withdrawn, not_withdrawn
from printing.choices import LotState, Operation, ParametersState, Qualification
from printing.models import MaterialLot, ParameterSet, Printer
from printing.selectors.fleet import fleet_state
from printing.selectors.qualification import qualification_signatures
from printing.services.loading import load_container
from printing.services.lots import receive_lot, release_lot
from printing.services.parameters import approve_parameters, define_parameters
from printing.services.printers import (
    approve_printer_step,
    qualify_printer,
    record_calibration,
    register_printer,
)
from quality.choices import AsFound, GaugeKind
from quality.models import Gauge
from quality.services.gauges import (
    Certified,
    calibrate_gauge,
    put_gauge_in_service,
    register_gauge,
    store_calibration_certificate,
)

KIND = "LCD 120"
NAMES = ("Aurora", "Borealis", "Corona")
SPEED = 600.0
PARAMETERS = {
    "layer_height_mm": 0.05,
    "pixel_mm": 0.05,
    "exposure_s": 2.5,
    "bottom_exposure_s": 25.0,
    "bottom_layers": 5,
    "lift_s": 4.0,
    "loss_share": 0.1,
    "spacing_mm": 3.0,
    "plate_size_mm": (120.0, 68.0, 150.0),
}
CERTIFICATE = (
    {"characteristic": "viscosity", "value": 850.0, "unit": "mPa·s", "minimum": 600.0, "maximum": 1100.0},
    {"characteristic": "flexural modulus", "value": 2150.0, "unit": "MPa", "minimum": 1900.0},
    {"characteristic": "water", "value": 0.05, "unit": "%", "maximum": 0.2},
)
CONTAINERS = (Decimal(500), Decimal(500), Decimal(500))


def equip(teller: Teller) -> None:
    """Whatever of the plant is not there yet. Raises StoryBroken where people made of it what nothing can be printed with."""
    teller.steadily(install_missing)
    teller.steadily(usable_parameters)
    teller.say(f"Three simulated printers are qualified and calibrated: {', '.join(NAMES)}.")
    teller.steadily(calibrate_scanner)
    teller.say("The 3D scanner is registered, calibrated against its certificate, and in service.")
    usable = MaterialLot.objects.filter(state__in=(LotState.RELEASED, LotState.IN_USE))
    if not teller.steadily(usable.exists):
        stock(teller)


def install_missing() -> None:
    for number, name in enumerate(NAMES, start=1):
        if not Printer.objects.filter(name=name).exists():
            install(name=name, number=number, parameters=approved_parameters())


def usable_parameters() -> ParameterSet:
    """The approved set that most printers of the kind are qualified with today; of several, the one qualified last.

    Raises StoryBroken where there is none: before anything is ordered that could not be printed.
    """
    today = timezone.localdate()
    usable = _approved().filter(
        triples__valid_until__gte=today,
        triples__printer__in=[
            printer for printer in Printer.objects.filter(kind=KIND) if _approvals_stand(printer)
        ],
        triples__printer__qualification=Qualification.QUALIFIED,
        triples__printer__qualified_until__gte=today,
        triples__printer__calibrated_until__gte=today,
        triples__printer__held=False,
    )
    counted = usable.annotate(printers=Count("triples__printer", distinct=True), newest=Max("triples__pk"))
    if found := counted.order_by("-printers", "-newest").first():
        return found
    raise StoryBroken(
        f"No printer of the kind {KIND} is qualified and calibrated for an approved parameter set of {MATERIAL}. "
        "Have one qualified, or start the demo in an empty place (LAMINA_VAR)."
    )


def _approvals_stand(printer: Printer) -> bool:
    return not any(is_withdrawn(signature) for signature in qualification_signatures(printer).values())


def _approved() -> QuerySet[ParameterSet]:
    """The sets whose approval nobody has taken back (ES-18)."""
    approved = ParameterSet.objects.filter(
        printer_kind=KIND, material__code=MATERIAL, state=ParametersState.APPROVED
    )
    return not_withdrawn(approved, "signature")


@unit_of_work
def approved_parameters() -> ParameterSet:
    """How the resin is printed on this kind of printer: written by one person, approved by another."""
    known = _approved().order_by("pk").first()
    if known:
        return known
    made = define_parameters(
        name="Guide resin, 50 µm",
        printer_kind=KIND,
        material=MATERIAL,
        values=PARAMETERS,
        actor=actor("builder"),
    )
    approve_parameters(parameters_id=made.pk, actor=actor("control"), credentials=typed("control"))
    return made


@unit_of_work
def install(*, name: str, number: int, parameters: ParameterSet) -> Printer:
    """Register a printer, approve its installation and operation, qualify and calibrate it."""
    printer = register_printer(
        name=name,
        kind=KIND,
        serial=f"SIM{number:04d}",
        driver="simulated",
        connection={"speed": SPEED},
        firmware="sim-1.0",
        actor=actor("calibration"),
    )
    for step in ("installation", "operation"):
        approve_printer_step(
            printer_id=printer.pk, step=step, actor=actor("control"), credentials=typed("control")
        )
    qualify_printer(
        printer_id=printer.pk,
        parameters=[parameters.pk],
        valid_until=timezone.localdate() + timedelta(days=365),
        actor=actor("reviewer"),
        credentials=typed("reviewer"),
    )
    record_calibration(
        printer_id=printer.pk,
        valid_until=timezone.localdate() + timedelta(days=90),
        actor=actor("calibration"),
    )
    return printer


@unit_of_work
def calibrate_scanner() -> None:
    """The scanner that inspection measures with. Safe to repeat."""
    if Gauge.objects.exists():
        return
    gauge = register_gauge(
        kind=GaugeKind.SURFACE_SCANNER,
        maker="Example Optics",
        model="Desk Scan",
        serial="DEMO-1",
        accuracy_mm=Decimal("0.05"),
        location="Inspection",
        actor=actor("calibration"),
    )
    made = timezone.localdate() - timedelta(days=30)
    file = store_calibration_certificate(
        file=b"Certificate of calibration of a demonstration scanner\n", actor=actor("calibration")
    )
    calibrate_gauge(
        gauge_id=gauge.pk,
        certified=Certified(made, made + timedelta(days=365), AsFound.IN_TOLERANCE, "Example Metrology"),
        certificate=file.sha256,
        actor=actor("calibration"),
        credentials=typed("calibration"),
    )
    put_gauge_in_service(gauge_id=gauge.pk, actor=actor("calibration"))


def stock(teller: Teller) -> None:
    """Step 6: a lot arrives in quarantine, is released against its certificate, and a container goes onto each printer."""
    number = f"RG-{teller.steadily(MaterialLot.objects.count) + 1:04d}"
    lot = teller.once(
        f"Lot {number} of the guide resin is received into quarantine.",
        lambda: receive_lot(
            material=MATERIAL,
            supplier="Example Resins",
            supplier_lot=number,
            quantity=sum(CONTAINERS, Decimal()),
            unit="ml",
            expires_on=timezone.localdate() + timedelta(days=300),
            certificate=CERTIFICATE,
            certificate_file=b"Certificate of analysis of a demonstration lot\n",
            containers=CONTAINERS,
            actor=actor("materials"),
        ),
        found=lambda: MaterialLot.objects.filter(supplier_lot=number).first(),
    )
    teller.act(
        "It is released by a signature against its certificate.",
        lambda: release_lot(lot_id=lot.pk, actor=actor("control"), credentials=typed("control")),
        unless=lambda: MaterialLot.objects.get(pk=lot.pk).state != LotState.QUARANTINE,
    )
    for printer, container in teller.steadily(
        lambda: list(
            zip(
                Printer.objects.filter(name__in=NAMES).order_by("pk"),
                lot.containers.order_by("pk"),
                strict=True,
            )
        )
    ):
        teller.act(
            f"{printer.name}: container {container.label} is scanned and loaded.",
            lambda p=printer, c=container: load_container(  # type: ignore[misc]  # bound for this turn of the loop
                printer_id=p.pk, scanned_code=c.label, actor=actor("operator")
            ),
            unless=lambda p=printer: Printer.objects.get(pk=p.pk).container_id is not None,  # type: ignore[misc]
        )


def a_printer_waits() -> bool:
    """Whether a printer of the kind was heard of lately, is idle, and its plate is clear."""
    return any(
        row["kind"] == KIND and row["operation"] == Operation.READY and row["command"] is None
        for row in fleet_state()
    )
