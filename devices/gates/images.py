"""What must be true of images before bone is segmented from them, and of the tools that do it (G-ORD-05, G-LAT-01, G-IMG, G-SW-01)."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import date
from typing import Any

from django.utils import timezone

from devices.choices import StudyStatus
from devices.generators.base import GENERATORS, MIRRORED
from devices.imaging.calibration import is_original
from devices.imaging.scans import OWN_AXES
from devices.mesh.scan import MM_PER_UNIT
from devices.models import Device, Study
from devices.segmentation.base import TOOLS
from devices.segmentation.external import NAME as EXTERNAL
from devices.selectors.external import is_external
from devices.selectors.orders import expected_side
from devices.selectors.sources import SURFACE, is_scan, segmentation_section, sources_of
from devices.services.linking import against_link
from devices.services.studies import ImagesRead
from mes.lifecycle import Verdict, blocked, gate, not_applicable, passed

FREEZE = "device.freeze_design"
RESEARCH_ONLY = "research_only"


@gate("G-ORD-05", "device.accept_images", "device.start_segmentation", FREEZE)
def patient_matches(device: Device, *, outcome: ImagesRead | None = None, **_: Any) -> Verdict:
    """Two identifiers of the images are those of the order's patient."""
    if outcome is None:
        return _matched_before(device)
    match = outcome.match
    if match.differing:
        return blocked(
            f"The images are of somebody else: {match.difference}.",
            cure="Check the patient and send in the right images; tell the privacy officer.",
            differing=list(match.differing),
        )
    if match.holds:
        return passed(matched=list(match.matched))
    if not match.present and outcome.stored:
        return passed(matched=[], linked_by="a person's signature")
    return blocked(
        "Fewer than two identifiers of the images could be compared with the patient.",
        cure="Send images that carry them; if they carry none, confirm by signature whose they are.",
        matched=list(match.matched),
    )


@gate("G-ORD-05", "device.approve_segmentation", FREEZE)
def segmentation_matches(device: Device, **_: Any) -> Verdict:
    """A segmentation that another program made names the order's patient by two identifiers, or a signature links it."""
    segmentation = device.current_segmentation
    if segmentation is None or segmentation.tool != EXTERNAL:
        return not_applicable("The segmentation was made here, from the patient's own images.")
    said = segmentation.parameters["mask"]
    if against := against_link(segmentation):
        return blocked(against.text, cure=against.cure, **said)
    return passed(matched=said["matched"], link=said.get("link"))


def _matched_before(device: Device) -> Verdict:
    study = _accepted_study(device)
    if study is None:
        return blocked("No accepted images.", cure="Send in images.")
    if len(study.matched) >= 2 or study.link_confirmed:
        return passed(matched=study.matched, link_confirmed=study.link_confirmed)
    return blocked("The images were not matched with the patient.", cure="Send them in again.")


@gate("G-LAT-01", "device.accept_images", "device.start_segmentation", FREEZE)
def images_of_the_side(device: Device, *, outcome: ImagesRead | None = None, **_: Any) -> Verdict:
    """The side that the images say they show is the ordered one; of a design that mirrors the other side, that one."""
    accepted = _accepted_study(device)
    facts = outcome.facts.get("acquisition") if outcome else accepted.acquisition if accepted else None
    shown, ordered = (facts or {}).get("side"), expected_side(device.order)
    if not shown or not ordered:
        return not_applicable("The images or the order name no single side.")
    if shown == ordered:
        return passed(shown=shown, ordered=ordered)
    if _may_show_the_other_side(device):
        return passed(shown=shown, ordered=ordered, mirrored=True)
    return blocked(
        f"The images say that they show the patient's {shown} side; the order is for the {ordered}.",
        cure="Send in images of the ordered side. Where the scanner was told the wrong one, have it corrected there and send them again.",
        shown=shown,
        ordered=ordered,
    )


def _may_show_the_other_side(device: Device) -> bool:
    """Once there is a design its own value counts; before, that its master lets one mirror."""
    if device.current_design is not None:
        return bool(device.current_design.values.get(MIRRORED))
    return MIRRORED in device.master.design["envelope"]


@gate("G-IMG-03", "device.accept_images", "device.start_segmentation")
def images_deidentified(device: Device, *, outcome: ImagesRead | None = None, **_: Any) -> Verdict:
    """What is stored for work is de-identified."""
    if outcome is not None and not outcome.stored:
        return not_applicable("Nothing of these images is stored.")
    study = device.current_study
    report = outcome.deidentification if outcome else study.deidentification if study else {}
    if not report:
        return blocked("The images were not de-identified.", cure="Send them in again.")
    return passed(files=report.get("files"), sha256=report.get("sha256"))


@gate("G-IMG-01", "device.start_segmentation", FREEZE)
def images_within_protocol(device: Device, **_: Any) -> Verdict:
    """Slice spacing, gaps, thickness, pixels, tilt and field of view are within the master's imaging protocol; for clinical use,
    the images are the scanner's own cross-sections in Hounsfield units, and lost nothing by compression."""
    study = _accepted_study(device)
    if study is None:
        return blocked("No accepted images.", cure="Send in images.")
    if is_scan(study):
        return not_applicable("The case begins with a surface scan.")
    limits = device.master.imaging
    measured = _measured(study)
    evidence = {**measured, "limits": limits}
    if any(measured[name] is None for name in ("slice_spacing_mm", "tilt_degrees", "pixel_spacing_mm")):
        return blocked("The images' geometry was not measured.", cure="Send them in again.", **evidence)
    said = [
        *_beyond(measured, limits),
        *(_unfit_for_patients(study) if device.master.needs_validated_tools else ()),
    ]
    if said:
        return blocked(
            f"The images are outside the protocol of {device.master}: {'; '.join(said)}.",
            cure="Acquire a series within the protocol, or order under a master that allows these images.",
            **evidence,
        )
    return passed(**evidence)


def _measured(study: Study) -> dict[str, Any]:
    return {
        "slice_spacing_mm": study.widest_slice_step_mm,
        "slice_thickness_mm": study.acquisition.get("slice_thickness_mm"),
        "pixel_spacing_mm": max(study.spacing_mm[:2]) if study.spacing_mm else None,
        "tilt_degrees": study.tilt_degrees,
        "field_of_view_mm": study.acquisition.get("field_of_view_mm"),
    }


def _beyond(measured: dict[str, Any], limits: dict[str, Any]) -> Iterator[str]:
    """Thickness and pixels are bounded by the slice spacing where the master does not say otherwise."""
    tilt, spacing = limits["max_tilt_degrees"], limits["max_slice_spacing_mm"]
    bounds = (
        ("slice_spacing_mm", spacing, "slices are up to {:.2f} mm apart"),
        ("slice_thickness_mm", limits.get("max_slice_thickness_mm", spacing), "slices are {:.2f} mm thick"),
        ("pixel_spacing_mm", limits.get("max_pixel_spacing_mm", spacing), "pixels are {:.2f} mm wide"),
    )
    for name, limit, words in bounds:
        if (measured[name] or 0.0) > limit + 1e-6:
            yield f"{words.format(measured[name])}, allowed are {limit:g} mm"
    if abs(measured["tilt_degrees"]) > tilt + 1e-6:
        yield f"the gantry is tilted by {abs(measured['tilt_degrees']):.1f}°, allowed are {tilt:g}°"
    yield from _too_little(measured["field_of_view_mm"], limits.get("min_field_of_view_mm"))


def _too_little(shown: list[float] | None, needed: list[float] | None) -> Iterator[str]:
    """The anatomy that a device needs is larger than what the images show. Along columns, rows and slices; a head may lie in its scan
    with either side across, so the two within a slice may change places."""
    if needed is None:
        return
    if shown is None:
        yield "their field of view was not measured"
        return
    across = all(one >= other for one, other in zip(sorted(shown[:2]), sorted(needed[:2]), strict=True))
    if not (across and shown[2] >= needed[2]):
        said, asked = (" × ".join(f"{mm:.0f}" for mm in sides) for sides in (shown, needed))
        yield f"they show {said} mm, and the anatomy needs {asked} mm"


def _unfit_for_patients(study: Study) -> Iterator[str]:
    acquisition = study.acquisition
    if acquisition.get("slice_thickness_mm") is None:
        yield "they state no slice thickness"
    if not is_original((acquisition.get("image_type") or "").split("\\")):
        yield "they do not say that they are the scanner's own cross-sections (ORIGINAL, PRIMARY, AXIAL)"
    if (acquisition.get("value_unit") or "HU") != "HU":
        yield "they do not say that their values are Hounsfield units"
    if acquisition.get("lossy"):
        yield "they were compressed with loss, which changes values by up to hundreds of HU"


@gate("G-IMG-01", "device.accept_images", "device.start_segmentation", FREEZE)
def scan_within_protocol(
    device: Device, *, study: Study | None = None, outcome: ImagesRead | None = None, **_: Any
) -> Verdict:
    """A surface scan is as large as the anatomy of the master, fine enough, and lies in the patient's axes where that matters."""
    if not is_scan(study or device.current_study):
        return not_applicable("The case does not begin with a surface scan.")
    limits = device.master.imaging.get(SURFACE)
    accepted = _accepted_study(device)
    said = outcome.facts.get("acquisition") if outcome else accepted.acquisition if accepted else None
    if not limits or SURFACE not in sources_of(device.master):
        return blocked(f"{device.master} takes no surface scans.", cure="Order under a master that does.")
    if not said:
        return blocked("The scan was not measured.", cure="Send it in again.")
    evidence = {name: said[name] for name in ("extent_mm", "edge_p95_mm", "unit", "axes", "triangles")}
    faults = list(_scan_faults(said, limits))
    if faults:
        return blocked(
            f"The scan is outside the protocol of {device.master}: {'; '.join(text for text, _ in faults)}.",
            cure=" ".join(dict.fromkeys(cure for _, cure in faults)),
            **evidence,
            limits=limits,
        )
    return passed(**evidence, limits=limits)


def _scan_faults(said: dict[str, Any], limits: dict[str, Any]) -> Iterator[tuple[str, str]]:
    """Each with its cure. The sides are compared in the order of their lengths: a scan may lie as it likes."""
    sides = sorted(said["extent_mm"], reverse=True)
    if not _is_as_large(sides, limits):
        shown, least, most = (
            " × ".join(f"{mm:g}" for mm in one)
            for one in (sides, limits["min_extent_mm"], limits["max_extent_mm"])
        )
        yield (
            f"it is {shown} mm large, and the anatomy is {least} to {most} mm",
            _cure_of_size(sides, said, limits),
        )
    if said["edge_p95_mm"] > limits["max_edge_mm"] + 1e-6:
        yield (
            f"its triangles are up to {said['edge_p95_mm']:.2f} mm wide, allowed are {limits['max_edge_mm']:g} mm",
            "Export the scan at its full resolution.",
        )
    if said["axes"] == OWN_AXES and limits["patient_axes"]:
        yield (
            "nobody knows how it lies in the patient",
            "Send it again with the axes of the program that exported it.",
        )


def _is_as_large(sides: list[float], limits: dict[str, Any]) -> bool:
    ends = zip(limits["min_extent_mm"], sides, limits["max_extent_mm"], strict=True)
    return all(low <= side <= high for low, side, high in ends)


def _cure_of_size(sides: list[float], said: dict[str, Any], limits: dict[str, Any]) -> str:
    """A size that another unit explains is told as such; a file that states its own is wrong in itself."""
    fitting = [
        unit
        for unit, scale in MM_PER_UNIT.items()
        if _is_as_large([side * scale / MM_PER_UNIT[said["unit"]] for side in sides], limits)
    ]
    if fitting:
        return f"Taken as {' or '.join(fitting)} it would fit: find out in which unit it was exported, and send it again."
    return "Check what was scanned, and the unit of the export; send in the scan of the anatomy alone."


@gate("G-IMG-02", "device.start_segmentation", FREEZE)
def images_recent(device: Device, **_: Any) -> Verdict:
    """The images will not be too old when the device is used."""
    window = device.master.imaging.get("max_image_age_days")
    if window is None:
        return not_applicable("The master sets no limit on the age of images.")
    study = _accepted_study(device)
    acquired = study.acquired_on if study else None
    if acquired is None:
        return blocked("The images state no date.", cure="Send in images that keep their acquisition date.")
    age = (max(device.need_by, timezone.localdate()) - acquired).days
    evidence = {"acquired_on": str(acquired), "age_at_use_days": age, "limit_days": window}
    if acquired > _tomorrow() or age > window:
        return blocked(
            f"The images are {age} days old at the planned use; {window} are allowed."
            if age >= 0
            else "The images are dated in the future.",
            cure="Acquire a new series.",
            **evidence,
        )
    return passed(**evidence)


def _tomorrow() -> date:
    """A scanner's clock may be a time zone ahead."""
    return date.fromordinal(timezone.localdate().toordinal() + 1)


def _accepted_study(device: Device) -> Study | None:
    study = device.current_study
    return study if study is not None and study.status == StudyStatus.ACCEPTED else None


@gate("G-SW-01", "device.start_segmentation", FREEZE)
def tools_validated(device: Device, *, segmenter: str = "", **_: Any) -> Verdict:
    """The tools that touch the geometry are validated for the intended use."""
    used = _tools(device, segmenter)
    if not device.master.needs_validated_tools:
        return passed(intended_use=device.master.intended_use, tools=used)
    lacking = sorted(name for name, status in used.items() if status not in ("cleared", "validated_in_house"))
    if lacking:
        return blocked(
            f"For clinical use or diagnosis these tools are not validated: {', '.join(lacking)}.",
            cure="Validate them in house for this use, use cleared tools, or order under a training master.",
            intended_use=device.master.intended_use,
            tools=used,
        )
    return passed(intended_use=device.master.intended_use, tools=used)


def _tools(device: Device, asked: str = "") -> dict[str, str]:
    """Each tool of the master, or the segmenter that is asked for instead of its own, and each that was used already, with the worst status that it was seen with."""
    section = segmentation_section(device.master, device.current_study)
    segmenter, generator = asked or section["segmenter"], device.master.design["generator"]
    found: list[tuple[str, str]] = [
        (f"{segmenter} {TOOLS[segmenter].version}", TOOLS[segmenter].validation_status),
    ]
    if not is_external(device.current_design):
        found.append(
            (f"{generator} {GENERATORS[generator].version}", GENERATORS[generator].validation_status)
        )
    if (made := device.current_segmentation) is not None:
        found.append((f"{made.tool} {made.tool_version}", made.validation_status))
    if (drawn := device.current_design) is not None:
        found.append((" ".join(drawn.tool), drawn.validation_status))
    return dict(sorted(found, key=lambda tool: tool[1] == RESEARCH_ONLY))
