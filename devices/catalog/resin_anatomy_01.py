"""A resin for models that nobody wears and nothing is made of: it is qualified for no contact with a patient."""

from __future__ import annotations

from devices.catalog.base import MATERIALS, MaterialDefinition

MATERIALS.add(
    "resin-anatomy-01",
    MaterialDefinition(
        code="resin-anatomy-01",
        name="Model resin, bone white",
        process="vat_photopolymerisation",
        minimum_wall_mm=0.8,
        density_g_per_ml=1.18,
        contact_category="none",
        required_results=(
            {"characteristic": "viscosity", "unit": "mPa·s", "minimum": 500.0, "maximum": 1500.0},
        ),
    ),
)
