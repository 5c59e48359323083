"""A resin for models of vessels: clear and elastic, so that one sees a guide wire in the lumen and feels the wall give way."""

from __future__ import annotations

from devices.catalog.base import MATERIALS, MaterialDefinition

MATERIALS.add(
    "resin-vessel-01",
    MaterialDefinition(
        code="resin-vessel-01",
        name="Model resin, clear and elastic",
        process="vat_photopolymerisation",
        minimum_wall_mm=1.0,
        density_g_per_ml=1.11,
        contact_category="none",
        required_results=(
            {"characteristic": "viscosity", "unit": "mPa·s", "minimum": 800.0, "maximum": 4500.0},
        ),
    ),
)
