"""A resin for scleral shells: clear, polished, qualified for contact with mucosa, as the conjunctiva is."""

from __future__ import annotations

from devices.catalog.base import MATERIALS, MaterialDefinition

MATERIALS.add(
    "resin-eye-01",
    MaterialDefinition(
        code="resin-eye-01",
        name="Ocular resin, clear",
        process="vat_photopolymerisation",
        minimum_wall_mm=0.8,
        density_g_per_ml=1.18,
        contact_category="mucosa",
        required_results=(
            {"characteristic": "viscosity", "unit": "mPa·s", "minimum": 400.0, "maximum": 1500.0},
            {"characteristic": "residual monomer", "unit": "%", "minimum": None, "maximum": 1.0},
        ),
    ),
)
