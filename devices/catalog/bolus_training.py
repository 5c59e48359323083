"""The bolus for training: older scans and research-only tools are allowed, and no beam passes it to a patient. A physicist signs it all the same."""

from __future__ import annotations

from devices.catalog.base import MASTERS, MasterDefinition
from devices.catalog.bolus import DESIGN, IMAGING, INSPECTION
from devices.catalog.cranial_guide_training import ROUTING
from devices.catalog.face_mask import SCAN
from devices.choices import DeviceField, IntendedUse

MASTERS.add(
    "bolus_training",
    MasterDefinition(
        code="bolus_training",
        title="Radiotherapy bolus, training",
        field=DeviceField.DERMATOLOGY,
        intended_use=IntendedUse.TRAINING,
        pathway="Training object, not a medical device: not for clinical use.",
        contact_category="none",
        imaging={**IMAGING, "max_image_age_days": None},
        segmentation=SCAN,
        design=DESIGN,
        materials=("resin-bolus-01",),
        process="vat_photopolymerisation",
        routing=ROUTING,
        inspection=INSPECTION,
        label={"text": "Radiotherapy bolus, training", "notice": "Not for clinical use"},
        packaging={"scheme": "internal", "levels": {"carton": {}}},
    ),
)
