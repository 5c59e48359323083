"""Parameter sets: written by one person, approved by another, never changed (a change is a new revision)."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from devices.models import Material
from mes.choices import Meaning
from mes.eventlog.base import Actor, digest_of
from mes.eventlog.unit import publish, unit_of_work
from mes.exceptions import InvalidInput, Reason
from mes.lifecycle import ask_gates, refuse_blocked
from mes.limits import refuse
from mes.permissions import require
from mes.services.signatures import Credentials, sign
from mes.text import names_read
from printing.events import ParametersApproved, ParametersDefined
from printing.lifecycle import PARAMETERS
from printing.models import ParameterSet
from printing.selectors.builds import parameters_content
from printing.services.moves import locked, move, person_of
from printing.slicing.base import BOUNDS, SIDE, Bound, SliceSettings

PLATE = "plate_size_mm"
SPACING = "spacing_mm"
SPACES = Bound(0.0, 100.0, "mm")
NAMES = frozenset({*BOUNDS, PLATE, SPACING})
SPACING_BEFORE_MM = 3.0
"""Between two parts, and from the edge, in sets that were approved before they said it; a new set that says nothing gets it."""


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
    refuse(*_faults(values))
    settings = slice_settings(values)
    if problems := settings.problems():
        raise InvalidInput(problems)
    return {
        **{name: getattr(settings, name) for name in BOUNDS},
        PLATE: list(settings.plate_size_mm),
        SPACING: part_spacing_mm(values),
    }


def _faults(values: Mapping[str, Any]) -> Iterator[Reason | None]:
    """What is no number of its kind, or outside its bounds; as it was given, nothing coerced."""
    for name, bound in (*BOUNDS.items(), (SPACING, SPACES)):
        yield bound.fault(name, values[name])
    sides = values[PLATE]
    if not isinstance(sides, (list, tuple)) or len(sides) != 3:
        yield Reason(f"{PLATE} is {sides!r:.40}.", "Give three numbers: width, depth and height in mm.")
    else:
        for axis, side in enumerate(sides):
            yield SIDE.fault(f"{PLATE}[{axis}]", side)


def part_spacing_mm(values: Mapping[str, Any]) -> float:
    """The least distance (mm) that parts keep from each other and from the edge of the plate."""
    return float(values.get(SPACING, SPACING_BEFORE_MM))


def slice_settings(values: Mapping[str, Any]) -> SliceSettings:
    """Stored values as the slicer takes them, whole numbers unchanged; the slicer looks at their bounds again."""
    width, depth, height = (float(side) for side in values[PLATE])
    numbers: dict[str, Any] = {
        name: values[name] if bound.whole else float(values[name]) for name, bound in BOUNDS.items()
    }
    return SliceSettings(plate_size_mm=(width, depth, height), **numbers)


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
