"""A scleral shell from the scan of an impression of the eye.

Limits after 8.2 of the regulatory presets (oph.prosthesis): surface within 0.2 mm, an edge rounded all the way; the eye is scanned anew after
180 days. The preset asks for an edge radius of 1 mm, which a shell of 2 mm and more has; a thinner one is rounded to half of its thickness.
They are starting values, to be replaced by the site's own validation. Residual monomer is the hazard of an acrylic on the conjunctiva: every
lot's certificate limits it, and the routing extracts it.
"""

from __future__ import annotations

from typing import Any

from devices.catalog.base import MASTERS, MasterDefinition
from devices.catalog.cranial_guide import INSPECTION as GUIDE_INSPECTION
from devices.catalog.face_mask import IMAGING as FACE_IMAGING
from devices.catalog.face_mask import SCAN
from devices.choices import DeviceField, IntendedUse

EYE: dict[str, Any] = {
    "min_extent_mm": [16.0, 14.0, 3.0],
    "max_extent_mm": [60.0, 50.0, 35.0],
    "max_edge_mm": 0.6,
    "patient_axes": False,
}
"""The front of an eye, alone or with the tray of its impression."""
IMAGING: dict[str, Any] = {**FACE_IMAGING, "max_image_age_days": 180, "surface": EYE}
DESIGN: dict[str, Any] = {
    "generator": "scleral_shell",
    "sides": ["left", "right"],
    "defaults": {
        "thickness_mm": 1.5,
        "edge_mm": 0.7,
        "diameter_mm": 20.0,
        "vault_mm": 0.3,
        "landing_mm": 0.05,
    },
    "envelope": {
        "diameter_mm": [14.0, 24.0],
        "thickness_mm": [0.9, 3.0],
        "optic_mm": [6.0, 12.0],
        "vault_mm": [0.1, 0.8],
        "landing_from_mm": [10.0, 18.0],
        "landing_mm": [0.0, 0.2],
        "edge_mm": [0.4, 1.5],
        "minimum_wall_mm": [0.8, 4.0],
    },
    "limits": {"thickness_error_p99_mm": [None, 0.2], "fit_error_p99_mm": [None, 0.2]},
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
    {
        "step": "rinse",
        "title": "Wash again, to draw monomer out",
        "limits": {"duration_min": [3.0, 10.0], "concentration_percent": [90.0, 100.0]},
    },
)
INSPECTION: dict[str, Any] = {
    **GUIDE_INSPECTION,
    "tolerance_mm": 0.2,
    "maximum_p95_mm": 0.2,
    "maximum_mm": 0.4,
}

MASTERS.add(
    "scleral_shell",
    MasterDefinition(
        code="scleral_shell",
        title="Scleral shell",
        field=DeviceField.OPHTHALMIC,
        intended_use=IntendedUse.CLINICAL,
        pathway="Custom-made shell on the conjunctiva, above 30 d: class IIa or IIb, rule 5, sources not conclusive; to be signed by RA.",
        contact_category="mucosa",
        imaging=IMAGING,
        segmentation=SCAN,
        design=DESIGN,
        materials=("resin-eye-01",),
        process="vat_photopolymerisation",
        routing=ROUTING,
        inspection=INSPECTION,
        label={"text": "Scleral shell", "notice": "Non-sterile: disinfect before use"},
        packaging={"scheme": "internal", "levels": {"carton": {}}},
    ),
)
