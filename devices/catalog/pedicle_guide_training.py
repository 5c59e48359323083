"""The pedicle guide for training: coarser images and research-only tools are allowed, and nobody may use it on a patient."""

from __future__ import annotations

from devices.catalog.base import MASTERS, MasterDefinition
from devices.catalog.cranial_guide import SEGMENTATION
from devices.catalog.cranial_guide_training import ROUTING
from devices.catalog.pedicle_guide import DESIGN, INSPECTION
from devices.choices import DeviceField, IntendedUse

TRAINING = MasterDefinition(
    code="pedicle_guide_training",
    title="Pedicle drill guide, training",
    field=DeviceField.SPINE,
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
    design={**DESIGN, "envelope": {**DESIGN["envelope"], "detail_mm": [0.4, 1.0]}},
    materials=("resin-guide-01",),
    process="vat_photopolymerisation",
    routing=ROUTING,
    inspection=INSPECTION,
    label={"text": "Pedicle drill guide, training", "notice": "Not for clinical use"},
    packaging={"scheme": "internal", "levels": {"carton": {}}},
)
MASTERS.add(TRAINING.code, TRAINING)
