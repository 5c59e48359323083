"""The spectacle frame for training: older scans and research-only tools are allowed, and nobody wears it."""

from __future__ import annotations

from devices.catalog.base import MASTERS, MasterDefinition
from devices.catalog.cranial_guide_training import ROUTING
from devices.catalog.face_mask import SCAN
from devices.catalog.spectacle_frame import DESIGN, IMAGING, INSPECTION
from devices.choices import DeviceField, IntendedUse

MASTERS.add(
    "spectacle_frame_training",
    MasterDefinition(
        code="spectacle_frame_training",
        title="Spectacle frame, front, training",
        field=DeviceField.OPHTHALMIC,
        intended_use=IntendedUse.TRAINING,
        pathway="Training object, not a medical device: not for clinical use.",
        contact_category="none",
        imaging={**IMAGING, "max_image_age_days": None},
        segmentation=SCAN,
        design=DESIGN,
        materials=("resin-frame-01",),
        process="vat_photopolymerisation",
        routing=ROUTING,
        inspection=INSPECTION,
        label={"text": "Spectacle frame, front, training", "notice": "Not for clinical use"},
        packaging={"scheme": "internal", "levels": {"carton": {}}},
    ),
)
