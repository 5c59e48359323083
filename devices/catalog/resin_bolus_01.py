"""A soft resin for radiotherapy boluses. Its cured density stands in for tissue in the dose plan, so every lot's certificate shows it."""

from __future__ import annotations

from devices.catalog.base import MATERIALS, MaterialDefinition

MATERIALS.add(
    "resin-bolus-01",
    MaterialDefinition(
        code="resin-bolus-01",
        name="Bolus resin, soft, water-equivalent",
        process="vat_photopolymerisation",
        minimum_wall_mm=1.2,
        density_g_per_ml=1.07,
        contact_category="intact_skin",
        required_results=(
            {"characteristic": "viscosity", "unit": "mPa·s", "minimum": 600.0, "maximum": 3000.0},
            {"characteristic": "cured density", "unit": "g/mL", "minimum": 1.03, "maximum": 1.11},
        ),
    ),
)
