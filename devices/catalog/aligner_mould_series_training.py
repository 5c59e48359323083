"""The aligner mould series for training: research-only tools and coarser images are allowed, and no aligner of it is worn."""

from __future__ import annotations

from devices.catalog.aligner_mould_series import ARCH, DESIGN, SCAN
from devices.catalog.base import MASTERS, MasterDefinition
from devices.catalog.cranial_guide import INSPECTION
from devices.catalog.cranial_guide_training import ROUTING
from devices.choices import DeviceField, IntendedUse

MASTERS.add(
    "aligner_mould_series_training",
    MasterDefinition(
        code="aligner_mould_series_training",
        title="Aligner mould series, training",
        field=DeviceField.DENTAL,
        intended_use=IntendedUse.TRAINING,
        pathway="Training object, not a medical device: not for clinical use.",
        contact_category="none",
        imaging={
            "max_slice_spacing_mm": 3.0,
            "max_slice_thickness_mm": 3.0,
            "max_pixel_spacing_mm": 2.0,
            "max_tilt_degrees": 1.0,
            "max_image_age_days": None,
            "sources": ["volume", "surface"],
            "surface": {**ARCH, "max_edge_mm": 2.0},
        },
        segmentation=SCAN,
        design=DESIGN,
        materials=("resin-model-01",),
        process="vat_photopolymerisation",
        routing=ROUTING,
        inspection=INSPECTION,
        label={"text": "Aligner mould, training", "notice": "Not for clinical use"},
        packaging={"scheme": "internal", "levels": {"carton": {}}},
    ),
)
