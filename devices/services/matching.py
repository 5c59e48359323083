"""Whether the members of a kit are made for each other: from the same images, on the same anatomy, along the same bores.

Measured on the stored files, which are held against their digests first. Writes nothing; a handler keeps the answers.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from itertools import combinations, permutations

import numpy as np
from numpy.typing import NDArray

from devices.choices import IntendedUse
from devices.generators.external import stated_bores
from devices.mesh.base import Mesh
from devices.mesh.bore import Bore, measure_bore
from devices.mesh.distance import Surface, sample_surface
from devices.mesh.io import read_mesh
from devices.models import Design, Device, Kit
from devices.planning.instruments import Sleeve
from devices.selectors.external import is_external
from devices.selectors.kits import approved_design, basis_of, images_of, members_of
from devices.services.equivalence import SHIFT_MM, TILT_DEGREES, has_bores
from mes.eventlog.base import digest_of
from mes.exceptions import Refused
from mes.lifecycle import GateResult, Verdict, blocked, not_applicable, passed
from mes.services.artefacts import intact_path

RULE = "G-DES-01"
MEAN_MM, P95_MM = 0.3, 0.5
"""How far apart two segmentations of one bone may lie under a part: what a contact surface is allowed against its bone."""
REACH_MM = 2.0
"""How near its bone a part rests on it, or is guided by it: beyond lie relief and what holds it."""
SAMPLES = 10_000
ENTRIES_MM = 20.0
"""How far apart the entries of one bore may lie on two parts: each is where its own part's axis meets the bone."""
TAKE_OUT = "Design the member again on the other's, or take it out of the kit with a reason."


@dataclass(frozen=True)
class Member:
    """A device with the design that it is made from."""

    device: Device
    design: Design

    @property
    def code(self) -> str:
        return self.device.code

    @property
    def surface(self) -> str:
        return str(self.design.segmentation.surface_id)


@dataclass(frozen=True)
class Matched:
    """What a comparison of some basis answered."""

    basis: str
    answers: tuple[GateResult, ...]


Question = Callable[[Sequence[Member]], Verdict]


def compare_members(kit_id: int) -> Matched:
    """Compare the members of a kit as they are now. An empty basis: one of them has no approved design any more."""
    devices = members_of(Kit.objects.get(pk=kit_id))
    members = [Member(one, design) for one in devices if (design := approved_design(one)) is not None]
    return Matched(basis_of(devices), tuple(answered(*asked, members) for asked in QUESTIONS))


def answered(title: str, question: Question, members: Sequence[Member]) -> GateResult:
    """A file that is missing or altered is an answer too: nothing can be said of it (K-14)."""
    try:
        found = question(members)
    except Refused as refusal:
        reasons = refusal.reasons
        found = blocked(
            " ".join(reason.text for reason in reasons), cure=" ".join(reason.cure for reason in reasons)
        )
    return GateResult(RULE, title, found.outcome, found.reason, found.cure, found.evidence)


def from_same_images(members: Sequence[Member]) -> Verdict:
    """Every design was made from the same volume, or the same scan, by its digest."""
    images = {one.code: images_of(one.design) for one in members}
    if len(set(images.values())) > 1:
        return blocked(
            f"{', '.join(images)} were designed from different images.",
            cure="Send the same images for all of them, or take out of the kit with a reason what is made from others.",
            images=images,
        )
    return passed(images=images)


def on_same_anatomy(members: Sequence[Member]) -> Verdict:
    """Every part lies on the same bone: one approved surface, or separate ones that agree where a part touches its own."""
    if len({one.surface for one in members}) == 1:
        return passed(surface=members[0].surface)
    if len({images_of(one.design) for one in members}) > 1:
        return not_applicable("The images differ: their surfaces are not compared.")
    pairs = list(_pairs(members))
    if not pairs:
        return not_applicable("They are planned for different levels: each lies on its own.")
    read, apart, said = _reader(), dict[str, dict[str, float]](), list[str]()
    for part, other in pairs:
        figures = _apart(part, other, read)
        apart[f"{part.code} on {other.code}"] = figures
        if not figures or figures["mean_mm"] > MEAN_MM or figures["p95_mm"] > P95_MM:
            said.append(_said(part, other, figures))
    evidence = {"apart": apart, "allowed": {"mean_mm": MEAN_MM, "p95_mm": P95_MM}}
    if said:
        return blocked(" ".join(said), cure=TAKE_OUT, **evidence)
    return passed(**evidence)


def _pairs(members: Sequence[Member]) -> Iterator[tuple[Member, Member]]:
    """Whose part is asked about on whose bone. A model is the bone itself and may be cut where the others' goes on, so it is what
    they are held against; two models are held against each other. Guides for different levels of the spine lie on different bones."""
    guided = [one for one in members if one.device.master.intended_use != IntendedUse.MODEL]
    pairs = ((part, other) for part, other in permutations(members, 2) if part in guided or not guided)
    return (
        (part, other)
        for part, other in pairs
        if part.surface != other.surface and not _elsewhere(part, other)
    )


def _apart(part: Member, other: Member, read: Callable[[str], Surface]) -> dict[str, float]:
    """How far the other's bone lies from that of a part, where the part touches it; nothing where it touches none."""
    bone = read(part.surface)
    points, _ = sample_surface(read(str(part.design.mesh_id)).mesh, SAMPLES, np.random.default_rng(0))
    seat = bone.closest(points).points
    seat = seat[np.linalg.norm(seat - points, axis=1) <= REACH_MM]
    if not len(seat):
        return {}
    away = read(other.surface).unsigned(seat)
    return {"mean_mm": round(float(away.mean()), 4), "p95_mm": round(float(np.quantile(away, 0.95)), 4)}


def _said(part: Member, other: Member, figures: dict[str, float]) -> str:
    if not figures:
        return f"{part.code} lies nowhere within {REACH_MM:g} mm of its bone."
    return (
        f"Under {part.code} the bone of {other.code} lies {figures['mean_mm']:.2f} mm off on average, {figures['p95_mm']:.2f} mm at "
        f"95 %; {MEAN_MM:g} and {P95_MM:g} are allowed."
    )


def _reader() -> Callable[[str], Surface]:
    """Reads each file once, however many members are held against it."""
    return cache(lambda sha256: Surface(_mesh(sha256)))


def _mesh(sha256: str) -> Mesh:
    return read_mesh(intact_path(sha256))


# --- bores


@dataclass(frozen=True)
class Place:
    """Where a bore is meant to be: mm, patient coordinates."""

    entry: NDArray[np.float64]
    axis: NDArray[np.float64]
    diameter_mm: float


def along_same_bores(members: Sequence[Member]) -> Verdict:
    """What is drilled through one member leads through the bores of the others, where both answer for where theirs are."""
    asked = [(one, places) for one in members if (places := _places(one.design))]
    pairs = [pair for pair in combinations([one for one, _ in asked], 2) if not _elsewhere(*pair)]
    if not pairs:
        return not_applicable(
            "No two members answer for the same bores, by a plan for one level or a designer's word."
        )
    planned = {_planned(one.design) for pair in pairs for one in pair}
    if len(planned) == 1 and "" not in planned:
        return passed(plan=planned.pop(), members=sorted({one.code for pair in pairs for one in pair}))
    found = {one.code: _measured(one, places) for one, places in asked}
    said = bore_faults([(one.code, other.code) for one, other in pairs], found)
    evidence = {
        "bores": {code: [_told(bore) for bore in bores] for code, bores in found.items()},
        "allowed": {"shift_mm": SHIFT_MM, "tilt_degrees": TILT_DEGREES},
    }
    if said:
        return blocked(" ".join(said), cure="Design the members again from one plan.", **evidence)
    return passed(**evidence)


def _elsewhere(one: Member, other: Member) -> bool:
    """Whether two members are planned for different levels of the spine: each drills its own."""
    levels = {member.design.plan.content.get("level", "") for member in (one, other) if member.design.plan}
    return len(levels) == 2 and "" not in levels


def _planned(design: Design) -> str:
    """The digest of the bores that a design was planned with; "" of one without a plan."""
    if design.plan is None or not has_bores(design.plan):
        return ""
    return digest_of({name: design.plan.content[name] for name in ("sleeve", "trajectories")})


def _places(design: Design) -> list[Place]:
    """Where a design answers for bores: by its plan, or by what the designer of a part of another program states."""
    if design.plan is not None and has_bores(design.plan):
        seat = Sleeve(**design.plan.content["sleeve"]).seat_diameter_mm
        rows = design.plan.content["trajectories"]
        return [Place(np.array(row["entry_mm"]), np.array(row["axis"]), seat) for row in rows]
    if is_external(design) and design.features:
        tubes = stated_bores(_mesh(str(design.mesh_id)), design.values)[1]
        return [
            Place(np.array(tube.position_mm), np.array(tube.axis), tube.inner_diameter_mm) for tube in tubes
        ]
    return []


def _measured(member: Member, places: Sequence[Place]) -> list[Bore]:
    mesh = _mesh(str(member.design.mesh_id))
    found = [measure_bore(mesh, place.entry, place.axis, place.diameter_mm) for place in places]
    if None in found:
        raise Refused(
            f"A bore of {member.code} cannot be measured on its file.",
            cure="Request its design again.",
            rule="G-BLD-01",
        )
    return [bore for bore in found if bore is not None]


def bore_faults(pairs: Sequence[tuple[str, str]], found: Mapping[str, list[Bore]]) -> list[str]:
    """What is wrong between the bores of members. Two that share one share all of whoever has fewer: a plate may have more holes than
    its guide drills. Who shares none with any was drawn for another place."""
    sharing = [pair for pair in pairs if any(_shared(bore, found[pair[1]]) for bore in found[pair[0]])]
    alone = {code for pair in pairs for code in pair} - {code for pair in sharing for code in pair}
    said = [line for one, other in sharing for line in _apart_bores(one, other, found)]
    return said + [f"No bore of {code} leads to one of another device." for code in sorted(alone)]


def _apart_bores(one: str, other: str, found: Mapping[str, list[Bore]]) -> Iterator[str]:
    """Diameters are each part's own: a sleeve's seat is wider than the screw's hole that it leads to."""
    few, many = sorted((one, other), key=lambda code: len(found[code]))
    for number, bore in enumerate(found[few], 1):
        off = _shared(bore, found[many])
        if off is None:
            yield f"Bore {number} of {few} leads to none of {many}."
        elif off[0] > SHIFT_MM or off[1] > TILT_DEGREES:
            yield (
                f"Bore {number} of {few} passes {off[0]:.3f} mm by that of {many}, at {off[1]:.2f}°; "
                f"{SHIFT_MM:g} mm and {TILT_DEGREES:g}° are allowed."
            )


def _shared(bore: Bore, others: Sequence[Bore]) -> tuple[float, float] | None:
    """By how much (mm, degrees) the nearest of some bores is off one that it overlaps; None where none does."""
    point, axis = np.array(bore.point_mm), np.array(bore.axis)
    off = [
        (each.shift_from(point), each.tilt_from(axis))
        for each in others
        if np.linalg.norm(point - np.array(each.point_mm)) <= ENTRIES_MM
        and each.shift_from(point) < (bore.diameter_mm + each.diameter_mm) / 2.0
    ]
    return min(off, default=None)


def _told(bore: Bore) -> dict[str, object]:
    return {
        "point_mm": [round(part, 3) for part in bore.point_mm],
        "axis": [round(part, 5) for part in bore.axis],
        "diameter_mm": round(bore.diameter_mm, 3),
    }


QUESTIONS: tuple[tuple[str, Question], ...] = (
    ("Designed from the same images", from_same_images),
    ("Designed on the same anatomy", on_same_anatomy),
    ("Drilled along the same bores", along_same_bores),
)
"""What is asked of the members of a kit, in this order."""
