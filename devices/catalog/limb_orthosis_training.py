"""The limb orthosis for training: older scans and research-only tools are allowed, and nobody wears it."""

from __future__ import annotations

from devices.catalog.base import MASTERS, MasterDefinition
from devices.catalog.cranial_guide_training import ROUTING
from devices.catalog.face_mask import INSPECTION, SCAN
from devices.catalog.limb_orthosis import DESIGN, IMAGING
from devices.choices import DeviceField, IntendedUse

MASTERS.add(
    "limb_orthosis_training",
    MasterDefinition(
        code="limb_orthosis_training",
        title="Limb orthosis shell, training",
        field=DeviceField.ORTHOPAEDIC,
        intended_use=IntendedUse.TRAINING,
        pathway="Training object, not a medical device: not for clinical use.",
        contact_category="none",
        imaging={**IMAGING, "max_image_age_days": None},
        segmentation=SCAN,
        design=DESIGN,
        materials=("resin-orthosis-01",),
        process="vat_photopolymerisation",
        routing=ROUTING,
        inspection=INSPECTION,
        label={"text": "Limb orthosis shell, training", "notice": "Not for clinical use"},
        packaging={"scheme": "internal", "levels": {"carton": {}}},
    ),
)
