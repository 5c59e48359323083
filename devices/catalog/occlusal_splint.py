"""An occlusal splint: a hard shell over one arch, flat where the other one meets it.

Limits after 8.2 of the regulatory presets (dental.denture/crown/aligner): the fit within 0.12 mm, occlusal surfaces and thickness within
0.1 mm. They are starting values, to be replaced by the site's own validation.
"""

from __future__ import annotations

from typing import Any

from devices.catalog.aligner_mould_series import IMAGING, INSPECTION, SCAN
from devices.catalog.base import MASTERS, MasterDefinition
from devices.choices import DeviceField, IntendedUse

DESIGN: dict[str, Any] = {
    "generator": "occlusal_splint",
    "plan": "marked_teeth",
    "sides": ["none"],
    "defaults": {"clearance_mm": 0.1, "thickness_mm": 2.0, "coverage_mm": 3.5},
    "envelope": {
        "clearance_mm": [0.05, 0.2],
        "thickness_mm": [1.5, 4.0],
        "coverage_mm": [2.0, 6.0],
        "minimum_wall_mm": [1.0, 4.0],
    },
}
ROUTING: tuple[dict[str, Any], ...] = (
    {
        "step": "wash",
        "title": "Wash in isopropanol",
        "limits": {"duration_min": [3.0, 10.0], "concentration_percent": [90.0, 100.0]},
    },
    {
        "step": "cure",
        "title": "Post-cure under light",
        "limits": {"duration_min": [30.0, 60.0], "temperature_c": [55.0, 65.0]},
    },
)

MASTERS.add(
    "occlusal_splint",
    MasterDefinition(
        code="occlusal_splint",
        title="Occlusal splint",
        field=DeviceField.DENTAL,
        intended_use=IntendedUse.CLINICAL,
        pathway="Custom-made splint, mucosal contact, cumulative above 30 d: class IIa, rule 5; to be signed by RA.",
        contact_category="mucosa",
        imaging=IMAGING,
        segmentation=SCAN,
        design=DESIGN,
        materials=("resin-splint-01",),
        process="vat_photopolymerisation",
        routing=ROUTING,
        inspection=INSPECTION,
        label={"text": "Occlusal splint", "notice": "Non-sterile: disinfect before use"},
        packaging={"scheme": "internal", "levels": {"carton": {}}},
    ),
)
