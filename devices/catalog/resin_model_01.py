"""A resin for dental models: stiff and exact, and never in contact with a patient."""

from __future__ import annotations

from devices.catalog.base import MATERIALS, MaterialDefinition

MATERIALS.add(
    "resin-model-01",
    MaterialDefinition(
        code="resin-model-01",
        name="Dental model resin",
        process="vat_photopolymerisation",
        minimum_wall_mm=0.8,
        density_g_per_ml=1.15,
        contact_category="none",
        required_results=(
            {"characteristic": "viscosity", "unit": "mPa·s", "minimum": 400.0, "maximum": 1000.0},
        ),
    ),
)
