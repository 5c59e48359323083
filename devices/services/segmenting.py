"""Computing a segmentation: from the stored volume to mask, surface and pictures. Writes only to the artefact store."""

from __future__ import annotations

import json
import tempfile
from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from devices.generators.dental.marks import packed_labels
from devices.imaging.base import ImagingRefused, Volume
from devices.imaging.render import Plane, slice_png
from devices.imaging.scans import moved_labels
from devices.imaging.storage import load_volume, save_mask
from devices.mesh.base import Mesh
from devices.mesh.distance import Surface
from devices.mesh.io import read_mesh, write_stl
from devices.mesh.surface import Smoothing, SurfaceRefused, surface_of_mask
from devices.mesh.surface import Surface as Isosurface
from devices.models import Study
from devices.planning.marks import GUM, unpacked
from devices.segmentation.base import SEGMENTERS, SegmentationRefused
from devices.segmentation.base import Segmentation as Segmented
from devices.segmentation.external import NAME as EXTERNAL
from devices.segmentation.scan import SCAN_SEGMENTERS, Scanned
from devices.selectors.sources import is_scan, segmentation_section
from devices.services.fitting import MINIMUM_ML, fitted
from devices.services.segmentations import NotSegmented, SegmentationMade
from mes.eventlog.base import plain
from mes.exceptions import Refused
from mes.services.artefacts import intact_path, store_artefact

BONE_WINDOW_HU, BONE_LEVEL_HU = 2000.0, 400.0
AXES: dict[Plane, int] = {"axial": 0, "coronal": 1, "sagittal": 2}


def compute_segmentation(
    study_id: int, chosen: Mapping[str, Any] | None = None
) -> SegmentationMade | NotSegmented:
    """Run the segmenter that the device's master names on a study's volume, with the parameters that a person chose."""
    study = Study.objects.select_related("device__master", "device__order__patient").get(pk=study_id)
    if is_scan(study):
        return _of_scan(study)
    section, expected = _asked(study.device.master.segmentation, chosen or {})
    try:
        volume = load_volume(intact_path(str(study.volume_id)))
        found = _found(study, volume, section, chosen or {})
        mask = stored_mask(found.mask)
        if expected not in ("", mask):
            raise SegmentationRefused(
                "the recipe gives another mask here than it gave its author",
                cure="Make the segmentation anew.",
            )
        surface = _surface(volume, found.mask, section.get("surface", {}))
    except (SegmentationRefused, SurfaceRefused) as refusal:
        return NotSegmented(
            [{"code": "not_segmented", "text": text, "cure": refusal.cure} for text in refusal.reasons]
        )
    except Refused as refusal:
        # The stored volume is not what the record names (G-INT-01): nothing is computed from it.
        return NotSegmented([{"code": r.rule, "text": r.text, "cure": r.cure} for r in refusal.reasons])
    except ImagingRefused as refusal:
        return NotSegmented(
            [{"code": one.code, "text": one.message, "cure": one.cure} for one in refusal.findings]
        )
    return SegmentationMade(_facts(volume, found, mask, surface, section))


def _found(study: Study, volume: Volume, section: Mapping[str, Any], chosen: Mapping[str, Any]) -> Segmented:
    """By the section's segmenter, or out of a file of another program."""
    if EXTERNAL in chosen:
        return fitted(study, volume, chosen[EXTERNAL], section)
    return SEGMENTERS[section["segmenter"]](volume, section["parameters"])


def _of_scan(study: Study) -> SegmentationMade | NotSegmented:
    """The surface that is worked on, out of a stored scan. It has no mask."""
    section = segmentation_section(study.device.master, study)
    try:
        scan = read_mesh(intact_path(str(study.surface_id)))
        found = SCAN_SEGMENTERS[section["segmenter"]](scan, section["parameters"])
    except SegmentationRefused as refusal:
        return NotSegmented(
            [{"code": "not_segmented", "text": text, "cure": refusal.cure} for text in refusal.reasons]
        )
    except Refused as refusal:
        return NotSegmented([{"code": r.rule, "text": r.text, "cure": r.cure} for r in refusal.reasons])
    return SegmentationMade(_facts_of_scan(scan, found) | _labelled(study, scan, found))


def _facts_of_scan(scan: Mesh, found: Scanned) -> dict[str, Any]:
    data, report = write_stl(found.mesh), found.report
    departure = Surface(scan).unsigned(read_mesh(data).vertices)
    volume_ml = report.volume_ml if report.watertight else 0.0
    return {
        "tool": found.tool.name,
        "tool_version": found.tool.version,
        "validation_status": found.tool.validation_status,
        "parameters": plain({"scan": found.parameters}),
        "surface_id": store_artefact(data, media_type="model/stl").sha256,
        "volume_ml": volume_ml,
        "surface_volume_ml": volume_ml,
        "components": found.pieces_found,
        "triangles": report.triangles,
        "watertight": report.watertight,
        "distance_mean_mm": float(departure.mean()),
        "distance_p95_mm": float(np.quantile(departure, 0.95)),
        "distance_max_mm": float(departure.max()),
        "bounds_mm": plain(report.bounds_mm),
        "steps": plain([asdict(step) for step in found.steps]),
    }


def _labelled(study: Study, scan: Mesh, found: Scanned) -> dict[str, Any]:
    """Which vertex of the surface is which tooth, in the form that a plan has it, where labels came with the scan."""
    teeth = study.acquisition.get("teeth")
    if teeth is None:
        return {}
    stored = read_mesh(write_stl(found.mesh))
    labels = moved_labels(scan, unpacked(teeth["labels"]), stored)
    packed = json.dumps(packed_labels(stored, labels), sort_keys=True).encode()
    named = sorted({int(one) for one in np.unique(labels)} - {GUM})
    return {
        "labels_id": store_artefact(packed, media_type="application/json").sha256,
        "parameters": plain({"scan": found.parameters, "teeth": named}),
    }


def _asked(section: Mapping[str, Any], chosen: Mapping[str, Any]) -> tuple[dict[str, Any], str]:
    """The section that is run, and the digest of the mask that has to come out; "" where any may."""
    # The edge of a mask that people or other programs shaped is the mask's own, and no isosurface of the image.
    surface = {**section.get("surface", {}), "level_hu": None}
    if EXTERNAL in chosen:
        return {**section, "surface": surface}, ""
    if "steps" not in chosen:
        return _with_chosen(section, chosen), ""
    least = section["parameters"].get("minimum_ml", MINIMUM_ML)
    recipe = {"steps": chosen["steps"], "minimum_ml": least}
    made = {**section, "segmenter": "recipe", "parameters": recipe, "surface": surface}
    return made, str(chosen.get("mask_sha256", ""))


def _with_chosen(section: Mapping[str, Any], chosen: Mapping[str, Any]) -> dict[str, Any]:
    """The master's section with what was chosen. The surface follows the threshold: it is drawn as far below it as before."""
    parameters, surface = {**section["parameters"], **chosen}, dict(section.get("surface", {}))
    if surface.get("level_hu") is not None and "lower_hu" in chosen:
        surface["level_hu"] += chosen["lower_hu"] - section["parameters"]["lower_hu"]
    return {**section, "parameters": parameters, "surface": surface}


def _surface(volume: Volume, mask: NDArray[np.uint8], section: Mapping[str, Any]) -> Isosurface:
    smoothing = Smoothing(
        iterations=int(section.get("smoothing_iterations", 20)),
        pass_band=float(section.get("pass_band", 0.1)),
    )
    tolerance = float(section.get("tolerance_mm", 0.05))
    return surface_of_mask(
        volume, mask, level=section.get("level_hu"), smoothing=smoothing, tolerance_mm=tolerance
    )


def _facts(
    volume: Volume, found: Segmented, mask: str, surface: Isosurface, section: Mapping[str, Any]
) -> dict[str, Any]:
    report, distance = surface.report, surface.distance
    return {
        "tool": found.tool.name,
        "tool_version": found.tool.version,
        "validation_status": found.tool.validation_status,
        "parameters": plain({"mask": found.parameters, "surface": section.get("surface", {})}),
        "mask_id": mask,
        "surface_id": store_artefact(write_stl(surface.mesh), media_type="model/stl").sha256,
        "overlays": _overlays(volume, found.mask),
        "volume_ml": found.volume_ml,
        "surface_volume_ml": report.volume_ml,
        "components": found.components_found,
        "triangles": report.triangles,
        "watertight": report.watertight,
        "distance_mean_mm": distance.mean_mm,
        "distance_p95_mm": distance.p95_mm,
        "distance_max_mm": distance.max_mm,
        "bounds_mm": plain(report.bounds_mm),
        "steps": plain([asdict(step) for step in surface.steps]),
    }


def stored_mask(mask: NDArray[np.uint8]) -> str:
    """The digest of a mask, put into the artefact store: the same mask has the same one."""
    with tempfile.TemporaryDirectory(prefix="lamina-mask-") as folder:
        path = Path(folder) / "mask.npz"
        save_mask(mask, path)
        return store_artefact(path, media_type="application/x-npz").sha256


def _overlays(volume: Volume, mask: NDArray[np.uint8]) -> dict[str, str]:
    """One picture for each plane, through the middle of the bone's mass."""
    return {
        plane: store_artefact(
            slice_png(
                volume,
                plane,
                _middle(mask, axis),
                window=BONE_WINDOW_HU,
                level=BONE_LEVEL_HU,
                mask=mask,
            ),
            media_type="image/png",
        ).sha256
        for plane, axis in AXES.items()
    }


def _middle(mask: NDArray[np.uint8], axis: int) -> int:
    others = tuple(other for other in range(3) if other != axis)
    mass = np.count_nonzero(mask, axis=others)
    return int(np.searchsorted(np.cumsum(mass), mass.sum() / 2))
