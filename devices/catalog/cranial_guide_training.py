"""The cranial guide for training: coarser images and research-only tools are allowed, and nobody may use it on a patient.

Its post-processing is an exercise in recording: the limits let a step of seconds pass, so that what is recorded in a
lesson is what was measured in it. They say nothing about what makes a part clean or hard.
"""

from __future__ import annotations

from typing import Any

from devices.catalog.base import MASTERS, MasterDefinition
from devices.catalog.cranial_guide import DESIGN, INSPECTION, SEGMENTATION
from devices.choices import DeviceField, IntendedUse

ROUTING: tuple[dict[str, Any], ...] = (
    {
        "step": "wash",
        "title": "Wash in isopropanol",
        "limits": {"duration_s": [0.1, 600.0], "concentration_percent": [90.0, 100.0]},
    },
    {
        "step": "cure",
        "title": "Post-cure under light",
        "limits": {"duration_s": [0.1, 3600.0], "temperature_c": [55.0, 65.0]},
    },
)

EXTERNAL_CAD: dict[str, Any] = {
    "values": ["tube_count", "tube_inner_diameter_mm", "tube_outer_diameter_mm", "tube_height_mm"],
    "bores": 4,
    "limits": {
        "solids": [1, 1],
        "longest_mm": [15.0, 120.0],
        "nearest_to_anatomy_mm": [None, 0.6],
        "inside_anatomy_mm": [None, 0.05],
    },
}
"""A guide that was drawn in another program: one piece on the bone and not in it, its bores where its designer says."""

MASTERS.add(
    "cranial_guide_training",
    MasterDefinition(
        code="cranial_guide_training",
        title="Cranial drill guide, training",
        field=DeviceField.CRANIAL,
        intended_use=IntendedUse.TRAINING,
        pathway="Training object, not a medical device: not for clinical use.",
        contact_category="none",
        imaging={
            "max_slice_spacing_mm": 3.0,
            "max_slice_thickness_mm": 3.0,
            "max_pixel_spacing_mm": 2.0,
            "max_tilt_degrees": 1.0,
            "max_image_age_days": None,
        },
        segmentation=SEGMENTATION,
        design={**DESIGN, "external_cad": EXTERNAL_CAD},
        materials=("resin-guide-01",),
        process="vat_photopolymerisation",
        routing=ROUTING,
        inspection=INSPECTION,
        label={"text": "Cranial drill guide, training", "notice": "Not for clinical use"},
        packaging={"scheme": "internal", "levels": {"carton": {}}},
    ),
)
