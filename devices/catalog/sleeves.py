"""Drill sleeves that a plan may choose, with the drills they guide. They are data of the sleeves' maker."""

from __future__ import annotations

from devices.planning.instruments import SLEEVES, Sleeve

# The drill runs in 0.1 mm of play; the printed seat is made 0.1 mm wider than the sleeve and reamed to fit.
for _drill, _outer, _height in ((2.5, 4.5, 12.0), (2.7, 5.0, 14.0), (3.2, 5.5, 15.0)):
    _id = f"sleeve-{_drill:g}-{_height:g}"
    SLEEVES.add(
        _id,
        Sleeve(
            id=_id,
            title=f"Sleeve for a drill of {_drill:g} mm, {_height:g} mm high",
            drill_diameter_mm=_drill,
            inner_diameter_mm=round(_drill + 0.1, 6),
            outer_diameter_mm=_outer,
            height_mm=_height,
            fit_mm=0.1,
        ),
    )
