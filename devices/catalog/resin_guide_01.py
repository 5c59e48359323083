"""A biocompatible guide resin for vat photopolymerisation."""

from __future__ import annotations

from devices.catalog.base import MATERIALS, MaterialDefinition

MATERIALS.add(
    "resin-guide-01",
    MaterialDefinition(
        code="resin-guide-01",
        name="Surgical guide resin, transparent",
        process="vat_photopolymerisation",
        minimum_wall_mm=1.0,
        density_g_per_ml=1.18,
        contact_category="tissue_bone_24h",
        required_results=(
            {"characteristic": "viscosity", "unit": "mPa·s", "minimum": 600.0, "maximum": 1100.0},
        ),
    ),
)
