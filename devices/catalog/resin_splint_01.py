"""A resin for splints: clear, tough, qualified for contact with mucosa."""

from __future__ import annotations

from devices.catalog.base import MATERIALS, MaterialDefinition

MATERIALS.add(
    "resin-splint-01",
    MaterialDefinition(
        code="resin-splint-01",
        name="Dental splint resin, clear",
        process="vat_photopolymerisation",
        minimum_wall_mm=1.0,
        density_g_per_ml=1.19,
        contact_category="mucosa",
        required_results=(
            {"characteristic": "viscosity", "unit": "mPa·s", "minimum": 600.0, "maximum": 1500.0},
        ),
    ),
)
