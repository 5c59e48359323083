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
        design=DESIGN,
        materials=("resin-guide-01",),
        process="vat_photopolymerisation",
        routing=ROUTING,
        inspection=INSPECTION,
        label={"text": "Cranial drill guide, training", "notice": "Not for clinical use"},
        packaging={"scheme": "internal", "levels": {"carton": {}}},
    ),
)
