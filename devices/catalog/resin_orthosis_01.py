"""A resin for orthoses: tough, for what bends and is strapped, qualified for contact with whole skin."""

from __future__ import annotations

from devices.catalog.base import MATERIALS, MaterialDefinition

MATERIALS.add(
    "resin-orthosis-01",
    MaterialDefinition(
        code="resin-orthosis-01",
        name="Orthosis resin, tough",
        process="vat_photopolymerisation",
        minimum_wall_mm=1.5,
        density_g_per_ml=1.15,
        contact_category="intact_skin",
        required_results=(
            {"characteristic": "viscosity", "unit": "mPa·s", "minimum": 800.0, "maximum": 3500.0},
        ),
    ),
)
