"""Device masters and materials: drafted by one person, effective by the signature of another."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict
from typing import Any, TypeGuard

from django.db.models import Q
from django.utils import timezone

from devices.catalog.base import (
    CONTACTS,
    MASTERS,
    MATERIALS,
    MasterDefinition,
    MaterialDefinition,
    section_faults,
)
from devices.choices import DefinitionStatus, IntendedUse, Side
from devices.events import (
    MasterDrafted,
    MasterPublished,
    MasterSuperseded,
    MaterialDrafted,
    MaterialSpecified,
)
from devices.generators.base import GENERATORS, TOWARDS_MIDDLE
from devices.models import DeviceMaster, Material
from devices.models.masters import SPECIFICATION
from devices.planning.base import PLAN_KINDS
from devices.segmentation.base import SEGMENTERS
from devices.segmentation.editing import editing_faults
from devices.segmentation.scan import SCAN_SEGMENTERS
from devices.selectors.definitions import as_facts, effective_material, next_master_revision
from devices.selectors.external import all_limits
from devices.selectors.sources import SOURCES, SURFACE, VOLUME
from devices.services.admitting import external_faults
from devices.services.authors import author_of
from mes.choices import Meaning, Role
from mes.eventlog.base import Actor, plain
from mes.eventlog.unit import publish, unit_of_work
from mes.exceptions import InvalidInput, Reason, TransitionRefused
from mes.lifecycle import ask_gates, refuse_blocked
from mes.limits import is_number
from mes.permissions import require
from mes.services.signatures import Credentials, sign
from mes.standing import carries

RESULTS_RULE = "G-MAT-03"
REVIEWERS = (Role.DSN, Role.PHY)
"""Who may be named to review the designs of a master. Each has a service of its own (`devices.services.designs`)."""
TELLS_UNITS = 10.0
"""Between two units that a scan may be in there is a factor of 10 or more, but for centimetres and inches."""
MATERIAL_FACTS = ("code", "name", "process", "minimum_wall_mm", "density_g_per_ml", "contact_category")


def material_content(material: Material) -> dict[str, Any]:
    """What the approval of a material signs. One that was approved before results were required keeps its content."""
    required = {"required_results": material.required_results} if material.required_results else {}
    return {"record": "material specification", **as_facts(material, *MATERIAL_FACTS), **required}


def master_content(master: DeviceMaster) -> dict[str, Any]:
    """What the approval of a device master signs: all of it."""
    return {"record": "device master", **as_facts(master, *SPECIFICATION)}


@unit_of_work
def draft_material(*, definition: MaterialDefinition | str, actor: Actor) -> Material:
    """Write down a material, from a definition or the catalog's code of one. It may not be used until it is approved."""
    require(actor, "devices.draft_material")
    definition = definition if isinstance(definition, MaterialDefinition) else _material(definition)
    _refuse_unsound_material(definition)
    if Material.objects.filter(code=definition.code).exists():
        raise InvalidInput(f"Material {definition.code} exists already.", cure="Choose another code.")
    facts = plain({**asdict(definition), "required_results": required_results(definition)})
    material = Material.objects.create(**facts, author_id=author_of(actor))
    publish(material, MaterialDrafted(material_id=material.pk), actor=actor)
    return material


@unit_of_work
def specify_material(*, material_id: int, actor: Actor, credentials: Credentials) -> Material:
    """Approve a drafted material by signature. Raises NotPermitted for its author (G-SOD-01)."""
    material = Material.objects.select_for_update().filter(pk=material_id).first()
    if material is None:
        raise InvalidInput("There is no such material.")
    require(actor, "devices.specify_material", material)
    _refuse_approved(material, material.code)
    signature = sign(
        subject=material,
        content=material_content(material),
        meaning=Meaning.APPROVED,
        actor=actor,
        credentials=credentials,
    )
    material.status, material.approval = DefinitionStatus.EFFECTIVE, signature
    material.save(update_fields=["status", "approval"])
    event = MaterialSpecified(material_id=material.pk, code=material.code, signature_id=signature.pk)
    publish(material, event, actor=actor)
    return material


@unit_of_work
def draft_master(*, definition: MasterDefinition | str, actor: Actor) -> DeviceMaster:
    """Write the next revision of a device master, from a definition or the catalog's code of one."""
    require(actor, "devices.draft_master")
    definition = definition if isinstance(definition, MasterDefinition) else _master(definition)
    _refuse_unsound_master(definition)
    facts = plain({**asdict(definition)})
    master = DeviceMaster.objects.create(
        **facts, revision=next_master_revision(definition.code), author_id=author_of(actor)
    )
    event = MasterDrafted(master_id=master.pk, code=master.code, revision=master.revision)
    publish(master, event, actor=actor)
    return master


@unit_of_work
def publish_master(*, master_id: int, actor: Actor, credentials: Credentials) -> DeviceMaster:
    """Approve a drafted revision by signature: it takes the place of the one before. Not by its author (G-SOD-01).

    Raises TransitionRefused with everything that is wrong with its sections and materials.
    """
    master = DeviceMaster.objects.select_for_update().filter(pk=master_id).first()
    if master is None:
        raise InvalidInput("There is no such device master.")
    require(actor, "devices.publish_master", master)
    _refuse_approved(master, str(master))
    _refuse_unusable(master)
    refuse_blocked(ask_gates("master.publish", master, actor=actor))
    signature = sign(
        subject=master,
        content=master_content(master),
        meaning=Meaning.APPROVED,
        actor=actor,
        credentials=credentials,
    )
    _supersede(master, actor)
    master.status, master.approval, master.effective_at = (
        DefinitionStatus.EFFECTIVE,
        signature,
        timezone.now(),
    )
    master.save(update_fields=["status", "approval", "effective_at"])
    event = MasterPublished(
        master_id=master.pk, code=master.code, revision=master.revision, signature_id=signature.pk
    )
    publish(master, event, actor=actor)
    return master


def _supersede(master: DeviceMaster, actor: Actor) -> None:
    effective = DeviceMaster.objects.select_for_update().filter(
        ~Q(pk=master.pk), code=master.code, status=DefinitionStatus.EFFECTIVE
    )
    for older in effective:
        older.status = DefinitionStatus.SUPERSEDED
        older.save(update_fields=["status"])
        event = MasterSuperseded(master_id=older.pk, superseded_by=master.pk)
        publish(older, event, actor=actor)


def _material(code: str) -> MaterialDefinition:
    found = MATERIALS.get(code)
    if found is None:
        raise InvalidInput(
            f"The catalog has no material '{code[:40]}'.", cure=f"It has: {', '.join(MATERIALS)}."
        )
    return found


def _master(code: str) -> MasterDefinition:
    found = MASTERS.get(code)
    if found is None:
        raise InvalidInput(
            f"The catalog has no device master '{code[:40]}'.", cure=f"It has: {', '.join(MASTERS)}."
        )
    return found


def _refuse_approved(row: Material | DeviceMaster, name: str) -> None:
    """A draft is approved, and so is again what lost its approval to a withdrawal."""
    lost = row.status == DefinitionStatus.EFFECTIVE and not carries(row, "approval")
    if row.status != DefinitionStatus.DRAFT and not lost:
        raise TransitionRefused(
            f"{name} is {DefinitionStatus(row.status).label.lower()} already.",
            cure="Draft a new one.",
            rule="K-06",
        )


def _refuse_unsound_material(definition: MaterialDefinition) -> None:
    reasons = []
    if definition.contact_category not in CONTACTS:
        reasons.append(Reason("The contact category is unknown.", f"Choose one of: {', '.join(CONTACTS)}."))
    if not (definition.minimum_wall_mm > 0 and definition.density_g_per_ml > 0):
        reasons.append(Reason("Minimum wall and density must be above zero."))
    reasons += _result_faults(required_results(definition))
    if reasons:
        raise InvalidInput(reasons)


def required_results(definition: MaterialDefinition) -> list[dict[str, Any]]:
    """The required results of a definition as they are stored, with every key."""
    keys = ("characteristic", "unit", "minimum", "maximum")
    return [{key: row.get(key) for key in keys} for row in definition.required_results]


def _result_faults(rows: Sequence[Mapping[str, Any]]) -> Iterator[Reason]:
    for row in rows:
        name, limits = row["characteristic"], [row["minimum"], row["maximum"]]
        given = [limit for limit in limits if limit is not None]
        if (
            not isinstance(name, str)
            or not name.strip()
            or not isinstance(row["unit"], str)
            or not row["unit"]
        ):
            yield Reason("A required result has no name or no unit.", "Give both.", RESULTS_RULE)
        elif not given or not all(is_number(limit) for limit in given):
            yield Reason(f"{name} has no limit that can be measured.", "Give one or both.", RESULTS_RULE)
        elif len(given) == 2 and given[0] > given[1]:
            yield Reason(f"The limits of {name} leave nothing.", "Put them in order.", RESULTS_RULE)
    names = Counter(str(row["characteristic"]).strip().casefold() for row in rows)
    for name, times in names.items():
        if times > 1:
            yield Reason(f"{name} is required {times} times.", "Name each result once.", RESULTS_RULE)


def _refuse_unsound_master(definition: MasterDefinition) -> None:
    """Everything a master names must exist, so that a device never waits for a tool that nobody has."""
    reasons = []
    if definition.contact_category not in CONTACTS:
        reasons.append(Reason("The contact category is unknown.", f"Choose one of: {', '.join(CONTACTS)}."))
    if definition.segmentation.get("segmenter") not in SEGMENTERS:
        reasons.append(Reason("The segmenter is unknown.", f"Known: {', '.join(SEGMENTERS)}."))
    reasons += [
        Reason(
            f"The editing of segmentations: {fault}.",
            "Name operations and limits that there are.",
            "G-SEG-01",
        )
        for fault in editing_faults(definition.segmentation.get("editing", {}))
    ]
    if definition.design.get("generator") not in GENERATORS:
        reasons.append(Reason("The design generator is unknown.", f"Known: {', '.join(GENERATORS)}."))
    sides = definition.design.get("sides", Side.values)
    if not sides or not set(sides) <= set(Side.values):
        reasons.append(
            Reason("The master's sides are none.", f"Choose from: {', '.join(Side.values)}.", "G-LAT-01")
        )
    if definition.design.get("reviewer", Role.DSN) not in REVIEWERS:
        known = ", ".join(f"{role.value} ({role.label.lower()})" for role in REVIEWERS)
        reasons.append(
            Reason("The master names nobody who reviews designs.", f"Choose from: {known}.", "G-SIG-01")
        )
    reasons += _source_faults(definition)
    reasons += _plan_faults(definition)
    reasons += _limit_faults(definition)
    reasons += external_faults(definition)
    if not definition.materials:
        reasons.append(Reason("A master names at least one material."))
    reasons += _unsaid(definition)
    if not definition.pathway.strip():
        reasons.append(Reason("The regulatory pathway is missing.", "State it with its reason.", "G-ORD-03"))
    if reasons:
        raise InvalidInput(reasons)


def _source_faults(definition: MasterDefinition) -> Iterator[Reason]:
    """What a case may begin with; of surface scans, by which limits they are taken, and how they are segmented."""
    takes = definition.imaging.get("sources", [VOLUME])
    if not takes or not set(takes) <= set(SOURCES):
        yield Reason("The sources of a case are none.", f"Choose from: {', '.join(SOURCES)}.", "G-IMG-01")
    if SURFACE not in takes:
        return
    yield from _scan_limit_faults(definition.imaging.get(SURFACE, {}))
    if definition.segmentation.get("scan", {}).get("segmenter") not in SCAN_SEGMENTERS:
        known = ", ".join(SCAN_SEGMENTERS)
        yield Reason("The segmenter of surface scans is unknown.", f"Known: {known}.", "G-SEG-01")
    sides, generator = (
        definition.design.get("sides", Side.values),
        GENERATORS.get(definition.design.get("generator", "")),
    )
    told = definition.design.get("plan") or (
        generator and TOWARDS_MIDDLE in generator.parameters and set(sides) <= {Side.LEFT, Side.RIGHT}
    )
    if not told and list(sides) != [Side.NONE]:
        text = "A surface scan does not show the patient's middle, and neither plan nor picks say which side is which."
        yield Reason(
            text,
            "Name a plan, or a generator that tells left from right; or let the master have no side.",
            "G-LAT-01",
        )


def _scan_limit_faults(limits: Mapping[str, Any]) -> Iterator[Reason]:
    least, most = limits.get("min_extent_mm"), limits.get("max_extent_mm")
    if not (_are_sides(least) and _are_sides(most) and all(a < b for a, b in zip(least, most, strict=True))):
        yield Reason(
            "The size of the anatomy is none.",
            "Give min_extent_mm and max_extent_mm, three sides each, the longest first.",
            "G-IMG-01",
        )
    elif most[0] >= TELLS_UNITS * least[0]:
        yield Reason(
            "The size of the anatomy does not tell millimetres from centimetres.",
            f"Let the longest side vary by less than {TELLS_UNITS:g} times.",
            "G-IMG-01",
        )
    edge = limits.get("max_edge_mm")
    if not is_number(edge) or edge <= 0.0 or not isinstance(limits.get("patient_axes"), bool):
        yield Reason(
            "The limits of surface scans are incomplete.",
            "Give max_edge_mm, and patient_axes: whether a scan has to say how it lies in the patient.",
            "G-IMG-01",
        )


def _are_sides(value: object) -> TypeGuard[list[float]]:
    given = list(value) if isinstance(value, list | tuple) else []
    numbers = len(given) == 3 and all(is_number(side) and side > 0.0 for side in given)
    return numbers and given == sorted(given, reverse=True)


def _plan_faults(definition: MasterDefinition) -> Iterator[Reason]:
    """A generator takes some values from a plan only where its master asks for one, and then it takes some."""
    kind, generator = (
        definition.design.get("plan", ""),
        GENERATORS.get(definition.design.get("generator", "")),
    )
    if kind and kind not in PLAN_KINDS:
        yield Reason("The kind of plan is unknown.", f"Known: {', '.join(PLAN_KINDS)}.")
    elif generator and bool(kind) is not any(one.planned for one in generator.parameters):
        takes = (
            "takes no value from a plan" if kind else "takes values from a plan, and the master asks for none"
        )
        yield Reason(
            f"The generator {generator.id} {takes}.", "Name the plan with its generator.", "G-DES-01"
        )


def _limit_faults(definition: MasterDefinition) -> Iterator[Reason]:
    for name, ends in all_limits(definition.design).items():
        given = [end for end in ends if end is not None]
        if len(ends) != 2 or not given or not all(is_number(end) for end in given) or given != sorted(given):
            yield Reason(
                f"The limits of {name} are none.",
                "Give [minimum, maximum], one of them null at most.",
                "G-DES-01",
            )
    for name, value in definition.design.get("errors", {}).items():
        if not name.endswith("_mm") or not is_number(value) or value < 0.0:
            yield Reason(
                f"The error '{name}' is no length.", "Name it with _mm and give 0 or more.", "G-DES-01"
            )


def _unsaid(definition: MasterDefinition) -> Iterator[Reason]:
    """What the label of a model has to say, for nothing else tells it from a device when it has left the house."""
    if definition.intended_use != IntendedUse.MODEL:
        return
    wanted = ["not a medical device", "not for implantation"]
    if not definition.design.get("diagnostic_use"):
        wanted.append("not for diagnosis")
    notice = str(definition.label.get("notice", "")).casefold()
    for words in wanted:
        if words not in notice:
            yield Reason(
                f"The label of a model does not say '{words}'.", "Add it to the label's notice.", "G-LBL-01"
            )


def _refuse_unusable(master: DeviceMaster) -> None:
    """What only shows when a device is made of it shows before: every material and every section that is used later."""
    reasons = list(section_faults(as_facts(master, *SPECIFICATION)))
    missing = [code for code in master.materials if effective_material(code) is None]
    if missing:
        text = f"Materials without an approved specification: {', '.join(missing)}."
        reasons.append(Reason(text, "Have them approved first.", "G-MAT-07"))
    if reasons:
        raise TransitionRefused(reasons)
