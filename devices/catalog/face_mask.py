"""A conformal mask over the face, from an optical scan.

Limits after 8.2 of the regulatory presets (derm.mask): the scan not older than 30 days, for swelling changes a face; fit within 1.0 mm,
thickness 2 to 3 mm within 0.3 mm, edges rounded by 1 mm at least, openings clear. They are starting values, to be replaced by the site's
own validation.
"""

from __future__ import annotations

from typing import Any

from devices.catalog.base import MASTERS, MasterDefinition
from devices.catalog.cranial_guide import INSPECTION as GUIDE_INSPECTION
from devices.catalog.cranial_guide import SEGMENTATION
from devices.choices import DeviceField, IntendedUse

SCAN: dict[str, Any] = {
    **SEGMENTATION,
    "scan": {"segmenter": "surface_scan", "parameters": {"max_loose_share": 0.02}, "limits": {"open": True}},
}
FACE: dict[str, Any] = {
    "min_extent_mm": [150.0, 110.0, 40.0],
    "max_extent_mm": [450.0, 350.0, 350.0],
    "max_edge_mm": 3.0,
    "patient_axes": False,
}
"""From a child's face to a whole head. The picked eyes tell left from right, not the scanner's axes."""
IMAGING: dict[str, Any] = {
    "max_slice_spacing_mm": 1.0,
    "max_slice_thickness_mm": 1.0,
    "max_pixel_spacing_mm": 1.0,
    "max_tilt_degrees": 0.5,
    "max_image_age_days": 30,
    "sources": ["surface"],
    "surface": FACE,
}
DESIGN: dict[str, Any] = {
    "generator": "face_mask",
    "sides": ["none"],
    "defaults": {"thickness_mm": 2.5, "clearance_mm": 0.5, "edge_mm": 1.0, "straps_per_side": 2},
    "envelope": {
        "thickness_mm": [2.0, 3.0],
        "clearance_mm": [0.0, 2.0],
        "width_mm": [90.0, 180.0],
        "above_eyes_mm": [20.0, 80.0],
        "below_mouth_mm": [10.0, 50.0],
        "eye_width_mm": [0.0, 60.0],
        "nose_width_mm": [0.0, 50.0],
        "mouth_width_mm": [0.0, 70.0],
        "strap_mm": [10.0, 30.0],
        "relief_height_mm": [0.5, 4.0],
        "edge_mm": [1.0, 1.5],
        "minimum_wall_mm": [1.0, 4.0],
    },
    "limits": {"thickness_error_p99_mm": [None, 0.3], "fit_error_p99_mm": [None, 1.0]},
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
        "limits": {"duration_min": [30.0, 60.0], "temperature_c": [55.0, 65.0]},
    },
)
INSPECTION: dict[str, Any] = {
    **GUIDE_INSPECTION,
    "tolerance_mm": 0.5,
    "maximum_p95_mm": 0.5,
    "maximum_mm": 1.0,
}

MASTERS.add(
    "face_mask",
    MasterDefinition(
        code="face_mask",
        title="Conformal face mask",
        field=DeviceField.DERMATOLOGY,
        intended_use=IntendedUse.CLINICAL,
        pathway="Custom-made facial orthosis on intact skin: class I, rule 1; on a wound rule 4 applies; to be signed by RA.",
        contact_category="intact_skin",
        imaging=IMAGING,
        segmentation=SCAN,
        design=DESIGN,
        materials=("resin-skin-01",),
        process="vat_photopolymerisation",
        routing=ROUTING,
        inspection=INSPECTION,
        label={"text": "Conformal face mask", "notice": "Non-sterile: clean before use; on intact skin only"},
        packaging={"scheme": "internal", "levels": {"carton": {}}},
    ),
)
