"""Parameter sets: written by one person, approved by another, never changed (a change is a new revision)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from devices.models import Material
from mes.choices import Meaning
from mes.eventlog.base import Actor, digest_of
from mes.eventlog.unit import publish, unit_of_work
from mes.exceptions import InvalidInput, Reason
from mes.lifecycle import ask_gates, refuse_blocked
from mes.limits import is_number, refuse
from mes.permissions import require
from mes.services.signatures import Credentials, sign
from mes.text import names_read
from printing.events import ParametersApproved, ParametersDefined
from printing.lifecycle import PARAMETERS
from printing.models import ParameterSet
from printing.selectors.builds import parameters_content
from printing.services.moves import locked, move, person_of
from printing.slicing.base import SliceSettings

NUMBERS = ("layer_height_mm", "pixel_mm", "exposure_s", "bottom_exposure_s", "lift_s", "loss_share")
SPACING = "spacing_mm"
NAMES = frozenset({*NUMBERS, "bottom_layers", "plate_size_mm", SPACING})
SPACING_BEFORE_MM = 3.0
"""Between two parts, and from the edge, in sets that were approved before they said it; a new set that says nothing gets it."""
WIDEST_SPACING_MM = 100.0


@unit_of_work
def define_parameters(
    *, name: str, printer_kind: str, material: str, values: Mapping[str, Any], actor: Actor
) -> ParameterSet:
    """Write down how a material is printed on a kind of printer. The same name again is its next revision."""
    require(actor, "printing.define_parameters")
    names_read({"The name": name, "The kind of printer": printer_kind}, longest=60)
    checked = check_values(values)
    specified = Material.objects.filter(code=material).first()
    if specified is None:
        raise InvalidInput(
            f"No material specification '{material[:40]}'.", cure="Have it specified first.", rule="G-MAT-07"
        )
    newest = ParameterSet.objects.filter(name=name.strip()).order_by("-revision").first()
    parameters = ParameterSet.objects.create(
        name=name.strip(),
        revision=newest.revision + 1 if newest else 1,
        printer_kind=printer_kind.strip(),
        material=specified,
        values=checked,
        digest=digest_of(checked),
        authored_by_id=person_of(actor),
    )
    publish(parameters, ParametersDefined(parameters_id=parameters.pk, digest=parameters.digest), actor=actor)
    return parameters


def check_values(values: Mapping[str, Any]) -> dict[str, Any]:
    """The values as they are stored. Raises InvalidInput naming everything that no plate could be sliced with."""
    values = {SPACING: SPACING_BEFORE_MM, **values}
    if missing := NAMES ^ set(values):
        raise InvalidInput(
            f"Missing or unknown: {', '.join(sorted(map(str, missing)))}.",
            cure=f"Give {', '.join(sorted(NAMES))}.",
        )
    try:
        settings, spacing = slice_settings(values), part_spacing_mm(values)
    except (TypeError, ValueError, OverflowError):
        raise InvalidInput("Not every parameter is a number.", cure="Give numbers in mm and s.") from None
    numbers = {name: getattr(settings, name) for name in (*NUMBERS, "bottom_layers")}
    numbers[SPACING] = spacing
    numbers |= {f"plate_size_mm[{axis}]": side for axis, side in enumerate(settings.plate_size_mm)}
    refuse(
        *(
            Reason(f"{name} is {value:g}.", "Give a number that can be measured, in mm or s.")
            for name, value in numbers.items()
            if not is_number(value)
        )
    )
    if not 0 <= spacing <= WIDEST_SPACING_MM:
        raise InvalidInput(
            f"{SPACING} is {spacing:g}.", cure=f"Parts keep 0 to {WIDEST_SPACING_MM:g} mm from each other."
        )
    if problems := settings.problems():
        raise InvalidInput(problems)
    return {
        **{name: getattr(settings, name) for name in NUMBERS},
        "bottom_layers": settings.bottom_layers,
        "plate_size_mm": list(settings.plate_size_mm),
        SPACING: spacing,
    }


def part_spacing_mm(values: Mapping[str, Any]) -> float:
    """The least distance (mm) that parts keep from each other and from the edge of the plate. Raises TypeError or ValueError."""
    return float(values.get(SPACING, SPACING_BEFORE_MM))


def slice_settings(values: Mapping[str, Any]) -> SliceSettings:
    """Stored values as the slicer takes them. Raises TypeError or ValueError."""
    width, depth, height = (float(side) for side in values["plate_size_mm"])
    numbers = {name: float(values[name]) for name in NUMBERS}
    return SliceSettings(
        plate_size_mm=(width, depth, height), bottom_layers=int(values["bottom_layers"]), **numbers
    )


@unit_of_work
def approve_parameters(*, parameters_id: int, actor: Actor, credentials: Credentials) -> None:
    """Approve a parameter set by signature; its author cannot (G-SOD-01)."""
    parameters = locked(ParameterSet, parameters_id, what="parameter set")
    require(actor, "printing.approve_parameters", parameters)
    PARAMETERS.row("approve", parameters.state)
    refuse_blocked(ask_gates("parameters.approve", parameters, actor=actor))
    signature = sign(
        subject=parameters,
        content=parameters_content(parameters),
        meaning=Meaning.APPROVED,
        actor=actor,
        credentials=credentials,
    )
    move(parameters, PARAMETERS, "approve", signature=signature)
    approved = ParametersApproved(
        parameters_id=parameters.pk, digest=parameters.digest, signature_id=signature.pk
    )
    publish(parameters, approved, actor=actor)
