"""A radiotherapy bolus from an optical scan of the skin, whose designs a medical physicist signs before the prescriber does.

Limits after 8.2 of the regulatory presets (derm.bolus): thickness within 1 mm, an air gap of 5 mm at most, physicist approval before use.
The density is the material's: the certificate of every lot shows it, and the volume of the approved design stands in its record, against
which a bolus is weighed. They are starting values, to be replaced by the site's own validation.
"""

from __future__ import annotations

from typing import Any

from devices.catalog.base import MASTERS, MasterDefinition
from devices.catalog.face_mask import INSPECTION as MASK_INSPECTION
from devices.catalog.face_mask import ROUTING, SCAN
from devices.choices import DeviceField, IntendedUse

REGION: dict[str, Any] = {
    "min_extent_mm": [80.0, 60.0, 5.0],
    "max_extent_mm": [750.0, 600.0, 450.0],
    "max_edge_mm": 4.0,
    "patient_axes": False,
}
"""From a hand to a chest."""
IMAGING: dict[str, Any] = {
    "max_slice_spacing_mm": 3.0,
    "max_slice_thickness_mm": 3.0,
    "max_pixel_spacing_mm": 1.0,
    "max_tilt_degrees": 0.5,
    "max_image_age_days": 30,
    "sources": ["surface"],
    "surface": REGION,
}
DESIGN: dict[str, Any] = {
    "generator": "bolus",
    "reviewer": "PHY",
    "sides": ["none"],
    "defaults": {
        "thickness_mm": 5.0,
        "clearance_mm": 0.0,
        "edge_mm": 2.0,
        "radius_mm": 40.0,
        "minimum_wall_mm": 1.2,
    },
    "envelope": {
        "thickness_mm": [3.0, 30.0],
        "clearance_mm": [0.0, 1.0],
        "radius_mm": [15.0, 120.0],
        "edge_mm": [1.0, 10.0],
        "minimum_wall_mm": [1.2, 4.0],
    },
    "limits": {
        "thickness_error_p99_mm": [None, 1.0],
        "fit_error_p99_mm": [None, 0.5],
        "gap_filled_maximum_mm": [None, 5.0],
    },
}
INSPECTION: dict[str, Any] = {**MASK_INSPECTION, "tolerance_mm": 0.5, "maximum_p95_mm": 0.5}

MASTERS.add(
    "bolus",
    MasterDefinition(
        code="bolus",
        title="Radiotherapy bolus",
        field=DeviceField.DERMATOLOGY,
        intended_use=IntendedUse.CLINICAL,
        pathway="Custom-made accessory of external beam radiotherapy on intact skin: class I, rule 1; to be signed by RA.",
        contact_category="intact_skin",
        imaging=IMAGING,
        segmentation=SCAN,
        design=DESIGN,
        materials=("resin-bolus-01",),
        process="vat_photopolymerisation",
        routing=ROUTING,
        inspection=INSPECTION,
        label={"text": "Radiotherapy bolus", "notice": "Non-sterile; CT of the bolus before first use"},
        packaging={"scheme": "internal", "levels": {"carton": {}}},
    ),
)
