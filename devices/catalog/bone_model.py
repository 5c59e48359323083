"""A model of one bone to bend a stock plate on, before an operation. Not a medical device: it goes no nearer to the patient than the bench.

Limits after 8.2 of the regulatory presets (`ortho.guide`): CT slices of 1.25 mm at most, images not older than 180 days, the bone's surface
within 0.5 mm on average; the side is checked. A site that sterilises such models, or lets more rest on them, makes a device master of its own.
"""

from __future__ import annotations

from typing import Any

from devices.catalog.anatomical_model import INSPECTION
from devices.catalog.base import MASTERS, MasterDefinition
from devices.catalog.cranial_guide import ROUTING, SEGMENTATION
from devices.choices import DeviceField, IntendedUse

DESIGN: dict[str, Any] = {
    "generator": "bone_model",
    "sides": ["left", "right"],
    "diagnostic_use": False,
    "prescriber_approves": True,
    "defaults": {"minimum_part_ml": 1.0},
    "envelope": {"letter_height_mm": [3.0, 12.0], "letter_depth_mm": [0.4, 1.5]},
    "limits": {"deviation_p95_mm": [None, 0.3]},
    "external_cad": {"limits": {"solids": [1, 1], "longest_mm": [10.0, 550.0]}},
}

MASTERS.add(
    "bone_model",
    MasterDefinition(
        code="bone_model",
        title="Model of one bone, to bend a plate on",
        field=DeviceField.ORTHOPAEDIC,
        intended_use=IntendedUse.MODEL,
        pathway="Anatomical model without a device claim: a stock plate is bent on it outside the sterile field; to be signed by RA.",
        contact_category="none",
        imaging={
            "max_slice_spacing_mm": 1.25,
            "max_slice_thickness_mm": 1.25,
            "max_pixel_spacing_mm": 1.0,
            "max_tilt_degrees": 30.0,
            "max_image_age_days": 180,
        },
        segmentation=SEGMENTATION,
        design=DESIGN,
        materials=("resin-anatomy-01",),
        process="vat_photopolymerisation",
        routing=ROUTING,
        inspection=INSPECTION,
        label={
            "text": "Bone model, for bending plates",
            "notice": "Not a medical device. Not for implantation. Not for diagnosis.",
        },
        packaging={"scheme": "internal", "levels": {"carton": {}}},
    ),
)
