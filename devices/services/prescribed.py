"""What a prescription says that a design must keep to: the side, and the characteristics that are values of a design."""

from __future__ import annotations

from devices.choices import Side
from devices.models import DeviceMaster
from mes.exceptions import InvalidInput


def refuse_side(master: DeviceMaster, side: str) -> None:
    """Raises InvalidInput for a side that the master does not make, such as none of a guide that fits one place (G-LAT-01)."""
    allowed = master.design.get("sides", Side.values)
    if side in allowed:
        return
    raise InvalidInput(
        f"{master} is not made for the side '{Side(side).label.lower()}'.",
        cure=f"Choose one of: {', '.join(str(Side(one).label).lower() for one in allowed)}.",
        rule="G-LAT-01",
    )
