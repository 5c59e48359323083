"""A resin for fine lattices on the bench: stiff when cured, built in thin layers, qualified for no contact with a patient."""

from __future__ import annotations

from devices.catalog.base import MATERIALS, MaterialDefinition

MATERIALS.add(
    "resin-lattice-01",
    MaterialDefinition(
        code="resin-lattice-01",
        name="Lattice resin, rigid",
        process="vat_photopolymerisation",
        minimum_wall_mm=0.3,
        density_g_per_ml=1.20,
        contact_category="none",
        required_results=(
            {"characteristic": "viscosity", "unit": "mPa·s", "minimum": 200.0, "maximum": 900.0},
        ),
    ),
)
