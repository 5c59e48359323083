"""Data and constraints of printing, one file per concept."""

from printing.models.builds import Build, BuildItem, Preparation
from printing.models.fleet import FleetLease, PrinterContact
from printing.models.jobs import HOLDING, PrinterCommand, PrintJob
from printing.models.lots import Consumption, Container, MaterialLot
from printing.models.printers import ParameterSet, Printer, QualifiedTriple

__all__ = [
    "HOLDING",
    "Build",
    "BuildItem",
    "Consumption",
    "Container",
    "FleetLease",
    "MaterialLot",
    "ParameterSet",
    "Preparation",
    "PrintJob",
    "Printer",
    "PrinterCommand",
    "PrinterContact",
    "QualifiedTriple",
]
