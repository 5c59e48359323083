"""A resin for spectacle frames: tough, for it is sprung open every day, and qualified for contact with intact skin."""

from __future__ import annotations

from devices.catalog.base import MATERIALS, MaterialDefinition

MATERIALS.add(
    "resin-frame-01",
    MaterialDefinition(
        code="resin-frame-01",
        name="Tough frame resin",
        process="vat_photopolymerisation",
        minimum_wall_mm=1.0,
        density_g_per_ml=1.16,
        contact_category="intact_skin",
        required_results=(
            {"characteristic": "viscosity", "unit": "mPa·s", "minimum": 600.0, "maximum": 3000.0},
            {"characteristic": "elongation at break", "unit": "%", "minimum": 10.0, "maximum": None},
        ),
    ),
)
