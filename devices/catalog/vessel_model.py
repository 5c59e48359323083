"""A model of a heart or a vessel, to look into, to plan with by hand and to teach with. Not a medical device.

Limits after 8.2 of the regulatory presets (`cardiac.model`): CT slices of 1.0 mm at most, images not older than 90 days (a site lowers that
for children), a total error of 1.0 mm at most, the mode of the wall stated, the lumen open. A site that lets a diagnosis rest on
its models revises the master with `diagnostic_use`, and needs validated tools then (G-SW-01).
"""

from __future__ import annotations

from typing import Any

from devices.catalog.anatomical_model import INSPECTION
from devices.catalog.base import MASTERS, MasterDefinition
from devices.catalog.cranial_guide import ROUTING
from devices.choices import DeviceField, IntendedUse

EDITING: dict[str, Any] = {
    "preset": {},
    "threshold": {"lower_hu": [100.0, 1000.0]},
    "grow": {"lower_hu": [100.0, 1000.0]},
    "keep_largest": {"count": [1.0, 5.0]},
    "keep_seeded": {},
    "remove_small": {"minimum_ml": [0.0, 5.0]},
    "open": {"radius_mm": [0.1, 3.0]},
    "close": {"radius_mm": [0.1, 2.0]},
    "fill_holes": {},
    "crop": {},
    "cut": {},
    "smooth": {"sigma_mm": [0.1, 1.5]},
    "paint": {"radius_mm": [0.5, 10.0]},
    "refine_edge": {},
}
"""What a person may do to the lumen by hand. Bone lies in the same window as contrast: a vessel is grown from seeds, cut free and cropped."""
SEGMENTATION: dict[str, Any] = {
    "segmenter": "bone_threshold",
    "parameters": {"lower_hu": 150.0, "upper_hu": 600.0, "fill_holes": True, "minimum_ml": 1.0},
    "surface": {"level_hu": 149.5, "smoothing_iterations": 20, "pass_band": 0.1, "tolerance_mm": 0.05},
    "envelope": {"lower_hu": [100.0, 400.0], "upper_hu": [400.0, 1500.0]},
    "limits": {"maximum_p95_mm": 0.5, "maximum_volume_drift": 0.1},
    "editing": EDITING,
}
IMAGING: dict[str, Any] = {
    "max_slice_spacing_mm": 1.0,
    "max_slice_thickness_mm": 1.0,
    "max_pixel_spacing_mm": 0.75,
    "max_tilt_degrees": 30.0,
    "max_image_age_days": 90,
}
DESIGN: dict[str, Any] = {
    "generator": "vessel_model",
    "sides": ["none", "bilateral"],
    "diagnostic_use": False,
    "prescriber_approves": False,
    "defaults": {"wall_mm": 2.0, "letter_height_mm": 3.0},
    "envelope": {
        "wall_mm": [1.6, 5.0],
        "port_trim_mm": [1.0, 20.0],
        "minimum_part_ml": [0.1, 20.0],
        "letter_height_mm": [3.0, 8.0],
        "letter_depth_mm": [0.4, 1.0],
    },
}

MASTERS.add(
    "vessel_model",
    MasterDefinition(
        code="vessel_model",
        title="Model of a heart or a vessel",
        field=DeviceField.CARDIAC,
        intended_use=IntendedUse.MODEL,
        pathway="Anatomical model without a device claim: no contact with a patient, no diagnosis rests on it; to be signed by RA.",
        contact_category="none",
        imaging=IMAGING,
        segmentation=SEGMENTATION,
        design=DESIGN,
        materials=("resin-vessel-01",),
        process="vat_photopolymerisation",
        routing=ROUTING,
        inspection=INSPECTION,
        label={
            "text": "Model of a heart or a vessel",
            "notice": "Not a medical device. Not for implantation. Not for diagnosis.",
        },
        packaging={"scheme": "internal", "levels": {"carton": {}}},
    ),
)
