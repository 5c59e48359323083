"""Designs that were drawn in another program: taken into quarantine and looked at, stated, and then reviewed, signed and voided like
any other. The device master decides whether there may be one (G-DES-01)."""

from __future__ import annotations

import hashlib
import shutil
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any
from uuid import uuid4

from devices.choices import DesignStatus
from devices.generators.base import GENERATORS, Parameter, Value, check_values, within_envelope
from devices.generators.external import TOOL, VERSION
from devices.imaging.base import ImagingRefused
from devices.imaging.confined import Found, read_part, reader
from devices.imaging.drawn import PRIVATE
from devices.imaging.naming import names_person
from devices.imaging.scans import OWN_AXES, Declared, declared_as_json, declared_from_json
from devices.models import Design, Device, Plan
from devices.selectors.external import admits_external, envelope_of, stated_parameters, validation_of
from devices.selectors.sources import is_scan
from devices.services.designs import ask_designable, begin_design
from devices.services.fitting import identity_of
from devices.services.held import held_with, into_quarantine
from devices.services.lifecycle import locked_device
from devices.services.planned import approved_plan, refuse_typed, values_of_plan
from devices.services.prescribed import departures, prescribed_values
from devices.services.studies import quarantine_path, refuse_undeclared, remove, upload_digest
from mes.eventlog.base import Actor, plain
from mes.eventlog.unit import say, unit_of_work
from mes.exceptions import InvalidInput, Reason, TransitionRefused
from mes.lifecycle import GateResult
from mes.permissions import require
from mes.text import names_read

REQUEST = "devices.request_design"
KIND = "lamina.held-part"
RULE = "G-DES-01"
LONGEST_TOOL = 60


@dataclass(frozen=True)
class Drawn:
    """What a designer says of a part: the program that drew it, and its unit and axes as of a surface scan."""

    tool: str
    tool_version: str
    declared: Declared


@dataclass(frozen=True)
class HeldPart:
    """A part in quarantine: the token by which its designer takes it up again, and the digest of the file that they are shown."""

    token: str
    digest: str


def refuse_unadmitted(device: Device) -> None:
    """Raises TransitionRefused where the device's master admits no part that was drawn outside."""
    if admits_external(device.master):
        return
    raise TransitionRefused(
        f"{device.master} admits no design that was drawn in another program.",
        cure=f"Make the design with {device.master.design['generator']}, or have the device master revised so that it admits one.",
        rule=RULE,
    )


def ask_drawable(device: Device, actor: Actor) -> tuple[GateResult, ...]:
    """The gates of `device.request_design`, all passed. Raises NotPermitted, and TransitionRefused where no part of this locked device
    may be sent in now."""
    require(actor, REQUEST, device)
    refuse_unadmitted(device)
    return ask_designable(device, actor)


@unit_of_work
def _refuse_undrawable(device_id: int, actor: Actor) -> None:
    ask_drawable(locked_device(device_id), actor)


def hold_part(upload: Path, device: Device, actor: Actor, drawn: Drawn) -> HeldPart:
    """Move a part into quarantine until its designer has stated what it is.

    Raises InvalidInput for what is no part, with every reason, and what `ask_drawable` raises; then it stays where it is.
    """
    _refuse_undrawable(device.pk, actor)
    said = names_read({"Program": drawn.tool, "Version": drawn.tool_version}, longest=LONGEST_TOOL, rule=RULE)
    drawn = Drawn(said["Program"], said["Version"], drawn.declared)
    _refuse_declared(drawn.declared, device)
    upload_digest(upload)
    digest = look_into(upload, device, drawn).facts["acquisition"]["source_digest"]
    token = into_quarantine(upload, device, actor, {**_as_json(drawn), "sha256": digest}, kind=KIND)
    return HeldPart(token, digest)


def _refuse_declared(declared: Declared, device: Device) -> None:
    refuse_undeclared(declared)
    study = device.current_study
    own = is_scan(study) and study is not None and (study.declared or {}).get("axes") == OWN_AXES
    if (declared.axes == OWN_AXES) != own:
        wanted = (
            f"'{OWN_AXES}': the part lies in the axes of the scan" if own else "three letters, such as LPS"
        )
        raise InvalidInput(
            "The part does not say how it lies to the anatomy.",
            cure=f"Say its axes as {wanted}.",
            rule="G-LAT-01",
        )


class NoPart(InvalidInput):
    """A file that is no part, and never will be: every reason with its cure."""


def look_into(upload: Path, device: Device, drawn: Drawn) -> Found:
    """Read a part in a process of its own. Raises NoPart for a file that is none or names the patient, InvalidInput for a program's name
    that does."""
    try:
        identity = identity_of(device.order.patient)
        if names_person(identity, f"{drawn.tool} {drawn.tool_version}"):
            raise InvalidInput(
                "The program's name names the patient.", cure="Name the program alone.", rule="G-IMG-03"
            )
        with reader(upload.parent) as child:
            return read_part(child, upload, drawn.declared, asdict(identity))
    except ImagingRefused as refusal:
        raise NoPart(reasons_of(refusal)) from None


def reasons_of(refusal: ImagingRefused) -> list[Reason]:
    """Why a file is no part: what it says of a person breaks another rule than what it is."""
    return [
        Reason(one.message, one.cure, "G-IMG-03" if one.code in PRIVATE else RULE) for one in refusal.findings
    ]


def shown_part(token: str, device: Device, actor: Actor) -> dict[str, Any]:
    """What a held part is, in words. Raises Conflict where it is gone, of another device or somebody else's, InvalidInput where it is
    another file by now (G-INT-01)."""
    upload, drawn, digest = _held(token, device, actor)
    part = look_into(upload, device, drawn).facts["acquisition"]
    refuse_other(part["source_digest"], digest)
    return {
        "part": f"{part['source_format']}, {part['triangles']:,} triangles, {'closed' if part['watertight'] else 'open'}",
        "size": f"{' × '.join(f'{mm:.1f}' for mm in part['extent_mm'])} mm",
        "unit": f"{part['unit']}, as the {part['unit_stated_by'].replace('sender', 'designer')} says",
        "axes": part["axes"],
        "drawn_with": f"{drawn.tool} {drawn.tool_version}",
        "file": part["source_digest"],
    }


def asked_of(device: Device) -> tuple[Parameter, ...]:
    """What the designer of a part for this device states."""
    return stated_parameters(
        device.master, prescribed_values(device.order), planned=approved_plan(device) is not None
    )


def refuse_other(digest: str, sent: str) -> None:
    """Raises InvalidInput for a part that is not the file that was sent in."""
    if digest != sent:
        text = "The part is not the file that was sent in."
        raise InvalidInput(text, cure="Send it in again; tell an operator that it changed.", rule="G-INT-01")


def request_external_design(
    *, device_id: int, token: str, digest: str, values: Mapping[str, Any], actor: Actor
) -> Design:
    """Ask for the next revision of a design, of a held part. What stands so far is voided, and an approved one takes the device back.

    digest: of the file as it was shown to its designer. values: what they state of the part, by the names of `asked_of`. It is read and measured after this.
    Raises InvalidInput with every value that is missing or outside the limits of the master's envelope (G-DES-01), TransitionRefused
    where the master admits no such part or a gate of `device.request_design` blocks, and like `shown_part`; then it goes on waiting.
    """
    device = Device.objects.select_related("master", "order__master").get(pk=device_id)
    held, drawn, sent = _held(token, device, actor)
    if digest != sent:
        raise InvalidInput(
            "The digest is not that of the part that was shown.",
            cure="Look at what was sent in, and give its digest.",
            rule="G-INT-01",
        )
    refuse_other(_digest(held), sent)
    name = f"part-{uuid4()}"
    origin = {**_as_json(drawn), "upload": name, "sha256": sent}
    shutil.move(held, quarantine_path(name))
    try:
        return _request(device_id=device_id, origin=origin, values=values, actor=actor)
    except BaseException:
        shutil.move(quarantine_path(name), held)
        raise


@unit_of_work
def _request(*, device_id: int, origin: dict[str, Any], values: Mapping[str, Any], actor: Actor) -> Design:
    device = locked_device(device_id)
    gates = ask_drawable(device, actor)
    for text in (origin["tool"], origin["tool_version"]):
        say(text=text, actor=actor)
    plan = approved_plan(device)
    return begin_design(
        device,
        gates,
        actor,
        plan=plan,
        generator=TOOL,
        generator_version=VERSION,
        validation_status=validation_of(device.master, origin["tool"], origin["tool_version"]),
        values=plain(stated_values(device, values, plan)),
        origin=origin,
    )


def stated_values(device: Device, given: Mapping[str, Any], plan: Plan | None) -> dict[str, Value]:
    """What a designer says of a part, or InvalidInput with everything that is wrong with it (G-DES-01). What is the plan's is the plan's."""
    generator = GENERATORS[device.master.design["generator"]]
    refuse_typed(generator, given)
    values = check_values(asked_of(device), given)
    values |= values_of_plan(plan, generator)
    problems = [
        *within_envelope(values, envelope_of(device.master, external=True)),
        *departures(device.order, values),
    ]
    if problems:
        raise InvalidInput(problems)
    return values


def _held(token: str, device: Device, actor: Actor) -> tuple[Path, Drawn, str]:
    """Where a part lies, what was said of it, and the digest that it was sent in with."""
    place, said = held_with(token, device, actor, kind=KIND)
    about = said or {}
    return place, drawn_of(about), about["sha256"]


def drawn_of(said: Mapping[str, Any]) -> Drawn:
    """What was said of a part, from how it stands on record."""
    return Drawn(said["tool"], said["tool_version"], declared_from_json(said))


def _as_json(drawn: Drawn) -> dict[str, Any]:
    declared = declared_as_json(drawn.declared)
    return {
        "tool": drawn.tool,
        "tool_version": drawn.tool_version,
        "unit": declared["unit"],
        "axes": declared["axes"],
    }


def _digest(path: Path) -> str:
    with path.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()


def discard_part(design_id: int) -> None:
    """Remove a part from quarantine once what came of it is in the record. Doing it twice changes nothing."""
    design = Design.objects.get(pk=design_id)
    if design.origin is not None and design.status != DesignStatus.REQUESTED:
        remove(quarantine_path(design.origin["upload"]))
