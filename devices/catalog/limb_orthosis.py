"""An orthosis shell around a limb, from an optical scan.

The regulatory presets have no row of their own for it; it is worn on whole skin for weeks as the facial orthosis is (derm.mask), and its limits
start from there: the scan not older than 30 days, fit within 1.0 mm, thickness within 0.3 mm, edges rounded by 1 mm at least. They are
starting values, to be replaced by the site's own validation.
"""

from __future__ import annotations

from typing import Any

from devices.catalog.base import MASTERS, MasterDefinition
from devices.catalog.face_mask import IMAGING as FACE_IMAGING
from devices.catalog.face_mask import INSPECTION, ROUTING, SCAN
from devices.choices import DeviceField, IntendedUse

LIMB: dict[str, Any] = {
    "min_extent_mm": [100.0, 35.0, 30.0],
    "max_extent_mm": [700.0, 350.0, 300.0],
    "max_edge_mm": 4.0,
    "patient_axes": False,
}
"""From a child's forearm to an adult's lower leg with its foot."""
IMAGING: dict[str, Any] = {**FACE_IMAGING, "surface": LIMB}
DESIGN: dict[str, Any] = {
    "generator": "limb_orthosis",
    "sides": ["left", "right"],
    "defaults": {"thickness_mm": 3.5, "clearance_mm": 3.0, "edge_mm": 1.5},
    "envelope": {
        "thickness_mm": [2.5, 6.0],
        "clearance_mm": [0.5, 8.0],
        "cover_deg": [150.0, 300.0],
        "gap_mm": [5.0, 30.0],
        "proximal_lean_deg": [-30.0, 30.0],
        "distal_lean_deg": [-30.0, 30.0],
        "hole_mm": [0.0, 14.0],
        "hole_pitch_mm": [14.0, 60.0],
        "strap_mm": [15.0, 50.0],
        "relief_height_mm": [0.5, 5.0],
        "edge_mm": [1.0, 3.0],
        "minimum_wall_mm": [1.5, 4.0],
    },
    "limits": {"thickness_error_p99_mm": [None, 0.3], "fit_error_p99_mm": [None, 1.0]},
}

MASTERS.add(
    "limb_orthosis",
    MasterDefinition(
        code="limb_orthosis",
        title="Limb orthosis shell",
        field=DeviceField.ORTHOPAEDIC,
        intended_use=IntendedUse.CLINICAL,
        pathway="Custom-made orthosis on intact skin: class I, rule 1; on a wound rule 4 applies; to be signed by RA.",
        contact_category="intact_skin",
        imaging=IMAGING,
        segmentation=SCAN,
        design=DESIGN,
        materials=("resin-orthosis-01",),
        process="vat_photopolymerisation",
        routing=ROUTING,
        inspection=INSPECTION,
        label={"text": "Limb orthosis", "notice": "Non-sterile: clean before use; on intact skin only"},
        packaging={"scheme": "internal", "levels": {"carton": {}}},
    ),
)
