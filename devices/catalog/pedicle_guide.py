"""A pedicle drill guide that rests on the laminae of a vertebra, for clinical use.

Limits after 8.2 of the regulatory presets (`spine.guide`): CT slices of 1.0 mm at most, no tilt, images not older than 180 days; contact
surface within 0.3 mm on average and 0.5 mm at most, holes within 0.2 mm, trajectories within 2 degrees, the level marked. The limits of the seat and
of the error at the drill's tip are starting values, to be replaced by the site's own validation.
"""

from __future__ import annotations

from typing import Any

from devices.catalog.base import MASTERS, MasterDefinition
from devices.catalog.cranial_guide import ROUTING, SEGMENTATION
from devices.choices import DeviceField, IntendedUse

DESIGN: dict[str, Any] = {
    "generator": "pedicle_guide",
    "plan": "trajectories",
    "sides": ["left", "right", "bilateral"],
    "defaults": {
        "clearance_mm": 0.15,
        "relief_mm": 1.2,
        "contact_radius_mm": 7.0,
        "contact_depth_mm": 5.0,
        "thickness_mm": 4.0,
        "bridge_width_mm": 9.0,
        "tube_wall_mm": 2.0,
        "sleeve_stand_mm": 8.0,
        "window_diameter_mm": 3.0,
        "pin_diameter_mm": 0.0,
        "mark_height_mm": 3.5,
        "detail_mm": 0.5,
    },
    "envelope": {
        "clearance_mm": [0.1, 0.4],
        "relief_mm": [0.8, 3.0],
        "contact_radius_mm": [4.0, 10.0],
        "contact_depth_mm": [2.0, 12.0],
        "thickness_mm": [3.0, 7.0],
        "bridge_width_mm": [6.0, 16.0],
        "tube_wall_mm": [1.5, 4.0],
        "sleeve_stand_mm": [6.0, 16.0],
        "window_diameter_mm": [0.0, 5.0],
        "pin_diameter_mm": [0.0, 2.0],
        "mark_height_mm": [3.0, 5.0],
        "detail_mm": [0.4, 0.6],
    },
    "limits": {
        "bone_margin_mm": [0.0, None],
        "clearance_lack_mm": [None, 0.05],
        "contact_area_mm2": [80.0, None],
        "seat_support_mm": [0.0, None],
        "seat_uniqueness": [0.02, None],
        "error_entry_mm": [None, 1.0],
        "error_target_mm": [None, 2.0],
    },
    "errors": {"print_mm": 0.2, "sterilisation_mm": 0.1},
}
INSPECTION: dict[str, Any] = {
    "tolerance_mm": 0.3,
    "minimum_share": 0.95,
    "maximum_p95_mm": 0.3,
    "maximum_mm": 0.5,
    "minimum_coverage": 0.95,
    "minimum_feature_coverage": 0.95,
    "maximum_scale_error": 0.01,
    "maximum_tube_shift_mm": 0.2,
    "maximum_tube_tilt_degrees": 2.0,
    "maximum_bore_error_mm": 0.2,
}
# GS1's prefix 952 is for examples: a house puts its own numbers here.
PACKAGING: dict[str, Any] = {
    "scheme": "gs1",
    "levels": {"pouch": {"di": "09521141000182"}, "carton": {"di": "19521141000189"}},
    "shelf_life_days": 180,
}

MASTERS.add(
    "pedicle_guide",
    MasterDefinition(
        code="pedicle_guide",
        title="Pedicle drill guide",
        field=DeviceField.SPINE,
        intended_use=IntendedUse.CLINICAL,
        pathway=(
            "Patient-matched surgical guide, transient contact with bone and no contact with the central nervous system: "
            "class IIa, rule 6; to be signed by RA."
        ),
        contact_category="tissue_bone_24h",
        imaging={
            "max_slice_spacing_mm": 1.0,
            "max_slice_thickness_mm": 1.0,
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
        label={"text": "Pedicle drill guide", "notice": ""},
        packaging=PACKAGING,
    ),
)
