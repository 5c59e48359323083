"""A stent lattice in resin, for research and training on the bench. There is no clinical master: nobody may put one into a patient.

What a stent has to withstand, how it is crimped and how it opens, is no part of what is designed or inspected here.
"""

from __future__ import annotations

from typing import Any

from devices.catalog.base import MASTERS, MasterDefinition
from devices.catalog.cranial_guide_training import ROUTING
from devices.catalog.vessel_model import IMAGING, SEGMENTATION
from devices.choices import DeviceField, IntendedUse

DESIGN: dict[str, Any] = {
    "generator": "stent_lattice",
    "sides": ["none", "bilateral"],
    "defaults": {"strut_width_mm": 0.5, "strut_thickness_mm": 0.5},
    "envelope": {
        "rings": [1, 40],
        "crowns": [4, 16],
        "wave_mm": [1.0, 8.0],
        "gap_mm": [0.4, 4.0],
        "strut_width_mm": [0.35, 1.5],
        "strut_thickness_mm": [0.35, 1.5],
        "oversize_percent": [-10.0, 20.0],
    },
    "limits": {"radius_error_mm": [None, 0.05], "lumen_diameter_least_mm": [4.0, None]},
}
INSPECTION: dict[str, Any] = {
    "tolerance_mm": 0.2,
    "minimum_share": 0.95,
    "maximum_p95_mm": 0.2,
    "maximum_mm": 0.4,
    "minimum_coverage": 0.85,
    "minimum_feature_coverage": 0.95,
    "maximum_scale_error": 0.01,
}

MASTERS.add(
    "stent_lattice_training",
    MasterDefinition(
        code="stent_lattice_training",
        title="Stent lattice, research and training",
        field=DeviceField.CARDIAC,
        intended_use=IntendedUse.TRAINING,
        pathway="Research and training object, not a medical device: not for clinical use and not for implantation.",
        contact_category="none",
        imaging={**IMAGING, "max_image_age_days": None},
        segmentation=SEGMENTATION,
        design=DESIGN,
        materials=("resin-lattice-01",),
        process="vat_photopolymerisation",
        routing=ROUTING,
        inspection=INSPECTION,
        label={
            "text": "Stent lattice, research",
            "notice": "Not for clinical use. Not for implantation.",
        },
        packaging={"scheme": "internal", "levels": {"carton": {}}},
    ),
)
