"""What became of each unit of a lot, told from the verdicts and disposals that name it (K-08, ISO 13485 7.5.1)."""

from __future__ import annotations

from devices.models import Device
from quality.choices import Decision, Disposition, NonconformanceStage
from quality.models import Inspection, Nonconformance
from quality.selectors.making import inspections_of

OPEN, ACCEPTED, SCRAPPED = "open", "accepted", "scrapped"


def every_unit(device: Device) -> range:
    """The numbers of a device's units, from 1."""
    return range(1, device.quantity + 1)


def units_named(found: Nonconformance, device: Device) -> list[int]:
    """The units that a nonconformance is about: those it names, or all."""
    return sorted(found.units) or list(every_unit(device))


def unit_states(device: Device) -> dict[int, str]:
    """By number: accepted by an inspector's signature, scrapped by a disposal that two people signed, or still open."""
    states = dict.fromkeys(every_unit(device), OPEN)
    for inspection in passed_inspections(device):
        states[inspection.unit] = ACCEPTED
    scrapped = device.nonconformances.filter(stage=NonconformanceStage.CLOSED, disposition=Disposition.SCRAP)
    for found in scrapped:
        states |= dict.fromkeys(units_named(found, device), SCRAPPED)
    return states


def units_that_are(device: Device, state: str) -> list[int]:
    return [unit for unit, found in unit_states(device).items() if found == state]


def passed_inspections(device: Device) -> list[Inspection]:
    """The inspections signed as passed: of each unit the last."""
    passed = inspections_of(device).filter(verdict__decision=Decision.PASSED)
    return list({inspection.unit: inspection for inspection in passed}.values())
