"""The face mask for training: older scans and research-only tools are allowed, and nobody wears it."""

from __future__ import annotations

from devices.catalog.base import MASTERS, MasterDefinition
from devices.catalog.cranial_guide_training import ROUTING
from devices.catalog.face_mask import DESIGN, IMAGING, INSPECTION, SCAN
from devices.choices import DeviceField, IntendedUse

MASTERS.add(
    "face_mask_training",
    MasterDefinition(
        code="face_mask_training",
        title="Conformal face mask, training",
        field=DeviceField.DERMATOLOGY,
        intended_use=IntendedUse.TRAINING,
        pathway="Training object, not a medical device: not for clinical use.",
        contact_category="none",
        imaging={**IMAGING, "max_image_age_days": None},
        segmentation=SCAN,
        design=DESIGN,
        materials=("resin-skin-01",),
        process="vat_photopolymerisation",
        routing=ROUTING,
        inspection=INSPECTION,
        label={"text": "Conformal face mask, training", "notice": "Not for clinical use"},
        packaging={"scheme": "internal", "levels": {"carton": {}}},
    ),
)
