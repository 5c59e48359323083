"""A model of a patient's bone, to look at, to plan with by hand and to teach with. Not a medical device.

Limits after 8.2 of the regulatory presets (models): a total error of 1 mm at most, of which segmentation has the larger part.
A site that lets a diagnosis rest on its models revises the master with `diagnostic_use`, and needs validated tools then (G-SW-01).
"""

from __future__ import annotations

from typing import Any

from devices.catalog.base import MASTERS, MasterDefinition
from devices.catalog.cranial_guide import ROUTING, SEGMENTATION
from devices.choices import DeviceField, IntendedUse

DESIGN: dict[str, Any] = {
    "generator": "anatomical_model",
    "sides": ["none", "bilateral"],
    "diagnostic_use": False,
    "prescriber_approves": False,
    "defaults": {"minimum_part_ml": 1.0},
    "envelope": {
        "wall_mm": [0.0, 8.0],
        "drain_count": [1, 6],
        "drain_diameter_mm": [2.0, 8.0],
        "pin_count": [0, 4],
        "pin_diameter_mm": [2.0, 10.0],
        "pin_length_mm": [3.0, 15.0],
        "pin_clearance_mm": [0.1, 0.5],
        "base_thickness_mm": [0.0, 12.0],
        "base_gap_mm": [3.0, 40.0],
        "post_diameter_mm": [3.0, 15.0],
        "letter_height_mm": [3.0, 12.0],
        "letter_depth_mm": [0.4, 1.5],
    },
    "external_cad": {
        "limits": {
            "solids": [1, 12],
            "longest_mm": [10.0, 550.0],
            "on_anatomy_share": [0.3, None],
            "beyond_anatomy_mm": [None, 60.0],
        },
    },
}
INSPECTION: dict[str, Any] = {
    "tolerance_mm": 0.5,
    "minimum_share": 0.95,
    "maximum_p95_mm": 0.5,
    "maximum_mm": 1.0,
    "minimum_coverage": 0.95,
    "minimum_feature_coverage": 0.95,
    "maximum_scale_error": 0.01,
}

MASTERS.add(
    "anatomical_model",
    MasterDefinition(
        code="anatomical_model",
        title="Anatomical model of bone",
        field=DeviceField.ORTHOPAEDIC,
        intended_use=IntendedUse.MODEL,
        pathway="Anatomical model without a device claim: no contact with a patient, no diagnosis rests on it; to be signed by RA.",
        contact_category="none",
        imaging={
            "max_slice_spacing_mm": 2.0,
            "max_slice_thickness_mm": 2.0,
            "max_pixel_spacing_mm": 1.0,
            "max_tilt_degrees": 30.0,
            "max_image_age_days": 365,
        },
        segmentation=SEGMENTATION,
        design=DESIGN,
        materials=("resin-anatomy-01",),
        process="vat_photopolymerisation",
        routing=ROUTING,
        inspection=INSPECTION,
        label={
            "text": "Anatomical model",
            "notice": "Not a medical device. Not for implantation. Not for diagnosis.",
        },
        packaging={"scheme": "internal", "levels": {"carton": {}}},
    ),
)
