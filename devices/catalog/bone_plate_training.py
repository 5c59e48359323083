"""A contoured plate in resin, to try its fit on a model of the bone. There is no clinical master: nobody may put one into a patient.

What a plate carries and how long it lasts, its metal and its screws, are no part of what is designed or inspected here. Surface and holes are held to
8.2 of the regulatory presets (`ortho.implant`): the surface to the bone within 0.2 mm.
"""

from __future__ import annotations

from typing import Any

from devices.catalog.base import MASTERS, MasterDefinition
from devices.catalog.cranial_guide import SEGMENTATION
from devices.catalog.cranial_guide_training import ROUTING
from devices.choices import DeviceField, IntendedUse

DESIGN: dict[str, Any] = {
    "generator": "bone_plate",
    "sides": ["left", "right"],
    "defaults": {"clearance_mm": 0.1, "thickness_mm": 3.0, "edge_radius_mm": 0.8},
    "envelope": {
        "width_mm": [6.0, 20.0],
        "thickness_mm": [2.0, 5.0],
        "clearance_mm": [0.05, 0.3],
        "edge_radius_mm": [0.5, 1.5],
        "hole_count": [0, 12],
        "hole_diameter_mm": [1.5, 6.0],
        "sink_diameter_mm": [0.0, 10.0],
        "sink_degrees": [60.0, 120.0],
    },
    "limits": {
        "hole_shift_mm": [None, 0.05],
        "hole_tilt_degrees": [None, 0.1],
        "hole_bore_error_mm": [None, 0.05],
        "bone_clearance_p95_mm": [None, 1.0],
    },
}
INSPECTION: dict[str, Any] = {
    "tolerance_mm": 0.2,
    "minimum_share": 0.95,
    "maximum_p95_mm": 0.2,
    "maximum_mm": 0.4,
    "minimum_coverage": 0.95,
    "minimum_feature_coverage": 0.95,
    "maximum_scale_error": 0.01,
}

MASTERS.add(
    "bone_plate_training",
    MasterDefinition(
        code="bone_plate_training",
        title="Contoured plate, research and training",
        field=DeviceField.ORTHOPAEDIC,
        intended_use=IntendedUse.TRAINING,
        pathway="Research and training object, not a medical device: not for clinical use and not for implantation.",
        contact_category="none",
        imaging={
            "max_slice_spacing_mm": 1.0,
            "max_slice_thickness_mm": 1.0,
            "max_pixel_spacing_mm": 1.0,
            "max_tilt_degrees": 1.0,
            "max_image_age_days": None,
        },
        segmentation=SEGMENTATION,
        design=DESIGN,
        materials=("resin-guide-01",),
        process="vat_photopolymerisation",
        routing=ROUTING,
        inspection=INSPECTION,
        label={
            "text": "Contoured plate, research",
            "notice": "Not for clinical use. Not for implantation.",
        },
        packaging={"scheme": "internal", "levels": {"carton": {}}},
    ),
)
