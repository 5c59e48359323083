"""A resin for what is worn on whole skin: clear, tough, qualified for contact with it."""

from __future__ import annotations

from devices.catalog.base import MATERIALS, MaterialDefinition

MATERIALS.add(
    "resin-skin-01",
    MaterialDefinition(
        code="resin-skin-01",
        name="Skin contact resin, clear",
        process="vat_photopolymerisation",
        minimum_wall_mm=1.0,
        density_g_per_ml=1.17,
        contact_category="intact_skin",
        required_results=(
            {"characteristic": "viscosity", "unit": "mPa·s", "minimum": 600.0, "maximum": 1500.0},
        ),
    ),
)
