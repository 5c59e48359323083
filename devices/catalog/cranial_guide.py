"""A drill guide that sits on the skull, for clinical use.

Limits after 8.2 of the regulatory presets (orthopaedic guide): CT slices of 1.25 mm at most, apart and thick, no tilt, images
not older than 180 days. Pixels of 0.7 mm at most: a field of view of 350 mm on 512 pixels. They are starting values, to be replaced by the site's own validation.
"""

from __future__ import annotations

from typing import Any

from devices.catalog.base import MASTERS, MasterDefinition
from devices.choices import DeviceField, IntendedUse

EDITING: dict[str, Any] = {
    "threshold": {"lower_hu": [150.0, 3000.0]},
    "grow": {"lower_hu": [150.0, 3000.0]},
    "keep_largest": {"count": [1.0, 5.0]},
    "keep_seeded": {},
    "remove_small": {"minimum_ml": [0.0, 5.0]},
    "open": {"radius_mm": [0.1, 3.0]},
    "close": {"radius_mm": [0.1, 3.0]},
    "fill_holes": {},
    "crop": {},
    "cut": {},
    "metal_cleanup": {},
    "smooth": {"sigma_mm": [0.1, 1.5]},
    "paint": {"radius_mm": [0.5, 10.0]},
    "refine_edge": {},
}
"""What a person may do to the skull by hand. Growing or shrinking all of it would move the surface that the guide sits on."""
SEGMENTATION: dict[str, Any] = {
    "segmenter": "bone_threshold",
    "parameters": {"lower_hu": 300.0, "upper_hu": 3071.0, "fill_holes": True, "minimum_ml": 1.0},
    "surface": {"level_hu": 299.5, "smoothing_iterations": 20, "pass_band": 0.1, "tolerance_mm": 0.05},
    "envelope": {"lower_hu": [150.0, 700.0], "upper_hu": [1500.0, 3071.0]},
    "limits": {"maximum_p95_mm": 0.5, "maximum_volume_drift": 0.1},
    "editing": EDITING,
}
DESIGN: dict[str, Any] = {
    "generator": "bone_guide",
    "sides": ["left", "right"],
    "defaults": {
        "clearance_mm": 0.2,
        "thickness_mm": 3.0,
        "extent_mm": 16.0,
        "depth_mm": 10.0,
        "tube_count": 2,
        "tube_spacing_mm": 12.0,
        "tube_inner_diameter_mm": 2.4,
        "tube_outer_diameter_mm": 6.0,
        "tube_height_mm": 12.0,
    },
    "envelope": {
        "clearance_mm": [0.1, 0.6],
        "thickness_mm": [2.0, 6.0],
        "extent_mm": [8.0, 30.0],
        "depth_mm": [2.0, 20.0],
        "tube_count": [1, 4],
        "tube_inner_diameter_mm": [1.0, 6.0],
        "tube_outer_diameter_mm": [4.0, 12.0],
        "tube_height_mm": [6.0, 25.0],
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
        "limits": {"duration_min": [20.0, 60.0], "temperature_c": [55.0, 65.0]},
    },
)
# GS1's prefix 952 is for examples: a house puts its own numbers here.
PACKAGING: dict[str, Any] = {
    "scheme": "gs1",
    "levels": {"pouch": {"di": "09521141000175"}, "carton": {"di": "19521141000172"}},
    "shelf_life_days": 180,
}
INSPECTION: dict[str, Any] = {
    "tolerance_mm": 0.3,
    "minimum_share": 0.95,
    "maximum_p95_mm": 0.3,
    "maximum_mm": 0.6,
    "minimum_coverage": 0.95,
    "minimum_feature_coverage": 0.95,
    "maximum_scale_error": 0.01,
    "maximum_tube_shift_mm": 0.2,
    "maximum_tube_tilt_degrees": 1.0,
    "maximum_bore_error_mm": 0.2,
}

MASTERS.add(
    "cranial_guide",
    MasterDefinition(
        code="cranial_guide",
        title="Cranial drill guide",
        field=DeviceField.CRANIAL,
        intended_use=IntendedUse.CLINICAL,
        pathway="Patient-matched surgical guide, transient contact with bone: class IIa, rule 6; to be signed by RA.",
        contact_category="tissue_bone_24h",
        imaging={
            "max_slice_spacing_mm": 1.25,
            "max_slice_thickness_mm": 1.25,
            "max_pixel_spacing_mm": 0.7,
            "max_tilt_degrees": 0.5,
            "max_image_age_days": 180,
        },
        segmentation=SEGMENTATION,
        design=DESIGN,
        materials=("resin-guide-01",),
        process="vat_photopolymerisation",
        routing=ROUTING,
        inspection=INSPECTION,
        label={"text": "Cranial drill guide", "notice": ""},
        packaging=PACKAGING,
    ),
)
