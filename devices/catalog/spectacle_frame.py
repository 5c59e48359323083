"""The front of a spectacle frame, from an optical scan of the face.

The regulatory presets have no field for it: limits are starting values after the tolerances of ISO 12870 for frames (0.5 mm of box and
distance between lenses) and usual practice of fitting, to be replaced by the site's own validation. What must not happen: a lens that falls out, a
pupil beside its lens, a rim on brow, cheek or lashes, an uncured part on the skin.
"""

from __future__ import annotations

from typing import Any

from devices.catalog.base import MASTERS, MasterDefinition
from devices.catalog.face_mask import FACE, ROUTING, SCAN
from devices.catalog.face_mask import IMAGING as FACE_IMAGING
from devices.catalog.face_mask import INSPECTION as FACE_INSPECTION
from devices.choices import DeviceField, IntendedUse

IMAGING: dict[str, Any] = {**FACE_IMAGING, "max_image_age_days": 180, "surface": {**FACE, "max_edge_mm": 2.0}}
"""A face changes slowly where a frame rests on it. The bridge of a nose is lost between coarser triangles."""
DESIGN: dict[str, Any] = {
    "generator": "spectacle_frame",
    "sides": ["none"],
    "defaults": {"lens_width_mm": 48.0, "lens_height_mm": 36.0, "dbl_mm": 18.0, "vertex_mm": 13.0, "clearance_mm": 1.0},
    "envelope": {
        "lens_width_mm": [36.0, 60.0],
        "lens_height_mm": [24.0, 50.0],
        "dbl_mm": [12.0, 26.0],
        "base_curve_d": [2.0, 8.0],
        "vertex_mm": [10.0, 18.0],
        "pantoscopic_degrees": [0.0, 15.0],
        "face_form_degrees": [0.0, 15.0],
        "rim_mm": [2.5, 8.0],
        "depth_mm": [3.5, 7.0],
        "groove_mm": [0.6, 1.2],
        "clearance_mm": [0.5, 4.0],
        "lash_clearance_mm": [6.0, 14.0],
        "pad_gap_mm": [0.0, 0.5],
        "minimum_wall_mm": [1.0, 3.0],
    },
    "limits": {
        "box_error_mm": [None, 0.1],
        "groove_error_mm": [None, 0.1],
        "pad_fit_error_p99_mm": [None, 0.15],
        "pupil_inset_right_mm": [-2.0, 6.0],
        "pupil_inset_left_mm": [-2.0, 6.0],
    },
}  # fmt: skip
INSPECTION: dict[str, Any] = {
    **FACE_INSPECTION,
    "tolerance_mm": 0.3,
    "maximum_p95_mm": 0.3,
    "maximum_mm": 0.6,
}

MASTERS.add(
    "spectacle_frame",
    MasterDefinition(
        code="spectacle_frame",
        title="Spectacle frame, front",
        field=DeviceField.OPHTHALMIC,
        intended_use=IntendedUse.CLINICAL,
        pathway="Custom-made spectacle frame on intact skin: class I, rule 1; to be signed by RA.",
        contact_category="intact_skin",
        imaging=IMAGING,
        segmentation=SCAN,
        design=DESIGN,
        materials=("resin-frame-01",),
        process="vat_photopolymerisation",
        routing=ROUTING,
        inspection=INSPECTION,
        label={"text": "Spectacle frame, front", "notice": "Non-sterile: clean before use. Fit hinges and temples before wearing"},
        packaging={"scheme": "internal", "levels": {"carton": {}}},
    ),
)  # fmt: skip
