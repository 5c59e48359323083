"""The cranial guide for training: coarser images and research-only tools are allowed, and nobody may use it on a patient."""

from __future__ import annotations

from devices.catalog.base import MASTERS, MasterDefinition
from devices.catalog.cranial_guide import DESIGN, INSPECTION, ROUTING, SEGMENTATION
from devices.choices import DeviceField, IntendedUse

MASTERS.add(
    "cranial_guide_training",
    MasterDefinition(
        code="cranial_guide_training",
        title="Cranial drill guide, training",
        field=DeviceField.CRANIAL,
        intended_use=IntendedUse.TRAINING,
        pathway="Training object, not a medical device: not for clinical use.",
        contact_category="none",
        imaging={"max_slice_spacing_mm": 3.0, "max_tilt_degrees": 1.0, "max_image_age_days": None},
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
