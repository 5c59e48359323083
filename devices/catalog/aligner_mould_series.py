"""The moulds of an aligner series: arch models, one for each stage, over which aligners are thermoformed.

Limits after 8.2 of the regulatory presets (dental.denture/crown/aligner): occlusal surfaces within 0.1 mm. A stage moves a tooth by
0.25 mm and 2 degrees at most, what aligner systems commonly plan. All are starting values, to be replaced by the site's own validation.
"""

from __future__ import annotations

from typing import Any

from devices.catalog.base import MASTERS, MasterDefinition
from devices.catalog.cranial_guide import INSPECTION as GUIDE_INSPECTION
from devices.catalog.cranial_guide import SEGMENTATION
from devices.choices import DeviceField, IntendedUse

DESIGN: dict[str, Any] = {
    "generator": "aligner_series",
    "plan": "tooth_movements",
    "sides": ["none"],
    "defaults": {
        "translation_step_mm": 0.25,
        "rotation_step_deg": 2.0,
        "overlap_mm": 0.1,
        "base_height_mm": 5.0,
        "gum_shown_mm": 3.5,
    },
    "envelope": {
        "translation_step_mm": [0.05, 0.25],
        "rotation_step_deg": [0.5, 2.0],
        "overlap_mm": [0.0, 0.1],
        "minimum_wall_mm": [0.8, 4.0],
        "base_height_mm": [3.0, 12.0],
        "gum_shown_mm": [2.5, 6.0],
    },
}
ROUTING: tuple[dict[str, Any], ...] = (
    {
        "step": "wash",
        "title": "Wash in isopropanol",
        "limits": {"duration_min": [3.0, 10.0], "concentration_percent": [90.0, 100.0]},
    },
    {
        "step": "cure",
        "title": "Post-cure under light",
        "limits": {"duration_min": [10.0, 60.0], "temperature_c": [40.0, 65.0]},
    },
)
INSPECTION: dict[str, Any] = {
    **GUIDE_INSPECTION,
    "tolerance_mm": 0.1,
    "maximum_p95_mm": 0.1,
    "maximum_mm": 0.3,
    "maximum_scale_error": 0.003,
}
SCAN: dict[str, Any] = {
    **SEGMENTATION,
    "limits": {**SEGMENTATION["limits"], "open": True},
    "scan": {"segmenter": "surface_scan", "parameters": {"max_loose_share": 0.02}, "limits": {"open": True}},
}
ARCH: dict[str, Any] = {
    "min_extent_mm": [15.0, 8.0, 4.0],
    "max_extent_mm": [120.0, 100.0, 70.0],
    "max_edge_mm": 0.6,
    "patient_axes": False,
}
"""From a few front teeth to a whole arch with the palate. The labels of the teeth tell left from right, not the scanner's axes."""
IMAGING: dict[str, Any] = {
    "max_slice_spacing_mm": 0.1,
    "max_slice_thickness_mm": 0.1,
    "max_pixel_spacing_mm": 0.1,
    "max_tilt_degrees": 0.5,
    "max_image_age_days": 90,
    "sources": ["volume", "surface"],
    "surface": ARCH,
}

MASTERS.add(
    "aligner_mould_series",
    MasterDefinition(
        code="aligner_mould_series",
        title="Aligner mould series",
        field=DeviceField.DENTAL,
        intended_use=IntendedUse.CLINICAL,
        pathway="Tool for custom-made aligners (mucosal contact, cumulative above 30 d: class IIa, rule 5); to be signed by RA.",
        contact_category="none",
        imaging=IMAGING,
        segmentation=SCAN,
        design=DESIGN,
        materials=("resin-model-01",),
        process="vat_photopolymerisation",
        routing=ROUTING,
        inspection=INSPECTION,
        label={"text": "Aligner mould", "notice": "For thermoforming, not for use in the mouth"},
        packaging={"scheme": "internal", "levels": {"carton": {}}},
    ),
)
